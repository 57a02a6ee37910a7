"""Tokens of the presence accounts in the table ``signins``, sealed, so that all instances share them.

    <tenant id>, token:<who>     an access token for Graph in that tenant and when to renew it
    accounts, refresh:<upn>      the account's newest refresh token, and a fingerprint of the setting it grew from

A row is worth a saved sign-in, never a poll: what cannot be read or written is logged and done without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypeVar

from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import AppError, NotFound, Stale
from shared.storage.entities import Row
from shared.storage.keys import key
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Exists, Table
from shared.tenants.key_rotation import SealedRows

T = TypeVar("T")

ACCOUNTS: Final = "accounts"
FIELD: Final = "token"
# Longer than a sign-in takes; who claimed and died delays the others by this, while the old token still serves.
CLAIM: Final = timedelta(seconds=30)


def sealed_rows(table: Table) -> SealedRows:
    """Where the tokens lie, for whoever seals them again."""

    def rows() -> Iterator[Row]:
        found = (table.get(row.partition, row.row) for row in table.partitions("0", "~"))
        return (row for row in found if row is not None)

    return SealedRows(table, rows, lambda row: _place(row.partition, row.row), FIELD)


class TokenShelf:
    """Keeps tokens by tenant and by who they are for: an account's UPN, or ``application``."""

    def __init__(self, table: Table, secrets: SecretBox, clock: Clock) -> None:
        self._table = table
        self._secrets = secrets
        self._clock = clock

    def token(self, tenant_id: str, who: str) -> tuple[str, datetime] | None:
        """The token kept and when it is to be renewed, be that past or not."""
        row = self._read(tenant_id, _token(who))
        plain = self._opened(row) if row else None
        return (plain, from_wire(row.text("renew_at"))) if row and plain else None

    def keep_token(self, tenant_id: str, who: str, value: str, renew_at: datetime) -> None:
        """Write blindly: of two tokens for the same thing either will do."""
        row = self._sealed(tenant_id, _token(who), value, renew_at=to_wire(renew_at))
        _or_none("kept", row.partition, lambda: self._table.overwrite(row))

    def forget_token(self, tenant_id: str, who: str, value: str | None = None) -> None:
        """Remove the token kept; with ``value`` only if it is that one."""
        if value is None:
            _or_none("forgotten", tenant_id, lambda: self._table.remove_blindly([Row(tenant_id, _token(who), {})]))
            return
        row = self._read(tenant_id, _token(who))
        if row is not None and self._opened(row) == value:
            _or_none("forgotten", tenant_id, lambda: self._table.delete(row, etag=row.etag))

    def claim(self, tenant_id: str, who: str) -> bool:
        """Whether the caller is to renew the token; False while another instance has said it does."""
        row = self._read(tenant_id, _token(who))
        if row is None:
            return True
        now = self._clock()
        claimed = row.text("claimed_until")
        if claimed and from_wire(claimed) > now:
            return False
        values = {**row.values, "claimed_until": to_wire(now + CLAIM)}
        try:
            self._table.replace(Row(tenant_id, row.row, values), etag=row.etag)
        except (Stale, NotFound):
            return False
        except AppError:
            return True
        return True

    def refresh_token(self, upn: str, configured: str | None) -> str | None:
        """The newest one: the kept one, unless the app setting has changed since it was seeded from it."""
        row = self._read(ACCOUNTS, _refresh(upn))
        if row is not None and (configured is None or row.text("fingerprint") == fingerprint(configured)):
            return self._opened(row) or configured
        return configured

    def keep_refresh_token(self, upn: str, configured: str | None, latest: str) -> None:
        """``configured`` is the app setting as it is now: a later change of it wins over ``latest``."""
        row = self._sealed(ACCOUNTS, _refresh(upn), latest, fingerprint=fingerprint(configured))
        # Blindly: two tokens that grew from the same one are both good at Entra.
        _or_none("kept", row.partition, lambda: self._table.overwrite(row))

    def _read(self, partition: str, row: str) -> Row | None:
        return _or_none("read", partition, lambda: self._table.get(partition, row))

    def _sealed(self, partition: str, row: str, plain: str, **values: str) -> Row:
        sealed = self._secrets.seal(plain, tenant=_place(partition, row), field=FIELD)
        return Row(partition, row, {"sealed": sealed, **values})

    def _opened(self, row: Row) -> str | None:
        try:
            return self._secrets.open(row.text("sealed"), tenant=_place(row.partition, row.row), field=FIELD)
        except Unreadable as exc:
            log.warning("a kept token cannot be opened", tenant=_tenant(row.partition), why=exc.detail)
            return None


def _place(partition: str, row: str) -> str:
    """A token opens in the row it was sealed for and in no other."""
    return f"{partition}|{row}"


def fingerprint(configured: str | None) -> str:
    """Tells one setting from another without giving it away; tokens are too random to be guessed."""
    return sha256(configured.encode()).hexdigest()[:32] if configured else ""


def _tenant(partition: str) -> str | None:
    """Whom a log line is about; a presence account belongs to no tenant."""
    return None if partition == ACCOUNTS else partition


def _token(who: str) -> str:
    return f"token:{key(who)}"


def _refresh(upn: str) -> str:
    return f"refresh:{key(upn)}"


def _or_none(what: str, partition: str, do: Callable[[], T]) -> T | None:
    try:
        return do()
    except (AppError, Exists) as exc:
        log.warning(f"a token could not be {what}", tenant=_tenant(partition), why=exc.detail)
        return None
