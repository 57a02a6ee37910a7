"""The forms in which settings may be sent, for the API's description: the catalogue's, and what a read answer adds.

A write itself is judged by ``settings_document``, with all that is wrong at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo

from shared.kernel.wire import Wire
from shared.tenants.setting_catalogue import SECRETS, Settings
from shared.tenants.settings.merge import BESIDE

_SECRET: Final = Annotated[
    str | dict[str, Any] | None,
    WithJsonSchema({"type": ["string", "object", "null"], "format": "password", "maxLength": 1024}),
]
_KEEPS: Final = " Text replaces it, null clears it. Left out, or in the form in which it is read, it stays."
_BESIDE_FIELD: Final = "Facts of an answer; ignored, so that what was read can be put back."


def _field(written: FieldInfo, shape: Any, **other: Any) -> Any:
    return shape, Field(alias=written.alias, title=written.title, description=written.description, **other)


def _section(section: type[Wire], name: str, *, patch: bool) -> type[Wire]:
    fields: dict[str, Any] = {}
    annotated: Any = Annotated  # with what is known at run time only
    for key, written in section.model_fields.items():
        if (name, written.alias) in SECRETS:
            keeps = f"{written.description}{_KEEPS}"
            fields[key] = (
                _SECRET,
                Field(alias=written.alias, title=written.title, description=keeps, default_factory=_none),
            )
        elif patch:
            shape = annotated[(written.annotation, Field(), *written.metadata)]
            fields[key] = _field(written, shape | None, default_factory=_none)
        else:
            fields[key] = (written.annotation, written)
    return create_model(f"{section.__name__}{'Patch' if patch else 'Write'}", __base__=Wire, **fields)


def _document(name: str, *, patch: bool) -> type[Wire]:
    """No section has a default here: that of a secret is to stay."""
    fields: dict[str, Any] = {}
    for key, written in Settings.model_fields.items():
        section: Any = _section(written.annotation, written.alias or key, patch=patch)  # type: ignore[arg-type]
        fields[key] = _field(written, section | None if patch else section, default_factory=_none if patch else section)
    beside: dict[str, Any] = dict.fromkeys(BESIDE, (Any, Field(description=_BESIDE_FIELD, default_factory=_none)))
    return create_model(name, __base__=Wire, **fields, **beside)


def _none() -> None:
    """As a factory it leaves no default in the schema: what is left out of a patch is not the same as null."""


SettingsWrite: Any = _document("SettingsWrite", patch=False)
SettingsPatch: Any = _document("SettingsPatch", patch=True)
"""As ``SettingsWrite``, with null for what goes back to its default."""
