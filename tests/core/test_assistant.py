"""Tokens for Teams users: at whose ACS, and how long one is kept."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest

from shared.interact.assistant import Assistant
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.errors import ConfigError, Denied, NotAllowed, NotKnown, Upstream
from shared.tenants.models import TenantWrite
from tests.core.session_world import SUFFIXES
from tests.core.world import CONTOSO_STRING, FakeClock, World

APP = "a0000000-0000-4000-8000-000000000001"
ANN = "eeeeeeee-0000-4000-8000-000000000001"
PLATFORM = CONTOSO_STRING.replace("contoso", "platform")
FABRIKAM = CONTOSO_STRING.replace("contoso", "fabrikam")


class FakeExchange:
    """Entra and ACS: each token of ACS tells the resource, whose it is and which in a row it is."""

    def __init__(self, clock: FakeClock) -> None:
        self.refuses: dict[str, Denied] = {}
        self.made = 0
        self._clock = clock

    def acs_token(self, tenant_id: str, assertion: str) -> str:
        if "entra" in self.refuses:
            raise self.refuses["entra"]
        return f"entra {assertion}"

    def exchange_token(
        self, connection: ConnectionString, entra_token: str, client_id: str, user_id: str, timeout: float
    ) -> tuple[str, datetime]:
        if "acs" in self.refuses:
            raise self.refuses["acs"]
        assert (client_id, user_id) == (APP, ANN)
        self.made += 1
        return f"{connection.host} {entra_token} {self.made}", self._clock() + timedelta(hours=1)


class Office:
    """A tenant that has the Assistant, and one who uses it."""

    def __init__(self, world: World, platform: str = PLATFORM) -> None:
        self.world, self.clock = world, world.clock
        tenant = TenantWrite(display_name="Contoso", products=["Assistant"])
        versions = frozenset({world.head.tenant.revision})
        world.tenants.put(world.tenant_id, lambda: tenant, versions=versions, by=world.by)
        self.outside = FakeExchange(world.clock)
        self.assistant = Assistant(world.settings, self.outside, self.outside, APP, platform, SUFFIXES, world.clock)

    def token(self, assertion: str = "a") -> str:
        return self.assistant.token(self.world.head, ANN, assertion).token


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def test_a_token_is_made_at_the_platforms_acs_unless_the_tenant_uses_its_own(office: Office) -> None:
    assert office.token().startswith("platform.communication.azure.com entra a")
    office.world.set(assistant={"acsConnectionString": CONTOSO_STRING})
    assert office.token().startswith("platform.")  # there is one, and it is not to be used
    office.world.set(assistant={"useOwnAcs": True})
    assert office.token().startswith("contoso.")


def test_a_token_of_one_resource_is_not_given_for_another(office: Office) -> None:
    office.world.set(assistant={"acsConnectionString": CONTOSO_STRING, "useOwnAcs": True})
    assert office.token().startswith("contoso.")
    office.world.set(assistant={"acsConnectionString": FABRIKAM})
    assert office.token().startswith("fabrikam.")
    new_key = base64.b64encode(bytes([7]) * 64).decode()
    office.world.set(assistant={"acsConnectionString": f"{FABRIKAM.rpartition('accesskey=')[0]}accesskey={new_key}"})
    assert office.token().endswith(" 3")


def test_a_token_is_kept_until_five_minutes_before_it_expires(office: Office) -> None:
    first = office.token()
    office.clock.move(minutes=54, seconds=59)
    assert office.token() == first
    office.clock.move(seconds=1)
    second = office.assistant.token(office.world.head, ANN, "a")
    assert second.token != first
    assert second.expires_on == "2026-03-01T13:55:00.000Z"


def test_each_token_of_a_user_has_one_of_its_own(office: Office) -> None:
    assert office.token("a") != office.token("b")
    assert office.outside.made == 2


@pytest.mark.parametrize(
    ("reason", "error", "code"),
    [
        ("ConsentMissing", NotAllowed, "ConsentMissing"),
        ("InteractionRequired", NotKnown, "InteractionRequired"),
        ("AssertionExpired", NotKnown, "TokenExpired"),
        ("AssertionRefused", NotAllowed, "UserTokenNeeded"),
        ("AADSTS900023", Denied, "UpstreamDenied"),
    ],
)
def test_what_entra_refuses_is_told_as_what_the_caller_can_do(
    office: Office, reason: str, error: type[Exception], code: str
) -> None:
    office.outside.refuses["entra"] = Denied("no", reason=reason)
    with pytest.raises(error) as refused:
        office.token()
    assert getattr(refused.value, "code", "") == code
    office.outside.refuses.clear()
    assert office.token().endswith(" 1")  # a refusal is not kept


def test_the_tenants_resource_that_refuses_is_told_with_its_remedy(office: Office) -> None:
    office.world.set(assistant={"acsConnectionString": CONTOSO_STRING, "useOwnAcs": True})
    office.outside.refuses["acs"] = Denied("no", reason="Denied")
    with pytest.raises(Upstream) as refused:
        office.token()
    assert (refused.value.code, "Check" in str(refused.value.members["remedy"])) == ("AcsDenied", True)


def test_the_platforms_resource_that_refuses_is_a_matter_of_an_operator(office: Office) -> None:
    office.outside.refuses["acs"] = Denied("no", reason="Denied")
    with pytest.raises(Upstream) as refused:
        office.token()
    remedy = str(refused.value.members["remedy"])
    assert (refused.value.code, "stored" in refused.value.detail) == ("AcsDenied", False)
    assert ("operator" in remedy, "Check" in remedy) == (True, False)


def test_a_platform_without_acs_is_a_matter_of_its_settings(world: World) -> None:
    with pytest.raises(ConfigError):
        Office(world, platform="").token()


def test_without_the_product_nobody_is_asked(office: Office) -> None:
    tenant = TenantWrite(display_name="Contoso", products=[])
    versions = frozenset({office.world.head.tenant.revision})
    office.world.tenants.put(office.world.tenant_id, lambda: tenant, versions=versions, by=office.world.by)
    with pytest.raises(NotAllowed) as refused:
        office.token()
    assert (refused.value.code, office.outside.made) == ("AssistantDisabled", 0)
