"""One Communication Services resource as the control API describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

STATES: Final = ("ok", "denied", "forbidden", "throttled", "hang", "drop", "garbage")


@dataclass
class AcsResource:
    """A host with its access key (base64) and the mood it is in, one of STATES."""

    host: str
    access_key: str
    state: str = "ok"
    #: Identities that were deleted. Living ones need no list: their id names the resource.
    deleted: set[str] = field(default_factory=set)
    #: Identities whose tokens were revoked, with the number of times.
    revoked: dict[str, int] = field(default_factory=dict)
    created: int = 0
