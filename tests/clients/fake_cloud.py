"""A small cloud of our own over real HTTP, reached through open_session(gateway=...), and a clock to turn."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.kernel.clouds import CLOUDS

CLOUD = CLOUDS["public"]
TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT = "22222222-2222-4222-8222-222222222222"
OID = "aaaaaaaa-0000-4000-8000-000000000001"
AUDIENCE = "api://nimbus-extensions"
API_CLIENT = "a0000000-0000-4000-8000-000000000001"
BACK_END = "a0000000-0000-4000-8000-000000000003"
LOGIN = "/login.microsoftonline.com"
PRESENCES = "/graph.microsoft.com/v1.0/communications/getPresencesByUserId"


class TurnedClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def turn(self, **by: float) -> None:
        self.moment += timedelta(**by)

    def seconds(self) -> int:
        return int(self.moment.timestamp())


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """``body`` bytes go out as they are, anything else as JSON; ``drop`` closes the connection without a word."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False


class FakeCloud:
    """Answers by path, remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[str, Callable[[Asked], Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def on(self, path: str, answer: Answer | Callable[[Asked], Answer]) -> None:
        self._answers[path] = (lambda _: answer) if isinstance(answer, Answer) else answer

    def count(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answer = self._answers.get(asked.path)
        return answer(asked) if answer else Answer(404, b"nothing here")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, else each answer waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                parts = urlsplit(self.path)
                asked = Asked(self.command, parts.path, parts.query, dict(self.headers), self.rfile.read(length))
                answer = cloud.reply(asked)
                if answer.drop:
                    self.close_connection = True
                    return
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET
            do_PATCH = do_GET
            do_DELETE = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


class KeyMaker:
    """Entra's signing keys: makes tokens with them and publishes them."""

    path = f"{LOGIN}/common/discovery/v2.0/keys"

    def __init__(self, cloud: FakeCloud, clock: TurnedClock) -> None:
        self.private = {"k1": a_key()}
        self.published: dict[str, dict[str, object]] = {}
        self.failure: Answer | None = None
        self._cloud = cloud
        self._clock = clock
        self.publish("k1")
        cloud.on(self.path, lambda _: self.failure or Answer(body={"keys": list(self.published.values())}))

    @property
    def fetches(self) -> int:
        return self._cloud.count(self.path)

    def publish(self, kid: str, /, **changes: object) -> None:
        private = self.private.setdefault(kid, self.private["k1"])
        jwk: dict[str, object] = {**jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)}
        jwk = {name: jwk[name] for name in ("kty", "n", "e")} | {"kid": kid, "use": "sig"}
        self.published[kid] = jwk | {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"} | changes

    def claims(self, **changes: object) -> dict[str, object]:
        """Those of a good v2 token of an admin; a change to None takes a claim away."""
        now = self._clock.seconds()
        claims = {
            "aud": AUDIENCE,
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "tid": TENANT,
            "oid": OID,
            "sub": "Nb-8vIG1jVxgHjCbPJkDBjfEJfHqQdqZIB-0lKkGvd0",  # another one for each app
            "azp": API_CLIENT,
            "azpacr": "1",
            "ver": "2.0",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "name": "Ada Admin",
            "preferred_username": "ada@contoso.example",
            "roles": ["TenantAdmin"],
            "scp": "access_as_user",
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "k1", **changes: object) -> str:
        return jwt.encode(self.claims(**changes), self.private[kid], "RS256", {"kid": kid})

    def signed(self, payload: bytes, header: Mapping[str, object] | None = None) -> str:
        """Any bytes and any header, signed with a published key."""
        head = {"alg": "RS256", "kid": "k1"} if header is None else header
        text = f"{b64url(json.dumps(head).encode())}.{b64url(payload)}"
        algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
        return f"{text}.{b64url(algorithm.sign(text.encode(), self.private['k1']))}"


class FakeEntra:
    """Signs in the app and the accounts it knows; ``refusals`` holds the answer for one account or 'app'."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.passwords = {"presence2@nimbus.example": "pass word 2"}
        self.refresh_tokens = {"rt-1": "presence1@nimbus.example"}
        self.rotates = False
        self.refusals: dict[str, Answer] = {}
        self.made = 0
        self._cloud = cloud
        for tenant in (TENANT, OTHER_TENANT):
            cloud.on(f"{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration", self._discovery(tenant))
            cloud.on(self.endpoint(tenant), self._sign_in)
        for upn in self.passwords:
            cloud.on(f"{LOGIN}/common/userrealm/{upn}", Answer(body={"account_type": "Managed"}))

    @staticmethod
    def endpoint(tenant: str = TENANT) -> str:
        return f"{LOGIN}/{tenant}/oauth2/v2.0/token"

    def sign_ins(self) -> list[dict[str, str]]:
        return [asked.form() for asked in self._cloud.asked if asked.path.endswith("/oauth2/v2.0/token")]

    @staticmethod
    def refuse(code: int, description: str = "No.", **more: object) -> Answer:
        said = f"AADSTS{code}: {description} Trace ID: 1234 Correlation ID: 5678 Timestamp: 2026-03-01 12:00:00Z"
        body = {"error": "invalid_grant", "error_description": said, "error_codes": [code]}
        return Answer(400, body | more)

    @staticmethod
    def _discovery(tenant: str) -> Answer:
        root = f"https://login.microsoftonline.com/{tenant}"
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
        urls = {name: f"{root}/oauth2/v2.0/{end}" for name, end in names.items()}
        return Answer(body={"issuer": f"{root}/v2.0", **urls})

    def _sign_in(self, asked: Asked) -> Answer:
        form = asked.form()
        who = self._who(form)
        if who is None:
            return self.refuse(50126, "Error validating credentials due to invalid username or password.")
        if who in self.refusals:
            return self.refusals[who]
        self.made += 1
        body: dict[str, object] = {"token_type": "Bearer", "expires_in": 3600, "access_token": f"{who}#{self.made}"}
        if form["grant_type"] == "refresh_token" and self.rotates:
            newer = f"rt-{self.made + 1}"
            self.refresh_tokens[newer] = who
            body["refresh_token"] = newer
        return Answer(body=body)

    def _who(self, form: dict[str, str]) -> str | None:
        with_secret = form.get("client_secret") == "app-secret"
        match form["grant_type"]:
            case "client_credentials" if with_secret:
                return "app"
            case "password" if with_secret and self.passwords.get(form["username"]) == form["password"]:
                return form["username"]
            case "refresh_token" if "client_secret" not in form:
                return self.refresh_tokens.get(form["refresh_token"])
        return None


@cache
def a_key() -> rsa.RSAPrivateKey:
    """One for all tests: making one takes 70 ms."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
