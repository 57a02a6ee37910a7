"""Telling flows of events: registrations, the outbox, deliveries and their retries."""
