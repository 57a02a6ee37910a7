"""The settings document: merge patches, versions, findings, and that no update gets lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.kernel.errors import Invalid, NeedsVersion, Stale
from shared.tenants.models import Stored
from shared.tenants.offboarding import Offboarding
from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.read_models import SettingsAnswer
from tests.core.race import together
from tests.core.world import CONTOSO_STRING, World
from tests.scale import scaled

REAL = settings(
    max_examples=scaled(10, 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Versions = frozenset[int] | None


def patch(world: World, change: object, *, versions: Versions = None) -> Stored[Settings]:
    head = world.head
    versions = frozenset({head.settings.revision}) if versions is None else versions
    return world.settings.patch(head, change, versions=versions, by=world.by)


def replace(world: World, document: object) -> Stored[Settings]:
    head = world.head
    return world.settings.replace(head, document, versions=frozenset({head.settings.revision}), by=world.by)


def findings(exc: Invalid) -> list[tuple[str, str]]:
    return [(finding.path, finding.code) for finding in exc.findings]


def attempt(write: Any, world: World, document: object) -> object:
    """The document that is there afterwards, or what is wrong with the write."""
    try:
        return write(world, document).value.as_json()
    except Invalid as exc:
        return findings(exc)


# merge patches, against the algorithm of RFC 7396 as it is printed there


def merge_patch(target: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    if not isinstance(target, dict):
        target = {}
    for name, value in change.items():
        if value is None:
            if name in target:
                del target[name]
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


LIMIT = st.none() | st.integers(0, 52) | st.just("7") | st.booleans()
SWITCH = st.none() | st.booleans() | st.just("yes")
CHANGE = st.fixed_dictionaries(
    {},
    optional={
        "outbound": st.none()
        | st.just(3)
        | st.fixed_dictionaries({}, optional={"maxScheduledTasksPerService": LIMIT, "unknown": st.none() | st.just(1)}),
        "presenceTracking": st.none() | st.fixed_dictionaries({}, optional={"trackOverGuestAccounts": SWITCH}),
        "unheardOf": st.none() | st.just({}),
    },
)


@REAL
@given(change=CHANGE)
def test_a_merge_patch_does_what_rfc_7396_says(world: World, change: Any) -> None:
    replace(
        world, {"outbound": {"maxScheduledTasksPerService": 7}, "presenceTracking": {"trackOverGuestAccounts": True}}
    )
    expected = attempt(replace, world, merge_patch(world.head.settings.value.as_json(), change))
    replace(
        world, {"outbound": {"maxScheduledTasksPerService": 7}, "presenceTracking": {"trackOverGuestAccounts": True}}
    )
    assert attempt(patch, world, change) == expected


def test_null_goes_back_to_the_default(world: World) -> None:
    world.set_limit(7)
    assert patch(world, {"outbound": {"maxScheduledTasksPerService": None}}).value == Settings()
    world.set_limit(7)
    assert patch(world, {"outbound": None}).value == Settings()


def test_what_a_patch_does_not_name_stays(world: World) -> None:
    world.set_limit(7)
    saved = patch(world, {"presenceTracking": {"trackOverGuestAccounts": True}}).value
    assert saved.outbound.max_scheduled_tasks_per_service == 7


def test_what_a_replacement_leaves_out_takes_its_default(world: World) -> None:
    world.set_limit(7)
    assert replace(world, {}).value == Settings()


# versions


def test_a_write_without_a_version_is_told_which_there_is(world: World) -> None:
    for write in (world.settings.patch, world.settings.replace):
        with pytest.raises(NeedsVersion) as refused:
            write(world.head, {}, versions=None, by=world.by)
        assert refused.value.members == {"etag": 1}


def test_an_old_version_is_stale_even_with_bad_content(world: World) -> None:
    world.set_limit(7)
    for write in (world.settings.patch, world.settings.replace):
        with pytest.raises(Stale) as refused:
            write(world.head, {"nonsense": 1}, versions=frozenset({1}), by=world.by)
        assert refused.value.members == {"etag": 2}


def test_a_version_read_before_somebody_elses_write_is_stale(world: World) -> None:
    before = world.head
    world.set_limit(7)
    with pytest.raises(Stale) as refused:
        world.settings.patch(
            before, {"outbound": {"maxScheduledTasksPerService": 9}}, versions=frozenset({1}), by=world.by
        )
    assert refused.value.members == {"etag": 2}
    assert world.head.settings.value.outbound.max_scheduled_tasks_per_service == 7


def test_a_document_put_back_as_it_was_read_changes_nothing(world: World) -> None:
    world.set_limit(7)
    read = world.head.settings.value.as_json() | {"effective": {"outbound": {"effective": True}}, "warnings": ["x"]}
    saved = replace(world, read)
    assert (saved.revision, world.head.settings.revision) == (2, 2)
    assert patch(world, {}).revision == 2


def test_two_who_patch_100_times_lose_no_update(world: World) -> None:
    """Each adds one to what it read, around a ring of 47; a lost update would leave the sum short."""

    def add(times: int) -> None:
        done = 0
        while done < times:
            head = world.head
            limit = head.settings.value.outbound.max_scheduled_tasks_per_service
            change = {"outbound": {"maxScheduledTasksPerService": limit % 47 + 1}}
            versions = frozenset({head.settings.revision})
            try:
                world.settings.patch(head, change, versions=versions, by=world.by)
            except Stale:
                continue
            done += 1

    assert together(2, lambda number: add(50)) == [None, None]
    assert world.head.settings.revision == 1 + 100
    assert world.head.settings.value.outbound.max_scheduled_tasks_per_service == (20 - 1 + 100) % 47 + 1


# findings


@pytest.mark.parametrize("limit", [1, 50])
def test_the_limit_ends_at_its_bounds(world: World, limit: int) -> None:
    world.set_limit(limit)
    assert world.head.settings.value.outbound.max_scheduled_tasks_per_service == limit


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        (0, "OutOfRange"),
        (51, "OutOfRange"),
        ("7", "InvalidValue"),
        (7.5, "InvalidValue"),
        (True, "InvalidValue"),
        ([], "InvalidValue"),
    ],
)
def test_any_other_limit_is_refused_with_its_path(world: World, limit: object, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        patch(world, {"outbound": {"maxScheduledTasksPerService": limit}})
    assert findings(refused.value) == [("outbound.maxScheduledTasksPerService", code)]


def test_all_findings_come_together_and_nothing_is_saved(world: World) -> None:
    wrong = {
        "outbound": {"maxScheduledTasksPerService": 99, "maxScheduledTasks": 3},
        "presenceTracking": {"trackOverGuestAccounts": "yes"},
        "presenceTraking": {},
    }
    for write in (patch, replace):
        with pytest.raises(Invalid) as refused:
            write(world, wrong)
        assert sorted(findings(refused.value)) == [
            ("outbound.maxScheduledTasks", "UnknownField"),
            ("outbound.maxScheduledTasksPerService", "OutOfRange"),
            ("presenceTracking.trackOverGuestAccounts", "InvalidValue"),
            ("presenceTraking", "UnknownField"),
        ]
    assert (world.head.settings.revision, world.head.settings.value) == (1, Settings())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"outbuond": {}}, "did you mean outbound?"),
        ({"outbound": {"maxScheduledTasksPerServce": 3}}, "did you mean maxScheduledTasksPerService?"),
        ({"presenceTracking": {"trackOverGuestAcounts": True}}, "did you mean trackOverGuestAccounts?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(world: World, wrong: object, hint: str) -> None:
    with pytest.raises(Invalid) as refused:
        patch(world, wrong)
    assert [finding.message for finding in refused.value.findings] == [f"this field is not known; {hint}"]


def test_a_name_like_no_other_gets_no_hint(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        patch(world, {"zzz": 1})
    assert refused.value.findings[0].message == "this field is not known"


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_is_a_json_object(world: World, body: object) -> None:
    for write in (patch, replace):
        with pytest.raises(Invalid) as refused:
            write(world, body)
        assert refused.value.code == "NotAnObject"


CHECK: dict[str, Any] = {"ok": True, "outcome": "TokenIssued"}


def test_a_check_that_ends_after_its_tenant_has_left_writes_no_row(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    head = world.head
    world.tenants.start_offboarding(world.tenant_id, world.by)
    Offboarding(world.tenants, [], world.account.table("system"), world.clock).run(world.tenant_id)
    world.settings.note_check(head, "interact", CONTOSO_STRING, CHECK)
    assert list(world.account.table("tenants").span(world.tenant_id, "", "~")) == []


def test_a_check_noted_in_the_middle_of_a_write_costs_neither(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    head = world.head
    world.settings.note_check(head, "interact", CONTOSO_STRING, CHECK)
    revision = head.settings.revision
    world.settings.patch(head, {"interact": {"enabled": True}}, versions=frozenset({revision}), by=world.by)
    shown = world.settings.shown(world.head, world.head.settings.value)
    assert shown["interact"]["enabled"]
    assert shown["interact"]["acsConnectionString"]["lastCheck"] == CHECK
    assert world.head.settings.revision == revision + 1


def test_what_is_answered_has_the_form_that_the_api_document_promises(world: World) -> None:
    for change in ({}, {"interact": {"acsConnectionString": CONTOSO_STRING}, "assistant": {"useOwnAcs": False}}):
        world.set(**change)
        head = world.head
        world.settings.note_check(head, "interact", CONTOSO_STRING, CHECK)
        answer = world.settings.shown(world.head, head.settings.value)
        assert SettingsAnswer.model_validate(answer, by_alias=True, by_name=False).as_json() == answer
