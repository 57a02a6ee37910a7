"""azure-functions' production converters, behind two typed functions."""

from collections.abc import Mapping
from typing import Any

from azure.functions.meta import Datum, get_binding_registry


def decode(binding_type: str, datum: Datum, metadata: Mapping[str, Datum] | None = None) -> Any:
    """What a function gets as its trigger argument."""
    return _converter(binding_type).decode(datum, trigger_metadata=metadata)


def encode(binding_type: str, value: object) -> Datum:
    """What the host gets from a function's output; raises NotImplementedError for a type the binding does not take."""
    datum: Datum = _converter(binding_type).encode(value, expected_type=None)
    return datum


def _converter(binding_type: str) -> Any:
    registry: Any = get_binding_registry  # it carries no annotations
    return registry().get(binding_type)
