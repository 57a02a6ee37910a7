"""Microsoft Graph: users, groups, presence, meetings, grants, contacts."""
