"""What Microsoft has to allow: the catalogue, what a tenant needs of it, and what it granted."""
