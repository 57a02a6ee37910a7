"""A tenant with services and agents, and agents who take what they are offered, over HTTP like everybody else."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import requests

from tests.app.stack import AppStack, NewTenant

GRAPH_CLIENT: Final = "a0000000-0000-4000-8000-000000000002"
GUESTS: Final = ("presence1@nimbus.example", "presence2@nimbus.example")
LETS_RING: Final = 0.05  # share of offers nobody answers
OTHERWISE: Final = 0.10  # below this the dice say decline, or fail
SCOPES: Final = ("Presence.Read.All", "User.Read", "User.ReadBasic.All")


@dataclass(frozen=True)
class Agent:
    user_id: str
    upn: str
    token: str


class ContactCentre:
    """``members`` says for each service which agents work for it, by their numbers."""

    def __init__(self, stack: AppStack, members: Sequence[Sequence[int]], *, limit: int, tracking: bool) -> None:
        self.stack = stack
        self.tenant = NewTenant(stack, 0, limit)
        tenant = self.tenant
        tenant.services = [f"desk{number}@{tenant.id[:8]}.example" for number in range(len(members))]
        self.agents = [self._agent(number) for number in range(1 + max(max(some) for some in members))]
        self._tell_simulator()
        tenant.set(presenceTracking={"trackOverGuestAccounts": tracking})
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._add_agent, self.agents))
            list(pool.map(self._add_service, tenant.services, members))

    def be(self, availability: str) -> None:
        """The presence of all agents from now on; the next poll brings it."""
        row = {"availability": availability, "activity": availability}
        self.stack.control("PUT", f"presence/{self.tenant.id}", {agent.user_id: row for agent in self.agents})

    def sees(self, state: str) -> bool:
        """Whether a poll has brought this presence of all agents."""
        items = self.tenant.call("GET", f"/api/tenants/{self.tenant.id}/presence?top=1000").json()["items"]
        return len(items) == len(self.agents) and {row["state"] for row in items} == {state}

    def unfinished(self) -> int:
        items = self.tenant.call("GET", f"/api/tenants/{self.tenant.id}/outbound?top=1000").json()["items"]
        return sum(row["scheduled"] + row["inProgress"] for row in items)

    def holding_task(self, service_upn: str) -> list[str]:
        """UPNs of the service's members who cannot take a task because they have one."""
        path = f"/api/tenants/{self.tenant.id}/services/{service_upn}/available-users"
        members = self.tenant.call("GET", path).json()["items"]
        return [str(member["upn"]) for member in members if "HoldsTask" in member["because"]]

    def listed(self) -> list[str]:
        """Ids of all tasks there are, finished or not, as often as they are listed."""
        found: list[str] = []
        asked = {"top": "500"}
        while True:
            answer = self.tenant.call("GET", f"/api/tenants/{self.tenant.id}/outbound/entries", params=asked)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [str(row["id"]) for row in page["items"]]
            if page["continuation"] is None:
                return found
            asked["continuation"] = page["continuation"]

    def history(self, task_id: str) -> dict[str, Any]:
        answer = self.tenant.call("GET", f"/api/tenants/{self.tenant.id}/outbound/entries/{task_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _agent(self, number: int) -> Agent:
        user_id = str(uuid.uuid4())
        token = self.stack.token(self.tenant.id, "Agent", oid=user_id)
        return Agent(user_id, f"agent{number}@{self.tenant.id[:8]}.example", token)

    def _tell_simulator(self) -> None:
        users = [
            {"id": agent.user_id, "userPrincipalName": agent.upn, "displayName": agent.upn} for agent in self.agents
        ]
        directory = {
            "users": users,
            "guests": list(GUESTS),
            "consents": [{"clientId": GRAPH_CLIENT, "scopes": list(SCOPES)}],
            "grants": [{"clientId": GRAPH_CLIENT, "roles": ["Presence.Read.All"]}],
        }
        self.stack.control("PUT", f"tenants/{self.tenant.id}", directory)
        self.be("Offline")

    def _add_agent(self, agent: Agent) -> None:
        body = {"upn": agent.upn, "displayName": agent.upn, "licences": ["ContactCenter"]}
        answer = self.tenant.call("PUT", f"/api/tenants/{self.tenant.id}/users/{agent.user_id}", body)
        assert answer.status_code == 201, answer.text

    def _add_service(self, upn: str, members: Sequence[int]) -> None:
        body = {
            "displayName": "Desk",
            "licence": "ContactCenter",
            "outboundEnabled": True,
            "members": [self.agents[number].user_id for number in members],
        }
        answer = self.tenant.call("PUT", f"/api/tenants/{self.tenant.id}/services/{upn}", body)
        assert answer.status_code == 201, answer.text


class Shift:
    """All agents at work, each in a thread of its own, as whims have it, until ``end``.

    They decline, let ring and fail tasks; of those they took they forget the share ``forgets``. Calls that find no
    worker are made again: it was killed.
    """

    def __init__(self, centre: ContactCentre, *, pause: float, forgets: float, seed: int) -> None:
        self._centre = centre
        self._pause = pause
        self._forgets = {"Offered": LETS_RING, "InProgress": forgets}
        self._over = threading.Event()
        self.faults: list[str] = []
        self._completions: list[str] = []  # appending is atomic; all agents do it
        self._threads = [
            threading.Thread(target=self._work, args=(agent, random.Random(seed + number)), daemon=True)
            for number, agent in enumerate(centre.agents)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def completed(self) -> int:
        """Tasks that agents were told they have completed. One whose answer a kill took away is not counted."""
        return len(self._completions)

    def has_completed(self, count: float) -> bool:
        return self.completed >= count

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(90)

    def _work(self, agent: Agent, whims: random.Random) -> None:
        ignored: set[tuple[str, str]] = set()
        while not self._over.is_set():
            tasks = self._call(agent, "GET", "/api/me/tasks")
            offer = [(row["id"], row["state"]) for row in tasks["items"]] if tasks else []
            if len(offer) > 1:
                self.faults.append(f"{agent.upn} has {offer}")
            if offer and offer[0] not in ignored:
                task_id, state = offer[0]
                answer = self._whim(state, whims)
                if answer is None:
                    ignored.add((task_id, state))
                else:
                    told = self._call(agent, "POST", f"/api/me/tasks/{task_id}/{answer}")
                    if answer == "complete" and told:
                        self._completions.append(task_id)
                    continue
            elif not offer:
                ignored.clear()
            self._over.wait(self._pause * whims.uniform(0.5, 1.5))

    def _call(self, agent: Agent, method: str, path: str) -> Any:
        """The answer's JSON; None when there was no use asking: too late, or the worker was killed under the call."""
        try:
            answer = self._centre.stack.call(method, path, token=agent.token)
        except requests.RequestException:
            return None
        if answer.status_code not in (200, 409, 503):
            self.faults.append(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.status_code == 200 else None

    def _whim(self, state: str, whims: random.Random) -> str | None:
        """What to answer in this state; None: nothing, until the clock takes the task away."""
        usual, other = {"Offered": ("accept", "decline"), "InProgress": ("complete", "fail")}[state]
        dice = whims.random()
        if dice < self._forgets[state]:
            return None
        return other if dice < OTHERWISE else usual
