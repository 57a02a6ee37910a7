"""What reaches a user of ACS after the key it was made with was regenerated: the string its tenant has stored since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol, TypeVar

from shared.kernel.acs_connection_string import ConnectionString, read_connection_string
from shared.kernel.errors import AppError, Denied
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Tenants

T = TypeVar("T")

_SECTIONS: Final[tuple[Literal["interact", "assistant"], ...]] = ("interact", "assistant")


class Strings(Protocol):
    def of(self, tenant_id: str) -> Iterator[ConnectionString]:
        """The connection strings a tenant has stored now; none where they cannot be read."""


class CurrentStrings:
    """Those in the settings."""

    def __init__(self, tenants: Tenants, settings: TenantSettings, acs_suffixes: tuple[str, ...]) -> None:
        self._tenants = tenants
        self._settings = settings
        self._suffixes = acs_suffixes

    def of(self, tenant_id: str) -> Iterator[ConnectionString]:
        try:
            head = self._tenants.head(tenant_id)
        except AppError:  # it is gone, or storage fails
            return
        for section in _SECTIONS:
            try:
                if text := self._settings.connection_string(head, section):
                    yield read_connection_string(text, self._suffixes)
            except AppError:
                continue


def accepted(
    strings: Strings, tenant_id: str, made_with: ConnectionString, act: Callable[[ConnectionString], T]
) -> tuple[T, ConnectionString]:
    """What ``act`` gives with the string a user was made with; if that is denied, with a current one of the same
    resource. Also gives the string that was accepted. Raises what ``act`` raises, Denied only if all are denied.
    """
    try:
        return act(made_with), made_with
    except Denied as denied:
        tried = {made_with}
        for current in strings.of(tenant_id):
            if current.host == made_with.host and current not in tried:
                tried.add(current)
                try:
                    return act(current), current
                except Denied:
                    continue
        raise denied
