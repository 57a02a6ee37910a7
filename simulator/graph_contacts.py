"""The personal contacts of a mailbox."""

from __future__ import annotations

from typing import Final

from simulator.graph_access import GraphRefusal, Reader, names, not_found
from simulator.graph_filter import matches
from simulator.graph_lists import filter_of, ordered, page_reply, selection
from simulator.graph_support import properties_in
from simulator.graph_types import CONTACT, check_literals
from simulator.graph_users import user_of
from simulator.wire import Call, Reply

KNOWN: Final = names(
    "id displayName givenName surname middleName nickName title companyName department jobTitle officeLocation "
    "profession businessHomePage assistantName manager homePhones mobilePhone businessPhones emailAddresses "
    "imAddresses personalNotes birthday homeAddress businessAddress otherAddress categories fileAs parentFolderId "
    "createdDateTime lastModifiedDateTime"
)
#: Outlook's code for a filter it cannot read.
PARSING_FAILED: Final = "RequestBroker--ParseUri"
#: Outlook's default page is ten.
PAGE: Final = 10


def list_contacts(call: Call, reader: Reader, key: str) -> Reply:
    """A page of a user's contacts; $filter on any property, as Exchange allows."""
    own = key.lower() in (reader.oid.lower(), (reader.account or "").lower())
    allowed = ("Contacts.Read", "Contacts.ReadWrite")
    if not reader.app_only and not own:
        allowed = ("Contacts.Read.Shared", "Contacts.ReadWrite.Shared")
    if not reader.may(*allowed):
        raise GraphRefusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    user = user_of(reader, key)
    if user is None:
        raise not_found(key)
    if "$search" in call.query:
        raise GraphRefusal(400, "ErrorInvalidUrlQuery", "The query parameter $search is not supported here.")
    contacts = reader.tenant.contacts.get(str(user["id"]).lower(), [])
    node = filter_of(call)
    if node is not None:
        unknown = properties_in(node) - {name.lower() for name in KNOWN}
        if unknown:
            message = f"Could not find a property named '{min(unknown)}' on type 'Microsoft.OutlookServices.Contact'."
            raise GraphRefusal(400, PARSING_FAILED, message)
        check_literals(node, CONTACT, code=PARSING_FAILED)
        contacts = [contact for contact in contacts if matches(node, contact)]
    contacts = ordered(call, contacts, {name.lower(): name for name in KNOWN})
    selected = selection(call, KNOWN, list(KNOWN), "contact")
    return page_reply(call, f"users('{key}')/contacts", contacts, selected=selected, page=PAGE)
