"""Which callback URLs we are ready to call. Pure.

Whoever may register a hook chooses where our requests go, so this is the guard against server-side request forgery.
What is not plainly written is refused rather than understood: no two readers of such a URL can then differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_LENGTH: Final = 2048  # characters; those of flows have 300 to 700

# Labels as in DNS, two at least. The last one has letters only, so no address of any spelling (127.1, 0x7f.1) fits.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"(?:{_LABEL}\.)+[a-z]{{2,63}}"
# The characters of RFC 3986; anything else has to come percent-encoded.
_PLAIN: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(rf"(?i:https)://([^/?#]*)(/{_PLAIN}*)?(?:\?((?:{_PLAIN}|\?)*))?")
_AUTHORITY: Final = re.compile(rf"({_HOST})(?::443)?")


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """``url`` is a secret: it holds a signature, in its query or in its path."""

    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The host and the first segment of the path."""
        return shortened(self.url)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of SHA-256 that tell two URLs apart and may be shown."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]


class UrlRefused(Exception):
    """``detail`` is one sentence without the URL, ``code`` tells machines what is wrong."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_callback_url(text: str, allowed: Sequence[str]) -> CallbackUrl:
    """The URL with its host in lower case and without the port. Raises UrlRefused.

    ``allowed`` holds hosts, which stand for themselves and all below them, and suffixes with a leading dot, which
    stand for what is below only.
    """
    if len(text) > MAX_LENGTH:
        raise UrlRefused("TooLong", f"has more than {MAX_LENGTH} characters")
    # Some characters beyond ASCII become letters of ASCII when they are put into lower case.
    parts = _URL.fullmatch(text) if text.isascii() else None
    if parts is None:
        raise UrlRefused("UrlNotAllowed", "is not a plain https:// URL without fragment, spaces and control characters")
    authority = _AUTHORITY.fullmatch(parts[1].lower())
    if authority is None or len(authority[1]) > 253:
        raise UrlRefused("UrlNotAllowed", "names no plain host: no user, no address, no port but 443, no final dot")
    host = authority[1]
    if any(label.startswith("xn--") for label in host.split(".")) or not _is_allowed(host, allowed):
        raise UrlRefused("HostNotAllowed", "leads to a host that callbacks may not go to")
    path = parts[2] or "/"
    return CallbackUrl(f"https://{host}{path}" if parts[3] is None else f"https://{host}{path}?{parts[3]}")


def shortened(url: str) -> str:
    """Returns what may be shown of a URL that was read before; of one that is short already, the same."""
    return "/".join(url.partition("?")[0].split("/")[:4])


def _is_allowed(host: str, allowed: Sequence[str]) -> bool:
    suffixes = [suffix.lower().strip() for suffix in allowed]
    return any(
        host.endswith(suffix if suffix.startswith(".") else f".{suffix}") or host == suffix
        for suffix in suffixes
        if suffix.strip(".")
    )
