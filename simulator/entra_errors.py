"""Entra's refusals: AADSTS codes with the OAuth error, suberror, HTTP status and words Entra uses for them.

The codes are in `entra_errors.json`, as Microsoft's reference and logs quoted in public issues show them. Where no
answer of the token endpoint is on record, the error is the one that Entra gives to codes of the same kind.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from simulator.wire import Call, Reply, json_reply


@dataclass(frozen=True)
class Kind:
    """How one AADSTS code is answered."""

    error: str
    message: str
    status: int = 400
    suberror: str | None = None
    #: Whether the answer asks for claims, as it does when a second factor is wanted.
    claims: bool = False


class EntraRefusal(Exception):
    """Entra says no. `message` replaces the usual words."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(f"AADSTS{code}")
        self.code = code
        self.message = message


KINDS: Final[dict[int, Kind]] = {
    int(code): Kind(**row)
    for code, row in json.loads(Path(__file__).with_name("entra_errors.json").read_text(encoding="utf-8")).items()
}
_UNKNOWN: Final = Kind("invalid_grant", "The request was refused.")


def code_numbers(text: str) -> list[int]:
    """[50076, 90072] for `AADSTS50076,AADSTS90072` or `50076, 90072`; empty for anything else."""
    found = [re.fullmatch(r"(?:AADSTS)?(\d{4,8})", part.strip(), re.IGNORECASE) for part in text.split(",")]
    numbers = [int(one[1]) for one in found if one]
    return numbers if len(numbers) == len(found) else []


def entra_error(codes: Sequence[int], call: Call, *, message: str | None = None, status: int | None = None) -> Reply:
    """The answer for one or several codes. The first gives `error`, `suberror`, `claims` and the status.

    A code that is not in the table is an `invalid_grant`.
    """
    kind = KINDS.get(codes[0], _UNKNOWN)
    body = error_body(codes, message, call.headers.get("client-request-id"))
    return json_reply(body, status or kind.status, {"Cache-Control": "no-store", "x-ms-request-id": body["trace_id"]})


def error_body(codes: Sequence[int], message: str | None = None, correlation: str | None = None) -> dict[str, Any]:
    """The members of an Entra error, in its order."""
    kinds = [KINDS.get(code, _UNKNOWN) for code in codes]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), correlation or str(uuid.uuid4())
    said = [message or kinds[0].message, *(kind.message for kind in kinds[1:])]
    text = " ".join(f"AADSTS{code}: {words}" for code, words in zip(codes, said, strict=True))
    body: dict[str, Any] = {
        "error": kinds[0].error,
        "error_description": f"{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
        "error_codes": list(codes),
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={codes[0]}",
    }
    if kinds[0].suberror:
        body["suberror"] = kinds[0].suberror
    if kinds[0].claims:
        body["claims"] = json.dumps({"access_token": {"capolids": {"essential": True, "values": [trace]}}})
    return body
