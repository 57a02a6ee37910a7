"""A way to the simulator for its tests: one started in a thread, and the adapter that rewrites real URLs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jwt
import requests
from requests.adapters import HTTPAdapter

from simulator.run import HOST, listen, make_server

CONTOSO: Final = "11111111-1111-4111-8111-111111111111"
FABRIKAM: Final = "22222222-2222-4222-8222-222222222222"
HOME: Final = "99999999-9999-4999-8999-999999999999"
API_APP: Final = "a0000000-0000-4000-8000-000000000001"
NIMBUS_APP: Final = "a0000000-0000-4000-8000-000000000002"
NIMBUS_SECRET: Final = "local-graph-client-secret"
GRAPH: Final = "https://graph.microsoft.com"
LOGIN: Final = "https://login.microsoftonline.com"
PRESENCE1: Final = "presence1@nimbus.example"
PASSWORD1: Final = "local-presence1-password"
ALICE: Final = "aaaaaaaa-1111-4111-8111-000000000001"
BOB: Final = "aaaaaaaa-1111-4111-8111-000000000002"


class ThroughGateway(HTTPAdapter):
    """Sends a request for https://HOST/PATH to GATEWAY/HOST/PATH, headers untouched."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._gateway = gateway

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = f"{self._gateway}/{(request.url or '').removeprefix('https://')}"
        return super().send(request, *args, **kwargs)


@dataclass
class CloudClient:
    """The simulated cloud: `http` speaks to real URLs, the methods to the control API."""

    gateway: str
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.http.mount("https://", ThroughGateway(self.gateway))

    def control(self, method: str, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """The JSON a control call answers; it must be a 2xx unless `status` says otherwise."""
        answer = self.http.request(method, f"{self.gateway}/_simulator/{path}", json=body, timeout=10)
        if status is None:
            assert answer.ok, answer.text
        else:
            assert answer.status_code == status, answer.text
        return answer.json()

    def token(self, **wish: Any) -> str:
        """A token as the control API makes it; for Contoso unless told otherwise."""
        return str(self.control("POST", "token", {"tenantId": CONTOSO, **wish})["access_token"])

    def graph_app(self, *roles: str, **wish: Any) -> dict[str, str]:
        """The header of an app that holds these roles on Graph."""
        return bearer(self.token(audience=GRAPH, appOnly=True, roles=list(roles), **wish))

    def graph_user(self, scp: str, upn: str = PRESENCE1, **wish: Any) -> dict[str, str]:
        """The header of a user with these scopes on Graph."""
        return bearer(self.token(audience=GRAPH, scp=scp, upn=upn, **wish))

    def sign_in(self, tenant: str = CONTOSO, **form: str) -> requests.Response:
        """A request to the token endpoint: presence account 1 by password, unless the form says otherwise."""
        usual = {
            "grant_type": "password",
            "client_id": NIMBUS_APP,
            "client_secret": NIMBUS_SECRET,
            "username": PRESENCE1,
            "password": PASSWORD1,
            "scope": f"{GRAPH}/.default offline_access openid profile",
        }
        sent = {name: value for name, value in {**usual, **form}.items() if value}
        return self.http.post(f"{LOGIN}/{tenant}/oauth2/v2.0/token", data=sent, timeout=10)

    def contoso(self, **more: Any) -> None:
        """Contoso with two users, both guests, and consent; `more` replaces members."""
        told: dict[str, Any] = {
            "displayName": "Contoso",
            "users": [
                {"id": ALICE, "userPrincipalName": "alice@contoso.example", "displayName": "Alice", "department": "IT"},
                {"id": BOB, "userPrincipalName": "bob@contoso.example", "displayName": "Bob", "companyName": "Acme"},
            ],
            "guests": [PRESENCE1],
            "consents": [{"clientId": NIMBUS_APP, "scopes": ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]}],
            "grants": [{"clientId": NIMBUS_APP, "roles": ["Presence.Read.All", "User.Read.All"]}],
        }
        self.control("PUT", f"tenants/{CONTOSO}", {**told, **more})


def bearer(token: str) -> dict[str, str]:
    """The header a token travels in."""
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, whoever signed it."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def code_of(answer: requests.Response) -> int:
    """The AADSTS number of a refusal."""
    return int(answer.json()["error_codes"][0])


@contextmanager
def running(state_dir: Path) -> Iterator[CloudClient]:
    """A simulator on a free port while the block runs."""
    server, _ = make_server(state_dir)
    sock = listen(0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    client = CloudClient(f"http://{HOST}:{sock.getsockname()[1]}")
    try:
        # The socket listens already, so the first call waits until the server takes it.
        client.control("GET", "health")
        yield client
    finally:
        client.http.close()
        server.end()
        thread.join(timeout=5)
