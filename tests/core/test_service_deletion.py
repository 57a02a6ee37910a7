"""A service goes, or a task of it comes in: one of the two, whoever dies at which call, whatever answer gets lost."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from shared.kernel.errors import AppError, StorageDown
from shared.kernel.wire import parse
from shared.outbound.admission.external_tasks import ExternalTasks
from shared.outbound.admission.scheduler import Scheduler
from shared.outbound.tasks.models import ExternalTaskWrite
from shared.outbound.tasks.store import OutboundStore
from shared.tenants.directory import Directory
from shared.tenants.models import ServiceWrite
from tests.core.faults import Steps, stepped
from tests.core.race import together
from tests.core.world import ADMIN, DESK, FakeClock, World
from tests.scale import scaled
from tests.support.memory_storage import MemoryAccount

DIED, IN_USE, GONE = "StorageUnavailable", "ServiceInUse", "ServiceNotFound"
CREATED, WRITTEN, DELETED, ACCEPTED = "created", "written", "deleted", "accepted"
STARTS = ("new", "used", "wish")
MANY = 30  # more calls than anybody makes here
OWNED = DESK | {"owners": [ADMIN]}


class Process:
    """One instance of the app, whose calls of the storage are ``steps``. Its methods give what the caller hears."""

    def __init__(self, world: World, upn: str, steps: Steps) -> None:
        self.upn = upn
        self.steps = steps
        self._world, self._tenant = world, world.tenant_id
        outbound = OutboundStore(stepped(world.account.table("outbound"), steps))
        self._directory = Directory(stepped(world.account.table("directory"), steps), world.licences, outbound.gate)
        self._scheduler = Scheduler(outbound, self._directory, world.refusals, world.agenda, world.clock)
        self._external = ExternalTasks(outbound, self._directory, world.agenda, world.clock)

    def delete(self) -> str:
        delete = self._directory.delete_service
        return told(DELETED, lambda: delete(self._tenant, self.upn, versions=None, by=self._world.by))

    def create(self) -> str:
        put, wanted = self._directory.put_service, parse(ServiceWrite, OWNED)
        return told(CREATED, lambda: put(self._tenant, self.upn, lambda: wanted, versions=None, by=self._world.by))

    def rewrite(self) -> str:
        """With the version that was there at the start."""
        put, wanted, first = self._directory.put_service, parse(ServiceWrite, OWNED), frozenset({1})
        return told(WRITTEN, lambda: put(self._tenant, self.upn, lambda: wanted, versions=first, by=self._world.by))

    def submit(self) -> str:
        write = self._world.entry(serviceUpn=self.upn)
        submit, head = self._scheduler.submit, self._world.head
        return told(ACCEPTED, lambda: submit(head, write, by=self._world.by, source="http"))

    def bring(self) -> str:
        """Like ``submit``, with an external task."""
        write = parse(ExternalTaskWrite, {"serviceUpn": self.upn})
        return told(ACCEPTED, lambda: self._external.add(self._world.head, write, by=self._world.by))


def told(well: str, act: Callable[[], object]) -> str:
    try:
        answer = act()
    except AppError as exc:
        return exc.code
    assert well != ACCEPTED or not hasattr(answer, "limit"), "an empty service is not full"
    return well


Act = Callable[[Process], str]
# Both kinds of tasks take the same way through the gate.
TASKS: list[tuple[Act, str]] = [(Process.submit, how) for how in ("", "before", "after", "twice")]
TASKS += [(Process.bring, how) for how in ("before", "after", "twice")]


@dataclass(frozen=True)
class Run:
    """What was heard of an act, and of what another process did meanwhile."""

    upn: str
    heard: str
    meanwhile: str


class Shop:
    """Services of one tenant, each with a life of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._names = (f"desk{number}@contoso.example" for number in itertools.count())

    def service(self, start: str) -> str:
        """A fresh one: ``new``, ``used`` (its gate is open), or with the ``wish`` of somebody who died opening it."""
        upn = next(self._names)
        assert self.process(upn).create() == CREATED
        if start == "used":
            self.world.open_gate(upn)
        if start == "wish":

            def die() -> None:
                raise StorageDown("the process died")

            with pytest.raises(StorageDown):
                self.world.outbound.gate.open(self.world.tenant_id, upn, die)
        return upn

    def process(self, upn: str, steps: Steps | None = None) -> Process:
        return Process(self.world, upn, steps or Steps())

    def runs(self, start: str, act: Act, how: str = "", meanwhile: Act | None = None) -> Iterator[Run]:
        """The act on fresh services, disturbed at its first call of the storage, its second, and so on to its last."""
        for at in range(MANY):
            upn, heard = self.service(start), [""]

            def disturb(upn: str = upn, heard: list[str] = heard) -> None:
                if meanwhile is not None:
                    heard.append(meanwhile(self.process(upn)))

            process = self.process(upn, Steps(at, how, disturb))
            run = Run(upn, act(process), heard[-1])
            if process.steps.taken <= at:
                assert at > 1, "it did nothing"
                return
            yield run
        raise AssertionError("it does not end")

    def tasks(self, upn: str) -> int:
        return len(self.world.outbound.unfinished(self.world.tenant_id, upn))

    def is_there(self, upn: str) -> bool:
        there = told("", lambda: self.world.directory.service(self.world.tenant_id, upn)) != GONE
        assert there or not self.tasks(upn), "a task without its service"
        return there


