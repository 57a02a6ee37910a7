"""Interact as a widget on a customer's website uses it. The same calls come from any page, so each answers all origins;
whether the tenant allows the page is decided by the call.
"""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.http.headers import allow_pages, bearer_if_any
from functions.wiring import core
from shared.interact.sessions.sessions import (
    AGENT_EVENTS,
    CUSTOMER_EVENTS,
    AcsAccess,
    EventWrite,
    SessionStarted,
    SessionState,
    SessionWrite,
)
from shared.interact.sessions.store import HeldSession
from shared.interact.widget.rates import Arrival, session_mark
from shared.interact.widget.widget import WidgetFacts, check_on, check_origin
from shared.kernel.body_limits import VISITOR_BODY_LIMIT
from shared.kernel.callers import INTEGRATION, Caller
from shared.kernel.errors import NotAllowed, NotFound, NotKnown
from shared.tenants.tenants import Head

bp = func.Blueprint()
_SESSIONS = "api/interact/sessions"
_VISITORS = "a website's visitors have no account; the widget key says whose widget it is"
_STARTED = "the widget key says whose widget it is, the session secret which visitor's"


@web.route(bp, "OPTIONS", "api/interact/{*path}", open_because="browsers ask before a page may call", status=204)
def allow_pages_to_call(call: web.Call) -> func.HttpResponse:
    """Tell a browser what pages may send; every origin hears the same."""
    response = call.nothing()
    allow_pages(call.req, response)
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = "X-Widget-Key, X-Session-Secret, Authorization, Content-Type"
    response.headers["Access-Control-Max-Age"] = "7200"  # seconds; Chromium believes no longer
    return response


@web.route(bp, "GET", "api/interact/widget", open_because=_VISITORS, answer=WidgetFacts, from_pages=True)
def get_widget(call: web.Call) -> func.HttpResponse:
    """Tell a widget whether it is switched on and what a session needs."""
    head, _ = _of_widget(call)
    core().interact.widget_rates.proved_nothing(head.tenant_id)
    check_origin(head, call.req.headers.get("origin"))
    return call.ok(core().interact.widget.facts(head))


@web.route(
    bp,
    "POST",
    _SESSIONS,
    open_because=_VISITORS,
    body=SessionWrite,
    body_limit=VISITOR_BODY_LIMIT,
    answer=SessionStarted,
    status=201,
    from_pages=True,
)
def start_session(call: web.Call) -> func.HttpResponse:
    """Start a session: a user of Communication Services with a token, and a meeting to join."""
    head, arrival = _of_widget(call)
    proven = core().interact.authorization.check(head.tenant_id, head.settings.value.interact, bearer_if_any(call.req))
    _admit(call, head)
    core().interact.widget_rates.start(arrival, head.tenant_id, proven=proven)
    started = core().interact.sessions.start(head, call.body(SessionWrite))
    core().interact.widget_rates.started(session_mark(_key(call), started.session_id, started.session_secret))
    return call.ok(started)


@web.route(bp, "GET", _SESSIONS + "/{sessionId}", open_because=_STARTED, answer=SessionState, from_pages=True)
def get_session(call: web.Call) -> func.HttpResponse:
    """Read the state of a session."""
    _, held, _ = _of_visitor(call)
    return call.ok(core().interact.sessions.state(held))


@web.route(
    bp,
    "POST",
    _SESSIONS + "/{sessionId}/events",
    open_because=_STARTED + "; without a widget key the role Integration is asked for",
    body=EventWrite,
    body_limit=VISITOR_BODY_LIMIT,
    answer=SessionState,
    from_pages=True,
)
def post_session_event(call: web.Call) -> func.HttpResponse:
    """Tell what happened: the page what its visitor did, the routing back end what the agent did."""
    if "x-widget-key" not in call.req.headers and bearer_if_any(call.req):
        return _agent_event(call)
    head, held, _ = _of_visitor(call)
    event = call.body(EventWrite)
    if event.type in AGENT_EVENTS:
        raise NotAllowed(f"{event.type} comes from a back end with the role Integration", code="RoleMissing")
    return call.ok(core().interact.sessions.customer_event(head, held, _secret(call), event))


@web.route(bp, "POST", _SESSIONS + "/{sessionId}/token", open_because=_STARTED, answer=AcsAccess, from_pages=True)
def renew_session_token(call: web.Call) -> func.HttpResponse:
    """Get another token of Communication Services while the session is open."""
    _, held, arrival = _of_visitor(call)
    core().interact.widget_rates.renew(arrival)
    return call.ok(core().interact.sessions.token(held))


def _agent_event(call: web.Call) -> func.HttpResponse:
    call.identify(INTEGRATION)
    check_on(call.head)
    held = core().interact.sessions.of_tenant(call.tenant_id, call.path("sessionId"))
    event = call.body(EventWrite)
    if event.type in CUSTOMER_EVENTS:
        raise NotAllowed(f"{event.type} comes from the page that started the session", code="WidgetKeyMissing")
    return call.ok(core().interact.sessions.agent_event(held, event))


def _of_visitor(call: web.Call) -> tuple[Head, HeldSession, Arrival]:
    """Returns the tenant of the widget key and the visitor's session, once key, page, switch and secret are right."""
    head, arrival = _of_widget(call)
    try:
        if not arrival.session:
            raise NotKnown("send the session's secret in X-Session-Secret", code="SessionSecretInvalid")
        _admit(call, head)
        held = core().interact.sessions.of_customer(head.tenant_id, call.path("sessionId"), _secret(call))
    except (NotKnown, NotAllowed, NotFound):
        core().interact.widget_rates.proved_nothing(head.tenant_id)
        raise
    core().interact.widget_rates.proved_session(arrival)
    return head, held, arrival


def _of_widget(call: web.Call) -> tuple[Head, Arrival]:
    """Returns the tenant of the widget key; the address is charged before the key is looked up."""
    claimed = session_mark(_key(call), call.path("sessionId"), _secret(call))
    arrival = core().interact.widget_rates.arrive(call.req.headers.get("x-forwarded-for", ""), claimed)
    head = core().interact.widget.head(call.req.headers.get("x-widget-key"))
    call.caller = Caller(head.tenant_id, "", "", frozenset())  # for the log
    return head, arrival


def _admit(call: web.Call, head: Head) -> None:
    check_origin(head, call.req.headers.get("origin"))
    check_on(head)


def _key(call: web.Call) -> str:
    return str(call.req.headers.get("x-widget-key", ""))


def _secret(call: web.Call) -> str:
    return str(call.req.headers.get("x-session-secret", ""))
