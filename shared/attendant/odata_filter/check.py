"""The check of a contact search filter: what can be said of it, and what Graph makes of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from shared.attendant.odata_filter.findings import Code, examine
from shared.kernel.errors import Upstream
from shared.kernel.wire import Wire

SAMPLE: Final = 5


class CountedUsers(Protocol):
    """Users that Graph lists, with how many there are in all. ``refused`` is what it says against the filter."""

    @property
    def rows(self) -> Sequence[Mapping[str, object]]: ...
    @property
    def count(self) -> int | None: ...
    @property
    def refused(self) -> str | None: ...


class DirectoryUsers(Protocol):
    def users(self, tenant_id: str, filter_text: str, *, top: int) -> CountedUsers: ...


class Finding(Wire):
    """``position`` is an offset into the filter as it was sent."""

    code: Code
    message: str
    position: int | None
    property: str | None


class Sampled(Wire):
    id: str
    display_name: str | None
    user_principal_name: str | None


class Live(Wire):
    """What Graph answers now: how many users fit, some of them, or why it cannot be told."""

    count: int | None = None
    sample: list[Sampled] = []
    problem: str | None = None


class Checked(Wire):
    """``canonical`` is null if the filter cannot be read."""

    canonical: str | None
    needs_advanced_query: bool
    properties: list[str]
    findings: list[Finding]
    live: Live


class FilterCheck:
    """What a filter says and whom it finds; nothing of it is saved."""

    def __init__(self, directory: DirectoryUsers) -> None:
        self._directory = directory

    def check(self, tenant_id: str, text: str) -> Checked:
        """Raises nothing that Graph causes: that is part of the answer."""
        report = examine(text)
        return Checked(
            canonical=report.canonical,
            needs_advanced_query=report.needs_advanced_query,
            properties=list(report.properties),
            findings=[
                Finding(code=one.code, message=one.message, position=one.position, property=one.property)
                for one in report.findings
            ],
            live=self._live(tenant_id, report.canonical),
        )

    def _live(self, tenant_id: str, canonical: str | None) -> Live:
        if canonical is None:
            return Live(problem="the filter cannot be read, so Graph was not asked")
        try:
            found = self._directory.users(tenant_id, canonical, top=SAMPLE)
        except Upstream as exc:
            return Live(problem=exc.detail)
        if found.refused is not None:
            return Live(problem=found.refused)
        return Live(count=found.count, sample=[_sampled(row) for row in found.rows])


def _sampled(row: Mapping[str, object]) -> Sampled:
    name, upn = row.get("displayName"), row.get("userPrincipalName")
    return Sampled(
        id=str(row.get("id", "")),
        display_name=name if isinstance(name, str) else None,
        user_principal_name=upn if isinstance(upn, str) else None,
    )
