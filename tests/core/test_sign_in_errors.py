"""Each refusal of Entra has its family, its code of the contract and somebody who can mend it, whatever its form."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.entra.token_endpoint import first_sentence, refusal
from shared.kernel import sign_in_errors
from shared.kernel.errors import Denied, Throttled, Unreachable
from shared.kernel.sign_in_errors import Family, FaultCode, SignInFault, catalogue, deciding_code, fault_in
from shared.presence.faults import fault_of, remedy_of
from simulator.entra_errors import KINDS
from tests.core.sign_in_table import ROWS, Row

FILE: dict[str, Any] = json.loads(Path(sign_in_errors.__file__).with_suffix(".json").read_text(encoding="utf-8"))
DOCS = Path(__file__).parents[2] / "docs/presence.md"
ACTS = {"tenant": "tenant admin", "operator": "operator", "user": "the user", "nobody": "nobody, it passes"}


def answer(*codes: int, error: str = "invalid_grant", **more: object) -> dict[str, Any]:
    said = " ".join(f"AADSTS{code}: No." for code in codes)
    return {"error": error, "error_description": f"{said} Trace ID: 1", "error_codes": list(codes), **more}


def told(*codes: int, error: str = "invalid_grant", **more: object) -> Denied:
    refused = refusal(answer(*codes, error=error, **more), "the account")
    assert isinstance(refused, Denied)
    return refused


# the table


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(ROWS) >= 60
    assert max(Counter(row.aadsts for row in ROWS).values()) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.aadsts))
def test_each_code_of_the_record_has_its_family_outcome_and_actor(row: Row) -> None:
    refused = told(row.aadsts)
    assert refused.fault is not None
    assert (refused.fault.family, refused.fault.code, refused.fault.acts) == (row.family, row.outcome, row.acts)
    assert fault_of(refused) == (row.outcome, f"AADSTS{row.aadsts}")
    assert row.remedy in remedy_of(row.outcome, f"AADSTS{row.aadsts}")
    assert refused.members["remedy"] == refused.fault.remedy
    assert row.aadsts in sourced()[row.source]


def sourced() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {name: set() for name in FILE["sources"]}
    for family in FILE["families"]:
        for fault in family["faults"]:
            for source, codes in fault["codes"].items():
                found[source] |= set(codes)
    return found


# the file


def listed() -> list[int]:
    faults = [fault for family in FILE["families"] for fault in family["faults"]]
    return [code for fault in faults for codes in fault["codes"].values() for code in codes]


def test_no_code_and_no_word_is_in_two_places() -> None:
    assert max(Counter(listed()).values()) == 1
    faults = [fault for family in FILE["families"] for fault in family["faults"]]
    for words in ("suberrors", "errors"):
        assert max(Counter(word for fault in faults for word in fault.get(words, ())).values()) == 1


def test_every_code_has_a_public_source() -> None:
    assert all(url.startswith("https://") for url in FILE["sources"].values())
    assert all(sourced().values()), "a source that no code names"


def test_families_map_one_to_one_onto_the_codes_of_the_contract() -> None:
    pairs = {(fault.family, fault.code) for fault in catalogue().faults}
    codes = Counter(code for _, code in pairs if code != "Unknown")
    assert codes == dict.fromkeys(set(get_args(FaultCode)) - {"Unknown"}, 1)
    assert {family for family, _ in pairs} == set(get_args(Family))


@pytest.mark.parametrize("fault", catalogue().faults, ids=lambda fault: fault.means[:40])
def test_a_remedy_names_who_acts_and_where(fault: SignInFault) -> None:
    assert fault.remedy.endswith(".")
    match fault.acts:
        case "tenant":
            places = ("Entra admin center", "grant-permission link", "Microsoft support", "Microsoft 365 admin center")
            assert any(place in fault.remedy for place in places)
        case "operator":
            assert "operator of Nimbus" in fault.remedy


def test_the_page_for_admins_holds_each_fault_of_the_file() -> None:
    rows = ["| code | what happened | who acts | what to do | AADSTS |", "| --- | --- | --- | --- | --- |"]
    for family in FILE["families"]:
        for fault in family["faults"]:
            numbers = ", ".join(str(code) for codes in fault["codes"].values() for code in codes)
            rows.append(
                f"| `{family['code']}` | {fault['means']} | {ACTS[fault['acts']]} | {fault['remedy']} | {numbers} |"
            )
    assert "\n".join(rows) in DOCS.read_text(encoding="utf-8")


def test_the_page_for_users_holds_each_remedy_of_a_users_own_sign_in() -> None:
    rows = ["| what happened | who acts | what to do | AADSTS |", "| --- | --- | --- | --- |"]
    for family in FILE["families"]:
        for fault in family["faults"]:
            if own := fault.get("ownSignIn"):
                numbers = ", ".join(str(code) for codes in fault["codes"].values() for code in codes)
                rows.append(f"| {fault['means']} | {ACTS[own['acts']]} | {own['remedy']} | {numbers} |")
    assert "\n".join(rows) in DOCS.with_name("interact.md").read_text(encoding="utf-8")


def test_the_simulated_entra_knows_every_code_of_the_file() -> None:
    assert set(listed()) <= set(KINDS)


# several codes, and none that is listed


@given(st.lists(st.sampled_from(listed()) | st.integers(1, 99_999_999), min_size=1, max_size=6), st.randoms())
def test_the_order_of_several_codes_does_not_matter(codes: list[int], random: Any) -> None:
    mixed = codes[:]
    random.shuffle(mixed)
    words = {"error": "invalid_grant", "suberror": "", "claims": False}
    assert deciding_code(mixed) == deciding_code(codes)
    assert fault_in(mixed, **words) == fault_in(codes, **words)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(listed()), min_size=1, max_size=4), st.integers(100_000_000, 999_999_999))
def test_a_code_nobody_knows_beside_others_changes_nothing(codes: list[int], strange: int) -> None:
    assert deciding_code([strange, *codes]) == deciding_code(codes)


@pytest.mark.parametrize(
    ("codes", "decides", "outcome"),
    [
        ((50076, 90072), 90072, "NotAddedAsGuest"),  # exempting a guest who is not there would not help
        ((50076, 53003), 53003, "BlockedByConditionalAccess"),
        ((65001, 700016), 700016, "AppNotInTenant"),
        ((50076, 50126), 50126, "WrongPassword"),
        ((50000, 50126), 50126, "WrongPassword"),
        # The older form, where 70002 says only that something about the credentials is wrong. Seen in
        # https://github.com/Azure/azure-cli/issues/242
        ((70002, 70008), 70008, "SignInExpired"),
        ((70002, 50126), 50126, "WrongPassword"),
    ],
)
def test_of_several_codes_the_one_to_be_mended_first_is_told(
    codes: tuple[int, int], decides: int, outcome: str
) -> None:
    for order in (codes, codes[::-1]):
        assert fault_of(told(*order)) == (outcome, f"AADSTS{decides}")


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"suberror": "consent_required"}, "PermissionNotGranted"),
        ({"suberror": "user_password_expired"}, "PasswordExpired"),
        ({"suberror": "bad_token"}, "SignInExpired"),
        ({"suberror": "token_expired"}, "SignInExpired"),
        ({"suberror": "basic_action"}, "MfaRequired"),
        ({"suberror": "basic_action", "claims": "{}"}, "MfaRequired"),
        ({"suberror": "message_only"}, "BlockedByConditionalAccess"),
        ({"suberror": "additional_action"}, "BlockedByConditionalAccess"),
        ({"suberror": "protection_policy_required", "error": "unauthorized_client"}, "BlockedByConditionalAccess"),
        ({"claims": '{"access_token":{}}', "error": "interaction_required"}, "BlockedByConditionalAccess"),
        ({"error": "interaction_required"}, "MfaRequired"),
        ({"error": "consent_required"}, "PermissionNotGranted"),
        ({"error": "login_required"}, "SignInExpired"),
        ({"error": "unauthorized_client"}, "AppNotInTenant"),
        ({"error": "invalid_client"}, "Unknown"),
        ({"suberror": "never_seen"}, "Unknown"),
        ({"suberror": 5, "claims": {"not": "a text"}}, "Unknown"),
        ({}, "Unknown"),
    ],
)
@pytest.mark.parametrize("codes", [(), (59999999,)])
def test_an_answer_without_a_known_code_is_judged_by_its_words(
    codes: tuple[int, ...], more: dict[str, Any], outcome: str
) -> None:
    assert fault_of(told(*codes, **more))[0] == outcome


def test_a_listed_code_counts_more_than_the_words_beside_it() -> None:
    assert fault_of(told(50020, suberror="basic_action", claims="{}", error="interaction_required"))[0] == (
        "NotAddedAsGuest"
    )


def test_what_passes_by_itself_is_no_refusal() -> None:
    for code in (50033, 90033, 90006):
        assert isinstance(refusal(answer(code), "the account"), Unreachable)
    for code in (50196, 90055):
        assert isinstance(refusal(answer(code), "the account"), Throttled)
    assert isinstance(refusal(answer(error="temporarily_unavailable"), "the account"), Unreachable)
    assert isinstance(refusal(answer(50076, error="temporarily_unavailable"), "the account"), Denied)


def test_a_description_of_blanks_costs_nothing() -> None:
    """With a pattern that begins with blanks these take seconds."""
    blanks = " " * 20_000
    said = {"error": "invalid_grant", "error_description": f"AADSTS50076: No{blanks}Trace{blanks}ID"}
    began = time.process_time()
    refused = refusal(said, "the account")
    first_sentence(blanks + "." + blanks)
    assert time.process_time() - began < 0.5
    assert isinstance(refused, Denied)
    assert refused.reason == "AADSTS50076"
