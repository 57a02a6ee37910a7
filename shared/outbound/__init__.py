"""Outbound tasks, which the connector calls scheduler entries: admitted, kept and (later) distributed."""
