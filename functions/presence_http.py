"""Presence, as routing and the portal read it, and the accounts it is read with."""

from __future__ import annotations

import azure.functions as func

from functions.http import consent_page, web
from functions.http.problems import problem
from functions.wiring import core
from shared.kernel.callers import INTEGRATION, OPERATOR, TENANT_ADMIN
from shared.kernel.components import CONSENT_CALLBACK
from shared.kernel.errors import AppError, Malformed, RateLimited
from shared.kernel.wire import Wire
from shared.presence.availability import Member
from shared.presence.guest_accounts.account_page import AccountRows, TrialOf, Trials
from shared.presence.guest_accounts.consent import GrantLink
from shared.presence.health import PresenceHealth
from shared.presence.views import Presence
from shared.presence.watch_group import WatchGroup, WatchGroupWrite
from shared.tenants.models import Page

bp = func.Blueprint()
_PATH = "api/tenants/{tenantId}/presence"
_ADMINS = (TENANT_ADMIN, OPERATOR)


class OutboundAddresses(Wire):
    addresses: list[str]


@web.route(
    bp,
    "GET",
    _PATH,
    roles=(TENANT_ADMIN, INTEGRATION, OPERATOR),
    answer=Page[Presence],
    query=("userId", "upn", "top", "continuation"),
)
def get_presence(call: web.Call) -> func.HttpResponse:
    """Read the presence of one user (userId or upn), or of all, paged."""
    presences = core().presence.presences
    if user_id := call.query("userId"):
        return call.ok(presences.of_user(call.tenant_id, user_id.lower()))
    if upn := call.query("upn"):
        return call.ok(presences.of_upn(call.tenant_id, upn))
    return call.ok(presences.page(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/services/{serviceUpn}/available-users",
    roles=(TENANT_ADMIN, INTEGRATION, OPERATOR),
    answer=Page[Member],
)
def get_available_users(call: web.Call) -> func.HttpResponse:
    """Read who of a service can take a task now, and why each other member cannot."""
    service = core().directory.service(call.tenant_id, call.path("serviceUpn")).value
    return call.ok(Page(core().presence.availability.of_service(call.tenant_id, service), None))


@web.route(bp, "GET", _PATH + "/accounts", roles=_ADMINS, answer=AccountRows, asks_microsoft=True)
def get_presence_accounts(call: web.Call) -> func.HttpResponse:
    """Read how the two presence accounts fare, and what to do about one that does not work."""
    return call.ok(core().presence.account_page.show(call.tenant_id))


@web.route(bp, "POST", _PATH + "/test", roles=_ADMINS, body=TrialOf, answer=Trials, asks_microsoft=True)
def try_presence_accounts(call: web.Call) -> func.HttpResponse:
    """Let each account read the presence of one user now, with a fresh sign-in."""
    return call.ok(core().presence.account_page.try_both(call.tenant_id, call.body(TrialOf).upn))


@web.route(bp, "GET", _PATH + "/health", roles=_ADMINS, answer=PresenceHealth)
def get_presence_health(call: web.Call) -> func.HttpResponse:
    """Read the figures of the last poll."""
    return call.ok(core().presence.health.of(call.head))


@web.route(bp, "GET", _PATH + "/outbound-addresses", roles=_ADMINS, answer=OutboundAddresses)
def get_outbound_addresses(call: web.Call) -> func.HttpResponse:
    """Read the addresses this app calls from, for a trusted location of conditional access."""
    return call.ok(OutboundAddresses(addresses=list(core().presence.outbound_addresses)))


@web.route(bp, "GET", _PATH + "/grant-permission", roles=_ADMINS, answer=GrantLink)
def get_grant_permission(call: web.Call) -> func.HttpResponse:
    """Make the link with which an admin grants what the accounts need; good for an hour and one return."""
    return call.ok(core().presence.consents.link(call.tenant_id, call.caller))


@web.route(
    bp,
    "GET",
    CONSENT_CALLBACK,
    open_because="Microsoft sends an admin's browser here; the sealed state says who it is",
    texts=("text/html",),
    paced=True,
)
def get_consent_callback(call: web.Call) -> func.HttpResponse:
    """Show an admin who comes back what the tenant has granted; one without a state learns nothing."""
    state = call.req.params.get("state")
    if not state:
        return call.html(consent_page.neutral_page())
    try:
        return call.html(consent_page.page(core().presence.consents.came_back(state)))
    except RateLimited as exc:
        return _refusal_page(call, exc)
    except Malformed as exc:
        if "text/html" in call.req.headers.get("accept", ""):
            return _refusal_page(call, exc)
        raise


def _refusal_page(call: web.Call, refused: AppError) -> func.HttpResponse:
    """Returns the refusal as a page, with status and pause of the problem: an administrator's browser shows it."""
    answer = problem(refused, call.trace_id)
    page = call.html(consent_page.refusal(refused), status=answer.status_code)
    if pause := answer.headers.get("Retry-After"):
        page.headers["Retry-After"] = pause
    return page


@web.route(bp, "GET", _PATH + "/watch-group", roles=_ADMINS, answer=WatchGroup)
def get_watch_group(call: web.Call) -> func.HttpResponse:
    """Read which security group the user directory is kept in step with."""
    return call.ok(core().presence.watch_groups.read(call.tenant_id))


@web.route(
    bp,
    "PUT",
    _PATH + "/watch-group",
    roles=_ADMINS,
    body=WatchGroupWrite,
    answer=WatchGroup,
    asks_microsoft=True,
)
def put_watch_group(call: web.Call) -> func.HttpResponse:
    """Keep the user directory in step with a security group, nightly and now."""
    return call.ok(core().presence.watch_groups.choose(call.tenant_id, call.body(WatchGroupWrite), call.caller))


@web.route(bp, "DELETE", _PATH + "/watch-group", roles=_ADMINS, status=204)
def delete_watch_group(call: web.Call) -> func.HttpResponse:
    """Follow no group any more; the users it brought stay."""
    core().presence.watch_groups.forget(call.tenant_id, call.caller)
    return call.nothing()
