"""The check of a connection string: what it says, that it leaves nothing behind, and how often it may be asked."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest

from shared.interact.acs.connection_check import MOST_CHECKS, CheckResult
from shared.kernel.errors import AppError, Broken, Denied, RateLimited, Throttled, Unreachable
from shared.storage.account import StorageAccount
from tests.core.acs_world import FOREIGN, GOOD, KEY, SHORT, STEPS, SUFFIXES, TOKEN, AcsWorld, DeadTable, Step
from tests.core.race import codes, together
from tests.core.world import FakeClock

REFUSALS = [
    (Denied("no", reason="Denied"), "Denied"),
    (Denied("no", reason="Forbidden"), "InsufficientPermissions"),
    (Throttled("slow", retry_after=5), "Throttled"),
    (Unreachable("silence"), "Unreachable"),
    (Broken("<html>"), "Failed"),
]


@pytest.fixture
def acs(account: StorageAccount, clock: FakeClock) -> Iterator[AcsWorld]:
    world = AcsWorld(account, clock)
    yield world
    world.clear()


def test_a_good_string_gets_a_token_of_one_hour_and_leaves_no_user(acs: AcsWorld) -> None:
    result = acs.check()
    assert (result.ok, result.outcome, result.remedy) == (True, "TokenIssued", "")
    assert acs.identities.tokens == [(("voip.join", "chat.join.limited"), timedelta(hours=1))]
    assert acs.identities.users == set()
    assert acs.identities.deletions == 1
    assert acs.rows() == []


def test_an_answer_has_six_members_and_no_secret(acs: AcsWorld) -> None:
    said = acs.check(section="assistant").as_json()
    assert list(said) == ["ok", "outcome", "detail", "remedy", "checkedAt", "durationMs"]
    assert said["checkedAt"] == "2026-03-01T12:00:00.000Z"
    assert 0 <= said["durationMs"] < 10_000
    assert TOKEN not in str(said)
    assert KEY not in str(said)


@pytest.mark.parametrize(("error", "outcome"), REFUSALS)
def test_each_refusal_of_a_user_has_its_outcome(acs: AcsWorld, error: AppError, outcome: str) -> None:
    acs.identities.fails["create"] = error
    result = acs.check()
    assert (result.ok, result.outcome) == (False, outcome)
    assert result.detail
    assert result.remedy
    assert len(acs.identities.timeouts) == 1


@pytest.mark.parametrize(("error", "outcome"), REFUSALS)
def test_a_user_goes_when_the_token_is_refused(acs: AcsWorld, error: AppError, outcome: str) -> None:
    acs.identities.fails["issue"] = error
    assert acs.check().outcome == outcome
    assert acs.identities.deletions == 1
    assert acs.identities.users == set()
    assert acs.rows() == []


@pytest.mark.parametrize(("error", "_"), REFUSALS)
def test_a_user_that_stays_does_not_change_the_outcome(acs: AcsWorld, error: AppError, _: str) -> None:
    acs.identities.fails["delete"] = error
    result = acs.check()
    assert result.outcome == "TokenIssued"
    assert "could not be deleted yet" in result.detail
    assert len(acs.rows()) == 1


def test_denied_says_that_the_key_may_be_a_former_one(acs: AcsWorld) -> None:
    acs.identities.fails["create"] = Denied("no", reason="Denied")
    remedy = acs.check().remedy
    assert "permissions are insufficient" in remedy
    assert "regenerated" in remedy


@pytest.mark.parametrize("step", ["create", "issue"])
def test_a_mistake_of_ours_is_a_failure_and_leaves_no_user(
    acs: AcsWorld, step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    acs.identities.fails[step] = RuntimeError(f"with {KEY}")
    assert acs.check().outcome == "Failed"
    assert acs.identities.users == set()
    assert "RuntimeError" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("step", STEPS)
def test_a_resource_that_falls_silent_is_not_waited_for(acs: AcsWorld, step: Step) -> None:
    release = acs.identities.hangs[step] = Event()
    began = time.monotonic()
    try:
        result = acs.checks(total=SHORT).check(acs.tenant, "interact", GOOD, SUFFIXES)
        assert SHORT <= time.monotonic() - began < SHORT + 2
        assert result.outcome == ("TokenIssued" if step == "delete" else "Unreachable")
        assert len(acs.rows()) == (step != "create")
    finally:
        release.set()
    acs.identities.wait_until_deleted()
    assert acs.identities.users == set()


def test_all_steps_share_the_time_and_deletion_has_some_of_its_own(acs: AcsWorld) -> None:
    acs.check()
    create, issue, delete = acs.identities.timeouts
    assert create > 10  # a user that comes late is to be known, and deleted
    assert 7 < issue <= 8
    assert 9 < delete <= 10


def test_a_user_is_deleted_even_if_it_could_not_be_noted(acs: AcsWorld) -> None:
    assert acs.checks(table=DeadTable()).check(acs.tenant, "interact", GOOD, SUFFIXES).ok
    assert acs.identities.users == set()


@pytest.mark.parametrize(
    ("text", "outcome", "said"),
    [
        (FOREIGN, "HostNotAllowed", "The endpoint is not a resource of Azure Communication Services"),
        ("nonsense", "InvalidConnectionString", "The connection string is not of the form"),
        (f"{GOOD};{GOOD}", "InvalidConnectionString", "The connection string names its endpoint twice."),
        ("x" * 10_240, "InvalidConnectionString", "longer than 1024 characters."),
    ],
)
def test_a_string_that_is_refused_reaches_nobody(acs: AcsWorld, text: str, outcome: str, said: str) -> None:
    result = acs.check(text)
    assert (result.ok, result.outcome) == (False, outcome)
    assert said in result.detail
    assert result.remedy
    assert acs.identities.timeouts == []


def test_one_check_too_many_within_a_minute_is_refused(acs: AcsWorld) -> None:
    for number in range(MOST_CHECKS):
        acs.check(["bad", GOOD][number % 2], "interact" if number % 3 else "assistant")
        acs.clock.move(seconds=1)
    asked = len(acs.identities.timeouts)
    with pytest.raises(RateLimited) as refused:
        acs.check()
    assert refused.value.retry_after == 60 - MOST_CHECKS
    assert len(acs.identities.timeouts) == asked
    acs.clock.move(seconds=60 - MOST_CHECKS)
    assert acs.check().ok
    with pytest.raises(RateLimited) as refused:
        acs.check()
    assert refused.value.retry_after == 1


def test_a_tenant_does_not_use_up_the_checks_of_another(acs: AcsWorld) -> None:
    for _ in range(10):
        acs.check("bad")
    assert acs.checks().check(str(uuid.uuid4()), "interact", GOOD, SUFFIXES).ok


def test_a_clock_that_was_wrong_locks_nobody_out(acs: AcsWorld) -> None:
    acs.clock.move(days=300)
    for _ in range(10):
        acs.check("bad")
    acs.clock.move(days=-300)
    assert acs.check().ok


def test_of_thirty_at_the_same_moment_as_many_as_are_left_are_checked(acs: AcsWorld) -> None:
    for _ in range(MOST_CHECKS - 10):
        acs.check("bad")
    checks = [acs.checks(), acs.checks()]
    outcomes = together(30, lambda number: checks[number % 2].check(acs.tenant, "interact", "bad", SUFFIXES))
    assert sum(isinstance(outcome, CheckResult) for outcome in outcomes) == 10
    assert codes(outcomes) == ["RateLimited"] * 20


def test_nothing_secret_is_logged(acs: AcsWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    acs.left_behind()
    for text in (FOREIGN, GOOD, f"{GOOD};x=y"):
        acs.check(text)
    acs.checks().sweep()
    assert f"acs check tenant={acs.tenant} section=interact outcome=HostNotAllowed" in caplog.text
    for secret in (KEY, TOKEN, "evil"):
        assert secret not in caplog.text
