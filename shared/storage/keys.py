"""Keys of table rows from what people type."""

from __future__ import annotations

import re
from typing import Final

# Table keys forbid / \ # ? and control characters; % passes but is trouble in URLs. Guest UPNs hold #EXT#.
_UNSAFE: Final = re.compile(r"[^a-z0-9@._-]")


def key(text: str) -> str:
    """A row key part for a UPN, a GUID or a name: without case, and different for different texts.

    Unsafe characters become ``=`` and two hexadecimal digits per UTF-8 byte, so a reader of the table still
    recognizes the name.
    """
    return _UNSAFE.sub(_escape, text.casefold())


def prefix_end(prefix: str) -> str:
    """The smallest key behind all keys that start with ``prefix`` (for half-open ranges)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"={byte:02x}" for byte in match.group().encode("utf-8", "surrogatepass"))
