"""The life of a task, whatever happens to it in whatever order. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.clock import to_wire
from shared.kernel.errors import Conflict
from shared.outbound.distribution.matching import Candidate, next_pair
from shared.outbound.tasks import lifecycle
from shared.outbound.tasks.events import FINAL
from shared.outbound.tasks.models import ExternalTaskWrite, read_body, read_entry
from shared.outbound.tasks.task import Entry, ExternalTask

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANNA, BEN = "anna", "ben"

# Written by hand from the rules: which state may follow which, by which event.
STEPS = {
    ("Scheduled", "Queued", "Queued"),
    ("Scheduled", "Cancelled", "Cancelled"),
    ("Scheduled", "Rescheduled", "Scheduled"),
    ("Scheduled", "Released", "Released"),
    ("Queued", "Offered", "Offered"),
    ("Queued", "LimitReached", "LimitReached"),
    ("Queued", "Cancelled", "Cancelled"),
    ("Queued", "Rescheduled", "Scheduled"),
    ("Queued", "Released", "Released"),
    ("Offered", "Queued", "Queued"),
    ("Offered", "LimitReached", "LimitReached"),
    ("Offered", "Accepted", "InProgress"),
    ("Offered", "Released", "Released"),
    ("InProgress", "AttemptFailed", "Queued"),
    ("InProgress", "AttemptsExhausted", "AttemptsExhausted"),
    ("InProgress", "Completed", "Completed"),
    ("InProgress", "Released", "Released"),
}


def entry(**changes: Any) -> Entry:
    body = {
        "serviceUpn": "desk@contoso.example",
        "destination": "+41791234567",
        "dueDateTimeUtc": to_wire(START + timedelta(minutes=1)),
    }
    write = read_entry(body | changes)
    fields = {name: getattr(write, name) for name in type(write).model_fields}
    return lifecycle.scheduled(Entry(**fields, task_id="t-1", slot=0, created_at=to_wire(START)))


def queued(**changes: Any) -> tuple[Entry, datetime]:
    task = entry(**changes)
    after = lifecycle.passed_by_time(task, task.due)
    assert after is not None
    return after, task.due


def in_progress(**changes: Any) -> tuple[Entry, datetime]:
    task, now = queued(**changes)
    return lifecycle.accepted(lifecycle.offered(task, ANNA, "anna@x.example", now), ANNA, now), now


HAPPENINGS = st.sampled_from(
    ["wait", "time", "offer", "accept", "decline", "complete", "fail", "cancel", "rewrite", "release"]
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(HAPPENINGS, st.sampled_from([ANNA, BEN]), st.integers(0, 400)), max_size=40),
    st.integers(1, 3),
)
def test_every_life_follows_the_rules_step_by_step(happenings: list[tuple[str, str, int]], attempts: int) -> None:
    task, now = entry(maxAttempts=attempts), START
    before = task
    for what, who, seconds in happenings:
        try:
            task = _happen(task, what, who, now)
        except Conflict:
            assert task is before, "a refused step changed the task"
        if what == "wait":
            now += timedelta(seconds=seconds)
        if task is not before:
            assert (before.state, task.event, task.state) in STEPS
            assert task.number == before.number + 1
            assert task.history[-1].event == task.event
            assert task.attempt <= task.max_attempts
            assert before.state not in FINAL
        before = task
    assert (task.finished_at is not None) == (task.state in FINAL) == (task.completion_reason is not None)
    assert [step.number for step in task.history] == list(range(1, task.number + 1))
    if (moment := lifecycle.next_look(task)) is None:
        assert task.state in FINAL, "an unfinished task nobody would look at again"
    else:
        assert lifecycle.passed_by_time(task, moment) is not None, "its time comes and nothing happens"


def _happen(task: Entry, what: str, who: str, now: datetime) -> Entry:
    match what:
        case "time":
            return lifecycle.passed_by_time(task, now) or task
        case "offer" if task.state == "Queued":
            return lifecycle.offered(task, who, f"{who}@x.example", now)
        case "accept":
            return lifecycle.accepted(task, who, now)
        case "decline":
            return lifecycle.declined(task, who, now)
        case "complete":
            return lifecycle.completed(task, who, now)
        case "fail":
            return lifecycle.failed(task, who, now)
        case "cancel":
            return lifecycle.cancelled(task, now)
        case "rewrite":
            return lifecycle.rewritten(task, task, now)
        case "release":
            return lifecycle.released(task, "stuck", now)
    return task


@given(st.integers(0, 5), st.lists(st.integers(1, 90_000), min_size=0, max_size=60))
def test_left_to_time_alone_every_task_ends(offers: int, waits: list[int]) -> None:
    task, now = entry(maxAttempts=10), START
    for wait in waits:
        now += timedelta(seconds=wait)
        while (after := lifecycle.passed_by_time(task, now)) is not None:
            task = after
            if task.state == "Queued" and offers:
                offers -= 1
                task = lifecycle.offered(task, ANNA, "anna@x.example", now)
    for _ in range(40):
        now += timedelta(days=1)
        task = lifecycle.passed_by_time(task, now) or task
    assert task.state == "LimitReached"


def test_an_offer_ends_after_the_rona_time_and_the_queue_time_goes_on() -> None:
    task, now = queued(ronaTimeoutInSeconds=20, maxQueueTimeInSeconds=60)
    offered = lifecycle.offered(task, ANNA, "anna@x.example", now)
    assert lifecycle.passed_by_time(offered, now + timedelta(seconds=19)) is None
    back = lifecycle.passed_by_time(offered, now + timedelta(seconds=20))
    assert back is not None
    assert (back.state, back.event, back.queue_until, back.agent_user_id) == (
        "Queued",
        "Queued",
        task.queue_until,
        None,
    )


def test_an_unanswered_offer_past_the_queue_time_is_the_end() -> None:
    task, now = queued(maxQueueTimeInSeconds=5)
    offered = lifecycle.offered(task, ANNA, "anna@x.example", now)
    over = lifecycle.passed_by_time(offered, now + timedelta(seconds=20))
    assert over is not None
    assert (over.state, over.agent_user_id) == ("LimitReached", None)


def test_an_offer_can_be_accepted_until_its_time_is_over_and_no_longer() -> None:
    task, now = queued(ronaTimeoutInSeconds=20)
    offered = lifecycle.offered(task, ANNA, "anna@x.example", now)
    assert lifecycle.accepted(offered, ANNA, now + timedelta(seconds=19)).state == "InProgress"
    with pytest.raises(Conflict) as refused:
        lifecycle.accepted(offered, ANNA, now + timedelta(seconds=20))
    assert refused.value.code == "OfferGone"


@pytest.mark.parametrize("answer", [lifecycle.accepted, lifecycle.declined, lifecycle.completed, lifecycle.failed])
def test_nobody_answers_an_offer_of_somebody_else(answer: Any) -> None:
    task, now = queued()
    with pytest.raises(Conflict) as refused:
        answer(lifecycle.offered(task, ANNA, "anna@x.example", now), BEN, now)
    assert refused.value.code == "OfferGone"


def test_an_answer_given_twice_changes_nothing() -> None:
    task, now = in_progress()
    assert lifecycle.accepted(task, ANNA, now) is task
    done = lifecycle.completed(task, ANNA, now)
    assert lifecycle.completed(done, ANNA, now) is done


def test_a_failed_attempt_queues_anew_with_a_full_queue_time_while_attempts_remain() -> None:
    task, now = in_progress(maxAttempts=2, maxQueueTimeInSeconds=60)
    later = now + timedelta(minutes=10)
    again = lifecycle.failed(task, ANNA, later)
    assert (again.state, again.event, again.attempt) == ("Queued", "AttemptFailed", 1)
    assert again.queue_until == to_wire(later + timedelta(seconds=60))
    second = lifecycle.accepted(lifecycle.offered(again, BEN, "ben@x.example", later), BEN, later)
    assert lifecycle.failed(second, BEN, later).state == "AttemptsExhausted"


def test_an_attempt_ends_after_its_time() -> None:
    task, now = in_progress(attemptTimeoutInSeconds=30)
    assert lifecycle.passed_by_time(task, now + timedelta(seconds=29)) is None
    over = lifecycle.passed_by_time(task, now + timedelta(seconds=30))
    assert over is not None
    assert over.state == "AttemptsExhausted"


def test_waiting_is_counted_from_the_due_time_to_the_answer() -> None:
    task, now = queued()
    assert lifecycle.waiting_seconds(entry(), now) == 0
    assert lifecycle.waiting_seconds(task, now + timedelta(seconds=7)) == 7
    taken = lifecycle.accepted(lifecycle.offered(task, ANNA, "a@x.example", now), ANNA, now + timedelta(seconds=9))
    assert lifecycle.waiting_seconds(taken, now + timedelta(hours=1)) == 9


def test_who_let_a_task_pass_is_asked_again_after_half_a_minute_and_behind_all_others() -> None:
    task, now = queued()
    anna, ben = Candidate(ANNA, "anna@x.example"), Candidate(BEN, "ben@x.example")
    passed = lifecycle.declined(lifecycle.offered(task, ANNA, anna.upn, now), ANNA, now)
    assert next_pair([passed], [anna], {}, now) is None
    assert next_pair([passed], [anna, ben], {}, now) == (0, ben)
    later = now + lifecycle.ASKED_AGAIN
    assert next_pair([passed], [anna], {}, later) == (0, anna)
    assert next_pair([passed], [anna, ben], {BEN: to_wire(later)}, later) == (0, ben)


def test_the_longest_idle_member_comes_first_and_a_new_one_before_all() -> None:
    task, now = queued()
    anna, ben, new = (Candidate(name, f"{name}@x.example") for name in (ANNA, BEN, "new"))
    idle = {ANNA: to_wire(now), BEN: to_wire(now - timedelta(minutes=5))}
    assert next_pair([task], [anna, ben], idle, now) == (0, ben)
    assert next_pair([task], [anna, ben, new], idle, now) == (0, new)


def test_preferred_users_come_before_who_is_idle_longer_and_the_lowest_priority_first() -> None:
    preferred = [{"upn": "ANNA@x.example", "priority": 2}, {"upn": "ben@x.example"}]
    write = read_body(ExternalTaskWrite, {"serviceUpn": "desk@contoso.example", "preferredUsers": preferred})
    given = {name: getattr(write, name) for name in ExternalTaskWrite.model_fields}
    at = to_wire(START)
    task = ExternalTask(**given, task_id="t-1", created_at=at, due_date_time_utc=at)
    anna, ben, new = (Candidate(name, f"{name}@x.example") for name in (ANNA, BEN, "new"))
    idle = {ANNA: at, BEN: to_wire(START + timedelta(minutes=5))}
    assert next_pair([task], [new, anna, ben], idle, START) == (0, ben)
    assert next_pair([task], [new, anna], idle, START) == (0, anna)
    assert next_pair([task], [new], idle, START) == (0, new)
