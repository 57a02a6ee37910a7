"""The personal contacts in a user's mailbox, read in the user's name."""

from __future__ import annotations

from typing import Final

from shared.clients.entra.on_behalf_of import OnBehalfOf
from shared.clients.graph.filtered_lists import GraphLists, Listed

SCOPE: Final = "Contacts.Read"
SHOWN: Final = (
    "id,displayName,givenName,surname,companyName,department,jobTitle,emailAddresses,businessPhones,homePhones,"
    "mobilePhone,imAddresses"
)


class ExchangeContacts:
    def __init__(self, on_behalf_of: OnBehalfOf, lists: GraphLists) -> None:
        self._on_behalf_of = on_behalf_of
        self._lists = lists

    def contacts(self, tenant_id: str, user_token: str, filter_text: str, *, top: int) -> Listed:
        """At most ``top`` contacts. ``user_token`` is the verified token the user sent to this API.

        Raises Denied (its reason as ``OnBehalfOf.graph_token`` says), Throttled, Unreachable or Broken.
        """
        token = self._on_behalf_of.graph_token(tenant_id, user_token, [SCOPE])
        return self._lists.read(token, "/v1.0/me/contacts", {"$select": SHOWN, "$filter": filter_text}, top=top)
