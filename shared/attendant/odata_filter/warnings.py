"""What an admin should know about the contact search filter that was saved."""

from __future__ import annotations

from shared.attendant.odata_filter.findings import examine
from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.settings import Warned
from shared.tenants.tenants import Head

_PATH = "attendantConsole.contactSearchFilter"


def filter_warnings(head: Head, settings: Settings) -> list[Warned]:  # noqa: ARG001 - the form all warners have
    """One per finding; the filter is saved whatever they say."""
    text = settings.attendant_console.contact_search_filter
    if not text:
        return []
    return [Warned(path=_PATH, code=found.code, message=found.message) for found in examine(text).findings]
