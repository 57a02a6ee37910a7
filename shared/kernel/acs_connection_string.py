"""Connection strings of Azure Communication Services: the one form that is taken, and why another is not.

This is the guard against server-side request forgery. An endpoint is read here or not at all, and the host that
comes out is an ASCII DNS name below a suffix of Microsoft's, so that nothing is ever sent anywhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from shared.kernel.errors import Invalid
from shared.kernel.wire import is_host_name

Flaw = Literal["InvalidConnectionString", "HostNotAllowed"]

LONGEST: Final = 1024  # characters; the portal's strings have about 150
_PARTS: Final = ("endpoint", "accesskey")


class Refused(Invalid):
    """Not a connection string of ours: one finding without a path. No text in it comes from the string.

    ``code`` is HostNotAllowed where the form is right and the host is somebody else's, else
    InvalidConnectionString.
    """

    def __init__(self, code: Flaw, why: str) -> None:
        super().__init__(Invalid.field("", why, code).findings, why, code=code)


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """A resource and its access key. ``host`` is in lower case, ``access_key`` is base64."""

    host: str
    access_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        return f"https://{self.host}"

    @property
    def text(self) -> str:
        """The canonical form. A secret."""
        return f"endpoint={self.endpoint}/;accesskey={self.access_key}"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell two strings apart and may be shown.

        A plain hash will do: a key of ACS is 512 random bits, which nobody finds by trying.
        """
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def read_connection_string(text: str, suffixes: Collection[str]) -> ConnectionString:
    """Read ``endpoint=https://HOST/;accesskey=BASE64``; parts in any order, their names in any case.

    HOST must have at least one label before one of ``suffixes`` (lower case, with a leading dot). Raises Refused
    and, whatever the text is, nothing else.
    """
    if len(text) > LONGEST:
        _refuse(f"the connection string is longer than {LONGEST} characters")
    if not text.isascii() or not text.isprintable() or " " in text:
        _refuse("the connection string holds white space, control characters or letters outside of ASCII")
    parts = _parts(text)
    host = _host(parts["endpoint"])
    _check_key(parts["accesskey"])
    if not any(host.endswith(suffix) and host != suffix for suffix in suffixes):
        raise Refused(
            "HostNotAllowed",
            "the endpoint is not a resource of Azure Communication Services, "
            f"whose names end in {' or '.join(sorted(suffixes))}",
        )
    return ConnectionString(host, parts["accesskey"])


def _parts(text: str) -> dict[str, str]:
    """Values by name in lower case: both parts, once each, and nothing beside them."""
    parts: dict[str, str] = {}
    for part in text.removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        name = name.lower()
        if not equals or name not in _PARTS:
            _refuse("the connection string is not of the form endpoint=https://HOST/;accesskey=KEY")
        if name in parts:
            _refuse(f"the connection string names its {name} twice")
        parts[name] = value
    for name in _PARTS:
        if name not in parts:
            _refuse(f"the connection string has no {name}")
    return parts


def _host(endpoint: str) -> str:
    scheme, slashes, rest = endpoint.lower().partition("://")
    if not slashes or scheme != "https":
        _refuse("the endpoint does not start with https://")
    host = rest.removesuffix("/")
    for mark, what in (("@", "a user"), ("?", "a query"), ("#", "a fragment"), ("\\", "a backslash"), ("/", "a path")):
        if mark in host:
            _refuse(f"the endpoint holds {what}")
    if re.search(r":[0-9]*$", host) and "[" not in host:
        _refuse("the endpoint holds a port")
    if not is_host_name(host):
        _refuse("the endpoint does not name a host: letters, digits and hyphens between dots")
    return host


def _check_key(key: str) -> None:
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    # Decoders pass over stray bits and padding; only the text that encoding gives is the key itself.
    if not decoded or base64.b64encode(decoded).decode() != key:
        _refuse("the access key is not base64")


def _refuse(why: str) -> NoReturn:
    raise Refused("InvalidConnectionString", why)
