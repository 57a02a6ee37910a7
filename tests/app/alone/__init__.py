"""Tests that break the stack they run on, or run it their own way: each starts one for itself."""
