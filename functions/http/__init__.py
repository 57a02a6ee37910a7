"""Machinery of the HTTP triggers: routes, requests, problems, the description of the API."""
