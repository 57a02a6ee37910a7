"""Presence: what Teams says of every user, kept fresh, and what it means for a call."""
