"""A person signs in for a command line, with a code typed on Microsoft's page in a browser anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msal
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import GUEST_SCOPES
from shared.clients.entra.token_endpoint import EntraHttp, refusal, token_in
from shared.concurrency.retry import Sleep, patiently, wait
from shared.kernel.clock import Clock
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied, Throttled

# Microsoft's own app for command lines; it is in every tenant that ever used Microsoft Graph PowerShell.
COMMAND_LINE_TOOLS: Final = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
# Of what the product's page asks of whoever provisions, the three that change something here.
ADMIN_SCOPES: Final = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
)
CODE_LASTS: Final = 900.0  # seconds, where Entra does not say
POLL: Final = 5.0  # seconds, likewise

Tell = Callable[[str], None]


class DeviceSignIn:
    """``tell`` gets Microsoft's sentence with the code; then a call waits for the person.

    Both raise Denied with Entra's code, Throttled (nobody typed the code in time), Unreachable or Broken.
    """

    def __init__(self, session: requests.Session, cloud: Cloud, clock: Clock, *, sleep: Sleep = wait) -> None:
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._clock = clock
        self._sleep = sleep

    def admin_token(self, tenant_id: str, tell: Tell) -> str:
        """A Graph token of an administrator of the tenant, good for granting permissions."""
        answer = self._answer(COMMAND_LINE_TOOLS, tenant_id, ADMIN_SCOPES, "the administrator", tell)
        return token_in(answer, "the administrator", self._clock()).value

    def refresh_token(self, account: PresenceAccount, client_id: str, home_tenant_id: str, tell: Tell) -> str:
        """The refresh token of a presence account; ``client_id`` is the Nimbus App's.

        Raises Denied with the reason ``WrongAccount`` when somebody else signed in.
        """
        answer = self._answer(client_id, home_tenant_id, GUEST_SCOPES, account.upn, tell)
        token = token_in(answer, account.upn, self._clock())
        who = str(answer.get("id_token_claims", {}).get("preferred_username", ""))
        if who.casefold() != account.upn.casefold():
            raise Denied(f"{who or 'Nobody'} signed in, not {account.upn}", reason="WrongAccount")
        if token.refresh_token is None:
            raise Broken("Entra gave no refresh token")
        return token.refresh_token

    def _answer(self, client_id: str, tenant_id: str, scopes: Sequence[str], who: str, tell: Tell) -> dict[str, Any]:
        """What Entra answers once the code was typed, or refused."""
        # A public client: the token of a device code is redeemed without a secret (AADSTS700025).
        try:
            app: Any = msal.PublicClientApplication(
                client_id,
                authority=f"{self._cloud.login}/{tenant_id}",
                http_client=self._http,
                instance_discovery=False,
            )
        except ValueError as exc:
            raise Broken("Entra does not describe the tenant") from exc
        flow = app.initiate_device_flow([f"{self._cloud.graph}/{scope}" for scope in scopes])
        if "error" in flow:
            raise refusal(flow, who)
        if "device_code" not in flow or "message" not in flow:
            raise Broken("Entra gave no device code")
        tell(str(flow["message"]))

        def ask() -> dict[str, Any]:
            answer = app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True)
            if not isinstance(answer, dict):
                raise Broken("Entra answered with something that is no JSON object")
            if answer.get("error") in ("authorization_pending", "slow_down"):
                raise Throttled("nobody has signed in with the code", retry_after=float(flow.get("interval", POLL)))
            return answer

        return patiently(ask, patience=float(flow.get("expires_in", CODE_LASTS)), sleep=self._sleep)
