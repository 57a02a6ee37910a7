"""Customers of a website who reach agents in Teams: their connection to Azure Communication Services."""
