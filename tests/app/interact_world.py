"""A tenant that has Interact set up, and a website that uses its widget."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import requests

from tests.app.stack import HOME, AppStack

GRAPH_CLIENT = "a0000000-0000-4000-8000-000000000002"
API_CLIENT = "a0000000-0000-4000-8000-000000000001"
WEBSITE_CLIENT = "a0000000-0000-4000-8000-000000000005"
ACS_HOST = "contoso.communication.azure.com"
ACS_STRING = f"endpoint=https://{ACS_HOST}/;accesskey={base64.b64encode(bytes([1]) * 64).decode()}"
ROLES = ["Presence.Read.All", "User.Read.All", "OnlineMeetings.ReadWrite.All"]


class InteractTenant:
    """A tenant of its own with a service, an agent who has the Interact licence, and one who has not."""

    def __init__(self, stack: AppStack, **interact: Any) -> None:
        self.stack = stack
        self.id = str(uuid.uuid4())
        self.agent, self.organizer = str(uuid.uuid4()), str(uuid.uuid4())
        short = self.id[:8]
        self.desk, self.upn, self.plain = (f"{name}@{short}.example" for name in ("desk", "agent", "plain"))
        operator = stack.token(HOME, "Operator")
        body: Any = {"displayName": "Shop", "products": ["ContactCenter", "Interact", "Assistant"], "cluster": "test"}
        assert stack.call("PUT", f"/api/tenants/{self.id}", body, token=operator).status_code == 201
        self.token = stack.token(self.id)
        self.put(f"services/{self.desk}", {"displayName": "Desk", "licence": "ContactCenter"})
        self.put(f"users/{self.agent}", {"upn": self.upn, "displayName": "Ann", "licences": ["Interact"]})
        self.put(f"users/{uuid.uuid4()}", {"upn": self.plain, "displayName": "Pat", "licences": []})
        self.cloud()
        self.set(interact={"enabled": True, "acsConnectionString": ACS_STRING, "o365UserId": self.organizer} | interact)
        self.key = str(self.call("GET", "interact/widget-key").json()["widgetKey"])

    def cloud(self, **more: Any) -> None:
        """The tenant's directory at Microsoft; ``more`` replaces members."""
        upn = f"organizer@{self.id[:8]}.example"
        told: dict[str, Any] = {
            "displayName": "Shop",
            "users": [
                {"id": self.organizer, "userPrincipalName": upn, "displayName": "Organizer"},
                {"id": self.agent, "userPrincipalName": self.upn, "displayName": "Ann"},
            ],
            "grants": [{"clientId": GRAPH_CLIENT, "roles": ROLES}],
            "consents": [{"clientId": API_CLIENT, "scopes": ["Teams.ManageCalls", "Teams.ManageChats"]}],
            "accessPolicies": {self.organizer: [GRAPH_CLIENT]},
        }
        self.stack.control("PUT", f"tenants/{self.id}", told | more)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.stack.call(method, f"/api/tenants/{self.id}/{path}", body, token=self.token, **more)

    def put(self, path: str, body: Any) -> None:
        assert self.call("PUT", path, body).status_code == 201

    def set(self, **sections: Any) -> None:
        etag = self.call("GET", "settings").headers["ETag"]
        answer = self.call("PATCH", "settings", sections, etag=etag)
        assert answer.status_code == 200, answer.text

    # the website

    def page(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """A call of the widget; header names with underscores, an empty value leaves a header out."""
        told = {"X-Widget-Key": self.key} | {name.replace("_", "-"): value for name, value in headers.items()}
        told = {name: value for name, value in told.items() if value}
        return self.stack.call(method, f"/api/interact/{path}", body, token=None, headers=told)

    def start(self, conversation: str = "direct", **more: Any) -> Session:
        body = {"conversation": conversation, "target": self.upn if conversation == "direct" else self.desk}
        answer = self.page("POST", "sessions", body | more)
        assert answer.status_code == 201, answer.text
        return Session(self, answer.json())

    def integration(self, path: str, body: Any, **wish: Any) -> requests.Response:
        """A call of the routing back end."""
        token = self.stack.token(self.id, "Integration", **({"appOnly": True} | wish))
        return self.stack.call("POST", f"/api/interact/{path}", body, token=token)


class Session:
    """A session as the page that started it sees it."""

    def __init__(self, tenant: InteractTenant, started: dict[str, Any]) -> None:
        self.tenant = tenant
        self.started = started
        self.id, self.secret = str(started["sessionId"]), str(started["sessionSecret"])

    def read(self) -> dict[str, Any]:
        answer = self.tenant.page("GET", f"sessions/{self.id}", X_Session_Secret=self.secret)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def say(self, event: str, **more: Any) -> requests.Response:
        path = f"sessions/{self.id}/events"
        return self.tenant.page("POST", path, {"type": event, **more}, X_Session_Secret=self.secret)

    def agent(self, event: str, **more: Any) -> requests.Response:
        return self.tenant.integration(f"sessions/{self.id}/events", {"type": event, **more})
