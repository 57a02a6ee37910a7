"""A tenant's administrator signs in on a command line, with a code typed into a browser anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msal
import requests

from shared.clients.entra import EntraHttp, refusal, token_in
from shared.clock import Clock
from shared.clouds import Cloud
from shared.errors import Broken, Throttled
from shared.retry import Sleep, patiently, wait

# Microsoft's own app for command lines; it is in every tenant that ever used Microsoft Graph PowerShell.
COMMAND_LINE_TOOLS: Final = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
# Of what the product's page asks of whoever provisions, the three that change something here.
SCOPES: Final = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
)
POLL: Final = 5  # seconds, where Entra does not say


class AdminSignIn:
    def __init__(self, session: requests.Session, cloud: Cloud, clock: Clock, *, sleep: Sleep = wait) -> None:
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._clock = clock
        self._sleep = sleep

    def token(self, tenant_id: str, tell: Callable[[str], None]) -> str:
        """A Graph token that may grant. ``tell`` gets the sentence with the code to type; then this waits for it.

        Raises Denied, Throttled (nobody typed it in time), Unreachable or Broken.
        """
        app = self._app(tenant_id)
        flow: dict[str, Any] = app.initiate_device_flow([f"{self._cloud.graph}/{scope}" for scope in SCOPES])
        if "device_code" not in flow:
            raise refusal(flow, "the administrator")
        tell(str(flow.get("message")))
        return patiently(lambda: self._once(app, flow), patience=float(flow.get("expires_in", 900)), sleep=self._sleep)

    def _once(self, app: Any, flow: dict[str, Any]) -> str:
        answer = app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True)
        if isinstance(answer, dict) and answer.get("error") in ("authorization_pending", "slow_down"):
            raise Throttled("nobody has signed in with the code", retry_after=float(flow.get("interval", POLL)))
        return token_in(answer, "the administrator", self._clock()).value

    def _app(self, tenant_id: str) -> Any:
        authority = f"{self._cloud.login}/{tenant_id}"
        try:
            return msal.PublicClientApplication(
                COMMAND_LINE_TOOLS, authority=authority, http_client=self._http, instance_discovery=False
            )
        except ValueError as exc:
            raise Broken("Entra does not describe the tenant") from exc
