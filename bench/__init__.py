"""Measures cold start and admission, each against a named bare equivalent. Start it with `python -m bench`."""
