"""The keys Entra signs access tokens with: one common set per cloud, kept in this process.

age of the set   0 ............ 1 h .................... 24 h
known key id     answered       fetch, else the old set   fetch or raise
unknown key id   one fetch per 30 s, whatever the tokens claim; else None

How soon a new key is accepted. Count from the moment when Entra publishes it and can be reached. Any fetch that starts
later brings the key. The last one before, be it for a made-up id or one that failed, started at most now, so the next
may start in 30 s at the latest: the first token with an unknown id, made up or not, causes it. It takes up to 10 s, so
every token sent 40 s after that moment finds the key. The promise is 60 s.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from shared.http.upstream_answers import json_of, reaching
from shared.kernel import log
from shared.kernel.clock import Clock
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Unreachable

FRESH: Final = timedelta(hours=1)
LAST_RESORT: Final = timedelta(hours=24)
BETWEEN_UNKNOWN: Final = timedelta(seconds=30)  # from start to start
# A failed fetch may have cost a caller 10 s. With an old set in hand there is no hurry to pay again;
# without one nobody can be let in, so try soon.
REST_WITH_OLD_SET: Final = timedelta(seconds=30)  # from the start of the fetch, like BETWEEN_UNKNOWN
REST_WITHOUT: Final = timedelta(seconds=5)  # from its end
# Long enough for a usual fetch, so that of several callers with a new key none is refused. While Entra hangs, made-up
# ids hold a thread no longer than this.
WAIT: Final = 0.3  # seconds
MOST_WAITING: Final = 8
FIRST_WAIT: Final = 3.0  # seconds for the first set of a process; then a call is refused, so that threads come free
LEAST_BITS: Final = 2048  # RFC 7518, 3.3


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and whose tokens it may sign: an issuer, or a template of one with ``{tenantid}``."""

    public: RSAPublicKey
    issuer: str | None


@dataclass(frozen=True, slots=True)
class _KeySet:
    keys: Mapping[str, SigningKey]
    since: datetime


class SigningKeys:
    """Safe to share between threads. One fetch at a time: others use the set there is, and wait only without one."""

    def __init__(
        self,
        session: requests.Session,
        cloud: Cloud,
        clock: Clock,
        *,
        wait: float = WAIT,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        """``wait`` is how many seconds a call with an unknown id waits for the fetch of another one, ``first_wait`` how
        many any call waits for the first set of the process.
        """
        self._first_wait = first_wait
        self._wait = wait
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._session = session
        self._url = f"{cloud.login}/common/discovery/v2.0/keys"
        self._clock = clock
        self._fetching = threading.Lock()
        self._held: _KeySet | None = None
        self._failure: Unreachable | Broken | None = None
        self._rest_until = self._next_for_unknown = clock()

    def find(self, kid: str) -> SigningKey | None:
        """The key with this id, None if Entra has none. Raises Unreachable or Broken if no set is at hand."""
        held = self._current()
        if kid not in held.keys and self._may_fetch():
            try:
                held = self._newer(held)
            finally:
                self._fetching.release()
        return held.keys.get(kid)

    def _may_fetch(self) -> bool:
        """Takes the lock, after a short wait for another fetch. Few may wait: made-up ids must not hold all threads."""
        if self._fetching.acquire(blocking=False):
            return True
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._fetching.acquire(timeout=self._wait)
        finally:
            self._waiting.release()

    def probe(self) -> None:
        """Raises Unreachable or Broken if no key set is at hand."""
        self._current()

    def _current(self) -> _KeySet:
        held = self._held
        if held is not None and self._age(held) < FRESH:
            return held
        old = held if held is not None and self._age(held) < LAST_RESORT else None
        if not self._fetching.acquire(timeout=self._first_wait if old is None else 0):
            if old is None:
                raise Unreachable("Entra's signing keys are not here yet")
            return old
        try:
            # Whoever held the lock before may have fetched already.
            if self._held is not None and self._held is not held:
                return self._held
            return self._renewed(old)
        finally:
            self._fetching.release()

    def _newer(self, searched: _KeySet) -> _KeySet:
        """A newer set than the one searched, if there is one or it is time to fetch for unknown ids; else the same.

        Called with the lock.
        """
        if self._held is not None and self._held is not searched:
            return self._held
        now = self._clock()
        if now < max(self._next_for_unknown, self._rest_until):
            return searched
        self._next_for_unknown = now + BETWEEN_UNKNOWN
        return self._renewed(searched)

    def _renewed(self, old: _KeySet | None) -> _KeySet:
        """A new set; while none can be had the old one, or without one the reason. Called with the lock."""
        started = self._clock()
        if self._failure is not None and started < self._rest_until:
            if old is not None:
                return old
            raise type(self._failure)(self._failure.detail)
        try:
            keys = self._fetched()
        except (Unreachable, Broken) as exc:
            if self._failure is None:
                log.warning("Entra's signing keys cannot be renewed", why=exc.detail)
            self._failure = exc
            self._rest_until = self._clock() + REST_WITHOUT if old is None else started + REST_WITH_OLD_SET
            if old is None:
                raise
            return old
        if self._failure is not None:
            log.info("Entra's signing keys can be renewed again")
        self._failure = None
        self._held = renewed = _KeySet(keys, self._clock())
        return renewed

    def _fetched(self) -> Mapping[str, SigningKey]:
        whom = "Entra's key set"
        with reaching(whom):
            response = self._session.get(self._url)
        if response.status_code == 429 or response.status_code >= 500:
            raise Unreachable(f"{whom} answered {response.status_code}")
        if response.status_code != 200:
            raise Broken(f"{whom} answered {response.status_code}")
        keys = usable(json_of(response, whom).get("keys"))
        if not keys:
            raise Broken(f"{whom} holds no usable key")
        return keys

    def _age(self, held: _KeySet) -> timedelta:
        return self._clock() - held.since


def usable(entries: object) -> dict[str, SigningKey]:
    """The RSA keys for signatures among the members of a JSON web key set, by id; all else is passed over."""
    found: dict[str, SigningKey] = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") != "RSA":
            continue
        kid, issuer = entry.get("kid"), entry.get("issuer")
        if entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
            continue
        public = _public_key(entry.get("n"), entry.get("e"))
        if public and isinstance(kid, str) and kid and (issuer is None or isinstance(issuer, str)):
            found.setdefault(kid, SigningKey(public, issuer))
    return found


def _public_key(modulus: object, exponent: object) -> RSAPublicKey | None:
    if not isinstance(modulus, str) or not isinstance(exponent, str):
        return None
    try:
        public = RSAPublicNumbers(_number(exponent), _number(modulus)).public_key()
    except (ValueError, OverflowError):
        return None
    return public if public.key_size >= LEAST_BITS else None


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
