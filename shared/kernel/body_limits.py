"""How large the body of a request may be, in bytes: for the app, and for the host in front of it."""

from __future__ import annotations

from typing import Final

BODY_LIMIT: Final = 256 * 1024
# A visitor has no account, and sends an id or two.
VISITOR_BODY_LIMIT: Final = 8 * 1024

HOST_SETTING: Final = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
HOST_DEFAULT: Final = 104_857_600  # of the Functions host: 100 MB
# The host reads a body whole before the app is called, and tells of its own refusal with an empty 413. Four times what
# the app takes: a body that is somewhat too large still gets a problem that names the limit, in the order of refusals,
# and 64 threads with the largest body hold 64 MiB at once instead of 6.4 GB.
HOST_RECOMMENDED: Final = 1_048_576


def host_limit_warning(limit: int) -> str:
    """Returns what to set where the host's limit is larger than it needs to be, else an empty text."""
    if limit <= HOST_RECOMMENDED:
        return ""
    return f"{HOST_SETTING}: the host reads bodies of up to {limit:,} bytes; set it to {HOST_RECOMMENDED}"
