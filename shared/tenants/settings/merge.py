"""From what a caller sends to the next settings, and from settings to what a caller may see. Pure.

A secret is write-only. Written as text it replaces, as null it is cleared, left out or in the form it is read in it
stays. All findings of a write come together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.kernel.errors import Finding, Invalid
from shared.kernel.wire import parse
from shared.tenants.setting_catalogue import SECRETS, Secret, Settings

# The switch of a section that needs its secret.
_NEEDED_BY: Final = {"interact": "enabled", "assistant": "useOwnAcs"}
# Facts an answer shows beside the sections; a document read and put back holds them.
BESIDE: Final = ("effective", "warnings")

Seal = Callable[[str, str, Secret | None], Secret]
"""Section, text and the secret there is to the sealed secret, which is the one there is if nothing changes.

Raises Invalid.
"""


def replaced(current: Settings, document: object, seal: Seal) -> Settings:
    """A whole document: what is left out takes its default, but a secret left out stays. Raises Invalid."""
    data = _sections(document)
    for section, name in SECRETS:
        part = data.setdefault(section, {})
        if isinstance(part, dict):
            part.setdefault(name, {})  # left out is the same as the form it is read in
    return _judged(current, data, seal)


def merged(current: Settings, patch: object, seal: Seal) -> Settings:
    """RFC 7396: what the patch names changes, null goes back to the default. Raises Invalid."""
    changes = _sections(patch)
    for section, name in SECRETS:
        part = changes.get(section)
        if isinstance(part, dict) and isinstance(part.get(name), dict):
            del part[name]
    return _judged(current, _merge(current.as_json(), changes), seal)


def shown(settings: Settings, last_checks: Mapping[str, Any]) -> dict[str, Any]:
    """The document as a caller may read it. ``last_checks`` holds the last ACS check by section."""
    document = settings.as_json()
    for section, name in SECRETS:
        document[section][name] = _shown_secret(document[section][name], last_checks.get(section))
    return document


def secret_of(settings: Settings, section: str) -> Secret | None:
    """That of one of the sections in ``SECRETS``."""
    return (settings.interact if section == "interact" else settings.assistant).acs_connection_string


def differences(before: Settings, after: Settings) -> list[dict[str, Any]]:
    """``{path, old, new}`` per changed field; of a secret only that it changed."""
    old, new = _flat(before), _flat(after)
    secrets = {f"{section}.{name}" for section, name in SECRETS}
    return [
        {"path": path, "old": None, "new": "changed"}
        if path in secrets
        else {"path": path, "old": old[path], "new": new[path]}
        for path in new
        if old[path] != new[path]
    ]


def _sections(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Invalid.field("", "the body is not a JSON object", "NotAnObject")
    # A section is a copy, since its secret is put in place; deeper than that nothing is changed.
    sections = ((name, value) for name, value in document.items() if name not in BESIDE)
    return {name: dict(value) if isinstance(value, dict) else value for name, value in sections}


def _judged(current: Settings, data: dict[str, Any], seal: Seal) -> Settings:
    findings: list[Finding] = []
    for section, name in SECRETS:
        part = data.get(section)
        if isinstance(part, dict):
            findings += _resolve(part, section, name, current, seal)
    try:
        settings = parse(Settings, data)
    except Invalid as exc:
        raise Invalid([*exc.findings, *findings]) from None
    if findings:
        raise Invalid(findings, code=findings[0].code if len(findings) == 1 else None)
    return settings


def _resolve(part: dict[str, Any], section: str, name: str, current: Settings, seal: Seal) -> list[Finding]:
    """Put the sealed secret in the place of what was sent; gives what is wrong with it."""
    secret = secret_of(current, section)
    kept = secret.as_json() if secret else None
    sent = part.get(name)
    findings: list[Finding] = []
    if isinstance(sent, str):
        try:
            part[name] = seal(section, sent, secret).as_json()
        except Invalid as exc:
            part[name] = kept
            return [Finding(f"{section}.{name}", f.message, f.code) for f in exc.findings]
    elif isinstance(sent, dict):
        part[name] = kept
    elif sent is not None:
        part[name] = kept
        findings.append(Finding(f"{section}.{name}", "is neither text nor null", "InvalidValue"))
    switch = _NEEDED_BY[section]
    if part.get(switch) is True and part.get(name) is None:
        findings.append(Finding(f"{section}.{name}", f"is needed while {section}.{switch} is on", "Required"))
    return findings


def _shown_secret(kept: dict[str, Any] | None, last_check: Any) -> dict[str, Any]:
    if kept is None:
        return {"set": False, "endpoint": None, "fingerprint": None, "lastCheck": None}
    current = isinstance(last_check, dict) and last_check.get("fingerprint") == kept["fingerprint"]
    return {
        "set": True,
        "endpoint": kept["endpoint"],
        "fingerprint": kept["fingerprint"],
        "lastCheck": last_check["result"] if current else None,
    }


def _flat(settings: Settings) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, part in settings.as_json().items() for name, value in part.items()}


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
