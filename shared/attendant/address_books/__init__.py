"""Contacts that a tenant keeps here: books, packed rows, the index their text is searched in."""
