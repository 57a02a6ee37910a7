"""Bodies in the shapes of the published connector, and whether an answer keeps to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

PUBLISHED: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "structure" / "connector.json").read_text())
OPERATIONS: Final[list[dict[str, Any]]] = PUBLISHED["operations"]
TYPES: Final[dict[str, Any]] = PUBLISHED["types"]
_PLAIN: Final = {"string": str, "integer": int, "boolean": bool}


def everything(shape: Any, **given: Any) -> Any:
    """A body with every field the shape has, however deep, those ``given`` instead of made up ones."""
    shape = _resolved(shape)
    if isinstance(shape, list):
        return [everything(shape[0])]
    if isinstance(shape, str):
        return {"string": "Zoë", "integer": 1, "boolean": True}[shape]
    made = {name: facts.get("minimum") or everything(facts["type"]) for name, facts in shape["fields"].items()}
    return made | given


def strays(value: Any, shape: Any, path: str = "") -> list[str]:
    """Where a value leaves the shape: fields it does not know or misses, values of another type."""
    shape = _resolved(shape)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [found for at, item in enumerate(value) for found in strays(item, shape[0], f"{path}[{at}]")]
    if isinstance(shape, str):
        return [] if type(value) is _PLAIN[shape] else [f"{path} is no {shape}"]
    if "enum" in shape:
        return [] if value in shape["enum"] else [f"{path} is none of {shape['enum']}"]
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    fields = shape["fields"]
    missing = [f"{path}.{name} is missing" for name in shape["required"] if name not in value]
    unknown = [f"{path}.{name} is unknown" for name in value if name not in fields]
    known = [(name, item) for name, item in value.items() if name in fields]
    return missing + unknown + [s for name, item in known for s in strays(item, fields[name]["type"], f"{path}.{name}")]


def _resolved(shape: Any) -> Any:
    while isinstance(shape, str) and shape in TYPES:
        shape = TYPES[shape]
    return shape
