"""The HTTP operations there are. The OpenAPI document is made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from shared.callers import Role


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP operation, as registered. ``roles`` is empty only where ``open_because`` says why."""

    name: str
    method: str
    path: str
    summary: str
    roles: tuple[Role, ...]
    open_because: str
    body: Any
    body_optional: bool
    answer: Any
    status: int
    also_status: tuple[int, ...]
    query: tuple[str, ...]
    required: tuple[str, ...]
    versioned: bool
    always_there: bool
    tenant_must_exist: bool
    from_pages: bool


ENDPOINTS: Final[dict[str, Endpoint]] = {}
