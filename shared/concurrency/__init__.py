"""Threads, deadlines, retries, expiring caches and rate limits in the memory of a process."""
