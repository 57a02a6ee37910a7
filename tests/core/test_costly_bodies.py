"""What a hostile body may cost: findings end while they are collected, and few misspelt names get a suggestion."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any, Final

import pytest
from pydantic import ValidationError

from shared.attendant.address_books.contacts import read_ids
from shared.attendant.odata_filter.findings import examine
from shared.attendant.search.query import read_query
from shared.kernel.errors import MOST_FINDINGS, Finding, Invalid
from shared.kernel.json_text import MAX_DEPTH, read_json
from shared.kernel.near_names import MOST_SUGGESTIONS
from shared.kernel.wire import Wire, parse
from shared.outbound.tasks.models import SchedulerEntryWrite
from shared.outbound.webhooks.models import SchedulerEntryTrigger
from shared.tenants.models import ServiceWrite, UserWrite
from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.merge import merged, replaced

LARGE = 256 * 1024  # bytes, the largest body
MOST_CALLS: Final = 8  # for one value: to make it, to look whether a name stands twice and how deep it lies
MISSPELT = {f"displayName{number}": 0 for number in range(5_000)}


def refusal(judge: Callable[[], object]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        judge()
    return caught.value


def suggestions(told: Invalid) -> int:
    return sum("did you mean" in finding.message for finding in told.findings)


# findings


def test_an_error_takes_no_more_findings_than_it_lists() -> None:
    taken = count()

    def findings() -> Iterator[Finding]:
        while next(taken) < LARGE:
            yield Finding("a", "is wrong", "InvalidValue")

    assert len(Invalid(findings()).findings) == MOST_FINDINGS == next(taken)


def test_unknown_names_are_judged_up_to_the_hundredth() -> None:
    with pytest.raises(ValidationError) as caught:
        UserWrite.model_validate({"upn": "ana@contoso.example", "displayName": "Ana"} | MISSPELT, by_alias=True)
    assert caught.value.error_count() == MOST_FINDINGS


def test_so_are_those_of_an_object_within_another() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"outbound": MISSPELT, "interact": MISSPELT}, by_alias=True)
    assert caught.value.error_count() == 2 * MOST_FINDINGS


def test_known_fields_are_judged_however_many_unknown_ones_come_before_them() -> None:
    told = refusal(lambda: parse(UserWrite, MISSPELT | {"upn": "nobody", "displayName": "Ana"}))
    assert [finding.path for finding in told.findings if finding.code == "InvalidValue"] == ["upn"]
    assert len(told.findings) == MOST_FINDINGS


def test_a_connector_body_with_many_unknown_fields_is_read_like_one_without() -> None:
    entry = {"dueDateTimeUtc": "2026-03-01T12:00:00Z", "serviceUpn": "a@b.example", "destination": "+41445550100"}
    assert parse(SchedulerEntryWrite, MISSPELT | entry) == parse(SchedulerEntryWrite, entry)


def test_ids_that_are_none_are_found_up_to_the_hundredth() -> None:
    assert len(refusal(lambda: read_ids([1] * 10_000)).findings) == MOST_FINDINGS


# suggestions


def ask(fields: str) -> object:
    return read_query("ana", None, fields, {}, top=1, continuation=None)


@pytest.mark.parametrize(
    "judge",
    [
        lambda: parse(ServiceWrite, MISSPELT),
        lambda: parse(Settings, {"outbound": {f"maxScheduledTasksPerService{n}": 0 for n in range(200)}}),
        lambda: merged(Settings(), {f"interact{n}": 0 for n in range(200)}, None),  # type: ignore[arg-type]
        lambda: ask(",".join(f"displayName{n}" for n in range(500))),
    ],
)
def test_the_first_few_misspelt_names_get_a_suggestion(judge: Callable[[], object]) -> None:
    assert suggestions(refusal(judge)) == MOST_SUGGESTIONS


def test_so_do_the_first_few_misspelt_properties_of_a_filter() -> None:
    found = examine(" or ".join(f"displayName{number} eq 'a'" for number in range(60))).findings
    hinted = [finding.property for finding in found if "did you mean displayName?" in finding.message]
    assert hinted == [f"displayName{number}" for number in range(MOST_SUGGESTIONS)]


def test_a_suggestion_ignores_case_and_very_long_names() -> None:
    told = refusal(lambda: parse(UserWrite, {"DISPLAYNAME": "Ana", "displayName" * 20: 0}))
    assert {finding.path[:11]: finding.message for finding in told.findings if finding.code == "UnknownField"} == {
        "DISPLAYNAME": "this field is not known; did you mean displayName?",
        "displayName": "this field is not known",
    }


# reading


def filled(item: str) -> str:
    return '{"a":[' + ",".join([item] * ((LARGE - 10) // (len(item) + 1))) + "]}"


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_nesting_ends_at_its_limit(opened: str) -> None:
    closed = "]" if opened == "[" else "}"
    deepest = opened * (MAX_DEPTH - 1) + "[]" + closed * (MAX_DEPTH - 1)
    assert read_json(deepest.encode()) == json.loads(deepest)
    with pytest.raises(Exception, match=f"deeper than {MAX_DEPTH}"):
        read_json((opened + deepest + closed).encode())


def calls(work: Callable[[], object]) -> int:
    """Returns how many functions were called meanwhile, built-in ones included: unlike time, the same in each run."""
    counted = count()

    def note(_frame: FrameType, event: str, _function: object) -> None:
        if event in ("call", "c_call"):
            next(counted)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return next(counted)


def refused(model: type[Wire], text: str) -> None:
    with pytest.raises(Invalid):
        parse(model, read_json(text.encode()))


def kept(*_: Any) -> Any:
    raise AssertionError("there is no secret in these bodies")


@pytest.mark.parametrize(
    "judge",
    [
        lambda text: refused(ServiceWrite, text),
        lambda text: refused(SchedulerEntryTrigger, text),
        lambda text: refusal(lambda: replaced(Settings(), read_json(text.encode()), kept)),
    ],
    ids=["service", "trigger", "settings"],
)
@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"{number:x}":0' for number in range(LARGE // 9)) + "}",
        '{"outbound":{' + ",".join(f'"{number:x}":0' for number in range(LARGE // 9)) + "}}",
        filled("[]"),
        filled("{}"),
        filled("[" * 61 + "]" * 61),
    ],
    ids=["names", "names of a section", "lists", "objects", "deep lists"],
)
def test_the_worst_bodies_cost_a_few_calls_for_each_of_their_values(judge: Callable[[str], None], text: str) -> None:
    values = text.count("[") + text.count("{") + text.count(":")
    assert calls(lambda: judge(text)) < MOST_CALLS * values + 10_000
