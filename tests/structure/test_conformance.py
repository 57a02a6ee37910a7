"""The app under Microsoft's own worker library: it finds what the devhost finds, and can call all of it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import function_app
from functions.http.endpoints import ENDPOINTS
from shared.bootstrap.trunk import Trunk, open_trunk
from shared.interact.sessions import cleanup
from shared.kernel import clock
from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.kernel.queue_names import QUEUES
from shared.messaging.dead_letters import Poison
from shared.outbound.tasks.gate import Gate
from shared.storage.account import StorageAccount
from shared.storage.entities import Row, Values
from shared.tenants.models import TenantWrite, UserWrite
from shared.tenants.tenants import Tenants
from tests.azurite import azurite
from tests.structure.guarded import GUARDS, NO_FRAMES
from tests.structure.indexed import AS_DEVHOST, environment, run
from tests.structure.source import ROOT

pytestmark = pytest.mark.stack  # loads the app in Microsoft's worker, and in the development host

assert function_app.app, "importing the app is what fills ENDPOINTS"
STAYING, LEAVING = (str(uuid.uuid4()) for _ in range(2))
TICK = "2026-03-01T12:00:00.000Z"
NO_TOKEN = 401
# What those answer that everybody may call: storage is there, and what else is missing only makes them say so.
OPEN_ANSWERS = {"get_consent_callback": 200, "get_live": 200, "get_ready": 200, "get_openapi": 200, "get_docs": 200}
OPEN_ANSWERS |= {"allow_pages_to_call": 204, "fetch_widget_demo": 200, "fetch_widget_file": 404}
NO_KEY = {
    "get_widget",
    "start_session",
    "get_session",
    "post_session_event",
    "renew_session_token",
}  # a widget shows its key, not a token


def as_microsoft(app: Path, environ: dict[str, str], wishes: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What the worker library finds in the app, and how the wished invocations end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.structure.microsofts_worker", str(app)],
        env=environ,
        input=json.dumps(list(wishes)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def http(function: str) -> dict[str, Any]:
    """A call without a token, with every path parameter filled in."""
    return http_of(function, ENDPOINTS[function].method, ENDPOINTS[function].path)


def http_of(function: str, method: str, path: str) -> dict[str, Any]:
    params = {part.strip("{*}").split(":")[0]: STAYING for part in path.split("/") if part.startswith("{")}
    request = {
        "method": method,
        "url": f"http://127.0.0.1:7071/{path}",
        "headers": {"content-type": "application/json"},
        "params": params,
        "query": {},
        "body": "{}",
    }
    return {"function": function, "inputs": {"req": ["http", request]}}


def timer(function: str) -> dict[str, Any]:
    status = {"Last": TICK, "Next": TICK, "LastUpdated": TICK}
    told = {"IsPastDue": False, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status}
    return {"function": function, "inputs": {"timer": ["json", json.dumps(told)]}}


def queue(function: str, text: str) -> dict[str, Any]:
    metadata = {
        "Id": str(uuid.uuid4()),
        "DequeueCount": 2,
        "InsertionTime": TICK,
        "ExpirationTime": TICK,
        "NextVisibleTime": TICK,
        "PopReceipt": "x",
    }
    return {"function": function, "inputs": {"message": ["string", text]}, "metadata": metadata}


QUEUED = {
    "admit_outbound_request": json.dumps({"tenantId": STAYING, "destination": "nowhere"}),
    **{
        f"keep_poison_of_{name.replace('-', '_')}": json.dumps({"tenantId": STAYING, "poison": name}) for name in QUEUES
    },
    "visit_outbound": json.dumps({"kind": "task", "tenantId": STAYING, "subject": "nobody@contoso.example"}),
    "deliver_webhooks": json.dumps({"kind": "webhook", "tenantId": STAYING, "subject": str(uuid.uuid4())}),
    "look_at_watched_group": json.dumps({"tenantId": STAYING}),
    "offboard_tenant": json.dumps({"tenantId": LEAVING}),
}
TIMED = (
    "call_appointments",
    "plan_presence_polls",
    "plan_watch_groups",
    "resume_offboardings",
    "sweep_acs_leftovers",
    "sweep_sessions",
    "tidy_journal",
)


def trunk_of(account: StorageAccount) -> Trunk:
    return open_trunk(account, [("local1", bytes(32))], clock.now, Gate(account.table("outbound")))


@dataclass(frozen=True)
class Seen:
    """The app as both saw it, after every function was invoked once, and the storage they left behind."""

    devhost: list[dict[str, Any]]
    microsoft: list[dict[str, Any]]
    outcomes: dict[str, dict[str, Any]]
    account: StorageAccount
    tick: str

    @property
    def tenants(self) -> Tenants:
        return trunk_of(self.account).tenants


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with azurite() as connection:
        environ = environment(storage_port=10000) | {"AzureWebJobsStorage": connection}
        account = StorageAccount(connection, None, "")
        account.prepare()
        _settle(account)
        wishes = [http(name) for name in ENDPOINTS]
        wishes += [http_of("zz_unknown_route", "GET", "nowhere")]
        wishes += [timer(name) for name in TIMED]
        wishes += [queue(name, text) for name, text in QUEUED.items()]
        tick = to_wire(clock.now())  # an old one would not be polled
        wishes += [queue("poll_presence", json.dumps({"tenantId": STAYING, "tick": tick, "part": 0}))]
        answer = as_microsoft(ROOT, environ, wishes)
        outcomes = {outcome["function"]: outcome for outcome in answer["outcomes"]}
        yield Seen(run(AS_DEVHOST, ROOT, environ), answer["functions"], outcomes, account, tick)


def _settle(account: StorageAccount) -> None:
    """A tenant with one user, and one that is leaving; a session's end to look at, whose user is out of reach."""
    tenants, directory = trunk_of(account).tenants, trunk_of(account).directory
    by = Caller(STAYING, "somebody", "Somebody", frozenset())
    for tenant_id in (STAYING, LEAVING):
        tenants.put(
            tenant_id, lambda: TenantWrite(display_name="Contoso", products=["ContactCenter"]), versions=None, by=by
        )
        user = UserWrite(upn="ana@contoso.example", display_name="Ana")
        directory.put_user(tenant_id, str(uuid.uuid4()), lambda: user, versions=None, by=by)  # noqa: B023 - called at once
    tenants.start_offboarding(LEAVING, by)
    end: Values = {"tenant": STAYING, "session": "x", "user": "8:acs:x", "sealed": "", "made_at": TICK, "tries": 0}
    account.table("system").insert(Row(cleanup.PARTITION, f"{0:015}|{STAYING}|x", end))


