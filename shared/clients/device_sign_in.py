"""A one-time sign-in of a presence account by a person, with a code typed on Microsoft's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msal
import requests

from shared.clients.entra import EntraHttp, token_in
from shared.clients.sign_in import GUEST_SCOPES
from shared.clock import Clock
from shared.clouds import Cloud
from shared.config import PresenceAccount
from shared.errors import Broken, Denied


class DeviceSignIn:
    """``home_tenant_id`` is where the presence accounts live; ``client_id`` is the Nimbus App's."""

    def __init__(
        self, session: requests.Session, cloud: Cloud, client_id: str, home_tenant_id: str, clock: Clock
    ) -> None:
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._client_id = client_id
        self._home = home_tenant_id
        self._clock = clock

    def sign_in(self, account: PresenceAccount, tell: Callable[[str], None]) -> str:
        """The account's refresh token. ``tell`` gets Microsoft's sentence with the code; then this waits for a person.

        Raises Denied with Entra's code, or ``WrongAccount`` when somebody else signed in; Throttled, Unreachable or
        Broken.
        """
        # A public client: the token of a device code is redeemed without the secret (AADSTS700025).
        app: Any = msal.PublicClientApplication(
            self._client_id,
            authority=f"{self._cloud.login}/{self._home}",
            http_client=self._http,
            instance_discovery=False,
        )
        flow = app.initiate_device_flow([f"{self._cloud.graph}/{scope}" for scope in GUEST_SCOPES])
        if "message" not in flow:
            token_in(flow, account.upn, self._clock())  # raises what the refusal says
            raise Broken("Entra gave no device code")
        tell(str(flow["message"]))
        answer = app.acquire_token_by_device_flow(flow)
        token = token_in(answer, account.upn, self._clock())
        who = str(answer.get("id_token_claims", {}).get("preferred_username", ""))
        if who.casefold() != account.upn.casefold():
            raise Denied(f"{who or 'Nobody'} signed in, not {account.upn}", reason="WrongAccount")
        if token.refresh_token is None:
            raise Broken("Entra gave no refresh token")
        return token.refresh_token
