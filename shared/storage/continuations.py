"""Where a list goes on, as a text that only says so to us.

The storage's keys hold UPNs and times, so a caller gets them sealed; a seal fits one list of one tenant.
"""

from __future__ import annotations

from typing import Final

from shared.kernel.errors import Invalid
from shared.storage.secrets import SecretBox, Unreadable

LONGEST: Final = 4096  # characters; a key of 1 KiB fits


class Continuations:
    """``place`` names a list: nothing given out for one opens for another."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def give(self, following: str | None, *, tenant_id: str, place: str) -> str | None:
        """The token for the key at which the next page starts, None at the end."""
        if following is None:
            return None
        return self._box.seal(following, tenant=tenant_id, field=_field(place))

    def take(self, token: str, *, tenant_id: str, place: str) -> str:
        """The key a token was given for. Raises Invalid."""
        try:
            if len(token) > LONGEST or not token.isascii():
                raise Unreadable("no token of ours looks like this")
            return self._box.open(token, tenant=tenant_id, field=_field(place))
        except Unreadable:
            raise Invalid.field("continuation", "is not one this list gave out") from None


def _field(place: str) -> str:
    return f"continuation of {place}"
