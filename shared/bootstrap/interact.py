"""Interact and Assistant: from Communication Services and Graph to the actors that triggers call."""

from __future__ import annotations

from dataclasses import dataclass

from shared.bootstrap.trunk import Ground
from shared.clients.acs import AcsIdentities
from shared.clients.entra.caller_tokens import CallerTokens
from shared.clients.graph.meetings import OnlineMeetings
from shared.interact.acs.connection_check import AcsChecks
from shared.interact.acs.connection_strings import CurrentStrings
from shared.interact.assistant import Assistant
from shared.interact.sessions.cleanup import SessionEnds
from shared.interact.sessions.meetings import MeetingChecks
from shared.interact.sessions.sessions import Sessions
from shared.interact.sessions.start import SessionStart
from shared.interact.sessions.store import SessionStore
from shared.interact.widget.authorization import Authorization
from shared.interact.widget.rates import WidgetRates
from shared.interact.widget.widget import Widget


@dataclass(frozen=True, slots=True)
class Interact:
    """Sessions of websites, the checks before them, and the Assistant's tokens."""

    widget: Widget
    widget_rates: WidgetRates
    authorization: Authorization
    sessions: Sessions
    session_ends: SessionEnds
    meeting_checks: MeetingChecks
    assistant: Assistant
    acs_checks: AcsChecks


def build_interact(ground: Ground) -> Interact:
    config, now, trunk = ground.config, ground.now, ground.trunk
    suffixes, system = config.cloud.acs_suffixes, ground.account.table("system")
    identities = AcsIdentities(ground.session)
    meetings = OnlineMeetings(ground.session, config.cloud, ground.sign_ins, config.graph_client_id, now)
    held = SessionStore(ground.account.table("sessions"))
    strings = CurrentStrings(trunk.tenants, ground.settings, suffixes)
    ends = SessionEnds(system, held, trunk.secrets, identities, strings, now)
    start = SessionStart(ground.settings, suffixes, identities, meetings, ends, strings, now)
    return Interact(
        widget=Widget(trunk.widget_keys, trunk.tenants),
        widget_rates=WidgetRates(),
        authorization=Authorization(CallerTokens(ground.keys, config.cloud, config.interact_audience, now)),
        sessions=Sessions(held, start, ends, trunk.directory, now),
        session_ends=ends,
        meeting_checks=MeetingChecks(meetings, ground.journal, now),
        assistant=Assistant(
            ground.settings,
            ground.exchanges,
            identities,
            config.api_client_id,
            config.platform_acs_connection_string,
            suffixes,
            now,
        ),
        acs_checks=AcsChecks(identities, system, trunk.secrets, strings, now, ground.journal),
    )
