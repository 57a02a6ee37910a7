"""Sessions to the outside world: the gateway, time limits, what an upstream answer means."""
