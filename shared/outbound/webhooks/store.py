"""Registered hooks in the table ``outbound``, a partition ``<tenant>|hooks``.

book               replaced by each registration, so that two at once cannot pass the limit
hook:<id>          a hook with its delivery state; its URL is sealed beside it
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shared.kernel.errors import Stale
from shared.outbound.webhooks.models import Hook
from shared.storage.entities import Insert, Replace, Row, with_doc
from shared.storage.keys import prefix_end
from shared.storage.secrets import SecretBox
from shared.storage.tables import Exists, Table
from shared.tenants.key_rotation import SealedRows
from shared.tenants.models import Page

_HOOK: Final = "hook:"
_BOOK: Final = "book"
_FIELD: Final = "webhook.url"


@dataclass(frozen=True, slots=True)
class KeptHook:
    """A hook as it lies in its row."""

    hook: Hook
    row: Row


@dataclass(frozen=True, slots=True)
class Book:
    """All hooks of a tenant as one read found them, and the row that a registration replaces."""

    hooks: list[Hook]
    row: Row | None


def sealed_rows(table: Table, tenant_ids: Callable[[], Iterable[str]]) -> SealedRows:
    """Where the URLs lie, for whoever seals them again."""

    def rows() -> Iterator[Row]:
        for tenant_id in tenant_ids():
            yield from table.span(_partition(tenant_id), _HOOK, prefix_end(_HOOK))

    return SealedRows(table, rows, lambda row: row.partition.split("|")[0], _FIELD, _without_path)


class HookStore:
    """Reads and writes the rows above."""

    def __init__(self, table: Table, secrets: SecretBox) -> None:
        self._table = table
        self._secrets = secrets

    def all(self, tenant_id: str) -> list[Hook]:
        return [_hook(row) for row in self._rows(tenant_id)]

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[Hook]:
        """In the order of their ids."""
        rows, following = self._table.page(
            _partition(tenant_id), _HOOK, prefix_end(_HOOK), top=top, continuation=continuation
        )
        return Page([_hook(row) for row in rows], following)

    def find(self, tenant_id: str, hook_id: str) -> KeptHook | None:
        row = self._table.get(_partition(tenant_id), _HOOK + hook_id)
        return KeptHook(_hook(row), row) if row else None

    def book(self, tenant_id: str) -> Book:
        rows = {row.row: row for row in self._table.span(_partition(tenant_id), "", "~")}
        return Book([_hook(row) for name, row in rows.items() if name.startswith(_HOOK)], rows.get(_BOOK))

    def add(self, tenant_id: str, hook: Hook, url: str, book: Book) -> bool:
        """Whether it is in. False when the book has been written to since it was read."""
        partition = _partition(tenant_id)
        sealed = self._secrets.seal(url, tenant=tenant_id, field=_FIELD)
        page = Row(partition, _BOOK, {"last": hook.id})
        try:
            self._table.transact(
                [
                    Replace(page, book.row.etag) if book.row else Insert(page),
                    Insert(Row(partition, _HOOK + hook.id, with_doc(hook.as_json(), sealed=sealed))),
                ]
            )
        except (Exists, Stale):
            return False
        return True

    def save(self, kept: KeptHook, hook: Hook) -> KeptHook:
        """Raises Stale or NotFound when the hook was changed or removed since it was read."""
        row = Row(kept.row.partition, kept.row.row, with_doc(hook.as_json(), sealed=kept.row.text("sealed")))
        return KeptHook(hook, Row(row.partition, row.row, row.values, self._table.replace(row, etag=kept.row.etag)))

    def remove_blindly(self, tenant_id: str, hook_id: str) -> None:
        """Whatever state it is in; one that is gone is no error."""
        self._table.remove_blindly([Row(_partition(tenant_id), _HOOK + hook_id, {})])

    def url_of(self, tenant_id: str, kept: KeptHook) -> str:
        """The whole URL, for the one who calls it. Raises Unreadable."""
        return self._secrets.open(kept.row.text("sealed"), tenant=tenant_id, field=_FIELD)

    def _rows(self, tenant_id: str) -> list[Row]:
        return list(self._table.span(_partition(tenant_id), _HOOK, prefix_end(_HOOK)))


def _without_path(row: Row) -> Row:
    """The row without the path of the URL, which earlier releases stored in clear and which may hold a secret."""
    hook = _hook(row)
    if hook.url == row.doc["url"]:
        return row
    return Row(row.partition, row.row, with_doc(hook.as_json(), sealed=row.text("sealed")), row.etag)


def _partition(tenant_id: str) -> str:
    return f"{tenant_id}|hooks"


def _hook(row: Row) -> Hook:
    return Hook.model_validate(row.doc, by_alias=True, by_name=False)
