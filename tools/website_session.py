"""What a website's back end does where its tenant asks for tokens: `python -m tools.website_session --help`.

Gets an app-only token of the website's own app registration (client credentials), starts a session with it, says
that the customer left and came back, and ends the session. The secret of the app comes from WEBSITE_CLIENT_SECRET.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import msal
import requests


class ThroughGateway(requests.Session):
    """For local runs: https://HOST/PATH goes to GATEWAY/HOST/PATH, where a simulator answers."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        self._gateway = gateway

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(method, str(url).replace("https://", f"{self._gateway}/", 1), *args, **kwargs)


def app_token(tenant_id: str, client_id: str, secret: str, audience: str, http: requests.Session) -> str:
    """An access token of the app itself. The app needs no permission and no redirect URI."""
    app = msal.ConfidentialClientApplication(
        client_id,
        client_credential=secret,
        authority=f"https://login.microsoftonline.com/{tenant_id}",
        http_client=http,
    )
    answer = app.acquire_token_for_client([f"{audience}/.default"])
    if "access_token" not in answer:
        raise SystemExit(f"no token: {answer.get('error_description')}")
    return str(answer["access_token"])


class Website:
    """Calls the API as the widget does."""

    def __init__(self, api: str, widget_key: str) -> None:
        self._sessions = f"{api}/api/interact/sessions"
        self._http = requests.Session()
        self._http.headers["X-Widget-Key"] = widget_key

    def start(self, token: str, conversation: str, target: str) -> dict[str, Any]:
        wanted = {"conversation": conversation, "target": target, "customer": {"name": "Kim"}}
        started = self._call("", wanted, Authorization=f"Bearer {token}")
        self._http.headers["X-Session-Secret"] = started["sessionSecret"]
        return started

    def say(self, session_id: str, event: str) -> dict[str, Any]:
        return self._call(f"/{session_id}/events", {"type": event})

    def _call(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        answer = self._http.post(self._sessions + path, json=body, headers=headers, timeout=30)
        content: dict[str, Any] = answer.json()
        if not answer.ok:
            raise SystemExit(f"{answer.status_code} {content['code']}: {content['detail']}")
        return content


def main() -> int:
    parser = argparse.ArgumentParser(prog="website_session", description="Starts a session with a token of an app.")
    parser.add_argument("--api", default="http://127.0.0.1:7071", help="where Nimbus Extensions answers")
    parser.add_argument("--widget-key", required=True)
    parser.add_argument("--tenant", required=True, help="tenant id of the app registration")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--audience", default="api://nimbus-interact", help="App ID URI of Interact")
    parser.add_argument("--conversation", choices=("service", "direct"), default="service")
    parser.add_argument("--target", required=True, help="UPN of a service, or of a person")
    parser.add_argument("--gateway", help="local runs: the simulator, http://127.0.0.1:7080")
    told = parser.parse_args()
    http = ThroughGateway(told.gateway) if told.gateway else requests.Session()
    token = app_token(told.tenant, told.client_id, os.environ["WEBSITE_CLIENT_SECRET"], told.audience, http)
    website = Website(told.api, told.widget_key)
    session = website.start(token, told.conversation, told.target)
    print(f"{session['state']}: join {session['meeting']['joinWebUrl']} as {session['acs']['userId']}")
    for event in ("customerLeft", "customerRejoined", "ended"):
        print(f"{event}: {website.say(session['sessionId'], event)['state']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
