"""What handlers answer, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from shared.kernel.json_text import whole
from shared.kernel.wire import Wire, camel
from shared.tenants.models import Page


def as_json(value: object) -> Any:
    """Models, pages, our dataclasses and what is JSON already, with names in camelCase."""
    if isinstance(value, Wire):
        return value.as_json()
    if isinstance(value, Page):
        return {"items": [as_json(item) for item in value.items], "continuation": value.continuation}
    if is_dataclass(value):
        return {camel(name): as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def written(value: object) -> bytes:
    """The JSON text. No text in it can make an answer fail, half a character becomes U+FFFD."""
    return whole(json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))).encode()
