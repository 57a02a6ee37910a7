"""The form in which settings are read: the catalogue's, with facts about a secret in its place."""

from __future__ import annotations

from typing import Any, Final, Union

from pydantic import Field, create_model

from shared.kernel.wire import Wire
from shared.tenants.setting_catalogue import SECTIONS, Assistant, Interact, Settings
from shared.tenants.settings.settings import Warned


class ShownSecret(Wire):
    """What may be known of a connection string; ``lastCheck`` is the last check of this very string."""

    set: bool
    endpoint: str | None
    fingerprint: str | None
    last_check: dict[str, Any] | None


class ShownEffect(Wire):
    """``because`` holds the codes of all that is missing."""

    effective: bool
    because: list[str]


def _shown(section: type[Wire]) -> type[Wire]:
    written = section.model_fields["acs_connection_string"]
    field = Field(title=written.title, description="Facts about the string, which itself cannot be read.")
    return create_model(f"{section.__name__}Answer", __base__=section, acs_connection_string=(ShownSecret, field))


_SHOWN: Final = {"interact": _shown(Interact), "assistant": _shown(Assistant)}
_sections: dict[str, Any] = {
    name: (_SHOWN.get(field.alias or name, field.annotation), Field(title=field.title))
    for name, field in Settings.model_fields.items()
}
SectionAnswer: Any = Union[tuple(shown for shown, _ in _sections.values())]  # noqa: UP007 - made, not written
"""Any one of the sections."""
_effects: dict[str, Any] = dict.fromkeys(SECTIONS, (ShownEffect, ...))
EffectiveAnswer = create_model("EffectiveAnswer", __base__=Wire, **_effects)
_beside: dict[str, Any] = {"effective": (EffectiveAnswer, ...), "warnings": (list[Warned], ...)}
SettingsAnswer = create_model("SettingsAnswer", __base__=Wire, **_sections, **_beside)
"""The whole answer: the sections, whether each takes effect, and warnings."""
