"""Conversations of website visitors: start, recovery, end."""
