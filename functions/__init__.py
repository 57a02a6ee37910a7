"""Triggers: the only home of azure.functions. Each translates a call and decides nothing."""
