"""Runs an Azure Functions Python app on this machine as the real host would.

A development tool: it serves one developer on 127.0.0.1 and promises nothing
about load, security or durability. In Azure the real host runs the same
`function_app.py` unchanged; where Azure Functions Core Tools are installed,
`func start` does too.
"""
