"""Which agent gets an outbound task, and what agents do with it."""
