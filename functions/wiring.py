"""The one seam between triggers and core."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.bootstrap.core import Core

_given: Core | None = None


def core() -> Core:
    """The core of this process, built at the first call, so that indexing never needs a secret.

    Raises ConfigError naming every setting that is missing or malformed, StorageDown; neither is remembered,
    so a repaired setting or storage works with the next call.
    """
    return _given or _default()


def use(replacement: Core | None) -> None:
    """For tests: answer from this core, or with None from the real one again."""
    global _given
    _given = replacement


_building = Lock()


def _default() -> Core:
    with _building:  # the first calls of an instance come at once; one of them builds
        return _build()


@cache
def _build() -> Core:
    # Imported here, since Azure's SDKs take half a second that indexing should not wait for.
    from shared.bootstrap.core import build  # noqa: PLC0415
    from shared.config import Config  # noqa: PLC0415

    return build(Config.from_env())
