"""Whether a section does anything, and why not: from products, licences and switches alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tenants.models import InUse
from shared.tenants.setting_catalogue import SECTIONS, Interact, PresenceTracking, Settings
from shared.tenants.settings.effects import effects

PRODUCTS = ("AdvancedRouting", "EnterpriseRouting", "ContactCenter", "AttendantConsole", "Interact", "Assistant")
ALL = frozenset(PRODUCTS)
FULL = InUse(services=ALL, users=ALL, calls_out=True)
ON = Settings(interact=Interact(enabled=True), presence_tracking=PresenceTracking(track_over_guest_accounts=True))
licences = st.frozensets(st.sampled_from(PRODUCTS))
switches = st.sampled_from([Settings(), ON])


def because(section: str, settings: Settings = ON, products: frozenset[str] = ALL, in_use: InUse = FULL) -> list[str]:
    return list(effects(settings, products, in_use)[section].because)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_with_all_it_needs_is_effective(section: str) -> None:
    assert effects(ON, ALL, FULL)[section].effective
    assert because(section) == []


@pytest.mark.parametrize(
    ("section", "product"),
    [
        ("outbound", {"ContactCenter"}),
        ("interact", {"Interact"}),
        ("assistant", {"Assistant"}),
        ("attendantConsole", {"AttendantConsole"}),
        ("presenceTracking", {"AdvancedRouting", "EnterpriseRouting", "ContactCenter"}),
    ],
)
def test_a_section_needs_its_product_and_no_other_one(section: str, product: set[str]) -> None:
    assert because(section, products=ALL - product) == ["ProductNotLicensed"]
    assert all(because(section, products=frozenset({one})) == [] for one in product)


@pytest.mark.parametrize(
    ("section", "in_use", "reasons"),
    [
        ("outbound", InUse(services=ALL - {"ContactCenter"}, users=ALL, calls_out=True), ["NoLicensedService"]),
        ("outbound", InUse(services=ALL, users=frozenset(), calls_out=False), ["OutboundNotEnabled"]),
        ("interact", InUse(services=ALL, users=ALL - {"Interact"}), ["NoLicensedUser"]),
        ("assistant", InUse(services=ALL, users=ALL - {"Assistant"}), ["NoLicensedUser"]),
        ("attendantConsole", InUse(services=ALL, users=ALL - {"AttendantConsole"}), ["NoLicensedUser"]),
        ("presenceTracking", InUse(users=frozenset({"Interact"})), ["NoLicensedUser"]),
        ("presenceTracking", InUse(services=frozenset({"AdvancedRouting"})), []),
        ("presenceTracking", InUse(users=frozenset({"EnterpriseRouting"})), []),
    ],
)
def test_a_section_needs_somebody_who_has_the_licence(section: str, in_use: InUse, reasons: list[str]) -> None:
    assert because(section, in_use=in_use) == reasons


@pytest.mark.parametrize("section", ["interact", "presenceTracking"])
def test_a_section_with_a_switch_needs_it_on(section: str) -> None:
    assert because(section, settings=Settings()) == ["SwitchedOff"]


def test_all_that_is_missing_is_named_at_once() -> None:
    nothing = {name: list(e.because) for name, e in effects(Settings(), frozenset(), InUse()).items()}
    assert nothing == {
        "outbound": ["ProductNotLicensed", "NoLicensedService"],
        "interact": ["ProductNotLicensed", "NoLicensedUser", "SwitchedOff"],
        "assistant": ["ProductNotLicensed", "NoLicensedUser"],
        "attendantConsole": ["ProductNotLicensed", "NoLicensedUser"],
        "presenceTracking": ["ProductNotLicensed", "NoLicensedUser", "SwitchedOff"],
    }


@given(switches, licences, licences, licences, licences, licences, licences, st.booleans())
def test_more_licences_never_add_a_reason_except_the_next_one(
    settings: Settings,
    products: frozenset[str],
    services: frozenset[str],
    users: frozenset[str],
    more_products: frozenset[str],
    more_services: frozenset[str],
    more_users: frozenset[str],
    calls_out: bool,
) -> None:
    before = effects(settings, products, InUse(services, users, calls_out))
    after = effects(settings, products | more_products, InUse(services | more_services, users | more_users, calls_out))
    for section in SECTIONS:
        # Once a service has the licence, the next question is whether it may call out.
        assert set(after[section].because) <= {*before[section].because, "OutboundNotEnabled"}
        assert len(after[section].because) <= len(before[section].because)
