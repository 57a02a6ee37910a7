"""The journal: one row for every request that reached a simulated host. No bodies, no secrets."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote

ROWS_AT_MOST: Final = 100_000

# Query members that let their holder in: the signature of a flow's URL, codes and tokens.
_SECRETS: Final = frozenset(
    {"sig", "code", "access_token", "id_token", "client_secret", "client_assertion", "refresh_token", "password"}
)

Row = dict[str, Any]


def timestamp(now: datetime | None = None) -> str:
    """UTC with milliseconds and Z."""
    return (now or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def without_secrets(query: str) -> str:
    """The query as it was sent, but for the values nobody should read."""
    if not any(name in query.lower() for name in _SECRETS):
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    shown = [(name, "***" if name.lower() in _SECRETS else value) for name, value in pairs]
    return "&".join(f"{quote(name, safe='$')}={quote(value, safe='*')}" for name, value in shown)


class Journal:
    """The newest rows, oldest first."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=ROWS_AT_MOST)

    def add(self, row: Row) -> None:
        """Keep one row; the oldest goes when there are too many."""
        self._rows.append(row)

    def clear(self) -> None:
        """Forget all rows."""
        self._rows.clear()

    def rows(self, wanted: dict[str, str], top: int | None = None) -> list[Row]:
        """The rows that match: host, account, tenantId, method (equal, any case), pathPrefix; `top` keeps the last."""
        rows = [row for row in self._rows if _matches(row, wanted)] if wanted else list(self._rows)
        return rows if top is None else rows[-top:] if top else []


def _matches(row: Row, wanted: dict[str, str]) -> bool:
    for name in ("host", "account", "tenantId", "method"):
        if name in wanted and str(row[name] or "").lower() != wanted[name].lower():
            return False
    return str(row["path"]).startswith(wanted.get("pathPrefix", ""))
