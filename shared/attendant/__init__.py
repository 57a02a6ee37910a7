"""Attendant Console: which contacts an attendant finds, and within which bounds. For now the admin's filter."""
