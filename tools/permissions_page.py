"""Writes the tables of docs/permissions.md from the catalogue: `python -m tools.permissions_page`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from shared.permissions.catalogue import PRODUCTS, PROVISIONER, Permission, catalogue
from shared.tenants.models import Product

PAGE: Final = Path(__file__).parents[1] / "docs" / "permissions.md"
MARK: Final = "<!-- From here on made by `python -m tools.permissions_page`; do not edit. -->\n"
_HEADINGS: Final[dict[Product, str]] = {
    "AdvancedRouting": "Advanced Routing",
    "EnterpriseRouting": "Enterprise Routing",
    "ContactCenter": "Contact Center",
    "AttendantConsole": "Attendant Console",
    "Interact": "Interact",
    "Assistant": "Assistant",
}


def page() -> str:
    """The whole page: what people wrote up to the mark, the tables behind it."""
    written = PAGE.read_text("utf-8").split(MARK)[0]
    return written + MARK + "\n".join(_tables()) + "\n"


def _tables() -> list[str]:
    known = catalogue()
    lines = ["", f"Catalogue, version {known.version}. {known.source}"]
    for part in known.components:
        rows = known.rows_of(part.name)
        products = part.name != PROVISIONER
        lines += ["", f"### {part.name}", "", f"{part.purpose} Granted {part.granted}."]
        if rows:
            heads = ["permission", "kind", "granted by", *([_HEADINGS[p] for p in PRODUCTS] if products else []), "for"]
            lines += ["", _row(heads), _row(["---"] * len(heads))]
            lines += [_row(_cells(row, products=products)) for row in rows]
    return lines


def _cells(row: Permission, *, products: bool) -> list[str]:
    name = f"`{row.permission}`" + (" (optional)" if row.optional else "")
    ticks = ["yes" if row.products[product] else "-" for product in PRODUCTS] if products else []
    return [name, row.type, row.granted_by, *ticks, f"{row.purpose} {row.note or ''}".strip()]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.exit(0)
