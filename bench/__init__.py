"""Measures cold start, admission and HTTP calls, each against something bare. Start it with `python -m bench`."""
