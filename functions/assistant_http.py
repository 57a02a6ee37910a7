"""Assistant: tokens for its users."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.http.headers import bearer
from functions.wiring import core
from shared.interact.assistant import AssistantToken
from shared.kernel.callers import AGENT, SERVICE_OWNER, TENANT_ADMIN

bp = func.Blueprint()


@web.route(
    bp,
    "POST",
    "api/assistant/token",
    roles=(AGENT, SERVICE_OWNER, TENANT_ADMIN),
    answer=AssistantToken,
    asks_microsoft=True,
)
def make_assistant_token(call: web.Call) -> func.HttpResponse:
    """Exchange the caller's token for one of Communication Services, for the caller's own Teams calls and chats."""
    return call.ok(core().interact.assistant.token(call.head, call.caller.oid, bearer(call.req)))
