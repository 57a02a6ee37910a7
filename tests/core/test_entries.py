"""An entry as a flow writes it and reads it back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.clock import from_wire
from shared.kernel.errors import Invalid
from shared.outbound.tasks.models import MAX_JSON_BYTES, SchedulerEntryWrite, read_entry
from shared.outbound.tasks.task import Entry

DUE = "2026-03-01T12:00:00.000Z"
LEAST: dict[str, Any] = {"serviceUpn": "desk@contoso.example", "destination": "+41791234567", "dueDateTimeUtc": DUE}
FULL: dict[str, Any] = LEAST | {
    "ReferenceId": "Order 7",
    "distributionPriority": "High",
    "maxAttempts": 2,
    "attemptTimeoutInSeconds": 60,
    "maxQueueTimeInSeconds": 10,
    "ronaTimeoutInSeconds": 15,
    "customCallContextParameters": [{"name": "a", "value": "b"}],
    "customer": {"firstName": "Ana", "UPN": "ana@contoso.example", "telNumbers": [{"name": "home", "value": "1"}]},
}


def found(data: object) -> list[tuple[str, str]]:
    """Path and code of every finding."""
    with pytest.raises(Invalid) as refused:
        read_entry(data)
    return [(finding.path, finding.code) for finding in refused.value.findings]


def test_the_least_a_flow_sends_takes_the_connectors_defaults() -> None:
    assert read_entry(LEAST).as_json() == LEAST | {
        "distributionPriority": "Normal",
        "maxAttempts": 1,
        "attemptTimeoutInSeconds": 3600,
        "maxQueueTimeInSeconds": 300,
        "ronaTimeoutInSeconds": 20,
    }


def test_everything_a_flow_sends_comes_back_in_the_casing_it_was_sent() -> None:
    assert read_entry(FULL).as_json() == FULL


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("maxAttempts", 1, 10),
        ("attemptTimeoutInSeconds", 30, 86_400),
        ("maxQueueTimeInSeconds", 5, 3600),
        ("ronaTimeoutInSeconds", 5, 30),
    ],
)
def test_a_number_ends_at_its_bounds(field: str, low: int, high: int) -> None:
    for good in (low, high):
        assert read_entry(LEAST | {field: good}).as_json()[field] == good
    for bad in (low - 1, high + 1):
        assert found(LEAST | {field: bad}) == [(field, "OutOfRange")]


@pytest.mark.parametrize("bad", ["1", 1.5, True, [], {}])
def test_a_number_is_not_made_from_something_else(bad: object) -> None:
    assert found(LEAST | {"maxAttempts": bad}) == [("maxAttempts", "InvalidValue")]


@pytest.mark.parametrize("field", sorted(FULL.keys() - LEAST.keys()))
def test_null_is_the_same_as_left_out(field: str) -> None:
    without = {name: value for name, value in FULL.items() if name != field}
    assert read_entry(FULL | {field: None}).as_json() == read_entry(without).as_json()


def test_null_deep_inside_is_the_same_as_left_out() -> None:
    with_null = LEAST | {"customer": {"firstName": "Ana", "city": None, "telNumbers": None}}
    assert read_entry(with_null).as_json() == read_entry(LEAST | {"customer": {"firstName": "Ana"}}).as_json()


@pytest.mark.parametrize("field", sorted(LEAST))
def test_a_required_field_may_be_neither_missing_nor_null(field: str) -> None:
    without = {name: value for name, value in LEAST.items() if name != field}
    assert found(without) == found(LEAST | {field: None}) == [(field, "Required")]


def test_unknown_fields_are_ignored_wherever_they_stand() -> None:
    strange: dict[str, Any] = FULL | {"schedulerEntryId": "x", "slot": 3, "new": [1]}
    strange["customer"] = FULL["customer"] | {"shoeSize": 43}
    strange["customCallContextParameters"] = [{"name": "a", "value": "b", "more": 1}]
    assert read_entry(strange).as_json() == FULL


@pytest.mark.parametrize("wrong", ["referenceId", "REFERENCEID", "reference_id"])
def test_reference_id_is_known_in_the_connectors_casing_only(wrong: str) -> None:
    assert read_entry(LEAST | {wrong: "r-1"}).reference_id is None


@pytest.mark.parametrize("wrong", ["upn", "Upn"])
def test_the_customers_upn_is_known_in_the_connectors_casing_only(wrong: str) -> None:
    customer = read_entry(LEAST | {"customer": {wrong: "ana@contoso.example"}}).customer
    assert customer is not None
    assert customer.upn is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-03-01T12:00:00Z", DUE),
        ("2026-03-01T12:00:00.1234567Z", "2026-03-01T12:00:00.123Z"),  # as Power Automate writes it
        ("2026-03-01T12:00:00.1Z", "2026-03-01T12:00:00.100Z"),
        ("2026-03-01T12:00:00+00:00", DUE),
        ("2026-03-01T12:00Z", DUE),
    ],
)
def test_a_time_is_kept_in_utc_with_milliseconds(sent: str, kept: str) -> None:
    entry = read_entry(LEAST | {"dueDateTimeUtc": sent})
    assert entry.due_date_time_utc == kept
    assert entry.due == from_wire(kept)


@pytest.mark.parametrize(
    "bad",
    [
        "2026-03-01T12:00:00+01:00",
        "2026-03-01T12:00:00-00:30",
        "2026-03-01T12:00:00",
        "2026-03-01",
        "2026-03-01 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T25:00:00Z",
        "tomorrow",
        "",
        1_772_366_400,
    ],
)
def test_a_time_of_another_form_or_offset_is_refused(bad: object) -> None:
    assert found(LEAST | {"dueDateTimeUtc": bad}) == [("dueDateTimeUtc", "InvalidValue")]


@pytest.mark.parametrize(
    "good", ["+1234567", "+123456789012345", "a@b.c", "guest_x#EXT#@contoso.example", "o'neil@c.example"]
)
def test_a_destination_is_a_number_or_a_upn(good: str) -> None:
    assert read_entry(LEAST | {"destination": good}).destination == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "+123456",
        "+1234567890123456",
        "+0123456789",
        "0791234567",
        "+41 79 123 45 67",
        "a@b",
        "sip:a@b.c",
        "+٤١٧٩١٢٣٤٥٦٧",
        "+41791234567\n",
    ],
)
def test_anything_else_is_no_destination(bad: str) -> None:
    assert found(LEAST | {"destination": bad}) == [("destination", "InvalidValue")]


@pytest.mark.parametrize("bad", ["a\nb", "a\x00", "\u200b", " ", "\u2028", "\ud800"])
def test_a_reference_holds_no_control_characters_and_something_to_read(bad: str) -> None:
    assert [path for path, _ in found(LEAST | {"ReferenceId": bad})] == ["ReferenceId"]


def test_a_reference_has_at_most_128_characters() -> None:
    assert read_entry(LEAST | {"ReferenceId": "ä" * 128}).reference_id == "ä" * 128
    assert found(LEAST | {"ReferenceId": "ä" * 129}) == [("ReferenceId", "OutOfRange")]


def test_a_text_has_at_most_1024_characters() -> None:
    assert read_entry(LEAST | {"customer": {"city": "x" * 1024}})
    assert found(LEAST | {"customer": {"city": "x" * 1025}}) == [("customer.city", "OutOfRange")]


def test_half_a_character_is_refused() -> None:
    assert [path for path, _ in found(LEAST | {"customer": {"city": "\ud800"}})] == ["customer.city"]


@pytest.mark.parametrize("where", ["customCallContextParameters", "customer.telNumbers", "customer.customFields"])
def test_a_list_has_at_most_100_items(where: str) -> None:
    def body(count: int) -> dict[str, Any]:
        items: Any = [{"name": str(number)} for number in range(count)]
        for part in reversed(where.split(".")):
            items = {part: items}
        return {**LEAST, **items}

    assert read_entry(body(100))
    assert found(body(101)) == [(where, "OutOfRange")]


def test_ten_thousand_parameters_are_one_finding() -> None:
    parameters = [{"name": "n", "value": "v"}] * 10_000
    assert found(LEAST | {"customCallContextParameters": parameters}) == [("customCallContextParameters", "OutOfRange")]


def test_an_entry_has_at_most_32_kib_of_content() -> None:
    def body(last: int) -> dict[str, Any]:
        values = ["ä" * 500] * 31 + ["x" * last]
        return LEAST | {"customCallContextParameters": [{"name": "n", "value": value} for value in values]}

    def size(last: int) -> int:
        return len(json.dumps(read_entry(body(last)).as_json(), ensure_ascii=False).encode())

    room = 1 + MAX_JSON_BYTES - size(1)
    assert size(room) == MAX_JSON_BYTES
    assert found(body(room + 1)) == [("", "TooBig")]


def test_all_findings_come_together_with_their_paths() -> None:
    wrong = {
        "serviceUpn": "desk",
        "destination": "x",
        "maxAttempts": 0,
        "distributionPriority": "Urgent",
        "customer": {"telNumbers": [{"value": "1"}, {"name": ""}]},
    }
    assert found(wrong) == [
        ("dueDateTimeUtc", "Required"),
        ("serviceUpn", "InvalidValue"),
        ("destination", "InvalidValue"),
        ("distributionPriority", "InvalidValue"),
        ("maxAttempts", "OutOfRange"),
        ("customer.telNumbers.0.name", "Required"),
        ("customer.telNumbers.1.name", "OutOfRange"),
    ]


@pytest.mark.parametrize("body", [None, [], "text", 3, True])
def test_a_body_is_a_json_object(body: object) -> None:
    assert found(body) == [("", "NotAnObject")]


@given(order=st.permutations(sorted(FULL)))
def test_a_fingerprint_does_not_depend_on_the_order_of_fields(order: list[str]) -> None:
    assert read_entry({name: FULL[name] for name in order}).fingerprint() == read_entry(FULL).fingerprint()


@pytest.mark.parametrize(
    "same",
    [
        {"serviceUpn": "DESK@Contoso.Example"},
        {"dueDateTimeUtc": "2026-03-01T12:00:00+00:00"},
        {"distributionPriority": "High", "somethingNew": 1},
        {"ReferenceId": "ORDER 7"},
        {"customer": FULL["customer"] | {"city": None}},
    ],
)
def test_the_same_content_written_differently_has_the_same_fingerprint(same: dict[str, Any]) -> None:
    assert read_entry(FULL | same).fingerprint() == read_entry(FULL).fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {"serviceUpn": "desk2@contoso.example"},
        {"destination": "+41791234568"},
        {"dueDateTimeUtc": "2026-03-01T12:00:00.001Z"},
        {"distributionPriority": "Low"},
        {"maxAttempts": 3},
        {"ronaTimeoutInSeconds": None},
        {"customCallContextParameters": [{"name": "b", "value": "a"}]},
        {"customer": FULL["customer"] | {"firstName": "ana"}},
        {"customer": None},
    ],
)
def test_other_content_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert read_entry(FULL | other).fingerprint() != read_entry(FULL).fingerprint()


def accepted(write: SchedulerEntryWrite) -> Entry:
    fields = {name: getattr(write, name) for name in SchedulerEntryWrite.model_fields}
    return Entry(**fields, task_id="0-1", slot=3, created_at=DUE)


def test_an_accepted_entry_has_the_fingerprint_of_what_was_sent() -> None:
    write = read_entry(FULL)
    entry = accepted(write).model_copy(update={"state": "Cancelled", "event": "Cancelled", "finished_at": DUE})
    assert entry.fingerprint() == write.fingerprint()


def test_a_flow_reads_what_it_wrote_with_the_event_and_nothing_of_our_own() -> None:
    assert accepted(read_entry(FULL)).for_connector() == FULL | {
        "schedulerEntryId": "0-1",
        "event": "Scheduled",
        "direction": "Outbound",
        "modality": "Audio",
    }


def test_empty_optional_fields_of_an_answer_are_absent() -> None:
    assert "customer" not in accepted(read_entry(LEAST)).for_connector()
    assert None not in accepted(read_entry(LEAST)).for_connector().values()


@given(offset=st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_times_in_wire_form_sort_like_the_times_they_say(offset: timedelta) -> None:
    later = (from_wire(DUE) + offset).isoformat().replace("+00:00", "Z")
    first, second = read_entry(LEAST), read_entry(LEAST | {"dueDateTimeUtc": later})
    assert first.due_date_time_utc <= second.due_date_time_utc
