"""Every permission the product's apps may need, as data: ``catalogue.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from shared.kernel.components import Resource
from shared.kernel.errors import Finding, Invalid
from shared.kernel.near_names import nearest
from shared.kernel.wire import Wire
from shared.tenants.models import Product

Kind = Literal["Application", "Delegated"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PRODUCTS: Final[tuple[Product, ...]] = get_args(Product)
PROVISIONER: Final = "Microsoft Graph PowerShell"
"""Stands among the components for what whoever provisions must hold."""

_FILE: Final = Path(__file__).with_name("catalogue.json")


class Permission(Wire):
    """One row. ``products`` says of each product whether it needs this."""

    component: str
    permission: str
    type: Kind
    granted_by: Literal["Tenant Admin", "User"]
    products: dict[Product, bool]
    purpose: str
    optional: bool = False
    note: str | None = None

    @property
    def resource(self) -> Resource:
        """Whose permission it is. Graph has none that starts with ``Teams.``."""
        return "Azure Communication Services" if self.permission.startswith("Teams.") else "Microsoft Graph"


class Part(Wire):
    """A component, when it is granted something, and what it is for."""

    name: str
    granted: str
    purpose: str


class Catalogue(Wire):
    """``misspelt`` leads from names as the product's page writes them to Microsoft's."""

    version: str
    source: str
    misspelt: dict[str, str]
    components: list[Part]
    permissions: list[Permission]

    def rows_of(self, component: str) -> list[Permission]:
        return [row for row in self.permissions if row.component == component]


@cache
def catalogue() -> Catalogue:
    """Read once per process; the file is part of the code."""
    data: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
    for row in data["permissions"]:
        row["products"] = {product: product in row["products"] for product in PRODUCTS}
    return Catalogue.model_validate(data, by_alias=True, by_name=False)


def chosen(*, product: str | None, component: str | None, kind: str | None) -> list[Permission]:
    """Rows that fit every filter given; None asks for all.

    Names count without case and spaces. Raises Invalid with a finding for each name that is none.
    """
    known = catalogue()
    findings: list[Finding] = []
    wanted_product = _named("product", product, PRODUCTS, findings)
    wanted_component = _named("component", component, [part.name for part in known.components], findings)
    wanted_kind = _named("type", kind, KINDS, findings)
    if findings:
        raise Invalid(findings, code=findings[0].code)
    return [
        row
        for row in known.permissions
        if (wanted_product is None or any(needs and name == wanted_product for name, needs in row.products.items()))
        and wanted_component in (None, row.component)
        and wanted_kind in (None, row.type)
    ]


def _named(field: str, text: str | None, names: Sequence[str], findings: list[Finding]) -> str | None:
    if text is None:
        return None
    plain = {_plain(name): name for name in names}
    if (name := plain.get(_plain(text))) is not None:
        return name
    near = nearest(_plain(text), plain)
    hint = f"did you mean {plain[near]}?" if near else f"there are {', '.join(names)}"
    findings.append(Finding(field, f"is no {field} of the catalogue; {hint}", "UnknownName"))
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
