"""The widget on customers' websites: whose it is, where it may run, how often it may call."""
