"""Azure Communication Services for Interact: connection strings, their check, users and what is left of them."""
