"""Reading what the control API is told: the right type, or a sentence that says what is wrong."""

from __future__ import annotations

import base64
from typing import Any, Final

from simulator.graph_access import GUID

#: Far beyond any count, delay or moment; a number that fits no float or no text would fail later, elsewhere.
WHOLE_AT_MOST: Final = 10**12


class BadControl(ValueError):
    """A control call that cannot be understood; the message is for the caller."""


class Fields:
    """The members of one JSON object. Unknown members are refused, so that a typo does not pass unseen."""

    def __init__(self, body: Any, what: str, known: str | None = None) -> None:
        if not isinstance(body, dict):
            raise BadControl(f"{what} must be a JSON object.")
        self._body: dict[str, Any] = body
        self._what = what
        unknown = set(body) - set(known.split()) if known is not None else set()
        if unknown:
            raise BadControl(f"{what} has no member '{min(unknown)}'; it knows {known}.")

    def __contains__(self, name: str) -> bool:
        return name in self._body

    def _bad(self, name: str, wanted: str) -> BadControl:
        return BadControl(f"'{name}' of {self._what} must be {wanted}.")

    def raw(self, name: str) -> Any:
        """The member as it is, None if absent."""
        return self._body.get(name)

    def text(self, name: str) -> str | None:
        """A string, or None if absent."""
        value = self._body.get(name)
        if value is not None and not isinstance(value, str):
            raise self._bad(name, "a string")
        return value

    def must_text(self, name: str) -> str:
        """A string that is not empty."""
        value = self.text(name)
        if not value:
            raise self._bad(name, "a string that is not empty")
        return value

    def whole(self, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
        """A whole number within bounds, or None if absent."""
        value = self._body.get(name)
        if value is None:
            return None
        good = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= WHOLE_AT_MOST
        if not good or (least is not None and value < least) or (most is not None and value > most):
            bounds = f" from {least}" * (least is not None) + f" to {most}" * (most is not None)
            raise self._bad(name, f"a whole number{bounds}")
        return int(value)

    def yes(self, name: str) -> bool | None:
        """True or false, or None if absent."""
        value = self._body.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._bad(name, "true or false")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty if absent."""
        value = self._body.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise self._bad(name, "a list of strings")
        return list(value)

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A list of objects; empty if absent."""
        value = self._body.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise self._bad(name, "a list of objects")
        return list(value)

    def object(self, name: str) -> dict[str, Any]:
        """An object; empty if absent."""
        value = self._body.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._bad(name, "an object")
        return value


def guid(text: str | None, what: str) -> str:
    """A GUID in lower case."""
    if not text or not GUID.fullmatch(text):
        raise BadControl(f"{what} must be a GUID, not '{text}'.")
    return text.lower()


def access_key(text: str) -> str:
    """A base64 access key."""
    try:
        base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise BadControl("'accessKey' must be base64.") from exc
    return text
