"""The HTTP operations there are. The OpenAPI document is made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from shared.kernel.callers import Role


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One HTTP operation, as registered. ``roles`` is empty only where ``open_because`` says why.

    ``body`` is a model or a list of at most ``body_limit`` bytes, ``body_optional`` one whose handler reads
    ``json_if_any``. ``answer`` comes with ``status`` or one of ``also_status``; ``texts`` are the media types of
    answers that are no JSON. ``required`` are those of ``query`` that cannot be left out. A ``versioned`` document has
    an ETag that writes name in If-Match; one that is ``always_there`` is replaced but never created; one that is only
    read here says ``etag``. A ``paced`` call may be told to slow down; one that ``asks_microsoft`` has the tighter
    limit of calls that Microsoft has to answer. ``tenant_must_exist`` is False where the tenant of the call need not be
    onboarded; ``from_pages`` marks what pages of any website may call.
    """

    name: str
    method: str
    path: str
    summary: str
    roles: tuple[Role, ...]
    open_because: str
    body: Any
    body_limit: int
    body_optional: bool
    answer: Any
    texts: tuple[str, ...]
    status: int
    also_status: tuple[int, ...]
    query: tuple[str, ...]
    required: tuple[str, ...]
    versioned: bool
    always_there: bool
    etag: bool
    paced: bool
    asks_microsoft: bool
    tenant_must_exist: bool
    from_pages: bool


ENDPOINTS: Final[dict[str, Endpoint]] = {}
