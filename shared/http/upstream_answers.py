"""What any far side may do to a call, in our errors: no answer, nonsense, a request to wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final

import requests

from shared.kernel.clock import Clock
from shared.kernel.errors import Broken, Unreachable
from shared.kernel.json_text import read_lenient

PAUSE_UNSAID: Final = 5.0
# A pause of 0 would make a patient caller spin; one above 5 min outlives every caller we have.
PAUSE_LEAST: Final = 1.0
PAUSE_MOST: Final = 300.0


@contextmanager
def reaching(whom: str) -> Iterator[None]:
    """Turns what requests raises into Unreachable (no answer in time) or Broken (an answer of no sense).

    Without the cause: its message quotes the URL, in which a secret may stand, and a traceback would print it.
    """
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as exc:
        raise Unreachable(f"{whom} does not answer ({type(exc).__name__})") from None
    except requests.RequestException as exc:
        raise Broken(f"{whom} cannot be called ({type(exc).__name__})") from None


def pause_of(response: requests.Response, clock: Clock) -> float:
    """Seconds that Retry-After asks for, as a number or an HTTP date; 5 if it is absent or nonsense."""
    said = asked_pause(response, clock)
    return min(max(PAUSE_UNSAID if said is None else said, PAUSE_LEAST), PAUSE_MOST)


def asked_pause(response: requests.Response, clock: Clock) -> float | None:
    """Seconds until the moment Retry-After names, however long; None if it is absent or nonsense."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return (parsedate_to_datetime(said) - clock()).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None


def json_of(response: requests.Response, whom: str) -> dict[str, object]:
    """The body as a JSON object. Raises Broken."""
    body = object_in(response)
    if body is None:
        raise Broken(f"{whom} answered {response.status_code} with something that is no JSON object")
    return body


def object_in(response: requests.Response) -> dict[str, object] | None:
    """The body if it is a JSON object, else None. Its texts can be encoded, whatever was sent."""
    try:
        body = read_lenient(response.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
