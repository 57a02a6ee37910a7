"""Polling presence: blocks of users, fallback from one account to the other."""
