"""Writes docs/settings.md from the setting catalogue: `python -m tools.settings_page`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from shared.tenants.setting_catalogue import schema

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def page() -> str:
    """The whole page as text."""
    document = schema()
    lines = [
        "# Settings",
        "",
        "<!-- Made by `python -m tools.settings_page` from shared/tenants/setting_catalogue.py; do not edit. -->",
        "",
        "One document per tenant, read and written at `/api/tenants/{tenantId}/settings`.",
    ]
    for name, section in document["properties"].items():
        model = document["$defs"][section["$ref"].rsplit("/", 1)[-1]]
        lines += [
            "",
            f"## {section['title']}",
            "",
            "| setting | value | default | meaning |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_row(name, field, spec) for field, spec in model["properties"].items()]
    return "\n".join(lines) + "\n"


def _row(section: str, name: str, spec: dict[str, Any]) -> str:
    default = spec.get("default")
    shown = "unset" if default is None else "empty" if default in ("", []) else f"`{str(default).lower()}`"
    if isinstance(default, str) and default:
        shown = f"`{default}`"
    return f"| `{section}.{name}` | {_value(spec)} | {shown} | **{spec['title']}.** {spec['description']} |"


def _value(spec: dict[str, Any]) -> str:
    if spec.get("writeOnly"):
        return "secret"
    if "enum" in spec:
        return ", ".join(f"`{value}`" for value in spec["enum"])
    if "anyOf" in spec:
        return "GUID or unset"
    match spec["type"]:
        case "integer":
            return f"{spec['minimum']} to {spec['maximum']}"
        case "boolean":
            return "`true`, `false`"
        case "array":
            return f"list, at most {spec['maxItems']}"
        case _:
            return f"text, at most {spec['maxLength']} characters"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
