"""The search of the Attendant Console over address books, directory and Exchange contacts."""
