"""The app settings decide which tokens are accepted, tried on the composition root with the simulated Entra."""

from __future__ import annotations

from typing import Any

import pytest

from shared.app_settings.config import Config
from shared.bootstrap.core import build
from shared.kernel.callers import TENANT_ADMIN, Callers
from shared.kernel.errors import AppError
from tests.core.test_config import EXAMPLE
from tests.simulator.cloud_client import CONTOSO, CloudClient

SETTINGS = {
    "API_AUDIENCE": "https://nimbus.example/Api/, API://Nimbus-Extensions",
    "API_SCOPES": "Calls.Read, access_as_user",
}


@pytest.fixture(scope="module")
def callers(connection: str, simulator: CloudClient) -> Callers:
    env = EXAMPLE | SETTINGS | {"AzureWebJobsStorage": connection, "MICROSOFT_CLOUD_GATEWAY": simulator.gateway}
    return build(Config.from_env(env)).callers


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, "accepted"),
        ({"audience": "https://nimbus.example/Api"}, "accepted"),
        ({"audience": "https://NIMBUS.example/Api/", "version": 1}, "accepted"),
        ({"audience": "a0000000-0000-4000-8000-000000000001"}, "accepted"),
        ({"audience": "https://nimbus.example/api"}, "TokenWrongAudience"),
        ({"audience": "api://nimbus-interact"}, "TokenWrongAudience"),
        ({"scp": "Calls.Read"}, "accepted"),
        ({"scp": "calls.read"}, "ScopeMissing"),
        ({"scp": "User.Read"}, "ScopeMissing"),
        ({"appOnly": True}, "accepted"),
        ({"appOnly": True, "claims": {"idtyp": None}}, "accepted"),
        ({"idToken": True}, "TokenInvalid"),
        ({"idToken": True, "claims": {"nonce": None}, "roles": ["Integration"]}, "TokenInvalid"),
    ],
)
def test_audiences_and_scopes_are_those_of_the_app_settings(
    callers: Callers, simulator: CloudClient, wish: dict[str, Any], expected: str
) -> None:
    assert outcome(callers, simulator.token(**{"tenantId": CONTOSO, "roles": ["TenantAdmin"]} | wish)) == expected


def outcome(callers: Callers, token: str) -> str:
    try:
        callers.of_bearer(token).require(TENANT_ADMIN)
    except AppError as refused:
        return refused.code
    return "accepted"
