"""The whole product as `make run` starts it, on ports of its own, for tests that use it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from devhost.ports import free_ports
from devhost.settings import storage_connection
from tests.devhost.stack import Event, eventually
from tests.leaks import WATCH

ROOT = Path(__file__).resolve().parents[2]
HOME = "99999999-9999-4999-8999-999999999999"
CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
ADMIN = "aaaaaaaa-0000-4000-8000-000000000001"
OWNER = "aaaaaaaa-0000-4000-8000-000000000002"
DESK = "service-desk@contoso.example"


class AppStack:
    """One running stack. ``flags`` and ``environ`` are those of the devhost."""

    def __init__(self, state: Path, *flags: str, **environ: str) -> None:
        self.state = state
        self.app_port, self.simulator_port, self.storage_port = free_ports(1), free_ports(1), free_ports(3)
        self.base = f"http://127.0.0.1:{self.app_port}"
        self.simulator = f"http://127.0.0.1:{self.simulator_port}/_simulator"
        self._events: list[Event] = []
        self._local = threading.local()
        told = {
            "APP_PORT": str(self.app_port),
            "SIMULATOR_PORT": str(self.simulator_port),
            "STORAGE_PORT": str(self.storage_port),
            "STATE_DIR": str(state),
            **environ,
        }
        state.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devhost", "--json", *flags],
            cwd=ROOT,
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=(state / "stderr").open("w"),
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.append(json.loads(line))

    # what it says

    def events(self, name: str, **fields: object) -> list[Event]:
        found = [event for event in list(self._events) if event["event"] == name]
        return [event for event in found if all(event.get(key) == value for key, value in fields.items())]

    def all_events(self) -> list[Event]:
        return list(self._events)

    def logged(self, start: str) -> list[str]:
        """The app's own log lines that start so."""
        return [str(e["message"]) for e in self.events("log") if str(e["message"]).startswith(start)]

    def pids(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "run.json").read_text())
        return content

    # how it is used

    @property
    def http(self) -> requests.Session:
        """One session per thread."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"{self.simulator}/{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def token(self, tenant_id: str = CONTOSO, *roles: str, **claims: Any) -> str:
        wanted = {"tenantId": tenant_id, "oid": ADMIN, "name": "Alex Admin", "roles": list(roles or ("TenantAdmin",))}
        return str(self.control("POST", "token", wanted | claims)["access_token"])

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """As Contoso's admin, unless ``token`` (or None for nobody) says otherwise."""
        headers = dict(more.pop("headers", {}))
        token = more.pop("token", self.admin_token)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if "etag" in more:
            headers["If-Match"] = more.pop("etag")
        answer = self.http.request(method, self.base + path, json=body, headers=headers, timeout=60, **more)
        WATCH.answer(path.split("?", maxsplit=1)[0], f"{answer.headers} {answer.text}")
        return answer

    @property
    def admin_token(self) -> str:
        if not hasattr(self, "_admin"):
            self._admin = self.token()
        return self._admin

    def new_tenant(self, *, services: int = 1, limit: int | None = None) -> NewTenant:
        """An onboarded tenant of its own for a test that must not meet others."""
        return NewTenant(self, services, limit)

    def table(self, name: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        service = TableServiceClient.from_connection_string(storage_connection(self.storage_port))
        with service, service.get_table_client(name) as table:
            return [dict(entity) for entity in table.list_entities()]

    def send(self, queue: str, text: str, *, plain: bool = False) -> None:
        """A message in base64, as senders for Functions do, or plain. Hosts make poison queues when they need them."""
        encode = None if plain else TextBase64EncodePolicy()
        connection = storage_connection(self.storage_port)
        with QueueClient.from_connection_string(connection, queue, message_encode_policy=encode) as client:
            with suppress(ResourceExistsError):
                client.create_queue()
            client.send_message(text)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """All that it has said and stored so far."""
        for event in self.all_events():
            yield "log lines", json.dumps(event, default=str)
        with suppress(AzureError):  # some tests end the storage
            yield from WATCH.rows(storage_connection(self.storage_port))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class NewTenant:
    """A tenant with services ``desk0``, ``desk1``, ... that may call out."""

    def __init__(self, stack: AppStack, services: int, limit: int | None) -> None:
        self.stack = stack
        self.id = str(uuid.uuid4())
        operator = stack.token(HOME, "Operator")
        body: Any = {"displayName": "Test", "products": ["ContactCenter", "AdvancedRouting"], "cluster": "test"}
        assert stack.call("PUT", f"/api/tenants/{self.id}", body, token=operator).status_code == 201
        self.token = stack.token(self.id)
        self.services = [f"desk{n}@{self.id[:8]}.example" for n in range(services)]
        body = {"displayName": "Desk", "licence": "ContactCenter", "outboundEnabled": True}
        for upn in self.services:
            assert self.call("PUT", f"/api/tenants/{self.id}/services/{upn}", body).status_code == 201
        if limit is not None:
            self.set(outbound={"maxScheduledTasksPerService": limit})

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.stack.call(method, path, body, token=self.token, **more)

    def set(self, **sections: Any) -> None:
        path = f"/api/tenants/{self.id}/settings"
        etag = self.call("GET", path).headers["ETag"]
        assert self.call("PATCH", path, sections, etag=etag).status_code == 200

    def submit(self, service: int = 0, **changes: Any) -> requests.Response:
        return self.call("POST", "/v1/scheduler-entries", entry(self.services[service]) | changes)

    def unfinished(self, service: int = 0) -> list[dict[str, Any]]:
        answer = self.call("GET", f"/v1/scheduler-entries?serviceUpn={self.services[service]}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


def entry(service_upn: str, **changes: Any) -> dict[str, Any]:
    """A body as a flow sends it, due in an hour."""
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    return {"serviceUpn": service_upn, "destination": "customer@example.com", "dueDateTimeUtc": due} | changes


@contextmanager
def running(state: Path, *flags: str, **environ: str) -> Iterator[AppStack]:
    """A stack that is ready; stopped at the end, whatever happens."""
    stack = AppStack(state, *flags, **environ)
    try:
        eventually(lambda: stack.process.poll() is not None or stack.events("ready"), "the stack is ready", 90)
        assert stack.process.poll() is None, (state / "stderr").read_text()
        with WATCH.on(stack.evidence):
            yield stack
    finally:
        if stack.process.poll() is None:
            stack.stop()
