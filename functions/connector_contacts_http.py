"""The connector's operations on address books and contacts.

Paths, casing and success codes are those of the published connector, so a flow made for it runs here.
"""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.attendant.address_books.contacts import AddressBook, Contact, ids_in_query, read_contact, read_ids
from shared.kernel.callers import SERVICE_OWNER, TENANT_ADMIN

bp = func.Blueprint()
_FLOWS = (TENANT_ADMIN, SERVICE_OWNER)
_CONTACTS = "v2/AddressBooks/{AddressBook}/contacts"


@web.route(bp, "GET", "v2/AddressBooks", roles=_FLOWS, answer=list[AddressBook])
def get_connector_address_books(call: web.Call) -> func.HttpResponse:
    """List the address books a flow can choose from."""
    return call.ok(core().attendant.address_books.all(call.tenant_id))


@web.route(bp, "GET", _CONTACTS, roles=_FLOWS, answer=list[Contact], query=("externalIds",))
def get_contacts(call: web.Call) -> func.HttpResponse:
    """Read the contacts of an address book, all or (externalIds, repeated or separated by commas) some."""
    book = call.path("AddressBook")
    return call.ok(
        core().attendant.address_books.contacts(
            call.tenant_id, book, lambda: ids_in_query(call.every_query("externalIds"))
        )
    )


@web.route(bp, "POST", _CONTACTS, roles=_FLOWS, body=Contact, answer=Contact)
def add_contact(call: web.Call) -> func.HttpResponse:
    """Add a contact. One that is there with the same external id is replaced."""
    book = call.path("AddressBook")
    return call.ok(core().attendant.address_books.put_contact(call.tenant_id, book, lambda: read_contact(call.json)))


@web.route(bp, "PUT", _CONTACTS, roles=_FLOWS, body=Contact, answer=Contact)
def update_contact(call: web.Call) -> func.HttpResponse:
    """Replace a contact that is there, found by its external id."""
    book = call.path("AddressBook")
    return call.ok(
        core().attendant.address_books.replace_contact(call.tenant_id, book, lambda: read_contact(call.json))
    )


@web.route(bp, "POST", _CONTACTS + "/delete", roles=_FLOWS, body=list[str])
def remove_contacts(call: web.Call) -> func.HttpResponse:
    """Remove the contacts with these external ids (a bare array)."""
    book = call.path("AddressBook")
    core().attendant.address_books.remove_contacts(call.tenant_id, book, lambda: read_ids(call.json))
    return call.nothing(200)


@web.route(bp, "POST", _CONTACTS + "/clear", roles=_FLOWS)
def clear_contacts(call: web.Call) -> func.HttpResponse:
    """Remove all contacts of an address book."""
    core().attendant.address_books.clear(call.tenant_id, call.path("AddressBook"), by=call.caller)
    return call.nothing(200)
