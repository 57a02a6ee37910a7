"""Outbound tasks: models, life cycle, rows of storage. The other rooms of outbound stand on it."""