@pytest.fixture
def shop(clock: FakeClock) -> Shop:
    """In memory, so that every crossing there is can be tried."""
    return Shop(World(MemoryAccount(), clock, str(uuid.uuid4())))


@pytest.fixture
def real(world: World) -> Shop:
    return Shop(world)


# one process dies, or hears nothing of a write that took effect


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_deletion_that_dies_at_any_call_is_done_or_can_be_done_again(shop: Shop, how: str, start: str) -> None:
    for run in shop.runs(start, Process.delete, how):
        assert run.heard == DIED
        there = shop.is_there(run.upn)
        assert shop.process(run.upn).delete() == (DELETED if there else GONE)
        assert not shop.is_there(run.upn)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_deletion_that_dies_at_any_call_keeps_no_task_out_of_a_service_that_is_there(
    shop: Shop, how: str, start: str
) -> None:
    for run in shop.runs(start, Process.delete, how):
        there = shop.is_there(run.upn)
        assert shop.process(run.upn).submit() == (ACCEPTED if there else GONE)
        assert shop.process(run.upn).delete() == (IN_USE if there else GONE)
        assert shop.is_there(run.upn) == there


@pytest.mark.parametrize("start", STARTS)
def test_a_deletion_any_answer_of_which_gets_lost_is_told_as_done_and_logged_once(
    shop: Shop, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    for run in shop.runs(start, Process.delete, "twice"):
        assert run.heard == DELETED
        assert not shop.is_there(run.upn)
        assert deletions(caplog, run.upn) == 1


def deletions(caplog: pytest.LogCaptureFixture, upn: str) -> int:
    return sum(line.startswith("service deleted") and f"service={upn}" in line for line in caplog.messages)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("come", "how"), TASKS[1:])
def test_a_submission_that_dies_at_any_call_has_a_task_and_its_service_or_neither_stays(
    shop: Shop, come: Act, how: str, start: str
) -> None:
    for run in shop.runs(start, come, how):
        assert run.heard == (ACCEPTED if how == "twice" else DIED)
        tasks = shop.tasks(run.upn)
        assert tasks == 1 or (how != "twice" and tasks == 0)
        assert shop.process(run.upn).delete() == (IN_USE if tasks else DELETED)
        assert shop.is_there(run.upn) == bool(tasks)


# others act between any two calls


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("come", "how"), TASKS)
def test_a_task_that_comes_between_any_two_calls_of_a_deletion_wins_while_the_service_is_there(
    shop: Shop, come: Act, how: str, start: str
) -> None:
    for run in shop.runs(start, Process.delete, how, meanwhile=come):
        there = shop.is_there(run.upn)
        assert run.meanwhile == (ACCEPTED if there else GONE)
        assert shop.tasks(run.upn) == there
        assert run.heard == DIED if how in ("before", "after") else run.heard == (IN_USE if there else DELETED)
        assert there or how == "twice", "a lost answer is the only way to come too late"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("come", "how"), TASKS)
