"""Calls of the platform's Operators into a tenant, which leave a line in the tenant's history."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import azure.functions as func

from functions.http.endpoints import Endpoint
from functions.wiring import core
from shared.kernel.callers import OPERATOR, Caller

# Bookkeeping of the platform about its tenants.
WITHOUT_LINE: Final = frozenset({"get_tenant", "delete_tenant"})
# Each change has an entry of its own. The answer is the whole document, also where nothing changed: that is a read.
SETTINGS_WRITES: Final = frozenset({"put_settings", "patch_settings", "delete_settings"})


def note_operator(req: func.HttpRequest, endpoint: Endpoint, caller: Caller, tenant_id: str) -> None:
    """Add the line for an Operator's call into another tenant; reads share one per hour. Raises StorageDown."""
    if not caller.may(OPERATOR) or tenant_id == caller.tid or endpoint.name in WITHOUT_LINE:
        return
    if endpoint.method == "GET" or endpoint.name in SETTINGS_WRITES:
        core().operator_audit.note_read(tenant_id, caller)
    else:
        core().operator_audit.note_call(tenant_id, caller, endpoint.method, urlsplit(req.url).path)
