"""Entra's token endpoint as MSAL sees it, and its answers in our errors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msal
import requests

from shared.clients.answers import json_of, object_in, pause_of, reaching
from shared.clock import Clock
from shared.errors import Broken, Denied, Throttled, Unreachable, Upstream

# MSAL reads Entra's documents as if they were always whole; a half one ends in any of these.
STUMBLES: Final = (
    *(ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError),
    msal.exceptions.MsalError,
)
RENEW_BEFORE: Final = timedelta(minutes=5)
LONGEST_LIFE: Final = 86_400  # seconds; with CAE Entra gives up to 28 h, and renewing early harms nobody
LONGEST_SENTENCE: Final = 300
PAUSE_AFTER_LOOP: Final = 60.0

# Codes that tell an admin what to do. Where Entra names several, the first of these is the reason.
# Source: entra-docs, reference-error-codes.
TELLING: Final = frozenset(
    {
        *(50072, 50074, 50076, 50078, 50079, 50158, 53004),  # a second factor
        *(65001, 65004, 65005, 90094, 90095, 650056, 650057),  # consent
        *(50105, 500011, 700011, 700016, 7000112),  # the app is absent or disabled
        *(16000, 16003, 50014, 50020, 50034, 51004),  # the account is absent
        *(50053, 50055, 50056, 50057, 50064, 50126, 50132, 50133, 50135, 50144, 50173, 53011),  # its password
        *(50005, 50097, 50131, 53000, 53001, 53002, 53003, 530032, 530035),  # conditional access
        *(500021, 500022, 500212, 500213),  # policies between tenants
        *(70002, 700025, 700027, 7000215, 7000218, 7000222),  # our own secret
        *(50059, 50128, 90002, 9001023),  # the tenant
        *(50089, 70008, 70043, 700082),  # the refresh token
    }
)
_TOO_MANY: Final = frozenset({50196, 90055})
_PASSING: Final = frozenset({50033, 90006, 90012, 90033})
_PASSING_WORDS: Final = ("temporarily_unavailable", "server_error")


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


def refusal(answer: dict[str, Any], who: str) -> Upstream:
    """Entra's error answer as ours. Its reason is a code like AADSTS50076, or Entra's word without one."""
    word = answer.get("error")
    word = word if isinstance(word, str) and re.fullmatch("[A-Za-z0-9_.-]{1,60}", word) else "UnknownError"
    said = answer.get("error_description")
    said = said if isinstance(said, str) else ""
    codes = _codes(answer.get("error_codes"), said)
    code = next((code for code in codes if code in TELLING), codes[0] if codes else None)
    sentence = first_sentence(said) or word
    if code in _TOO_MANY:
        return Throttled(f"Entra asks {who} to slow down: {sentence}", retry_after=PAUSE_AFTER_LOOP)
    if code in _PASSING or (code not in TELLING and word in _PASSING_WORDS):
        return Unreachable(f"Entra cannot serve {who} now: {sentence}")
    return Denied(f"Entra refuses {who}: {sentence}", reason=f"AADSTS{code}" if code is not None else word)


def _codes(listed: object, said: str) -> list[int]:
    codes = [code for code in listed if type(code) is int and code > 0] if isinstance(listed, list) else []
    return codes or [int(code) for code in re.findall(r"AADSTS([0-9]{4,9})\b", said)]


def first_sentence(text: str) -> str:
    """The first sentence of an error_description, without the trace ids that follow it."""
    text = re.split(r"\s*(?:Trace ID|Correlation ID|Timestamp)\s*:", text, maxsplit=1)[0].strip()
    line = text.splitlines()[0] if text else ""
    ended = re.match(r".*?[.!?](?=\s|$)", line)
    sentence = ended[0] if ended else line
    return "".join(char for char in sentence if char.isprintable())[:LONGEST_SENTENCE]
