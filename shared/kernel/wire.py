"""JSON in and out: models in camelCase, strict about types, with all findings of a document at once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from shared.kernel.errors import MOST_FINDINGS, Finding, Invalid
from shared.kernel.near_names import MOST_SUGGESTIONS, nearest

M = TypeVar("M", bound="Wire")
camel = to_camel

_CODES = {"missing": "Required", "extra_forbidden": "UnknownField"}
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LONGEST_NAME: Final = 200  # characters of a caller's name for a field that an answer repeats
_BOUNDS = ("greater_than", "less_than", "too_long", "too_short")


class Wire(BaseModel):
    """Base of everything that crosses the wire. Unknown fields are refused, values are not coerced."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _few_unknown_names(cls, data: Any) -> Any:
        """Of the names that are not known the first MOST_FINDINGS are judged: each one costs a finding."""
        if not isinstance(data, dict) or len(data) <= len(cls.model_fields) + MOST_FINDINGS:
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        unknown = islice((name for name in data if name not in known), MOST_FINDINGS)
        return {name: data[name] for name in (*(known & data.keys()), *unknown)}

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


class ConnectorModel(Wire):
    """Connector bodies: unknown fields are ignored, null is the same as left out, names as published."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if value is not None}
        return data

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse(model: type[M], data: object) -> M:
    """The document as ``model``. Raises Invalid with its findings, each under its dotted path."""
    if not isinstance(data, Mapping):
        raise Invalid.field("", "the body is not a JSON object", "NotAnObject")
    try:
        return model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise Invalid(_findings(model, exc)) from None


def _findings(model: type[BaseModel], exc: ValidationError) -> Iterator[Finding]:
    suggestions = 0
    for error in exc.errors(include_url=False, include_context=False, include_input=False):
        near = None
        if error["type"] == "extra_forbidden" and suggestions < MOST_SUGGESTIONS:
            suggestions += 1
            near = _nearest(model, error["loc"])
        yield _finding(error, near)


def _finding(error: Any, near: str | None) -> Finding:
    path = ".".join(str(part)[:_LONGEST_NAME] for part in error["loc"])
    kind = str(error["type"])
    code = _CODES.get(kind) or ("OutOfRange" if any(kind.find(b) >= 0 for b in _BOUNDS) else "InvalidValue")
    message = str(error["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = "this field is not known" + (f"; did you mean {near}?" if near else "")
    elif kind == "model_type":
        message = "is not a JSON object"
    return Finding(path, message, code)


def _nearest(model: type[BaseModel], place: tuple[int | str, ...]) -> str | None:
    """Returns the known name most like a misspelt one, of those that may stand in its place."""
    known: Any = model
    for part in place[:-1]:
        names = {field.alias or name: field for name, field in getattr(known, "model_fields", {}).items()}
        known = names[str(part)].annotation if str(part) in names else None
    aliases = [field.alias or name for name, field in getattr(known, "model_fields", {}).items()]
    return nearest(str(place[-1]), aliases)


def is_guid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None


def _guid(text: str) -> str:
    if not is_guid(text):
        raise ValueError("is not a GUID")
    return str(uuid.UUID(text))


def _upn(text: str) -> str:
    if not is_upn(text):
        raise ValueError("is not a user principal name")
    return text


def is_upn(text: str) -> bool:
    """The characters Entra allows; 160 leaves room for the #EXT# form of guests."""
    return (
        len(text) <= 160 and re.fullmatch(r"[A-Za-z0-9'._!#^~+&-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text) is not None
    )


def is_e164(text: str) -> bool:
    """+ and 7 to 15 digits, the first not zero (ITU-T E.164)."""
    return re.fullmatch(r"\+[1-9][0-9]{6,14}", text) is not None


def is_host_name(text: str) -> bool:
    """A DNS name in lower case: letters, digits and hyphens between dots, at most 253 characters (RFC 1035)."""
    return len(text) <= 253 and re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", text) is not None


def https_origin(text: str) -> str:
    """``https://host[:port]`` in lower case, the default port left out, as browsers write it. Raises ValueError."""
    match = re.fullmatch(r"https://([^:/]+)(?::([1-9][0-9]{0,4}))?", text.lower())
    port = int(match.group(2) or 443) if match else 0
    if not match or not text.isascii() or not is_host_name(match.group(1)) or port > 65535:
        raise ValueError("is not an origin such as https://www.example.com")
    return f"https://{match.group(1)}" + (f":{port}" if port != 443 else "")


def _e164(text: str) -> str:
    if not is_e164(text):
        raise ValueError("is not an E.164 number, such as +41445550100")
    return text


def printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("holds nothing to read, or control characters")
    return text


def once(items: list[str]) -> list[str]:
    if len(set(items)) != len(items):
        raise ValueError("holds an entry twice")
    return items


Guid = Annotated[str, AfterValidator(_guid)]
"""Any case is read; kept in lower case."""
Upn = Annotated[str, AfterValidator(_upn)]
E164 = Annotated[str, AfterValidator(_e164)]
Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(printable)]
