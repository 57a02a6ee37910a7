"""The permissions of Microsoft Graph with the ids its service principal publishes them under."""

from __future__ import annotations

from typing import Any, Final

from simulator.state import stable_id

#: Name, id of the app role, id of the delegated scope; None where there is no such kind.
PERMISSIONS: Final[tuple[tuple[str, str | None, str | None], ...]] = (
    ("AppRoleAssignment.ReadWrite.All", "06b708a9-e830-4db3-a914-8e69da51d44f", "84bccea3-f856-4a8a-967b-dbe0a3d53a64"),
    ("Application.Read.All", "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "c79f8feb-a9db-4090-85f9-90d820caa0eb"),
    ("Application.ReadWrite.All", "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "bdfbf15f-ee85-4955-8675-146e8e5296b5"),
    ("Calendars.Read", "798ee544-9d2d-430c-a058-570e29e34338", "465a38f9-76ea-45b9-9f34-9e8b0d4b0b42"),
    ("Calendars.Read.Shared", None, "2b9c4092-424d-4249-948d-b43879977640"),
    ("Calls.AccessMedia.All", "a7a681dc-756e-4909-b988-f160edc6655f", None),
    ("Calls.Initiate.All", "284383ee-7f6e-4e40-a2a8-e85dcb029101", None),
    ("Calls.InitiateGroupCall.All", "4c277553-8a09-487b-8023-29ee378d8324", None),
    ("Calls.JoinGroupCall.All", "f6b49018-60ab-4f81-83bd-22caeabfed2d", None),
    ("Channel.ReadBasic.All", "59a6b24b-4225-4393-8165-ebaec5f55d7a", "9d8982ae-4365-4f57-95e9-d6032a4c0b87"),
    ("Contacts.Read", "089fe4d0-434a-44c5-8827-41ba8a0b17f5", "ff74d97f-43af-4b68-9f2a-b77ee6968c5d"),
    ("Contacts.Read.Shared", None, "242b9d9e-ed24-4d09-9a52-f43769beb9d4"),
    (
        "DelegatedPermissionGrant.Read.All",
        "81b4724a-58aa-41c1-8a55-84ef97466587",
        "a197cdc4-a8e8-4d49-9d35-4ca7c83887b4",
    ),
    (
        "DelegatedPermissionGrant.ReadWrite.All",
        "8e8e4742-1d95-4f68-9d56-6ee75648c72a",
        "41ce6ca6-6826-4807-84f1-1c82854f7ee5",
    ),
    ("Directory.Read.All", "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "06da0dbc-49e2-44d2-8312-53f166ab848a"),
    ("Domain.Read.All", "dbb9058a-0e50-45d7-ae91-66909b5d4664", "2f9ee017-59c1-4f1d-9472-bd5529a7b311"),
    ("Group.Read.All", "5b567255-7703-4780-807c-7be8301ae99b", "5f8c59db-677d-491f-a6b8-5f174b11ec1d"),
    ("GroupMember.Read.All", "98830695-27a2-44f7-8c18-0c3ebc9698f6", "bc024368-1153-4739-b217-4326f2e966d0"),
    ("GroupMember.ReadWrite.All", "dbaae8cf-10b5-4b86-a4a1-f871c94c6695", "f81125ac-d3b7-4573-a3b2-7099cc39df9e"),
    ("Mail.ReadWrite", "e2a3a72e-5f79-4c64-b1b1-878b674786c9", "024d486e-b451-40bb-833d-3e66d98c5c73"),
    ("Mail.Send", "b633e1c5-b582-4048-a93e-9f11b44c7e96", "e383f46e-2787-4529-855e-0e479a3ffac0"),
    ("OnlineMeetingArtifact.Read.All", "df01ed3b-eb61-4eca-9965-6b3d789751b2", "110e5abb-a10c-4b59-8b55-9b4daa4ef743"),
    ("OnlineMeetings.Read", None, "9be106e1-f4e3-4df5-bdff-e4bc531cbe43"),
    ("OnlineMeetings.Read.All", "c1684f21-1984-47fa-9d61-2dc8c296bb70", None),
    ("OnlineMeetings.ReadWrite", None, "a65f2972-a4f8-4f5e-afd7-69ccb046d5dc"),
    ("OnlineMeetings.ReadWrite.All", "b8bb2037-6e08-44ac-a4ea-4674e010e2a4", None),
    ("OrgContact.Read.All", "e1a88a34-94c4-4418-be12-c87b00e26bea", "08432d1b-5911-483c-86df-7980af5cdee0"),
    ("Organization.Read.All", "498476ce-e0fe-48b0-b801-37ba7e2685c6", "4908d5b9-3fb2-4b1e-9336-1888b7937185"),
    ("People.Read", None, "ba47897c-39ec-4d83-8086-ee8256fa737d"),
    ("Presence.Read", None, "76bc735e-aecd-4a1d-8b4c-2b915deabb79"),
    ("Presence.Read.All", "a70e0c2d-e793-494c-94c4-118fa0a67f42", "9c7a330d-35b3-4aa1-963d-cb2b9f927841"),
    ("Presence.ReadWrite", None, "8d3c54a7-cf58-4773-bf81-c0cd6ad522bb"),
    ("Presence.ReadWrite.All", "83cded22-8297-4ff6-a7fa-e97e9545a259", None),
    ("Team.ReadBasic.All", "2280dda6-0bfd-44ee-a2f4-cb867cfc4c1e", "485be79e-c497-4b35-9400-0e3fa7f2a5d4"),
    ("TeamMember.Read.All", "660b7406-55f1-41ca-a0ed-0b035e182f3e", "2497278c-d82d-46a2-b1ce-39d4cdde5570"),
    ("User-Phone.ReadWrite.All", "86ceff06-c822-49ff-989a-d912845ffe69", "e29d5979-5b06-4a7f-ae24-6a9348d2e1ff"),
    ("User.Invite.All", "09850681-111b-4a89-9bed-3f2cae46d706", "63dd7cd9-b489-4adf-a28c-ac38b9a0f962"),
    ("User.Read", None, "e1fe6dd8-ba31-4d61-89e7-88639da4683d"),
    ("User.Read.All", "df021288-bdef-4463-88db-98f22de89214", "a154be20-db9c-4678-8ab7-66f6cc099a59"),
    ("User.ReadBasic.All", "97235f07-e226-4f63-ace3-39588e11d3a1", "b340eb25-3456-403f-be2f-af7a0d370277"),
    ("User.ReadWrite.All", "741f803b-c850-494e-b5df-cde7c675a1ca", "204e0828-b5ca-4ad8-b9f3-f32a958e7cc4"),
    ("email", None, "64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0"),
    ("offline_access", None, "7427e0e9-2fba-42fe-b0c0-848c9e6a8182"),
    ("openid", None, "37f7f235-527c-4136-accd-4a02d197296e"),
    ("profile", None, "14dad69e-099b-42c9-810b-d002981feec1"),
)
#: Communication Services, the other resource whose delegated scopes apps are granted, with their ids.
ACS_APP: Final = "1fd5118e-2576-4263-8130-9503064c837a"
ACS_SCOPES: Final = {
    "Teams.ManageCalls": "de8ec1df-066a-4817-bc5d-9a985b986262",
    "Teams.ManageChats": "6290af7f-b407-49f9-92d5-bf584fdc4019",
}
_ROLE_IDS: Final = {name: role for name, role, _ in PERMISSIONS if role}


def app_role_id(name: str) -> str:
    """The id of an app role; a made-up but stable one for a role that is not in the table."""
    return _ROLE_IDS.get(name) or stable_id("app role", name)


def role_name(role_id: str) -> str | None:
    """The app role of Graph with that id."""
    return next((name for name, role in _ROLE_IDS.items() if role == role_id.lower()), None)


def app_roles() -> list[dict[str, Any]]:
    """The `appRoles` of Graph's service principal."""
    kind = {"allowedMemberTypes": ["Application"], "isEnabled": True, "origin": "Application"}
    return [{"id": role, "value": name, "displayName": name, **kind} for name, role, _ in PERMISSIONS if role]


def scopes() -> list[dict[str, Any]]:
    """The `oauth2PermissionScopes` of Graph's service principal."""
    return _scopes({name: scope for name, _, scope in PERMISSIONS if scope})


def acs_scopes() -> list[dict[str, Any]]:
    """Those of Communication Services."""
    return _scopes(ACS_SCOPES)


def _scopes(ids: dict[str, str]) -> list[dict[str, Any]]:
    kind = {"isEnabled": True, "type": "Admin"}
    return [{"id": scope, "value": name, "adminConsentDisplayName": name, **kind} for name, scope in ids.items()]
