"""Users of ACS that this app makes: how long their tokens live, and how they are deleted when nobody needs them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, Protocol

from shared.kernel.acs_connection_string import ConnectionString, read_connection_string
from shared.kernel.clouds import CLOUDS
from shared.storage.secrets import SecretBox

Scope = Literal["voip.join", "chat.join.limited"]

# What a token of a session may do: join calls and chats. With "voip" or "chat" its holder could also start calls, to
# phone numbers too where the resource owns one, and add participants.
SCOPES: Final[tuple[Scope, ...]] = ("voip.join", "chat.join.limited")
LIFETIME: Final = timedelta(hours=1)  # of a token; the shortest ACS gives
KEPT: Final = timedelta(days=7)  # as long a user that cannot be deleted is tried again
LONGEST_PAUSE: Final = timedelta(hours=6)  # between two tries; 7 days hold about 35 of them
PATIENCE: Final = 5.0  # seconds for one deletion

# The texts were checked before they were sealed. Which cloud's they are does not matter any more.
_SUFFIXES: Final = tuple(suffix for cloud in CLOUDS.values() for suffix in cloud.acs_suffixes)


class Deletes(Protocol):
    """A resource of ACS."""

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        """Remove the user; one that is gone is no error. Raises Upstream. ``timeout`` in seconds."""


def opened(secrets: SecretBox, sealed: str, *, tenant: str, field: str) -> ConnectionString:
    """Raises Unreadable, or Refused if it never was one."""
    return read_connection_string(secrets.open(sealed, tenant=tenant, field=field), _SUFFIXES)


def pause_after(tries: int) -> timedelta:
    """2, 4, 8 ... minutes."""
    return min(timedelta(minutes=2 ** min(tries, 9)), LONGEST_PAUSE)
