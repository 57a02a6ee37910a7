"""The catalogue holds what the product's page says, in Microsoft's spelling."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.components import COMPONENTS, RESOURCE_CLIENT_IDS
from shared.kernel.errors import Invalid
from shared.permissions.catalogue import KINDS, PRODUCTS, PROVISIONER, catalogue, chosen
from simulator.graph_permissions import ACS_APP, ACS_SCOPES, PERMISSIONS
from simulator.tokens import GRAPH_APP

IDS: dict[str, Any] = json.loads(Path(__file__).with_name("microsoft_ids.json").read_text())
ROUTING = {"AdvancedRouting", "EnterpriseRouting", "ContactCenter"}
WITH_INTERACT = ROUTING | {"Interact"}

# The page's tables, copied by hand: component, permission, kind, who grants, products.
PAGE = """
Nimbus App         Channel.ReadBasic.All          Application T routing
Nimbus App         GroupMember.Read.All           Application T routing
Nimbus App         Mail.ReadWrite                 Application T routing optional
Nimbus App         Mail.Send                      Application T routing optional
Nimbus App         Presence.Read.All              Application T routing
Nimbus App         User.Read                      Delegated   U routing
Nimbus App         User.Read.All                  Application T routing+interact
Nimbus App         User.ReadBasic.All             Delegated   U routing
Calling Bot        Calls.AccessMedia.All          Application T routing
Calling Bot        Calls.Initiate.All             Application T routing
Calling Bot        Calls.InitiateGroupCall.All    Application T routing+interact
Calling Bot        Calls.JoinGroupCall.All        Application T routing+interact
Media Bot          Calls.AccessMedia.All          Application T routing
Media Bot          Calls.JoinGroupCall.All        Application T routing+interact
Interact App       Calls.InitiateGroupCall.All    Application T routing+interact
Interact App       Calls.JoinGroupCall.All        Application T routing+interact
Interact App       OnlineMeetingArtifact.Read.All Application T interact
Interact App       OnlineMeetings.Read.All        Application T interact
Interact App       OnlineMeetings.ReadWrite.All   Application T interact
Assistant App      Teams.ManageCalls              Delegated   U assistant
Assistant App      Teams.ManageChat               Delegated   U assistant
Assistant App      User.Read.All                  Delegated   T assistant
Assistant App      Presence.Read                  Delegated   U assistant
Attendant Console  Calendars.Read                 Delegated   U attendant
Attendant Console  Calendars.Read.Shared          Delegated   U attendant
Attendant Console  Contacts.Read                  Delegated   U attendant
Attendant Console  Contacts.Read.Shared           Delegated   U attendant
Attendant Console  Presence.Read.All              Delegated   T attendant
Microsoft Graph PowerShell  Application.ReadWrite.All             Delegated T nothing
Microsoft Graph PowerShell  AppRoleAssignment.ReadWrite.All       Delegated T nothing
Microsoft Graph PowerShell  DelegatePermissionGrant.ReadWrite.All Delegated T nothing
Microsoft Graph PowerShell  Domain.Read.All                       Delegated T nothing
Microsoft Graph PowerShell  Organization.Read.All                 Delegated T nothing
Microsoft Graph PowerShell  User.ReadWrite.All                    Delegated T nothing
Microsoft Graph PowerShell  openid                                Delegated T nothing
Microsoft Graph PowerShell  profile                               Delegated T nothing
Microsoft Graph PowerShell  offline_access                        Delegated T nothing
"""
NEEDED_BY = {
    "routing": ROUTING,
    "routing+interact": WITH_INTERACT,
    "interact": {"Interact"},
    "assistant": {"Assistant"},
    "attendant": {"AttendantConsole"},
    "nothing": set(),
}


def test_every_row_of_the_page_is_there_with_its_products_and_no_other() -> None:
    known = catalogue()
    on_page = [
        (component, permission, kind, who, NEEDED_BY[products], bool(optional))
        for component, permission, kind, who, products, optional in re.findall(
            r"^(.+?) +(\S+) +(Application|Delegated) +([TU]) (\S+)( optional)?$", PAGE, re.MULTILINE
        )
    ]
    spelt = {right: wrong for wrong, right in known.misspelt.items()}
    rows = [
        (
            row.component,
            spelt.get(row.permission, row.permission),
            row.type,
            row.granted_by[0],
            {product for product, needs in row.products.items() if needs},
            row.optional,
        )
        for row in known.permissions
    ]
    assert len(rows) == 37
    assert rows == on_page


def test_every_name_is_one_microsoft_publishes_for_that_kind() -> None:
    for row in catalogue().permissions:
        published = IDS[row.resource][row.permission]
        assert published[row.type.lower()], row


def test_both_misspelt_names_are_noted_at_their_rows_and_microsoft_knows_neither() -> None:
    known = catalogue()
    assert len(known.misspelt) == 2
    for wrong, right in known.misspelt.items():
        (row,) = [row for row in known.permissions if row.permission == right]
        assert wrong in (row.note or "")
        assert all(wrong not in IDS[resource] for resource in RESOURCE_CLIENT_IDS)


def test_teams_permissions_belong_to_communication_services() -> None:
    elsewhere = {row.permission for row in catalogue().permissions if row.resource != "Microsoft Graph"}
    assert elsewhere == {"Teams.ManageCalls", "Teams.ManageChats"}
    assert not any(name.startswith("Teams.") for name in IDS["Microsoft Graph"])


def test_the_simulator_publishes_the_same_ids_as_microsoft() -> None:
    told = {name: {"application": role, "delegated": scope} for name, role, scope in PERMISSIONS}
    assert told == IDS["Microsoft Graph"]
    assert {name: {"application": None, "delegated": scope} for name, scope in ACS_SCOPES.items()}.items() <= IDS[
        "Azure Communication Services"
    ].items()
    assert set(RESOURCE_CLIENT_IDS.values()) == {GRAPH_APP, ACS_APP}


def test_the_components_are_those_of_the_product_and_whoever_provisions() -> None:
    assert [part.name for part in catalogue().components] == [*COMPONENTS, PROVISIONER]
    assert {row.component for row in catalogue().permissions} == {*COMPONENTS, PROVISIONER} - {"Chat Bot"}


def test_each_row_is_there_once_and_says_what_it_is_for() -> None:
    rows = catalogue().permissions
    assert max(Counter((row.component, row.permission, row.type) for row in rows).values()) == 1
    assert all(row.purpose.endswith(".") and (row.note or ".").endswith(".") for row in rows)


@pytest.mark.parametrize(
    ("product", "component", "kind", "count"),
    [
        (None, None, None, 37),
        ("Interact", None, None, 9),
        ("ContactCenter", "Nimbus App", None, 8),
        ("contact center", "NIMBUSAPP", "delegated", 2),
        (None, "Chat Bot", None, 0),
        (None, "microsoft-graph-powershell", None, 9),
        ("AttendantConsole", "Attendant Console", "Application", 0),
        (None, None, "Application", 17),
    ],
)
def test_filters_narrow_together_whatever_case_and_spaces(
    product: str | None, component: str | None, kind: str | None, count: int
) -> None:
    assert len(chosen(product=product, component=component, kind=kind)) == count


def test_unknown_names_are_all_told_at_once_with_the_nearest_ones() -> None:
    with pytest.raises(Invalid) as refused:
        chosen(product="ContactCentre", component="Calling Bod", kind="Delegate")
    told = {finding.path: finding.message for finding in refused.value.findings}
    assert told.keys() == {"product", "component", "type"}
    assert "ContactCenter" in told["product"]
    assert "Calling Bot" in told["component"]
    assert "Delegated" in told["type"]


def test_a_name_near_to_none_is_answered_with_all_there_are() -> None:
    with pytest.raises(Invalid) as refused:
        chosen(product="?" * 5000, component=None, kind=None)
    (finding,) = refused.value.findings
    assert all(product in finding.message for product in PRODUCTS)
    assert len(finding.message) < 300


@given(st.text(), st.text(), st.text())
def test_no_filter_whatsoever_is_more_than_a_refusal(product: str, component: str, kind: str) -> None:
    with suppress(Invalid):
        assert all(row.type in KINDS for row in chosen(product=product, component=component, kind=kind))
