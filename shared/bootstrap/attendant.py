"""Attendant Console: from the directories to the actors that triggers call."""

from __future__ import annotations

from dataclasses import dataclass

from shared.attendant.address_books.address_books import AddressBooks
from shared.attendant.address_books.text_index import SearchCopies
from shared.attendant.odata_filter.check import FilterCheck
from shared.attendant.search.contact_search import ContactSearch, MailboxConsentLink
from shared.attendant.search.service_search import Teams
from shared.bootstrap.trunk import Ground
from shared.clients.graph.contacts import ExchangeContacts
from shared.clients.graph.filtered_lists import GraphLists
from shared.clients.graph.users import DirectorySearch
from shared.kernel.components import CONSENT_CALLBACK
from shared.presence.availability import Availability


@dataclass(frozen=True, slots=True)
class Attendant:
    """Search over three directories, address books, services with their members."""

    address_books: AddressBooks
    search_copies: SearchCopies
    contact_search: ContactSearch
    filter_check: FilterCheck
    teams: Teams


def build_attendant(ground: Ground, availability: Availability) -> Attendant:
    config, contacts = ground.config, ground.account.table("contacts")
    address_books = AddressBooks(contacts)
    search_copies = SearchCopies(contacts, address_books)
    lists = GraphLists(ground.session, config.cloud, ground.now)
    directory_search = DirectorySearch(ground.sign_ins, lists)
    callback = f"{config.public_base_url}/{CONSENT_CALLBACK}"
    return Attendant(
        address_books=address_books,
        search_copies=search_copies,
        contact_search=ContactSearch(
            search_copies,
            directory_search,
            ExchangeContacts(ground.exchanges, lists),
            MailboxConsentLink(config.cloud.login, config.cloud.graph, config.api_client_id, callback),
        ),
        filter_check=FilterCheck(directory_search),
        teams=Teams(ground.trunk.directory, availability),
    )
