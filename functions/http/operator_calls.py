"""Calls of the platform's Operators into a tenant, which leave a line in the tenant's history."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import azure.functions as func

from functions.http.endpoints import Endpoint
from functions.wiring import core
from shared.kernel.callers import OPERATOR, Caller

# Bookkeeping of the platform about its tenants; and writes that add lines to the history themselves.
WITHOUT_LINE: Final = frozenset({"get_tenant", "delete_tenant", "put_settings", "patch_settings", "delete_settings"})


def note_operator(req: func.HttpRequest, endpoint: Endpoint, caller: Caller, tenant_id: str) -> None:
    """Add the line for an Operator's call into another tenant; reads share one per hour. Raises StorageDown."""
    if not caller.may(OPERATOR) or tenant_id == caller.tid or endpoint.name in WITHOUT_LINE:
        return
    if endpoint.method == "GET":
        core().operator_audit.note_read(tenant_id, caller)
    else:
        core().operator_audit.note_call(tenant_id, caller, endpoint.method, urlsplit(req.url).path)
