"""Who offboarded which tenant, and when: the one trace of a tenant that outlives it.

    offboarded    <time>|<tenant id>    one row per offboarding, in the table ``system``

A record holds ids and licensed products, no name and no data of the tenant's people or customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.clock import to_wire
from shared.storage.entities import Row
from shared.storage.tables import Table

KEPT: Final = timedelta(days=365)
PARTITION: Final = "offboarded"


@dataclass(frozen=True, slots=True)
class OffboardingRecord:
    """``at`` is when the offboarding was asked for, ``operator`` the object id of who asked."""

    tenant_id: str
    at: str
    operator: str
    products: tuple[str, ...]


def mark_values(at: datetime, operator: str, products: Sequence[str]) -> dict[str, str]:
    """What the mark of a tenant that leaves holds for its record."""
    return {"since": to_wire(at), "operator": operator, "products": ",".join(products)}


def keep(table: Table, mark: Row) -> None:
    """Write the record that a mark asks for. Twice is as good as once: key and content come from the mark."""
    values = {"tenant": mark.partition, **{name: mark.text(name) for name in ("since", "operator", "products")}}
    table.overwrite(Row(PARTITION, f"{mark.text('since')}|{mark.partition}", values))


def records(table: Table) -> list[OffboardingRecord]:
    """Returns all that are kept, oldest first."""
    return [
        OffboardingRecord(
            row.text("tenant"),
            row.text("since"),
            row.text("operator"),
            tuple(filter(None, row.text("products").split(","))),
        )
        for row in table.span(PARTITION, "", "~")
    ]


def remove_old(table: Table, now: datetime) -> int:
    """Remove records that were kept for a year. Returns how many."""
    old = list(table.span(PARTITION, "", to_wire(now - KEPT)))
    table.remove_blindly(old)
    return len(old)
