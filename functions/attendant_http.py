"""The Attendant Console: contact search, services to forward to, the check of the admin's filter."""

from __future__ import annotations

from typing import Annotated

import azure.functions as func
from pydantic import Field

from functions.http import web
from functions.wiring import core
from shared.attendant.fields import SearchField, matrix
from shared.attendant.odata_filter.check import Checked
from shared.attendant.search.contact_search import Found
from shared.attendant.search.query import NARROWING, Query, read_query
from shared.attendant.search.service_search import TeamPage
from shared.kernel.callers import AGENT, OPERATOR, ROLES, SERVICE_OWNER, TENANT_ADMIN
from shared.kernel.wire import Wire
from shared.tenants.models import Page

bp = func.Blueprint()
_ATTENDANTS = (AGENT, TENANT_ADMIN, SERVICE_OWNER)


class FilterCheckWrite(Wire):
    filter: Annotated[str, Field(max_length=2000)]


@web.route(
    bp,
    "GET",
    "api/attendant/contacts",
    roles=_ATTENDANTS,
    answer=Found,
    query=("q", "sources", "fields", *NARROWING, "top", "continuation"),
    asks_microsoft=True,
)
def search_contacts(call: web.Call) -> func.HttpResponse:
    """Search address books, directory and Exchange contacts at once."""
    is_admin = call.caller.may(TENANT_ADMIN)
    found = core().attendant.contact_search.find(
        call.head, lambda: _query(call), user_token=call.bearer, is_admin=is_admin
    )
    return call.ok(found)


@web.route(bp, "GET", "api/attendant/services", roles=_ATTENDANTS, answer=TeamPage, query=("q", "top", "continuation"))
def search_services(call: web.Call) -> func.HttpResponse:
    """Search services, with their availability and the members that attendants may see."""
    text, continuation = _box(call, "q") or "", call.query("continuation")
    page = core().attendant.teams.find(call.head, text, caller=call.caller, top=call.top, continuation=continuation)
    return call.ok(page)


@web.route(
    bp,
    "POST",
    "api/tenants/{tenantId}/attendant/filter-check",
    roles=(TENANT_ADMIN, OPERATOR),
    body=FilterCheckWrite,
    answer=Checked,
    asks_microsoft=True,
)
def check_filter(call: web.Call) -> func.HttpResponse:
    """Check a contact search filter: how it reads, what speaks against it, whom it finds now."""
    return call.ok(core().attendant.filter_check.check(call.tenant_id, call.body(FilterCheckWrite).filter))


@web.route(bp, "GET", "api/search-fields", roles=ROLES, answer=Page[SearchField], tenant_must_exist=False)
def list_search_fields(call: web.Call) -> func.HttpResponse:
    """List which fields each directory can search, search anywhere within, and narrow by."""
    call.require_onboarded()
    return call.ok(Page(matrix(), None))


def _box(call: web.Call, name: str) -> str | None:
    """A box of an attendant's page, which sends them all: an empty one is left out."""
    return call.req.params.get(name) or None


def _query(call: web.Call) -> Query:
    return read_query(
        _box(call, "q"),
        call.query("sources"),
        call.query("fields"),
        {name: value for name in NARROWING if (value := _box(call, name))},
        top=call.top,
        continuation=call.query("continuation"),
    )