def test_a_deletion_between_any_two_calls_of_a_submission_lets_the_service_go_with_no_task_or_stay_with_it(
    shop: Shop, come: Act, how: str, start: str
) -> None:
    for run in shop.runs(start, come, how, meanwhile=Process.delete):
        there = shop.is_there(run.upn)
        assert run.meanwhile == (IN_USE if there else DELETED)
        assert run.heard in (ACCEPTED if there else GONE, DIED)
        assert shop.tasks(run.upn) == there


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("how", ["", "twice"])
def test_of_two_deletions_one_is_told_that_it_did_it(
    shop: Shop, how: str, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    for run in shop.runs(start, Process.delete, how, meanwhile=Process.delete):
        assert sorted([run.heard, run.meanwhile]) == sorted([DELETED, GONE])
        assert deletions(caplog, run.upn) == 1


@pytest.mark.parametrize("how", ["", "before", "after", "twice"])
def test_a_service_deleted_and_made_again_with_a_task_between_any_two_calls_of_a_deletion_keeps_it(
    shop: Shop, how: str
) -> None:
    def again(other: Process) -> str:
        return f"{other.delete()}, {other.create()}, {other.submit()}"

    for run in shop.runs("used", Process.delete, how, meanwhile=again):
        assert run.meanwhile in (f"{first}, {CREATED}, {ACCEPTED}" for first in (DELETED, GONE))
        assert shop.is_there(run.upn)
        assert shop.tasks(run.upn) == 1
        late = run.meanwhile.startswith(GONE)  # the service had gone, the answer got lost, and a new one has come
        assert run.heard == (DELETED if late else DIED if how in ("before", "after") else IN_USE)


@pytest.mark.parametrize("start", STARTS)
def test_a_deletion_between_any_two_calls_of_a_submission_between_any_two_calls_of_a_deletion(
    shop: Shop, start: str
) -> None:
    for at in range(MANY):
        reached = 0

        def crossed(other: Process, at: int = at) -> str:
            nonlocal reached
            steps = Steps(at, "", lambda: shop.process(other.upn).delete())
            heard = shop.process(other.upn, steps).submit()
            reached += steps.taken > at
            return heard

        for run in shop.runs(start, Process.delete, meanwhile=crossed):
            there = shop.is_there(run.upn)
            assert shop.tasks(run.upn) == there
            assert (run.heard, run.meanwhile) == ((IN_USE, ACCEPTED) if there else (GONE, GONE))
        if not reached:
            return
    raise AssertionError("it does not end")


# all at the same moment


def test_no_submission_hears_that_a_service_is_gone_which_stays(real: Shop) -> None:
    ends = Counter[bool]()
    late = 0  # calls that deletions wait: as many as make it a close race on this machine
    for number in range(scaled(24, 400)):
        upn = real.service(("new", "used", "wish")[number % 3])

        def delete(process: Process, upn: str = upn, late: int = late) -> str:
            for _ in range(late):
                real.tasks(upn)
            return process.delete()

        acts: list[Act] = [delete, Process.submit, delete, Process.bring]
        heard = together(4, lambda who: acts[who](real.process(upn)))  # noqa: B023
        there = real.is_there(upn)
        assert Counter(heard) == ({ACCEPTED: 2, IN_USE: 2} if there else {DELETED: 1, GONE: 3})
        assert real.tasks(upn) == heard.count(ACCEPTED)
        ends[there] += 1
        late = max(0, late + (-1 if there else 1))
    assert len(ends) == 2, "both must be seen to win"


def test_of_all_who_delete_make_again_and_submit_at_once_none_leaves_a_task_without_a_service(
    real: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(scaled(8, 200)):
        upn = real.service(("new", "used", "wish")[number % 3])
        acts: list[Act] = [Process.delete, Process.create, Process.submit]
        heard = together(6, lambda who: acts[who % 3](real.process(upn)))  # noqa: B023
        there = real.is_there(upn)
        assert real.tasks(upn) == heard.count(ACCEPTED)
        assert heard.count(DELETED) - heard.count(CREATED) == (0 if there else 1)
        assert deletions(caplog, upn) == heard.count(DELETED)


# what the touch must not do


def test_who_writes_a_service_as_its_first_task_comes_in_is_not_told_that_somebody_changed_it(shop: Shop) -> None:
    for run in shop.runs("new", Process.rewrite, meanwhile=Process.submit):
        assert (run.heard, run.meanwhile) == (WRITTEN, ACCEPTED)
        assert shop.world.directory.service(shop.world.tenant_id, run.upn).revision == 2
