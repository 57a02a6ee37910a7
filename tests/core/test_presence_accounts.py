"""Which guest account reads, and when the first is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.presence.account_health import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Account,
    Accounts,
    Health,
    Note,
    changes,
    from_json,
    noted,
    reading_order,
    rested,
    sources,
    to_json,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODES = st.sampled_from(["MfaRequired", "WrongPassword", "AccountLocked"])
ACCOUNT = st.sampled_from(["account1", "account2"])
EVENTS = st.lists(st.tuples(ACCOUNT, st.just("") | CODES, st.timedeltas(timedelta(0), timedelta(hours=1))), max_size=30)


def after(events: list[tuple[Account, str, timedelta]]) -> tuple[Accounts, datetime]:
    accounts, now = Accounts(), NOW
    for account, code, pause in events:
        now += timedelta(seconds=int(pause.total_seconds()))
        accounts = noted(accounts, [Note(account, code)], now)
    return accounts, now


def test_account_1_reads_first_and_account_2_stands_by() -> None:
    assert reading_order(Accounts(), NOW) == ("account1", "account2")


def test_the_pauses_double_from_30_seconds_to_a_quarter_of_an_hour() -> None:
    accounts, now, pauses = Accounts(), NOW, []
    for _ in range(8):
        accounts = noted(accounts, [Note("account1", "MfaRequired")], now)
        assert accounts.account1.retry_at is not None
        pauses.append((accounts.account1.retry_at - now).total_seconds())
        now = accounts.account1.retry_at
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


@given(failures=st.integers(1, 10_000))
def test_a_pause_is_never_shorter_than_the_first_or_longer_than_the_longest(failures: int) -> None:
    accounts = Accounts(account1=Health("MfaRequired", NOW, failures - 1, NOW))
    retry_at = noted(accounts, [Note("account1", "MfaRequired")], NOW).account1.retry_at
    assert retry_at is not None
    assert FIRST_PAUSE <= retry_at - NOW <= LONGEST_PAUSE


def due(accounts: Accounts, account: Account, now: datetime) -> bool:
    health = accounts.health(account)
    return health.well or (health.retry_at is not None and now >= health.retry_at)


@given(events=EVENTS, later=st.timedeltas(timedelta(0), timedelta(minutes=20)))
def test_an_account_in_its_pause_is_asked_only_when_account_2_may_just_have_failed(
    events: list[tuple[Account, str, timedelta]], later: timedelta
) -> None:
    accounts, now = after(events)
    order = reading_order(accounts, now + later)
    assert ("account2" in order) == due(accounts, "account2", now + later)
    last_resort = order == ("account2", "account1") and accounts.account2.well
    assert ("account1" in order) == (due(accounts, "account1", now + later) or last_resort)


@given(events=EVENTS, later=st.timedeltas(timedelta(0), timedelta(minutes=20)))
def test_account_1_comes_first_when_it_is_due(events: list[tuple[Account, str, timedelta]], later: timedelta) -> None:
    accounts, now = after(events)
    if due(accounts, "account1", now + later):
        assert reading_order(accounts, now + later)[0] == "account1"


@given(events=EVENTS)
def test_after_a_quarter_of_an_hour_account_1_is_always_asked_again(
    events: list[tuple[Account, str, timedelta]],
) -> None:
    accounts, now = after(events)
    assert reading_order(accounts, now + LONGEST_PAUSE) == ("account1", "account2")


@given(events=EVENTS, account=ACCOUNT)
def test_an_account_that_worked_is_well_and_starts_over_with_the_shortest_pause(
    events: list[tuple[Account, str, timedelta]], account: Account
) -> None:
    accounts, now = after(events)
    accounts = noted(accounts, [Note(account, "")], now)
    assert accounts.health(account).well
    failed = noted(accounts, [Note(account, "MfaRequired")], now).health(account)
    assert failed.retry_at == now + FIRST_PAUSE


@given(events=EVENTS, account=ACCOUNT, code=st.just("") | CODES)
def test_what_one_account_does_is_nothing_to_the_other(
    events: list[tuple[Account, str, timedelta]], account: Account, code: str
) -> None:
    accounts, now = after(events)
    other: Account = "account2" if account == "account1" else "account1"
    assert noted(accounts, [Note(account, code)], now).health(other) == accounts.health(other)


@given(events=EVENTS)
def test_degraded_means_that_neither_works(events: list[tuple[Account, str, timedelta]]) -> None:
    accounts, _ = after(events)
    assert accounts.degraded == bool(accounts.account1.code and accounts.account2.code)


@given(events=EVENTS, account=ACCOUNT, code=st.just("") | CODES)
def test_a_change_is_a_change_of_the_code_and_since_tells_when_it_was(
    events: list[tuple[Account, str, timedelta]], account: Account, code: str
) -> None:
    before, now = after(events)
    now += timedelta(seconds=1)
    later = noted(before, [Note(account, code)], now)
    if before.health(account).code == code:
        assert changes(before, later) == []
        assert later.health(account).since == (before.health(account).since or now)
    else:
        assert changes(before, later) == [(account, later.health(account))]
        assert later.health(account).since == now


@given(events=EVENTS)
def test_what_is_kept_is_read_back(events: list[tuple[Account, str, timedelta]]) -> None:
    accounts, _ = after(events)
    assert from_json(to_json(accounts)) == accounts


def test_an_outage_does_not_outlast_itself_and_a_refusal_keeps_its_pause() -> None:
    both = [Note("account1", "Unknown", "UpstreamBroken"), Note("account2", "Unknown", "UpstreamUnreachable")]
    accounts = noted(noted(Accounts(), both, NOW), both, NOW + timedelta(seconds=30))
    later = NOW + timedelta(seconds=31)
    assert reading_order(accounts, later) == ("account1",)
    assert reading_order(noted(accounts, [Note("account1", "MfaRequired", "AADSTS50076")], later), later) == (
        "account2",
    )
    refused = [Note(one.account, "MfaRequired", "AADSTS50076") for one in both]
    assert reading_order(noted(accounts, refused, later), later) == ()


def test_the_application_pauses_after_a_refusal_and_not_after_an_outage() -> None:
    def asked(note: Note, **later: float) -> bool:
        accounts = noted(Accounts(), [note], NOW)
        return sources(accounts, NOW + timedelta(**later), tracking=False) == ("application",)

    refusal = Note("application", "PermissionNotGranted", "Forbidden")
    assert (asked(refusal, seconds=29), asked(refusal, seconds=30)) == (False, True)
    assert asked(Note("application", "Unknown", "UpstreamUnreachable"), seconds=1)
    assert asked(Note("account1", "MfaRequired"), seconds=1), "what the accounts do is nothing to it"


def test_a_pause_that_a_clock_gone_wrong_has_noted_is_not_kept() -> None:
    ahead = NOW + timedelta(days=1)
    accounts = noted(Accounts(), [Note("account1", "MfaRequired"), Note("account2", "MfaRequired")], ahead)
    assert reading_order(accounts, NOW) == ("account1", "account2")


@given(events=EVENTS)
def test_after_a_rest_both_are_due_and_nothing_else_changes(events: list[tuple[Account, str, timedelta]]) -> None:
    accounts, now = after(events)
    later = rested(accounts, now)
    assert reading_order(later, now) == ("account1", "account2")
    assert changes(accounts, later) == []


@given(failures=st.integers(1, 20))
def test_the_same_fault_found_by_all_parts_at_once_is_one_failure(failures: int) -> None:
    once = noted(Accounts(), [Note("account1", "MfaRequired")], NOW)
    assert noted(Accounts(), [Note("account1", "MfaRequired")] * failures, NOW) == once
