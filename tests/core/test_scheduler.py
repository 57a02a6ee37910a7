"""Outbound tasks on real storage: the limit, replays, cancelling, and who is refused for what."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, Conflict, Invalid, NotAllowed, NotFound
from shared.outbound.admission.scheduler import Accepted, Refused
from shared.outbound.tasks import lifecycle
from shared.storage.account import StorageAccount
from tests.core.race import codes, together
from tests.core.world import ADMIN, SERVICE, FakeClock, World

OTHER = "sales@contoso.example"
OWNER = "cccccccc-0000-4000-8000-000000000001"


def kept(outcome: Any) -> str:
    """The id of an accepted entry."""
    assert isinstance(outcome, Accepted), outcome
    return outcome.entry.task_id


def fill(world: World, count: int, **changes: Any) -> list[str]:
    return [kept(world.submit(**changes)) for _ in range(count)]


def held(world: World, service: str = SERVICE) -> int:
    return len(world.outbound.slots(world.tenant_id, service))


def owner(world: World) -> Caller:
    return Caller(world.tenant_id, OWNER, "Owner", frozenset({"ServiceOwner"}))


def submit_as(world: World, by: Caller, **changes: Any) -> Any:
    return world.scheduler.submit(world.head, world.entry(**changes), by=by, source="http")


# the limit


def test_of_64_submitters_at_once_exactly_20_get_in(world: World) -> None:
    outcomes = together(64, lambda number: world.submit())
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 20
    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == [Refused(20, 20, 0)] * 44
    assert held(world) == 20


def test_nobody_gives_up_while_a_slot_is_free(world: World) -> None:
    outcomes = together(20, lambda number: world.submit())
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


def test_a_refused_task_leaves_nothing_but_a_refusal_without_customer_data(world: World) -> None:
    world.set_limit(1)
    fill(world, 1)
    assert world.submit(ReferenceId="r-1", customer={"lastName": "Meier"}) == Refused(1, 1, 0)
    assert len(world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)) == 1
    (refusal,) = world.refusals.page(world.tenant_id, top=10, continuation=None).items
    assert refusal.as_json() == {
        "id": refusal.id,
        "serviceUpn": SERVICE,
        "code": "OutboundTaskLimitReached",
        "at": to_wire(world.clock()),
        "source": "http",
    }


def test_a_refusal_is_listed_for_24_hours_and_no_longer(world: World, clock: FakeClock) -> None:
    world.set_limit(1)
    fill(world, 1)
    world.submit()
    clock.move(hours=24, milliseconds=-1)
    assert len(world.refusals.page(world.tenant_id, top=10, continuation=None).items) == 1
    clock.move(milliseconds=2)
    assert world.refusals.page(world.tenant_id, top=10, continuation=None).items == []


def test_a_raised_limit_holds_for_the_next_submission(world: World) -> None:
    world.set_limit(2)
    fill(world, 2)
    assert isinstance(world.submit(), Refused)
    world.set_limit(3)
    assert isinstance(world.submit(), Accepted)
    assert world.submit() == Refused(3, 3, 0)


def test_a_lowered_limit_cancels_nothing_and_refuses_until_the_count_is_below_it(world: World) -> None:
    ids = fill(world, 5)
    world.set_limit(2)
    for entry_id in ids[:3]:
        assert isinstance(world.submit(), Refused)
        world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert world.submit() == Refused(2, 2, 0)
    world.entries.cancel(world.tenant_id, ids[3], by=world.by)
    assert isinstance(world.submit(), Accepted)
    assert isinstance(world.submit(), Refused)


def test_a_full_service_does_not_hinder_another_one(world: World) -> None:
    world.put_service(OTHER)
    world.set_limit(1)
    fill(world, 1)
    assert isinstance(world.submit(), Refused)
    assert isinstance(world.submit(serviceUpn=OTHER), Accepted)
    assert isinstance(world.submit(serviceUpn=OTHER), Refused)


def test_a_full_tenant_does_not_hinder_the_same_service_of_another_one(world: World, account: StorageAccount) -> None:
    world.set_limit(1)
    fill(world, 1)
    neighbour = World(account, world.clock, str(uuid.uuid4()))
    assert isinstance(neighbour.submit(), Accepted)


def test_one_service_in_another_spelling_has_one_limit(world: World) -> None:
    world.set_limit(2)
    fill(world, 1, serviceUpn=SERVICE.upper())
    fill(world, 1, serviceUpn=SERVICE.title())
    assert world.submit(serviceUpn=SERVICE) == Refused(2, 2, 0)
    assert held(world) == 2


def test_an_entry_echoes_the_stored_spelling_of_its_service(world: World) -> None:
    outcome = world.submit(serviceUpn=SERVICE.upper())
    assert outcome.entry.service_upn == SERVICE


# replays


def test_the_same_reference_and_content_is_the_same_entry_and_takes_no_slot(world: World) -> None:
    first = world.submit(ReferenceId="r-1")
    again = world.submit(ReferenceId="r-1")
    assert (again.replayed, kept(again)) == (True, kept(first))
    assert not first.replayed
    assert held(world) == 1


def test_a_replay_is_recognised_when_the_service_is_full(world: World) -> None:
    world.set_limit(1)
    first = world.submit(ReferenceId="r-1")
    assert kept(world.submit(ReferenceId="r-1")) == kept(first)
    assert isinstance(world.submit(ReferenceId="r-2"), Refused)


def test_a_replay_is_recognised_after_its_due_date(world: World, clock: FakeClock) -> None:
    entry = world.entry(ReferenceId="r-1")
    first = world.scheduler.submit(world.head, entry, by=world.by, source="http")
    clock.move(hours=3)
    assert kept(world.scheduler.submit(world.head, entry, by=world.by, source="http")) == kept(first)


def test_a_replay_of_a_finished_entry_is_recognised_when_full_and_past_due(world: World, clock: FakeClock) -> None:
    world.set_limit(1)
    entry = world.entry(ReferenceId="r-1")
    first = kept(world.scheduler.submit(world.head, entry, by=world.by, source="http"))
    world.entries.cancel(world.tenant_id, first, by=world.by)
    fill(world, 1)
    clock.move(hours=3)
    again = world.scheduler.submit(world.head, entry, by=world.by, source="http")
    assert isinstance(again, Accepted)
    assert (again.replayed, again.entry.task_id, again.entry.state) == (True, first, "Cancelled")


def test_other_spellings_of_reference_and_service_are_the_same_entry(world: World) -> None:
    first = world.submit(ReferenceId="Order-ä")
    again = world.submit(ReferenceId="ORDER-Ä", serviceUpn=SERVICE.upper())
    assert (again.replayed, kept(again)) == (True, kept(first))


def test_a_reference_counts_per_service(world: World) -> None:
    world.put_service(OTHER)
    assert kept(world.submit(ReferenceId="r-1")) != kept(world.submit(ReferenceId="r-1", serviceUpn=OTHER))


@pytest.mark.parametrize("full", [False, True])
def test_the_same_reference_with_other_content_is_a_conflict(world: World, full: bool) -> None:
    world.set_limit(1 if full else 20)
    first = kept(world.submit(ReferenceId="r-1"))
    with pytest.raises(Conflict) as refused:
        world.submit(ReferenceId="r-1", destination="+41791111111")
    assert refused.value.code == "ReferenceIdConflict"
    assert refused.value.members == {"schedulerEntryId": first}
    assert held(world) == 1


def test_32_submitters_of_one_reference_get_one_entry(world: World) -> None:
    outcomes = together(32, lambda number: world.submit(ReferenceId="r-1"))
    assert len({kept(outcome) for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes if isinstance(outcome, Accepted)) == 1
    assert held(world) == 1


def test_32_submitters_of_one_reference_with_contents_of_their_own_get_one_entry(world: World) -> None:
    outcomes = together(32, lambda number: world.submit(ReferenceId="r-1", destination=f"+4179123456{number % 10}"))
    entries = {kept(outcome) for outcome in outcomes if not isinstance(outcome, AppError)}
    assert len(entries) == 1
    assert set(codes(outcomes)) == {"ReferenceIdConflict"}
    assert held(world) == 1


def test_submissions_without_a_reference_are_tasks_of_their_own(world: World) -> None:
    assert len(set(fill(world, 3))) == 3


# cancelling


def test_cancelling_frees_the_slot(world: World) -> None:
    world.set_limit(1)
    (entry_id,) = fill(world, 1)
    assert isinstance(world.submit(), Refused)
    world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert held(world) == 0
    assert isinstance(world.submit(), Accepted)


def test_a_finished_entry_frees_its_reference_after_24_hours_and_not_before(world: World, clock: FakeClock) -> None:
    first = kept(world.submit(ReferenceId="r-1"))
    world.entries.cancel(world.tenant_id, first, by=world.by)
    other = {"ReferenceId": "r-1", "destination": "+41791111111"}
    clock.move(hours=24, milliseconds=-1)
    with pytest.raises(Conflict) as refused:
        world.submit(**other)
    assert refused.value.code == "ReferenceIdConflict"
    clock.move(milliseconds=1)
    second = world.submit(**other)
    assert kept(second) != first
    assert kept(world.submit(**other)) == kept(second)


def test_a_freed_reference_goes_to_one_of_16_submitters(world: World, clock: FakeClock) -> None:
    first = kept(world.submit(ReferenceId="r-1"))
    world.entries.cancel(world.tenant_id, first, by=world.by)
    clock.move(hours=24)
    outcomes = together(16, lambda number: world.submit(ReferenceId="r-1"))
    assert len({kept(outcome) for outcome in outcomes} - {first}) == 1
    assert held(world) == 1


def test_cancelling_twice_says_that_the_task_is_finished(world: World) -> None:
    (entry_id,) = fill(world, 1)
    world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    with pytest.raises(Conflict) as refused:
        world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert refused.value.code == "OutboundTaskFinished"


def test_of_16_who_cancel_the_same_entry_one_wins(world: World) -> None:
    entry_id = kept(world.submit(ReferenceId="r-1"))
    outcomes = together(16, lambda number: world.entries.cancel(world.tenant_id, entry_id, by=world.by))
    assert outcomes.count(None) == 1
    assert codes(outcomes) == ["OutboundTaskFinished"] * 15
    assert held(world) == 0


def test_an_entry_with_an_agent_cannot_be_cancelled(world: World) -> None:
    outcome = world.submit()
    found = world.outbound.find(world.tenant_id, kept(outcome))
    assert found is not None
    queued = lifecycle.passed_by_time(found.task, found.task.due)
    assert queued is not None
    offered = lifecycle.offered(queued, ADMIN, "agent@contoso.example", world.clock())
    world.outbound.commit(found, offered, world.clock())
    with pytest.raises(Conflict) as refused:
        world.entries.cancel(world.tenant_id, kept(outcome), by=world.by)
    assert refused.value.code == "OutboundTaskInProgress"


def test_the_id_of_another_tenants_entry_is_unknown(world: World, account: StorageAccount) -> None:
    neighbour = World(account, world.clock, str(uuid.uuid4()))
    (foreign,) = fill(neighbour, 1)
    with pytest.raises(NotFound) as refused:
        world.entries.cancel(world.tenant_id, foreign, by=world.by)
    assert refused.value.code == "OutboundTaskNotFound"
    assert held(neighbour) == 1


@pytest.mark.parametrize(
    "entry_id", ["", "x", "'", "e32ea534-d6c2-4ee8-992d-ec321584ff2b", "0" * 32, "/" * 36, "ä" * 36, "slot:01"]
)
def test_an_id_that_is_none_is_unknown(world: World, entry_id: str) -> None:
    with pytest.raises(NotFound):
        world.entries.cancel(world.tenant_id, entry_id, by=world.by)


def test_an_id_is_read_in_any_case(world: World) -> None:
    (entry_id,) = fill(world, 1)
    world.entries.cancel(world.tenant_id, entry_id.upper(), by=world.by)
    assert held(world) == 0


# who may


def test_an_owner_submits_lists_and_cancels_for_its_own_service(world: World) -> None:
    world.put_service(SERVICE, owners=[OWNER])
    entry_id = kept(submit_as(world, owner(world)))
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=owner(world))
    assert entry.task_id == entry_id
    world.entries.cancel(world.tenant_id, entry_id, by=owner(world))
    assert held(world) == 0


def test_an_owner_may_do_nothing_with_another_service(world: World) -> None:
    (entry_id,) = fill(world, 1)
    for attempt in (
        lambda: submit_as(world, owner(world)),
        lambda: world.entries.unfinished(world.tenant_id, SERVICE, by=owner(world)),
        lambda: world.entries.cancel(world.tenant_id, entry_id, by=owner(world)),
    ):
        with pytest.raises(NotAllowed) as refused:
            attempt()
        assert refused.value.code == "NotServiceOwner"
    assert held(world) == 1


def test_being_named_as_owner_is_nothing_without_the_role(world: World) -> None:
    world.put_service(SERVICE, owners=[OWNER])
    agent = Caller(world.tenant_id, OWNER, "Agent", frozenset({"Agent"}))
    with pytest.raises(NotAllowed):
        submit_as(world, agent)


# the order of refusals, and the rules


def test_refusals_come_in_the_agreed_order(world: World, clock: FakeClock) -> None:
    """Everything is wrong at once; each step repairs the first complaint."""
    world.put_service(SERVICE, licence="AdvancedRouting")
    late = to_wire(clock() - timedelta(hours=1))
    body = {"serviceUpn": "nobody@contoso.example", "ReferenceId": "r-1", "dueDateTimeUtc": late}
    heard = []

    def complain() -> None:
        try:
            outcome = submit_as(world, owner(world), **body)
            heard.append("replay" if getattr(outcome, "replayed", False) else type(outcome).__name__)
        except AppError as exc:
            heard.append(exc.code)

    complain()
    body["serviceUpn"] = SERVICE
    complain()
    world.put_service(SERVICE, licence="AdvancedRouting", owners=[OWNER])
    complain()
    world.put_service(SERVICE, owners=[OWNER])
    world.set_limit(1)
    clock.move(hours=-1)
    known = kept(world.submit(**body))
    clock.move(hours=1)
    complain()
    body["destination"] = "+41791111111"
    complain()
    body["ReferenceId"] = "r-2"
    complain()
    body["dueDateTimeUtc"] = to_wire(clock())
    complain()
    world.entries.cancel(world.tenant_id, known, by=world.by)
    complain()
    assert heard == [
        "ServiceNotFound",
        "NotServiceOwner",
        "ServiceNotLicensed",
        "replay",
        "ReferenceIdConflict",
        "DueDateOutOfRange",
        "Refused",
        "Accepted",
    ]


@pytest.mark.parametrize(
    ("service", "destination", "found"),
    [
        ({"licence": "AdvancedRouting"}, "+41791234567", ["ServiceNotLicensed"]),
        ({"outboundEnabled": False}, "+41791234567", ["OutboundNotEnabled"]),
        ({"pstnNumber": None}, "+41791234567", ["PstnNumberMissing"]),
        (
            {"pstnNumber": None, "licence": "EnterpriseRouting"},
            "+41791234567",
            ["ServiceNotLicensed", "PstnNumberMissing"],
        ),
        ({"pstnNumber": None, "outboundEnabled": False}, "+41791234567", ["OutboundNotEnabled", "PstnNumberMissing"]),
        ({"outboundEnabled": False}, "someone@contoso.example", ["OutboundNotEnabled"]),
    ],
)
def test_a_service_that_may_not_call_refuses_with_all_reasons(
    world: World, service: dict[str, Any], destination: str, found: list[str]
) -> None:
    world.put_service(SERVICE, **service)
    with pytest.raises(Invalid) as refused:
        world.submit(destination=destination)
    assert [finding.code for finding in refused.value.findings] == found
    assert refused.value.code == found[0]
    assert held(world) == 0


def test_without_a_pstn_number_a_user_can_be_called(world: World) -> None:
    world.put_service(SERVICE, pstnNumber=None)
    assert isinstance(world.submit(destination="someone@contoso.example"), Accepted)


def test_a_tenant_without_the_product_may_not_call(world: World) -> None:
    from shared.tenants.models import TenantWrite

    wanted = TenantWrite(display_name="Contoso", products=["AdvancedRouting"])
    versions = frozenset({world.head.tenant.revision})
    world.tenants.put(world.tenant_id, lambda: wanted, versions=versions, by=world.by)
    with pytest.raises(Invalid) as refused:
        world.submit()
    assert refused.value.code == "ServiceNotLicensed"


@pytest.mark.parametrize(
    ("due", "fine"),
    [
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, milliseconds=-1), False),
        (timedelta(days=90), True),
        (timedelta(days=90, milliseconds=1), False),
        (timedelta(0), True),
    ],
)
def test_a_due_date_may_be_5_minutes_past_and_90_days_ahead(world: World, due: timedelta, fine: bool) -> None:
    body = {"dueDateTimeUtc": to_wire(world.clock() + due)}
    if fine:
        assert isinstance(world.submit(**body), Accepted)
        return
    with pytest.raises(Invalid) as refused:
        world.submit(**body)
    assert [finding.path for finding in refused.value.findings] == ["dueDateTimeUtc"]
    assert held(world) == 0


def test_entries_come_in_the_order_of_their_due_dates(world: World, clock: FakeClock) -> None:
    for hours in (3, 1, 2):
        world.submit(dueDateTimeUtc=to_wire(clock() + timedelta(hours=hours)))
    dues = [entry.due for entry in world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)]
    assert dues == [clock() + timedelta(hours=hours) for hours in (1, 2, 3)]
