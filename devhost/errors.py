"""What stops a run before it starts."""


class CannotStart(Exception):
    """One clear sentence for the person at the terminal; exit code 2, no traceback."""


class IndexingError(Exception):
    """The function app asks for something the real host would refuse, or this one cannot do."""
