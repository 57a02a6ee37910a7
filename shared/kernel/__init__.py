"""Ground that every room stands on: errors, clock, log, callers, wire models. Knows no other room."""
