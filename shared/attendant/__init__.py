"""Attendant Console: whom an attendant finds and sees, and within which bounds. Address books are kept here too."""
