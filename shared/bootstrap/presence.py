"""Presence: from Graph and the store to the actors that triggers call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from shared.bootstrap.trunk import Ground
from shared.clients.graph.groups import GroupReader
from shared.clients.graph.guest_status import TenantFacts
from shared.presence.account_notes import AccountNotes
from shared.presence.availability import Availability
from shared.presence.guest_accounts.account_page import AccountPage
from shared.presence.guest_accounts.consent import Consents
from shared.presence.health import HealthOfPresence
from shared.presence.polling.poller import Poller
from shared.presence.views import Presences
from shared.presence.watch_group import WatchGroups


@dataclass(frozen=True, slots=True)
class PresenceRoom:
    """Polls, what they found, and the accounts they use."""

    poller: Poller
    presences: Presences
    availability: Availability
    health: HealthOfPresence
    account_page: AccountPage
    consents: Consents
    watch_groups: WatchGroups
    outbound_addresses: tuple[str, ...]


def build_presence(ground: Ground, presences: Presences, held: Callable[[str], Collection[str]]) -> PresenceRoom:
    """``held`` gives the users of a tenant who hold a task."""
    config, now, store, trunk = ground.config, ground.now, ground.presence, ground.trunk
    polls = ground.queues["presence-polls"]
    facts = TenantFacts(ground.sign_ins, ground.graph, ground.grants, config.graph_client_id, config.presence_accounts)
    notes = AccountNotes(store, now)
    return PresenceRoom(
        poller=Poller(store, trunk.tenants, trunk.directory, ground.reader, polls, config.presence_interval, now),
        presences=presences,
        availability=Availability(presences, trunk.directory, held=held),
        health=HealthOfPresence(store, now, config.presence_interval),
        account_page=AccountPage(store, trunk.directory, ground.reader, facts, notes, ground.account_pace),
        consents=Consents(
            config.cloud,
            config.graph_client_id,
            config.public_base_url,
            trunk.secrets,
            trunk.tenants,
            facts,
            ground.reader,
            notes,
            ground.journal,
            ground.account_pace,
            now,
        ),
        watch_groups=WatchGroups(
            ground.account.table("presence"),
            trunk.tenants,
            trunk.directory,
            GroupReader(ground.sign_ins, ground.graph),
            ground.queues["watch-groups"],
            now,
        ),
        outbound_addresses=config.outbound_ip_addresses,
    )
