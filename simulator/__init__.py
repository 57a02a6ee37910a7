"""The Microsoft cloud on loopback: Entra, Graph, ACS and a webhook catcher, for local runs and tests."""