def test_both_find_the_same_functions_with_the_same_bindings(seen: Seen) -> None:
    theirs = [{name: one[name] for name in ("name", "trigger", "bindings")} for one in seen.microsoft]
    assert theirs == seen.devhost
    assert {one["trigger"] for one in theirs} == {"httpTrigger", "timerTrigger", "queueTrigger"}


def test_every_function_is_invoked(seen: Seen) -> None:
    assert seen.outcomes.keys() == {one["name"] for one in seen.microsoft}


def test_no_invocation_fails(seen: Seen) -> None:
    assert {name: one["trace"] for name, one in seen.outcomes.items() if not one["ok"]} == {}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_http_function_answers_a_call_without_a_token(seen: Seen, name: str) -> None:
    outcome = seen.outcomes[name]
    assert outcome["status"] == OPEN_ANSWERS.get(name, NO_TOKEN)
    assert outcome["headers"]["x-trace-id"]
    if outcome["status"] == NO_TOKEN:
        assert json.loads(outcome["body"])["code"] == ("WidgetKeyInvalid" if name in NO_KEY else "TokenMissing")


@pytest.mark.parametrize("name", [*ENDPOINTS, "zz_unknown_route"])
def test_every_http_function_guards_its_answer(seen: Seen, name: str) -> None:
    headers = seen.outcomes[name]["headers"]
    assert headers.items() >= GUARDS.items()
    assert headers["cache-control"] == ("no-cache" if name == "fetch_widget_demo" else "no-store")
    assert (NO_FRAMES in headers.get("content-security-policy", "")) == headers["content-type"].startswith("text/html")


