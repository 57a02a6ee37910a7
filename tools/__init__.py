"""Commands for operators and for whoever changes the code."""
