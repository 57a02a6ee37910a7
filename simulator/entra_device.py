"""The device-code flow: a code is asked for here and approved through the control API."""

from __future__ import annotations

import secrets
import time
from typing import Final

from simulator.entra_scopes import parse_scopes
from simulator.entra_signin import find_client, find_tenant
from simulator.state import Cloud
from simulator.wire import Call, Reply, json_reply

CODE_LIFETIME: Final = 900
# Entra says 5; a local run does not wait that long.
POLL_SECONDS: Final = 1


def begin_device_code(cloud: Cloud, call: Call, tenant_name: str) -> Reply:
    """Hand out a device code and the user code a person would type."""
    find_tenant(cloud, tenant_name)
    app, _ = find_client(cloud, call)
    scope = call.form.get("scope", "openid profile offline_access")
    parse_scopes(cloud, scope)
    code = secrets.token_urlsafe(48)
    user_code = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ23456789") for _ in range(9))
    cloud.device_codes[code] = {
        "client_id": app.client_id,
        "user_code": user_code,
        "scope": scope,
        "expires": time.time() + CODE_LIFETIME,
        "upn": None,
        "denied": False,
    }
    page = "https://microsoft.com/devicelogin"
    return json_reply(
        {
            "user_code": user_code,
            "device_code": code,
            "verification_uri": page,
            "expires_in": CODE_LIFETIME,
            "interval": POLL_SECONDS,
            "message": f"To sign in, use a web browser to open the page {page} and enter the code {user_code}.",
        }
    )


def decide_device_code(cloud: Cloud, user_code: str, upn: str | None) -> bool:
    """Approve a user code as `upn`, or deny it with None; False if there is no such code."""
    for asked_for in cloud.device_codes.values():
        if asked_for["user_code"] == user_code.upper():
            asked_for["upn"], asked_for["denied"] = upn, upn is None
            return True
    return False
