"""The trunk: tenants, their settings, services and users. Features build on it; it builds on no feature."""