def test_an_unknown_path_is_answered_with_a_problem(seen: Seen) -> None:
    outcome = seen.outcomes["zz_unknown_route"]
    assert (outcome["status"], json.loads(outcome["body"])["code"]) == (404, "RouteNotFound")
    assert outcome["headers"]["x-trace-id"]


def test_a_malformed_request_from_the_queue_is_set_aside(seen: Seen) -> None:
    reasons = _set_aside(seen)
    assert len(reasons) == 1 + len(QUEUES)
    assert any("destination" in reason and attempts == 2 for reason, attempts in reasons)


def test_a_poison_request_is_kept(seen: Seen) -> None:
    assert any("five times" in reason and attempts == 5 for reason, attempts in _set_aside(seen))


def _set_aside(seen: Seen) -> list[tuple[str, int]]:
    journal = seen.account.table("journal")
    kept = Poison(journal, seen.tenants, {}, clock.now)
    return [(item.reason, item.attempts) for item in kept.page(STAYING, top=10, continuation=None).items]


def test_a_leaving_tenant_is_gone(seen: Seen) -> None:
    assert list(seen.tenants.ids()) == [STAYING]
    assert list(seen.account.table("directory").span(LEAVING, "", "~")) == []


def test_the_end_of_a_session_was_looked_at(seen: Seen) -> None:
    assert list(seen.account.table("system").span(cleanup.PARTITION, "0", ":")) == []


def test_a_poll_was_tried(seen: Seen) -> None:
    state = seen.account.table("presence").get(STAYING, "part:000:state")
    assert state is not None
    assert (state.text("tick"), state.doc["polled_at"]) == (seen.tick, "")


# planted mistakes

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
QUEUE = '@app.queue_trigger(arg_name="message", queue_name="q", connection="AzureWebJobsStorage")\n'
MISTAKES = {
    "an unbound parameter": HEAD + QUEUE + "def work(message: func.QueueMessage, other: str) -> None: ...\n",
    "a binding without a parameter": HEAD + QUEUE + "def work() -> None: ...\n",
    "a misnamed parameter": HEAD + QUEUE + "def work(msg: func.QueueMessage) -> None: ...\n",
    "a wrong annotation": HEAD + QUEUE + "def work(message: func.HttpRequest) -> None: ...\n",
    "a wrong return": HEAD + '@app.route("x")\ndef work(req: func.TimerRequest) -> str: ...\n',
    "no app": "import azure.functions as func\n",
    "an import that fails": "import nothing_of_the_kind\n",
}
GOOD = HEAD + QUEUE + "def work(message: func.QueueMessage) -> None: ...\n"


def app_of(folder: Path, source: str) -> Path:
    (folder / "function_app.py").write_text(source)
    return folder


def without_ours() -> dict[str, str]:
    return environment(storage_port=10000)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_refused_by_microsofts_worker(tmp_path: Path, mistake: str) -> None:
    answer = as_microsoft(app_of(tmp_path, MISTAKES[mistake]), without_ours())
    assert "failure" in answer, answer


def test_an_app_without_a_mistake_is_found(tmp_path: Path) -> None:
    answer = as_microsoft(app_of(tmp_path, GOOD), without_ours())
    assert [one["name"] for one in answer["functions"]] == ["work"]


def test_a_function_that_returns_what_no_binding_takes_fails_when_invoked(tmp_path: Path) -> None:
    app = app_of(tmp_path, HEAD + QUEUE + "def work(message: func.QueueMessage): return 'something'\n")
    answer = as_microsoft(app, without_ours(), [queue("work", "hello")])
    (outcome,) = answer["outcomes"]
    assert not outcome["ok"]
    assert "$return" in outcome["problem"]
