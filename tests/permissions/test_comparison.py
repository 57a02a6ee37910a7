"""What an app needs against what it was granted: every row falls into one list, and the state follows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.components import Component
from shared.permissions.catalogue import PRODUCTS, catalogue
from shared.permissions.comparison import ComponentCheck, Unread, compared, not_configured
from shared.permissions.consent import ConsentLinks
from shared.permissions.required import GUESTS_READ_PRESENCE, NIMBUS_MAKES_MEETINGS, NIMBUS_SEARCHES_USERS, required
from shared.tenants.models import Product
from shared.tenants.setting_catalogue import Interact, PresenceTracking, Settings

LINK = "https://login.example/consent"
ROUTING = ["ContactCenter"]
TRACKING = Settings(presence_tracking=PresenceTracking(track_over_guest_accounts=True))
INTERACT_ON = Settings(interact=Interact(enabled=True))
BOT_ROLES = {
    "Calls.AccessMedia.All",
    "Calls.Initiate.All",
    "Calls.InitiateGroupCall.All",
    "Calls.JoinGroupCall.All",
}
NIMBUS_ROLES = {"Channel.ReadBasic.All", "GroupMember.Read.All", "Presence.Read.All", "User.Read.All"}
NIMBUS_SCOPES = {"User.Read", "User.ReadBasic.All"}


@dataclass
class Found:
    roles: Collection[str] | None = frozenset()
    scopes: Collection[str] | None = frozenset()
    why: Unread | None = None


def check(
    component: Component,
    found: Found,
    products: Collection[str] = ROUTING,
    settings: Settings | None = None,
) -> ComponentCheck:
    rows = [row for row in required(products, settings or Settings()) if row.component == component]
    return compared(component, rows, found, LINK)


def names(component: Component, products: Collection[str], settings: Settings | None = None) -> list[str]:
    return [row.permission for row in required(products, settings or Settings()) if row.component == component]


# what is required


def test_a_tenant_without_products_needs_nothing() -> None:
    assert required([], TRACKING) == []


def test_a_product_nobody_knows_needs_nothing() -> None:
    assert required(["Telegraph"], Settings()) == []


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_needs_the_rows_that_say_so(product: Product) -> None:
    expected = [row for row in catalogue().permissions if row.products[product]]
    untracked = GUESTS_READ_PRESENCE.model_copy(update={"optional": True})
    ours = (NIMBUS_MAKES_MEETINGS, NIMBUS_SEARCHES_USERS, untracked)
    listed = [row for row in required([product], INTERACT_ON) if row not in ours]
    assert listed == [row for row in expected if row.component != "Interact App" or product == "Interact"]


@pytest.mark.parametrize(
    ("products", "settings", "count"),
    [
        (["ContactCenter", "Interact"], Settings(), 0),
        (["ContactCenter"], INTERACT_ON, 0),
        (["Interact"], INTERACT_ON, 5),
        (["ContactCenter", "Interact"], INTERACT_ON, 5),
    ],
)
def test_the_interact_app_needs_nothing_until_interact_is_licensed_and_on(
    products: list[str], settings: Settings, count: int
) -> None:
    assert len(names("Interact App", products, settings)) == count


def test_presence_over_guest_accounts_needs_the_delegated_permission_too() -> None:
    assert names("Nimbus App", ROUTING, TRACKING).count("Presence.Read.All") == 2
    assert names("Nimbus App", ["Assistant"], TRACKING) == []


@pytest.mark.parametrize(("on", "missing", "extra"), [(True, True, False), (False, False, True)])
def test_the_nimbus_app_makes_meetings_while_interact_is_on(on: bool, missing: bool, extra: bool) -> None:
    settings = INTERACT_ON if on else Settings()
    products, makes = [*ROUTING, "Interact"], "OnlineMeetings.ReadWrite.All"
    without = check("Nimbus App", Found(NIMBUS_ROLES, NIMBUS_SCOPES), products, settings)
    granted = check("Nimbus App", Found(NIMBUS_ROLES | {makes}, NIMBUS_SCOPES), products, settings)
    assert (without.state, makes in without.missing_optional) == ("complete", missing)
    assert (granted.state, makes in granted.extra) == ("complete", extra)


def test_the_nimbus_app_may_search_users_for_the_attendant_console_alone() -> None:
    without = check("Nimbus App", Found(), ["AttendantConsole"])
    granted = check("Nimbus App", Found({"User.Read.All"}), ["AttendantConsole"])
    assert (without.state, without.missing, without.missing_optional) == ("complete", [], ["User.Read.All"])
    assert (granted.state, granted.granted, granted.extra) == ("complete", ["User.Read.All"], [])


@pytest.mark.parametrize("other", ["ContactCenter", "Interact"])
def test_where_another_product_needs_it_searching_users_is_not_optional(other: str) -> None:
    found = check("Nimbus App", Found(), ["AttendantConsole", other])
    assert found.missing.count("User.Read.All") == 1
    assert "User.Read.All" not in found.missing_optional


# states


def test_all_there_is_complete_and_optional_ones_do_not_matter() -> None:
    found = check("Nimbus App", Found(NIMBUS_ROLES, NIMBUS_SCOPES))
    assert (found.state, found.missing, found.extra, found.remedy) == ("complete", [], [], None)
    assert found.missing_optional == ["Mail.ReadWrite", "Mail.Send", "Presence.Read.All (Delegated)"]
    assert set(found.granted) == NIMBUS_ROLES | NIMBUS_SCOPES


@pytest.mark.parametrize("gone", sorted(BOT_ROLES))
def test_one_row_short_is_a_gap_that_names_it(gone: str) -> None:
    found = check("Calling Bot", Found(BOT_ROLES - {gone}))
    assert (found.state, found.missing, found.consent_url) == ("gaps", [gone], LINK)
    assert "consent link" in str(found.remedy)


def test_an_application_permission_does_not_stand_in_for_a_delegated_one() -> None:
    found = check("Attendant Console", Found(roles={"Calendars.Read"}), ["AttendantConsole"])
    assert "Calendars.Read" in found.missing
    assert found.extra == ["Calendars.Read (Application)"]


def test_what_users_may_grant_themselves_is_said() -> None:
    found = check("Nimbus App", Found(NIMBUS_ROLES, {"User.Read"}))
    assert found.missing == ["User.ReadBasic.All"]
    assert "Each user may also consent alone to User.ReadBasic.All" in str(found.remedy)


def test_more_than_needed_is_told_with_its_kind() -> None:
    found = check("Calling Bot", Found(BOT_ROLES | {"Directory.ReadWrite.All"}, {"Files.Read.All"}))
    assert (found.state, found.extra) == ("complete", ["Directory.ReadWrite.All", "Files.Read.All"])
    assert "Directory.ReadWrite.All (Application), Files.Read.All (Delegated)" in str(found.remedy)


def test_grants_of_a_product_that_is_gone_are_too_much() -> None:
    found = check("Attendant Console", Found(scopes={"Contacts.Read"}))
    assert (found.state, found.extra) == ("complete", ["Contacts.Read"])


def test_sign_in_scopes_and_what_lets_grants_be_read_are_not_too_much() -> None:
    roles = NIMBUS_ROLES | {"Application.Read.All", "DelegatedPermissionGrant.Read.All"}
    assert check("Nimbus App", Found(roles, NIMBUS_SCOPES | {"openid", "profile", "offline_access"})).extra == []
    assert check("Calling Bot", Found(BOT_ROLES | {"Application.Read.All"})).extra == ["Application.Read.All"]


def test_a_name_in_both_kinds_tells_which_one() -> None:
    scopes = NIMBUS_SCOPES | {"Presence.Read.All"}
    prepared = check("Nimbus App", Found(NIMBUS_ROLES, scopes))  # granted before tracking is switched on
    assert (prepared.state, prepared.extra, prepared.remedy) == ("complete", [], None)
    assert "Presence.Read.All (Delegated)" in prepared.granted
    tracked = check("Nimbus App", Found(NIMBUS_ROLES, NIMBUS_SCOPES), settings=TRACKING)
    assert (tracked.state, tracked.missing) == ("gaps", ["Presence.Read.All (Delegated)"])
    assert "Presence.Read.All" in tracked.granted
    without_role = check("Nimbus App", Found(NIMBUS_ROLES - {"Presence.Read.All"}, scopes), settings=TRACKING)
    assert without_role.missing == ["Presence.Read.All"]


@pytest.mark.parametrize("why", ["NotAllowedToRead", "AppNotInTenant", "NoAnswer"])
def test_what_could_not_be_read_is_neither_granted_nor_missing(why: Unread) -> None:
    found = check("Calling Bot", Found(None, None, why))
    assert (found.state, found.granted, found.missing, found.extra) == ("unknown", [], [], [])
    assert found.remedy


def test_a_refused_reader_is_told_which_permissions_would_let_it() -> None:
    remedy = str(check("Calling Bot", Found(None, None, "NotAllowedToRead")).remedy)
    assert "Application.Read.All" in remedy
    assert "DelegatedPermissionGrant.Read.All" in remedy


def test_a_gap_that_is_certain_outweighs_rows_that_are_unknown() -> None:
    found = check("Nimbus App", Found(NIMBUS_ROLES - {"User.Read.All"}, None, "GuestsCannotTell"))
    assert (found.state, found.missing) == ("gaps", ["User.Read.All"])
    assert "guest" in str(found.remedy)
    assert check("Nimbus App", Found(NIMBUS_ROLES, None, "GuestsCannotTell")).state == "unknown"


def test_rows_of_a_kind_that_was_read_suffice_where_no_others_are_needed() -> None:
    assert check("Calling Bot", Found(BOT_ROLES, None, "NotAllowedToRead")).state == "complete"


def test_components_that_share_a_client_id_do_not_call_each_others_permissions_too_much() -> None:
    rows = required(ROUTING, Settings())
    bot = [row for row in rows if row.component == "Media Bot"]
    shared_id = [row for row in rows if row.component in ("Media Bot", "Calling Bot")]
    assert compared("Media Bot", bot, Found(BOT_ROLES), LINK, also_needed=shared_id).extra == []


def test_a_component_without_a_client_id_is_told_to_the_operator() -> None:
    found = not_configured("Media Bot")
    assert (found.state, found.consent_url) == ("notConfigured", None)
    assert "COMPONENT_CLIENT_IDS" in str(found.remedy)


PRODUCT_SETS = st.lists(st.sampled_from(PRODUCTS), unique=True)
NAMES = st.none() | st.frozensets(st.sampled_from(sorted({row.permission for row in catalogue().permissions})))
SETTINGS = st.sampled_from([Settings(), TRACKING, INTERACT_ON])


@given(PRODUCT_SETS, SETTINGS, NAMES, NAMES)
def test_every_required_row_is_in_one_list_at_most_and_no_granted_name_is_lost(
    products: list[str], settings: Settings, roles: frozenset[str] | None, scopes: frozenset[str] | None
) -> None:
    why: Unread | None = "NotAllowedToRead" if None in (roles, scopes) else None
    rows = [row for row in required(products, settings) if row.component == "Nimbus App"]
    found = compared("Nimbus App", rows, Found(roles, scopes, why), LINK)
    lists = [*found.granted, *found.missing, *found.missing_optional]
    assert len(lists) == len(set(lists))
    known = [row for row in rows if (roles if row.type == "Application" else scopes) is not None]
    assert len(lists) == len(known)
    signed = {"openid", "profile", "offline_access"}
    assert len(found.granted) + len(found.extra) == len(roles or ()) + len((scopes or frozenset()) - signed)
    assert (found.state == "gaps") == bool(found.missing)
    assert (found.state == "complete") <= (len(known) == len(rows))


# the link


def test_the_link_asks_the_tenant_for_everything_the_app_is_registered_for() -> None:
    links = ConsentLinks("https://login.microsoftonline.com", "https://graph.microsoft.com", "https://nimbus.example")
    url = urlsplit(links.of("tenant-id", "client-id"))
    assert (url.netloc, url.path) == ("login.microsoftonline.com", "/tenant-id/v2.0/adminconsent")
    assert parse_qs(url.query) == {
        "client_id": ["client-id"],
        "scope": ["https://graph.microsoft.com/.default"],
        "redirect_uri": ["https://nimbus.example/api/consent/callback"],
    }
