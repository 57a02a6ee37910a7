"""Sessions on real storage: what is kept, what goes, and who wins when two act at once."""

from __future__ import annotations

import base64
import json
import logging
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.interact.sessions import cleanup
from shared.interact.sessions import store as session_store
from shared.interact.sessions.cleanup import GRACE, SessionEnds
from shared.interact.sessions.rules import KEPT
from shared.interact.sessions.sessions import EventWrite, SessionStarted
from shared.interact.sessions.store import SessionStore
from shared.kernel.acs_connection_string import ConnectionString, read_connection_string
from shared.kernel.errors import (
    AppError,
    Conflict,
    Denied,
    Gone,
    NotFound,
    NotKnown,
    Stale,
    StorageDown,
    Unreachable,
    Upstream,
)
from shared.storage.account import StorageAccount
from shared.storage.entities import Row, with_doc
from shared.storage.secrets import SecretBox
from shared.tenants.key_rotation import Rotation
from tests.core.faults import FragileTable, Wire, wire
from tests.core.race import codes, together
from tests.core.session_world import AGENT, SUFFIXES, TOKEN, FakeOutside, SessionWorld, Step
from tests.core.world import CONTOSO_STRING, OLD_KEY, SERVICE, FakeClock, World
from tests.devhost.stack import eventually


@pytest.fixture
def shop(world: World) -> SessionWorld:
    return SessionWorld(world)


