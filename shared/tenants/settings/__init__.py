"""The settings document of a tenant: reading, writing, what is effective."""
