"""The storm: many submissions at once, then agents at work while worker processes are killed.

Afterwards nothing may be missing or twice. What is claimed is told by what the product says of itself over HTTP, and
by the rows of its tables.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import requests

from tests.app.contact_centre import ContactCentre, Shift
from tests.app.partition import walk
from tests.app.stack import AppStack, entry
from tests.devhost.stack import eventually

FINAL: Final = ("Completed", "LimitReached", "AttemptsExhausted")
WITH_AGENT: Final = ("Offered", "InProgress")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Size:
    """``patience`` is for the agents' work, in seconds; ``due`` the seconds from the first submission.

    ``forgets`` is the share of taken tasks that wait until their attempt times out, 30 s at least.
    """

    services: int
    submissions: int
    limit: int
    agents: int
    kills: int
    submitters: int
    due: float
    pause: float
    forgets: float
    patience: float

    @property
    def submitted(self) -> list[int]:
        """By service. A tenth of them gets half of what it can take, so that not every service is filled."""
        few = max(1, self.services // 10)
        many = self.services - few
        share, rest = divmod(self.submissions - few * (self.limit // 2), many)
        return [self.limit // 2] * few + [share + (number < rest) for number in range(many)]

    @property
    def accepted(self) -> list[int]:
        return [min(self.limit, count) for count in self.submitted]


@dataclass(frozen=True)
class Figures:
    """What a storm took: seconds of submitting and of working, and the tasks by how they ended."""

    submitting: float
    working: float
    kills: int
    endings: dict[str, int]
    events: dict[str, int]


class Storm:
    """One storm on a running stack. Seeded, as far as a race can be."""

    def __init__(self, stack: AppStack, size: Size, *, seed: int, say: Say = lambda _: None) -> None:
        self._stack = stack
        self._size = size
        self._chance = random.Random(seed)
        self._seed = seed
        self._say = say
        # Each agent works for many services and each service has four, so offers of services meet at the agents.
        members = [[(number + 7 * place) % size.agents for place in range(4)] for number in range(size.services)]
        self._centre = ContactCentre(stack, [sorted(set(some)) for some in members], limit=size.limit, tracking=True)

    def pass_over(self) -> Figures:
        """Submit, work, kill; then check every claim."""
        began = time.monotonic()
        accepted = self._submit()
        submitting = time.monotonic() - began
        self._say(f"{self._size.submissions} submitted in {submitting:.0f} s, {len(accepted)} accepted")
        self._centre.be("Available")
        eventually(lambda: self._centre.sees("Available"), "the agents are seen", 60)
        began = time.monotonic()
        self._work(len(accepted))
        working = time.monotonic() - began
        histories = self._histories(accepted)
        self._check(accepted, histories)
        return Figures(
            submitting,
            working,
            self._size.kills,
            dict(Counter(one["state"] for one in histories)),
            dict(Counter(step["event"] for one in histories for step in one["history"])),
        )

    def _submit(self) -> set[str]:
        """Everything at once, in any order; gives the ids of what was accepted."""
        size, services = self._size, self._centre.tenant.services
        wishes = [number for number, count in enumerate(size.submitted) for _ in range(count)]
        self._chance.shuffle(wishes)
        due = (datetime.now(UTC) + timedelta(seconds=size.due)).isoformat().replace("+00:00", "Z")

        def send(number: int) -> tuple[int, str | None]:
            chosen = random.Random(number).choice(("High", "Normal", "Low"))
            times = {"maxQueueTimeInSeconds": 3600, "ronaTimeoutInSeconds": 5, "attemptTimeoutInSeconds": 30}
            body = entry(services[wishes[number]], dueDateTimeUtc=due, distributionPriority=chosen, maxAttempts=3)
            answer = self._centre.tenant.call("POST", "/v1/scheduler-entries", body | times)
            assert answer.status_code in (200, 409), answer.text
            return wishes[number], answer.json().get("schedulerEntryId") if answer.status_code == 200 else None

        with ThreadPoolExecutor(size.submitters) as pool:
            told = list(self._watched(pool.map(send, range(size.submissions))))
        by_service = Counter(service for service, entry_id in told if entry_id)
        assert [by_service[number] for number in range(size.services)] == size.accepted
        return {entry_id for _, entry_id in told if entry_id}

    def _watched(self, answers: Iterator[tuple[int, str | None]]) -> Iterator[tuple[int, str | None]]:
        for number, answer in enumerate(answers, start=1):
            if number % 1000 == 0:
                self._say(f"{number} submissions answered")
            yield answer

    def _work(self, accepted: int) -> None:
        """Until nothing is unfinished, killing a process each time another share of the tasks is completed."""
        size = self._size
        shift = Shift(self._centre, pause=size.pause, forgets=size.forgets, seed=self._seed)
        deadline = time.monotonic() + size.patience
        for kill in range(1, size.kills + 1):
            share = accepted * (kill - 0.5) / (size.kills + 1)
            # Asked of the agents, not of the product: between two looks at its lists the work may be over.
            eventually(partial(shift.has_completed, share), f"time for kill {kill}", deadline - time.monotonic())
            eventually(self._kill, "a worker runs that can be killed", 30)
            self._say(f"{shift.completed} completed, kill {kill}")
        left = deadline - time.monotonic()
        eventually(self._all_ended, "every task has ended", left, every=min(10.0, 20 * size.pause))
        shift.end()
        assert shift.faults == []

    def _all_ended(self) -> bool:
        try:
            return not self._centre.unfinished()
        except requests.ConnectionError:
            return False  # the worker at the other end was just killed

    def _kill(self) -> bool:
        """One worker at random, without a warning; False when none runs just now."""
        living = [pid for pid in self._stack.pids()["workers"] if pid]
        if living:
            os.kill(self._chance.choice(living), signal.SIGKILL)
        return bool(living)

    def _histories(self, accepted: set[str]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self._centre.history, sorted(accepted)))

    def _check(self, accepted: set[str], histories: list[dict[str, Any]]) -> None:
        assert Counter(self._centre.listed()) == Counter(accepted)
        for one in histories:
            steps = one["history"]
            assert [step["number"] for step in steps] == list(range(1, len(steps) + 1)), one
            assert [step["event"] in FINAL for step in steps] == [False] * (len(steps) - 1) + [True], one
            assert one["state"] == steps[-1]["event"]
        assert overlaps(histories) == []
        assert walk(self._stack, self._centre.tenant.id) == 0
        eventually(lambda: self._untold() == [], "hooks know of every event", 90)
        eventually(lambda: self._held() == [], "every agent is free", 90)

    def _untold(self) -> list[str]:
        """Events that no hook was told of."""
        rows = [row for row in self._stack.table("outbound") if row["PartitionKey"].startswith(self._centre.tenant.id)]
        return [row["RowKey"] for row in rows if row["RowKey"].startswith("outbox:")]

    def _held(self) -> list[str]:
        """Agents who seem to have a task though all are over."""
        return sorted({upn for service in self._centre.tenant.services for upn in self._centre.holding_task(service)})


def overlaps(histories: list[dict[str, Any]]) -> list[str]:
    """Every two holds of one agent that were at the same time, by what the histories tell."""
    holds = defaultdict(list)
    for one in histories:
        agent, since = "", ""
        for step in one["history"]:
            if agent and step["state"] != "InProgress":
                holds[agent].append((since, step["at"], one["id"]))
                agent = ""
            if step["state"] == "Offered":
                agent, since = step["agentUserId"], step["at"]
    return [
        f"{agent}: {first} and {second}"
        for agent, found in holds.items()
        for first, second in zip(sorted(found), sorted(found)[1:], strict=False)
        if second[0] < first[1]
    ]