def test_neither_the_secret_nor_a_token_nor_the_key_is_written_anywhere(
    shop: SessionWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = shop.start(customer={"name": "Kim"})
    shop.say(session, "customerLeft")
    shop.say(session, "customerRejoined")
    shop.sessions.token(shop.held(session))
    shop.ends.sweep()
    written = json.dumps([dict(row.values) for row in (*shop.rows(), *shop.entries())])
    for secret in (session.session_secret, TOKEN, "accesskey="):
        assert secret not in written
        assert secret not in caplog.text
    assert TOKEN not in repr(session)
    assert session.session_secret not in repr(session)


def test_only_the_page_that_started_a_session_may_speak_for_it(shop: SessionWorld) -> None:
    session, other = shop.start(), shop.start()
    shop.sessions.of_customer(shop.tenant, session.session_id, session.session_secret)
    for secret in (other.session_secret, "", session.session_secret[:-1], session.session_secret + "x", "\udc80"):
        with pytest.raises(NotKnown):
            shop.sessions.of_customer(shop.tenant, session.session_id, secret)


def test_a_session_lives_in_its_tenants_partition_only(shop: SessionWorld, world: World) -> None:
    session = shop.start()
    with pytest.raises(NotFound):
        shop.sessions.of_tenant("22222222-2222-4222-8222-222222222222", session.session_id)
    assert {row.partition for row in shop.rows()} == {world.tenant_id}


@pytest.mark.parametrize(("conversation", "upn"), [("service", SERVICE), ("direct", AGENT)])
def test_whom_the_customer_wants_is_spelled_as_the_directory_does(
    shop: SessionWorld, conversation: str, upn: str
) -> None:
    assert shop.start(conversation, target=upn.upper()).target == upn


# a start that fails


@pytest.mark.parametrize("step", ["user", "meeting"])
@pytest.mark.parametrize("error", [Denied("no", reason="PolicyMissing"), Unreachable("silence")])
def test_a_start_that_fails_outside_leaves_nothing_behind(shop: SessionWorld, step: Step, error: AppError) -> None:
    shop.outside.fails[step] = error
    with pytest.raises(Upstream):
        shop.start()
    assert shop.nothing_is_left()


def test_a_start_that_cannot_be_written_leaves_nothing_behind(shop: SessionWorld) -> None:
    class Full(FragileTable):
        def insert(self, row: object) -> str:
            raise StorageDown("nobody there")

    _, sessions = shop.instance(Full(shop.table))
    with pytest.raises(StorageDown):
        shop.start(sessions=sessions)
    assert shop.nothing_is_left()


@pytest.fixture
def forgetful(connection: str, account: StorageAccount, clock: FakeClock) -> Iterator[tuple[Wire, SessionWorld]]:
    """A shop whose storage can lose answers; what the library sends again is refused, since the work is done."""
    with wire(connection) as (tap, behind):
        yield tap, SessionWorld(World(StorageAccount(behind, None, ""), clock, str(uuid.uuid4())))


@pytest.mark.parametrize("table", ["sessions", "system"])
def test_a_start_that_the_storage_library_sends_again_is_one_start(
    forgetful: tuple[Wire, SessionWorld], table: str
) -> None:
    tap, shop = forgetful
    tap.inserts_into, tap.lose = table, 1
    session = shop.start()
    assert tap.lose == 0
    assert (shop.outside.users, len(shop.outside.meetings)) == ({session.acs.user_id}, 1)


def test_a_restart_that_the_storage_library_sends_again_is_one_restart(forgetful: tuple[Wire, SessionWorld]) -> None:
    tap, shop = forgetful
    session = shop.start("service")
    shop.say(session, "agentLeft")
    tap.lose = 1
    anew = shop.say(session, "customerRejoined")
    assert tap.lose == 0
    again = shop.say(session, "customerRejoined")
    assert isinstance(anew, SessionStarted)
    assert isinstance(again, SessionStarted)
    assert again.session_id == anew.session_id
    assert again.acs.user_id in shop.outside.users
    assert len(shop.outside.meetings) == 2


class Silent(FragileTable):
    """Takes what is written, or not, and then says nothing, also when asked."""

    takes = True
    told = False

    def insert(self, row: Row) -> str:
        self.told = True
        if self.takes:
            super().insert(row)
        raise StorageDown("the answer got lost")

    def get(self, partition: str, row: str) -> Row | None:
        if self.told:
            raise StorageDown("nobody there")
        return super().get(partition, row)


@pytest.mark.parametrize("takes", [True, False])
def test_a_start_of_which_nobody_knows_whether_it_was_written_is_left_to_the_sweep(
    shop: SessionWorld, takes: bool
) -> None:
    silent = Silent(shop.table)
    silent.takes = takes
    _, sessions = shop.instance(silent)
    with pytest.raises(StorageDown):
        shop.start(sessions=sessions)
    assert len(shop.outside.users) == 1  # a session that was written needs it
    shop.clock.moment += GRACE
    shop.ends.sweep()
    assert len(shop.outside.users) == takes
    for pause in (timedelta(hours=2), KEPT):
        shop.clock.moment += pause
        shop.ends.sweep()
    assert (shop.outside.users, shop.rows(), shop.entries()) == (set(), [], [])


@pytest.mark.parametrize(("step", "undone"), [("user", "delete user"), ("meeting", "delete meeting")])
def test_a_start_waits_for_nobody_without_end_and_what_comes_too_late_goes(
    shop: SessionWorld, step: Step, undone: Step
) -> None:
    late, gone = threading.Event(), threading.Event()
    shop.outside.meanwhile[step] = lambda: late.wait(20)  # type: ignore[assignment]
    _, sessions = shop.instance(total=1.0)
    with pytest.raises(Unreachable):
        shop.start(sessions=sessions)
    assert (shop.outside.users, shop.rows(), shop.entries()) == (set(), [], [])
    shop.outside.meanwhile[undone] = gone.set
    late.set()
    assert gone.wait(20)
    eventually(shop.nothing_is_left, "what came too late is gone")


def test_a_user_that_can_neither_be_noted_nor_deleted_is_named_in_the_log(
    shop: SessionWorld, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(FragileTable):
        def insert(self, row: Row) -> str:
            raise StorageDown("nobody there")

    shop.index = Full(shop.index)
    _, sessions = shop.instance()
    shop.outside.fails["delete user"] = Unreachable("silence")
    with pytest.raises(StorageDown):
        shop.start(sessions=sessions)
    (user,) = shop.outside.users
    assert user in caplog.text


def test_a_user_that_cannot_be_deleted_after_a_failed_start_goes_later(shop: SessionWorld) -> None:
    shop.outside.fails = {"meeting": Unreachable("silence"), "delete user": Unreachable("silence")}
    with pytest.raises(Unreachable):
        shop.start()
    assert len(shop.outside.users) == 1
    shop.clock.moment += GRACE
    assert shop.ends.sweep() == 0
    shop.outside.fails.clear()
    shop.clock.move(minutes=2)
    assert shop.ends.sweep() == 1
    assert shop.nothing_is_left()


def test_a_start_whose_process_died_is_found_and_its_user_deleted(shop: SessionWorld) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        shop.outside.fails["delete user"] = Killed()  # type: ignore[assignment]
        raise Killed

    shop.outside.meanwhile["meeting"] = die
    with pytest.raises(Killed):
        shop.start()
    shop.outside.fails.clear()
    assert len(shop.outside.users) == 1
    assert shop.ends.sweep() == 0  # it might still be at work
    shop.clock.moment += GRACE
    assert shop.ends.sweep() == 1
    assert shop.nothing_is_left()


def test_interact_without_a_user_for_meetings_says_so_and_calls_nobody(shop: SessionWorld) -> None:
    shop.world.set(interact={"o365UserId": None})
    shop.head = shop.world.head
    with pytest.raises(Conflict) as refused:
        shop.start()
    assert (refused.value.code, refused.value.members["missing"]) == ("InteractNotConfigured", ["interact.o365UserId"])
    assert shop.outside.made == 0


# the end


def test_the_user_goes_when_the_session_is_over_and_the_rows_a_day_later(shop: SessionWorld) -> None:
    session = shop.start()
    shop.say(session, "customerLeft")
    shop.clock.move(seconds=19)
    assert shop.ends.sweep() == 0
    shop.clock.move(seconds=1)
    assert shop.ends.sweep() == 1
    assert not shop.outside.users
    assert shop.state(session) == "Ended"
    with pytest.raises(Gone):
        shop.say(session, "customerRejoined")
    shop.clock.moment += KEPT
    shop.clock.move(hours=2)
    shop.ends.sweep()
    assert (shop.rows(), shop.entries()) == ([], [])


def test_a_closed_tab_ends_with_its_token_and_the_time_to_come_back(shop: SessionWorld) -> None:
    session = shop.start()
    shop.clock.move(hours=1)
    assert shop.state(session) == "Recovering"
    shop.ends.sweep()
    assert len(shop.outside.users) == 1
    shop.clock.move(seconds=20)
    assert shop.ends.sweep() == 1
    assert shop.state(session) == "Ended"


def test_a_goodbye_that_storage_took_without_saying_so_is_looked_at_in_time(shop: SessionWorld) -> None:
    class Deaf(FragileTable):
        told = False

        def replace(self, row: Row, *, etag: str) -> str:
            etag = super().replace(row, etag=etag)
            if self.told:
                return etag
            self.told = True
            raise Stale("sent again by the library")

    session = shop.start()
    assert shop.say(session, "customerLeft", shop.instance(Deaf(shop.table))[1]).state == "Recovering"
    shop.clock.move(seconds=20)
    assert shop.ends.sweep() == 1


def test_a_renewed_session_keeps_its_user(shop: SessionWorld) -> None:
    session = shop.start()
    for _ in range(3):
        shop.clock.move(minutes=50)
        shop.sessions.token(shop.held(session))
        shop.ends.sweep()
    assert shop.state(session) == "Open"
    assert len(shop.outside.users) == 1
    assert len(shop.entries()) == 1


def test_a_sweep_reads_what_is_due_and_not_what_lives(shop: SessionWorld) -> None:
    for _ in range(3):
        shop.start()
    shop.clock.moment += GRACE
    shop.ends.sweep()
    moments = [row.row.partition("|")[0] for row in shop.entries()]
    assert len(moments) == 3
    assert all(int(moment) > shop.clock.moment.timestamp() * 1000 for moment in moments)


def test_two_sweeps_at_once_delete_each_user_and_miss_none(shop: SessionWorld) -> None:
    sessions = [shop.start() for _ in range(5)]
    for session in sessions:
        shop.say(session, "ended")
    others = [shop.instance()[0] for _ in range(3)]
    together(3, lambda number: others[number].sweep())
    shop.ends.sweep()
    assert not shop.outside.users
    assert {shop.state(session) for session in sessions} == {"Ended"}


def regenerated(shop: SessionWorld, host: str = "contoso") -> str:
    """ACS takes another key from now on, and the tenant has stored a string with it."""
    shop.outside.key = base64.b64encode(bytes([1]) * 64).decode()
    endpoint = f"endpoint=https://{host}.communication.azure.com/"
    shop.world.set(interact={"acsConnectionString": f"{endpoint};accesskey={shop.outside.key}"})
    return shop.outside.key


def test_a_session_outlives_a_regenerated_key_once_the_new_string_is_stored(shop: SessionWorld) -> None:
    session = shop.start()
    key = regenerated(shop)
    assert shop.sessions.token(shop.held(session)).token == TOKEN
    kept = shop.ends.open(shop.tenant, shop.held(session).ties.sealed)
    assert kept == ConnectionString("contoso.communication.azure.com", key)
    assert shop.state(session) == "Open"


def test_a_user_whose_key_was_regenerated_goes_with_its_session(shop: SessionWorld) -> None:
    shop.say(session := shop.start(), "ended")
    regenerated(shop)
    assert shop.ends.sweep() == 1
    assert (shop.outside.users, shop.state(session)) == (set(), "Ended")


def test_the_string_of_another_resource_reaches_no_user_of_this_one(shop: SessionWorld) -> None:
    session = shop.start()
    regenerated(shop, "fabrikam")
    with pytest.raises(Upstream) as refused:
        shop.sessions.token(shop.held(session))
    assert refused.value.code == "AcsDenied"


def orphans(shop: SessionWorld, host: str, count: int) -> None:
    """Users of starts that died, all due, at a resource of a tenant of its own."""
    tenant = str(uuid.uuid4())
    connection = read_connection_string(CONTOSO_STRING.replace("contoso", host), SUFFIXES)
    for number in range(count):
        shop.outside.users.add(f"{host} {number}")
        shop.ends.begin(tenant, str(uuid.uuid4()), f"{host} {number}", connection)
    shop.clock.moment += GRACE


def test_a_sweep_goes_on_until_nothing_is_due(shop: SessionWorld) -> None:
    orphans(shop, "fabrikam", 14)
    store, box = SessionStore(shop.table), shop.world.secrets
    patient = SessionEnds(shop.index, store, box, shop.outside, shop.strings, shop.clock, waiting=1)
    assert patient.sweep() == 14
    assert shop.nothing_is_left()


def test_a_sweep_ends_in_time_and_the_next_goes_on(shop: SessionWorld) -> None:
    orphans(shop, "fabrikam", 20)
    pace = threading.Lock()

    class Slow(FakeOutside):
        def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
            with pace:
                shop.clock.move(minutes=1)
            shop.outside.delete_user(connection, user_id, timeout)

    ends, _ = shop.instance(outside=Slow(shop.clock))
    first = ends.sweep()
    assert 4 <= first < 20
    assert len(shop.entries()) == 20 - first
    shop.ends.sweep()
    assert shop.nothing_is_left()


def test_a_resource_that_hangs_holds_up_nobody_else_and_is_left_alone(shop: SessionWorld) -> None:
    orphans(shop, "hangs", 24)
    orphans(shop, "works", 3)
    others_are_gone, asked = threading.Event(), list[str]()
    as_many_as_may = threading.Barrier(cleanup.AT_ONCE_OF_TENANT)  # else the first answer spares the last ones

    class Hanging(FakeOutside):
        def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
            if "works" in connection.endpoint:
                shop.outside.users.discard(user_id)
                if not any(user.startswith("works") for user in shop.outside.users):
                    others_are_gone.set()
                return
            asked.append(user_id)
            as_many_as_may.wait(5)
            assert others_are_gone.wait(5)
            raise Unreachable("silence")

    ends, _ = shop.instance(outside=Hanging(shop.clock))
    assert ends.sweep() == 3
    assert len(asked) == cleanup.AT_ONCE_OF_TENANT
    assert ends.sweep() == 0
    assert len(asked) == cleanup.AT_ONCE_OF_TENANT  # the others were put off, too
    shop.clock.move(minutes=2)
    assert shop.ends.sweep() == 24


def test_a_session_that_cannot_be_read_holds_up_no_other(shop: SessionWorld) -> None:
    broken, connection = str(uuid.uuid4()), read_connection_string(CONTOSO_STRING, SUFFIXES)
    shop.ends.begin(shop.tenant, broken, "8:acs:x", connection)
    shop.table.insert(Row(shop.tenant, f"session:{broken}", with_doc({})))
    orphans(shop, "fabrikam", 6)
    with pytest.raises(KeyError):
        shop.ends.sweep()
    assert not shop.outside.users


def test_a_user_that_cannot_be_deleted_is_tried_with_growing_pauses_and_given_up_after_a_week(
    shop: SessionWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    shop.say(shop.start(), "ended")
    shop.outside.fails["delete user"] = Unreachable("silence")
    tries = 0

    def count() -> None:
        nonlocal tries
        tries += 1
        shop.outside.meanwhile["delete user"] = count

    shop.outside.meanwhile["delete user"] = count
    for _ in range(24 * 9):
        shop.ends.sweep()
        shop.clock.move(hours=1)
    assert 20 < tries < 60
    assert (shop.rows(), shop.entries()) == ([], [])
    assert "given up" in caplog.text


def test_a_tenant_that_left_takes_its_users_along(shop: SessionWorld) -> None:
    shop.start()
    shop.table.remove_blindly(shop.rows())
    shop.clock.moment += GRACE
    assert shop.ends.sweep() == 1
    assert (shop.outside.users, shop.entries()) == (set(), [])


# races


@pytest.mark.parametrize("first", ["rejoin", "sweep"])
def test_a_rejoin_against_the_expiry_has_one_outcome(shop: SessionWorld, first: str) -> None:
    """Two instances whose clocks differ by a second look at the same session around its last moment."""
    session = shop.start()
    shop.say(session, "customerLeft")
    slow, fast = FakeClock(), FakeClock()
    slow.moment, fast.moment = shop.clock() + timedelta(seconds=19), shop.clock() + timedelta(seconds=21)
    held = shop.held(session)  # read by the slow instance before anything happens
    _, rejoins = shop.instance(clock=slow)
    sweeps, _ = shop.instance(clock=fast)

    def rejoin() -> str:
        try:
            return rejoins.customer_event(
                shop.head, held, session.session_secret, EventWrite(type="customerRejoined")
            ).state
        except Gone:
            return "Gone"

    if first == "rejoin":
        assert rejoin() == "Open"
        sweeps.sweep()
        assert (shop.state(session), len(shop.outside.users)) == ("Open", 1)
    else:
        sweeps.sweep()
        assert rejoin() == "Gone"
        assert (shop.state(session), len(shop.outside.users)) == ("Ended", 0)


def test_a_rejoin_and_a_sweep_at_the_same_moment_agree(shop: SessionWorld) -> None:
    for _ in range(5):
        session = shop.start()
        shop.say(session, "customerLeft")
        slow, fast = FakeClock(), FakeClock()
        slow.moment, fast.moment = shop.clock() + timedelta(seconds=19), shop.clock() + timedelta(seconds=21)
        sweeps, (_, rejoins) = shop.instance(clock=fast)[0], shop.instance(clock=slow)
        outcomes = together(
            2,
            lambda n: sweeps.sweep() if n else shop.say(session, "customerRejoined", rejoins).state,  # noqa: B023
        )
        user_lives = shop.held(session).ties.user_id in shop.outside.users
        assert user_lives == (outcomes[0] == "Open") == (shop.held(session).session.state == "Open")


def test_of_many_rejoins_one_starts_the_new_session_and_all_get_it(shop: SessionWorld) -> None:
    session = shop.start("service")
    for event in ("agentJoined", "agentLeft", "customerLeft"):
        shop.say(session, event)
    answers = together(6, lambda _: shop.say(session, "customerRejoined"))
    assert codes(answers) == []
    assert all(isinstance(answer, SessionStarted) for answer in answers)
    assert len({answer.session_id for answer in answers if isinstance(answer, SessionStarted)}) == 1
    assert len(shop.rows()) == 2
    # The user of the old session goes with the next sweep, those of the rejoins that lost are gone already.
    assert len(shop.outside.users) == 2
    assert len(shop.outside.meetings) == 2
    shop.ends.sweep()
    assert len(shop.outside.users) == 1
    assert shop.state(session) == "Ended"


def test_a_restart_keeps_who_and_whom_and_the_secret(shop: SessionWorld) -> None:
    session = shop.start("service", customer={"name": "Kim"})
    shop.say(session, "agentLeft")
    anew = shop.say(session, "customerRejoined")
    assert isinstance(anew, SessionStarted)
    assert (anew.restarted_from, anew.target) == (session.session_id, session.target)
    held = shop.sessions.of_customer(shop.tenant, anew.session_id, session.session_secret)
    assert held.session.customer == {"name": "Kim"}
    assert anew.acs.user_id != session.acs.user_id


def test_a_restart_needs_a_service_that_is_still_there(shop: SessionWorld) -> None:
    session = shop.start("service")
    shop.say(session, "agentLeft")
    shop.world.directory.delete_service(shop.tenant, SERVICE, versions=None, by=shop.world.by)
    with pytest.raises(NotFound) as refused:
        shop.say(session, "customerRejoined")
    assert refused.value.code == "TargetNotAvailable"
    assert (shop.outside.made, len(shop.rows())) == (1, 1)


def test_a_restart_that_fails_outside_changes_nothing(shop: SessionWorld) -> None:
    session = shop.start("service")
    for event in ("agentLeft", "customerLeft"):
        shop.say(session, event)
    shop.outside.fails["meeting"] = Unreachable("silence")
    with pytest.raises(Unreachable):
        shop.say(session, "customerRejoined")
    assert (shop.state(session), len(shop.rows()), len(shop.outside.users)) == ("Recovering", 1, 1)
    shop.outside.fails.clear()
    assert shop.say(session, "customerRejoined").restarted_from == session.session_id


def test_a_rejoin_of_the_old_session_after_the_new_one_is_over_is_refused(shop: SessionWorld) -> None:
    session = shop.start("service")
    shop.say(session, "agentLeft")
    anew = shop.say(session, "customerRejoined")
    assert isinstance(anew, SessionStarted)
    shop.say(anew, "ended")
    with pytest.raises(Gone):
        shop.say(session, "customerRejoined")


def restarted(shop: SessionWorld) -> tuple[SessionStarted, SessionStarted]:
    """A session and the one in its place, of which the page did not hear."""
    session = shop.start("service")
    shop.say(session, "agentLeft")
    anew = shop.say(session, "customerRejoined")
    assert isinstance(anew, SessionStarted)
    return session, anew


def test_a_continued_session_lives_as_long_as_the_token_it_gave(shop: SessionWorld) -> None:
    session, anew = restarted(shop)
    shop.clock.move(minutes=30)
    again = shop.say(session, "customerRejoined")
    assert isinstance(again, SessionStarted)
    assert again.session_id == anew.session_id
    shop.clock.move(minutes=59)
    assert shop.state(again) == "Open"
    shop.clock.move(minutes=1)
    assert shop.state(again) == "Recovering"


def test_a_rejoin_of_the_old_session_opens_the_new_one_that_was_left(shop: SessionWorld) -> None:
    session, anew = restarted(shop)
    shop.say(anew, "customerLeft")
    again = shop.say(session, "customerRejoined")
    assert isinstance(again, SessionStarted)
    assert (again.session_id, again.state, shop.state(anew)) == (anew.session_id, "Open", "Open")


def test_a_rejoin_of_the_first_of_three_sessions_leads_to_the_last(shop: SessionWorld) -> None:
    session, second = restarted(shop)
    shop.say(second, "agentLeft")
    third = shop.say(second, "customerRejoined")
    assert shop.say(session, "customerRejoined").session_id == third.session_id
    shop.clock.move(hours=2)
    with pytest.raises(Gone):
        shop.say(session, "customerRejoined")


def test_a_rejoin_that_comes_again_is_known_by_its_moment_however_it_is_written(shop: SessionWorld) -> None:
    session = shop.start("service")
    shop.say(session, "agentJoined")
    shop.say(session, "customerLeft", at="2026-03-01T11:59:00Z")
    for back in ("2026-03-01T12:00:00.123456Z", "2026-03-01T13:00:00.123456+01:00"):
        assert shop.say(session, "customerRejoined", at=back).session_id == session.session_id
        shop.say(session, "agentLeft")
    assert (shop.state(session), len(shop.rows())) == ("Open", 1)


def test_a_rejoin_of_the_old_session_that_comes_again_opens_no_new_one_that_was_left(shop: SessionWorld) -> None:
    session = shop.start("service")
    shop.say(session, "agentLeft")
    anew = shop.say(session, "customerRejoined", at="2026-03-01T12:00:00Z")
    assert isinstance(anew, SessionStarted)
    shop.say(anew, "customerLeft", at="2026-03-01T12:00:05Z")
    with pytest.raises(Conflict):
        shop.say(session, "customerRejoined", at="2026-03-01T12:00:00Z")
    assert shop.state(anew) == "Recovering"


def test_events_at_the_same_moment_are_all_heard(shop: SessionWorld) -> None:
    session = shop.start()
    events = ("agentJoined", "customerLeft", "customerLeft", "agentLeft")
    assert codes(together(4, lambda number: shop.say(session, events[number]))) == []
    held = shop.held(session).session
    assert held.state == "Recovering"
    assert held.agent in ("present", "left")


def test_a_token_is_not_given_to_a_session_that_ends_meanwhile(shop: SessionWorld) -> None:
    session = shop.start()

    def end() -> None:
        shop.say(session, "ended")

    shop.outside.meanwhile["token"] = end
    with pytest.raises(Gone):
        shop.sessions.token(shop.held(session))
    assert shop.state(session) == "Ended"


def test_the_rotation_of_keys_finds_what_sessions_hold(shop: SessionWorld, world: World) -> None:
    session = shop.start()
    ring = SecretBox([("new", bytes([7]) * 32), OLD_KEY])
    places = [cleanup.sealed_rows(shop.index), session_store.sealed_rows(shop.table)]
    done = Rotation(world.tenants, world.account.table("tenants"), ring, places).run(lambda done, count: None)
    assert done.sealed >= 2
    assert all(ring.is_current(row.text("sealed")) for row in (*shop.rows(), *shop.entries()))
    world.secrets = SecretBox([("new", bytes([7]) * 32)])
    ends, sessions = shop.instance()
    assert sessions.token(sessions.of_tenant(shop.tenant, session.session_id)).token == TOKEN
    shop.say(session, "ended", sessions)
    assert ends.sweep() == 1
