"""Entra's token endpoint as MSAL sees it, and its answers in our errors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msal
import requests

from shared.http.upstream_answers import json_of, object_in, pause_of, reaching
from shared.kernel.clock import Clock
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable, Upstream
from shared.kernel.sign_in_errors import Family, deciding_code, fault_in

# MSAL reads Entra's documents as if they were always whole; a half one ends in any of these.
STUMBLES: Final = (
    *(ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError),
    msal.exceptions.MsalError,
)
RENEW_BEFORE: Final = timedelta(minutes=5)
LONGEST_LIFE: Final = 86_400  # seconds; with CAE Entra gives up to 28 h, and renewing early harms nobody
LONGEST_DESCRIPTION: Final = 2_000  # characters of an error_description that are read; Entra's have some hundred
LONGEST_SENTENCE: Final = 300
PAUSE_AFTER_LOOP: Final = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, when to get the next one, the refresh token and the scopes that came with it."""

    value: str = field(repr=False)
    renew_at: datetime
    refresh_token: str | None = field(repr=False)
    scopes: frozenset[str] = frozenset()


class EntraHttp:
    """The http client MSAL is given.

    What MSAL would raise in its own words, keep to itself for a minute (429, 5xx) or write to its log (a body
    that is no JSON, token and all) is raised here as ours.
    """

    def __init__(self, session: requests.Session, login: str, clock: Clock) -> None:
        self._session = session
        self._login = login
        self._clock = clock

    def get(self, url: str, **how: Any) -> requests.Response:
        response = self._answer("GET", url, how)
        # MSAL turns a refused discovery into a ValueError without Entra's code: a tenant that does not exist.
        if 400 <= response.status_code < 500 and "error" in (body := object_in(response) or {}):
            raise refusal(body, "this app")
        return response

    def post(self, url: str, **how: Any) -> requests.Response:
        response = self._answer("POST", url, how)
        if url.startswith(f"{self._login}/"):  # a federated account's own server speaks XML
            json_of(response, "Entra")
        return response

    def close(self) -> None:
        """Nothing: the session is shared."""

    def _answer(self, method: str, url: str, how: dict[str, Any]) -> requests.Response:
        with reaching("Entra"):
            response = self._session.request(method, url, **how)
        status = response.status_code
        if status == 429 or (status >= 500 and "Retry-After" in response.headers):
            raise Throttled(f"Entra answered {status}", retry_after=pause_of(response, self._clock))
        if status >= 500:
            raise Unreachable(f"Entra answered {status}")
        return response


def token_in(answer: object, who: str, now: datetime) -> Token:
    """The token in what MSAL returned for ``who``. Raises Denied, Throttled, Unreachable or Broken."""
    if not isinstance(answer, dict):
        raise Broken(f"Entra answered {who} with something that is no JSON object")
    if "error" in answer:
        raise refusal(answer, who)
    value, life, refresh = (answer.get(name) for name in ("access_token", "expires_in", "refresh_token"))
    if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
        raise Broken(f"Entra answered {who} without an access token")
    seconds = int(life) if isinstance(life, int) or (isinstance(life, str) and re.fullmatch("[0-9]{1,6}", life)) else 0
    renew_at = now + timedelta(seconds=min(max(seconds, 0), LONGEST_LIFE)) - RENEW_BEFORE
    return Token(value, renew_at, refresh if isinstance(refresh, str) and refresh else None, _scopes(answer))


def _scopes(answer: dict[str, Any]) -> frozenset[str]:
    """The delegated permissions granted, without the resource they belong to."""
    said = answer.get("scope")
    return frozenset(scope.rpartition("/")[2] for scope in said.split()) if isinstance(said, str) else frozenset()


_PASSING: Final[frozenset[Family]] = frozenset({"Throttled", "Transient"})


def refusal(answer: dict[str, Any], who: str) -> Upstream:
    """Returns Entra's error answer as ours. Its reason is a code like AADSTS50076, or Entra's word without one."""
    word = _text(answer, "error")
    word = word if re.fullmatch("[A-Za-z0-9_.-]{1,60}", word) else "UnknownError"
    said = _text(answer, "error_description")[:LONGEST_DESCRIPTION]
    codes = _codes(answer.get("error_codes"), said)
    code = deciding_code(codes)
    suberror, claims = _text(answer, "suberror"), bool(_text(answer, "claims"))
    fault = fault_in(codes, error=word, suberror=suberror, claims=claims)
    if claims and word == "interaction_required" and fault is not None and fault.family in _PASSING:
        fault = fault_in((), error=word, suberror=suberror, claims=claims)  # a challenge does not pass by itself
    sentence = first_sentence(said) or word
    if fault is not None and fault.family == "Throttled":
        return Throttled(f"Entra asks {who} to slow down: {sentence}", retry_after=PAUSE_AFTER_LOOP)
    if fault is not None and fault.family == "Transient":
        return Unreachable(f"Entra cannot serve {who} now: {sentence}")
    reason = word if code is None else f"AADSTS{code}"
    return Denied(f"Entra refuses {who}: {sentence}", reason=reason, fault=fault)


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _codes(listed: object, said: str) -> list[int]:
    codes = [code for code in listed if type(code) is int and code > 0] if isinstance(listed, list) else []
    return codes or [int(code) for code in re.findall(r"AADSTS([0-9]{4,9})\b", said)]


def first_sentence(text: str) -> str:
    """Returns the first sentence of an error_description, without the trace ids that follow it."""
    text = re.split(r"(?:Trace ID|Correlation ID|Timestamp)\s*:", text[:LONGEST_DESCRIPTION], maxsplit=1)[0].strip()
    line = text.splitlines()[0] if text else ""
    ended = re.match(r".*?[.!?](?=\s|$)", line)
    sentence = ended[0] if ended else line
    return "".join(char for char in sentence if char.isprintable())[:LONGEST_SENTENCE]
