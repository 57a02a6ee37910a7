"""The log line of an HTTP call."""

from __future__ import annotations

import azure.functions as func

from functions.http.endpoints import Endpoint
from functions.http.headers import hint
from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.errors import AppError
from shared.kernel.wire import is_guid


def log_call(
    req: func.HttpRequest,
    endpoint: Endpoint,
    caller: Caller,
    *,
    trace_id: str,
    status: int,
    ms: int,
    failure: AppError | None,
    hidden: bool,
) -> None:
    """Log one call. ``hidden`` says that the answer told no detail of the failure, which the line then holds.

    ``tenant`` is the tenant whose data the call is about, ``caller_tenant`` the tenant the caller belongs to. A caller
    who was refused is named like any other, once the token was verified.
    """
    named = str(req.route_params.get("tenantId") or "")
    log.info(
        "call",
        operation=endpoint.name,
        status=status,
        ms=ms,
        tenant=named.lower() if is_guid(named) else caller.tid or None,
        caller=caller.oid or None,
        caller_tenant=caller.tid if caller.oid else None,
        code=failure.code if failure else None,
        detail=failure.detail if failure and hidden else None,
        trace=trace_id,
        tracking=hint(req, "x-ms-client-tracking-id"),
        run=hint(req, "x-ms-workflow-run-id"),
    )
