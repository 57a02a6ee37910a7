"""Reads what lies in the table, past all of our code, and proves that slots and entries belong together."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.app.stack import AppStack


def walk(stack: AppStack, tenant_id: str) -> int:
    """No slot without its entry, no entry without its slot, none doubled. Gives the number of slots."""
    partitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in stack.table("outbound"):
        if row["PartitionKey"].startswith(f"{tenant_id}|"):
            partitions[row["PartitionKey"]].append(row)
    return sum(_check(rows) for rows in partitions.values())


def _check(rows: list[dict[str, Any]]) -> int:
    slots = Counter(row["entry_id"] for row in rows if row["RowKey"].startswith("slot:"))
    entries = {row["RowKey"].removeprefix("entry:") for row in rows if row["RowKey"].startswith("entry:")}
    assert set(slots) == entries
    assert all(count == 1 for count in slots.values())
    return len(slots)
