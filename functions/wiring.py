"""The one seam between triggers and core."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from shared.kernel import clock
from shared.kernel.clock import Clock
from shared.kernel.errors import StorageDown

if TYPE_CHECKING:
    from shared.bootstrap.core import Core

T = TypeVar("T")

PAUSE: Final = timedelta(seconds=1)  # after storage did not answer, however many calls come meanwhile

FIRST_WAIT: Final = 10.0  # seconds for the thread that makes the value; a build takes one or two

_given: Core | None = None


class FirstUse(Generic[T]):
    """A value that is made at its first use, by one of the threads that ask at once, and kept."""

    def __init__(self, make: Callable[[], T], now: Clock) -> None:
        self._make = make
        self._now = now
        self._lock = Lock()
        self._made: T | None = None
        self._failed: tuple[StorageDown, datetime] | None = None

    def get(self) -> T:
        """Raises what making it raises. StorageDown is told to all who ask within PAUSE; they do not try again."""
        if self._made is not None:
            return self._made
        if not self._lock.acquire(timeout=FIRST_WAIT):
            raise StorageDown("the app is still starting")
        try:
            if self._made is None:
                if self._failed is not None and self._now() - self._failed[1] < PAUSE:
                    raise StorageDown(self._failed[0].detail)
                try:
                    self._made = self._make()
                except StorageDown as exc:
                    self._failed = exc, self._now()
                    raise
            return self._made
        finally:
            self._lock.release()


def core() -> Core:
    """The core of this process, built at the first call, so that indexing never needs a secret.

    Raises ConfigError naming every setting that is missing or malformed, StorageDown; the former is not remembered
    and the latter for a second, so a repaired setting or storage works with the next call.
    """
    return _given or _default.get()


def use(replacement: Core | None) -> None:
    """For tests: answer from this core, or with None from the real one again."""
    global _given
    _given = replacement


def _build() -> Core:
    # Imported here, since Azure's SDKs take half a second that indexing should not wait for.
    from shared.app_settings.config import Config  # noqa: PLC0415
    from shared.bootstrap.core import build  # noqa: PLC0415

    return build(Config.from_env())


_default: Final = FirstUse(_build, clock.now)
