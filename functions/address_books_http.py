"""The address books of a tenant. Their contacts come and go through the connector's operations."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.attendant.address_books.contacts import AddressBook, AddressBookWrite
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.tenants.models import Page

bp = func.Blueprint()
_ADMINS = (TENANT_ADMIN, OPERATOR)
_BOOKS = "api/tenants/{tenantId}/address-books"


@web.route(bp, "GET", _BOOKS, roles=_ADMINS, answer=Page[AddressBook], query=("top", "continuation"))
def list_address_books(call: web.Call) -> func.HttpResponse:
    """List the address books of the tenant."""
    return call.ok(core().attendant.address_books.page(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(bp, "PUT", _BOOKS + "/{id}", roles=_ADMINS, body=AddressBookWrite, answer=AddressBook, versioned=True)
def put_address_book(call: web.Call) -> func.HttpResponse:
    """Create an address book, or rename it (If-Match)."""
    _ = call.json
    saved = core().attendant.address_books.put(
        call.tenant_id,
        call.path("id"),
        lambda: call.body(AddressBookWrite),
        versions=call.versions,
        by=call.caller,
    )
    return call.stored(saved)


@web.route(bp, "DELETE", _BOOKS + "/{id}", roles=_ADMINS, status=204, versioned=True)
def delete_address_book(call: web.Call) -> func.HttpResponse:
    """Delete an address book with all its contacts."""
    core().attendant.address_books.delete(call.tenant_id, call.path("id"), versions=call.versions, by=call.caller)
    return call.nothing()
