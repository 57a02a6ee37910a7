"""The setting catalogue. One field holds bounds, default, title and text; schema, forms and docs come from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from shared.errors import Invalid
from shared.tenants.models import Product
from shared.wire import Wire, parse


class Outbound(Wire):
    max_scheduled_tasks_per_service: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            title="Scheduled outbound tasks per service",
            description="Tasks of one service that may be scheduled or in progress at once. "
            "A flow that asks for one more gets an error and the task is dropped.",
        ),
    ] = 20


class PresenceTracking(Wire):
    track_over_guest_accounts: Annotated[
        bool,
        Field(
            title="Track presence over guest accounts",
            description="Reads the extended Teams presence of every user through two guest accounts, so that "
            "a call or a meeting can be told from being busy.",
        ),
    ] = False


class Settings(Wire):
    """What a tenant admin decides, in one document."""

    outbound: Annotated[Outbound, Field(title="Outbound tasks")] = Outbound()
    presence_tracking: Annotated[PresenceTracking, Field(title="Presence tracking")] = PresenceTracking()


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether a section does anything today; ``because`` holds codes when it does not."""

    effective: bool
    because: tuple[str, ...] = ()


ROUTING: Final[frozenset[Product]] = frozenset({"AdvancedRouting", "EnterpriseRouting", "ContactCenter"})
_NEEDS: Final[dict[str, frozenset[Product]]] = {
    "outbound": frozenset({"ContactCenter"}),
    "presenceTracking": ROUTING,
}
# Facts an answer shows beside the sections; a document read and put back holds them.
_BESIDE: Final = ("effective", "warnings")


def effects(products: Collection[Product]) -> dict[str, Effect]:
    """Per section, by wire name: one of the products it belongs to must be licensed."""
    return {
        section: Effect(True) if needed.intersection(products) else Effect(False, ("ProductNotLicensed",))
        for section, needed in _NEEDS.items()
    }


def read_document(data: object) -> Settings:
    """A whole document from a caller. Sections and fields left out take their defaults. Raises Invalid."""
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name not in _BESIDE}
    return parse(Settings, data)


def merge(current: Settings, patch: object) -> Settings:
    """RFC 7396: what the patch names changes, null goes back to the default. Raises Invalid."""
    if not isinstance(patch, dict):
        raise Invalid.field("", "the body is not a JSON object", "NotAnObject")
    return read_document(_merged(current.as_json(), patch))


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
