"""Each way of signing in tells the family of Entra's refusal, through MSAL and the simulated Entra over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.device_sign_in import DeviceSignIn
from shared.clients.entra.on_behalf_of import OnBehalfOf
from shared.clients.entra.sign_in import SignIns
from shared.clients.entra.token_endpoint import refusal
from shared.http.gateway import open_session
from shared.kernel.clock import now
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import Denied, Throttled, Unreachable, Upstream
from shared.kernel.sign_in_errors import catalogue
from shared.presence.faults import fault_of
from tests.clients.memory_shelf import MemoryShelf
from tests.core.sign_in_table import ROWS
from tests.simulator.cloud_client import (
    ALICE,
    API_APP,
    CONTOSO,
    HOME,
    LOGIN,
    NIMBUS_APP,
    NIMBUS_SECRET,
    PASSWORD1,
    PRESENCE1,
    CloudClient,
    running,
)

CLOUD: Final = CLOUDS["public"]
TOKENS: Final = "/oauth2/v2.0/token"
CONTACTS: Final = ["Contacts.Read"]
# One of each fault that a sign-in meets in practice.
SOME: Final = (
    *(90072, 500571, 50057, 50053, 50055, 50126, 700082, 500213, 53003, 530003, 53011, 70043),
    *(50076, 65001, 700016, 7000112, 7000222, 5000225),
)
Way = Callable[[requests.Session, CloudClient], object]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def sim(simulated: CloudClient) -> CloudClient:
    simulated.control("POST", "reset")
    simulated.contoso(consents=[{"clientId": API_APP, "scopes": CONTACTS}])
    return simulated


def _sign_ins(session: requests.Session) -> SignIns:
    return SignIns(session, CLOUD, NIMBUS_APP, NIMBUS_SECRET, now, MemoryShelf())


def as_application(session: requests.Session, _: CloudClient) -> object:
    return _sign_ins(session).app_token(CONTOSO)


def as_guest(session: requests.Session, _: CloudClient) -> object:
    return _sign_ins(session).guest_token(CONTOSO, PresenceAccount(PRESENCE1, None, PASSWORD1))


def with_a_device_code(session: requests.Session, _: CloudClient) -> object:
    device = DeviceSignIn(session, CLOUD, now, sleep=lambda _seconds: None)
    return device.refresh_token(PresenceAccount(PRESENCE1, None, None), NIMBUS_APP, HOME, lambda _text: None)


def on_behalf_of(session: requests.Session, sim: CloudClient) -> object:
    exchange = OnBehalfOf(session, CLOUD, API_APP, "local-api-client-secret", now)
    return exchange.graph_token(CONTOSO, sim.token(upn="alice@contoso.example", oid=ALICE), CONTACTS)


def refused(sim: CloudClient, way: Way, **fault: Any) -> Upstream:
    for tenant in (CONTOSO, HOME):
        sim.control(
            "POST",
            "faults",
            {"host": "login.microsoftonline.com", "pathPrefix": f"/{tenant}{TOKENS}", "times": None, **fault},
        )
    with open_session(sim.gateway) as session, pytest.raises(Upstream) as caught:
        way(session, sim)
    return caught.value


@pytest.mark.parametrize("way", [as_application, as_guest, with_a_device_code])
@pytest.mark.parametrize("row", [row for row in ROWS if row.aadsts in SOME], ids=lambda row: str(row.aadsts))
def test_a_refused_sign_in_has_the_outcome_of_its_family(sim: CloudClient, way: Way, row: Any) -> None:
    error = refused(sim, way, aadsts=f"AADSTS{row.aadsts}")
    assert isinstance(error, Denied)
    assert fault_of(error) == (row.outcome, f"AADSTS{row.aadsts}")
    assert row.remedy in str(error.members["remedy"])


@pytest.mark.parametrize("way", [as_application, as_guest, with_a_device_code])
@pytest.mark.parametrize("aadsts", ["AADSTS50076,AADSTS90072", ["90072", "AADSTS50076"]])
def test_of_several_codes_in_one_answer_the_first_to_mend_is_told(sim: CloudClient, way: Way, aadsts: Any) -> None:
    assert fault_of(refused(sim, way, aadsts=aadsts)) == ("NotAddedAsGuest", "AADSTS90072")


@pytest.mark.parametrize("way", [as_application, as_guest, with_a_device_code, on_behalf_of])
@pytest.mark.parametrize(("code", "error"), [("AADSTS90033", Unreachable), ("AADSTS50196", Throttled)])
def test_what_passes_by_itself_is_no_refusal(sim: CloudClient, way: Way, code: str, error: type[Upstream]) -> None:
    assert isinstance(refused(sim, way, aadsts=code), error)


# on behalf of a user

# What an exchange answers with a reason of its own, or what only happens where a presence account signs in.
HANDLED = {"SecondFactor", "ConditionalAccess", "SignInExpired", "PasswordExpired", "ConsentMissing", "DeviceCode"}


@pytest.mark.parametrize(
    ("aadsts", "reason"),
    [
        *((f"AADSTS{code}", "InteractionRequired") for code in (50076, 53003, 530003, 50097, 70043, 50173, 50055)),
        *((f"AADSTS{code}", "ConsentMissing") for code in (65001, 90094, 500011, 7000229)),
        ("AADSTS500133", "AssertionExpired"),
        *((f"AADSTS{code}", "AssertionRefused") for code in (50013, 500131, 7000114)),
        *((f"AADSTS{code}", f"AADSTS{code}") for code in (50057, 7000222, 7000112, 50105, 90072)),
        ("AADSTS50105,AADSTS50076", "AADSTS50105"),
    ],
)
def test_an_exchange_tells_what_its_caller_can_do(sim: CloudClient, aadsts: str, reason: str) -> None:
    error = refused(sim, on_behalf_of, aadsts=aadsts)
    assert isinstance(error, Denied)
    assert error.reason == reason
    assert ("remedy" in error.members) == reason.startswith("AADSTS")


@pytest.mark.parametrize(
    ("code", "acts", "words"),
    [
        (50105, "tenant", "assign this user"),
        (7000112, "tenant", "the application that Entra names"),
        (500571, "tenant", "this user"),
        (50057, "tenant", "the user's home tenant"),
        (50053, "user", "sign in again"),
        (7000222, "operator", "credentials"),
    ],
)
def test_in_a_users_own_sign_in_the_remedy_speaks_of_that_user(
    sim: CloudClient, code: int, acts: str, words: str
) -> None:
    error = refused(sim, on_behalf_of, aadsts=f"AADSTS{code}")
    assert isinstance(error, Denied)
    assert error.fault is not None
    assert error.fault.acts == acts
    assert words in str(error.members["remedy"])
    assert "presence account" not in str(error.members["remedy"])


def test_no_remedy_for_a_users_own_sign_in_speaks_of_presence_accounts_where_it_is_told_to_the_user() -> None:
    told = [fault for fault in catalogue().faults if fault.family not in HANDLED]
    assert [fault.means for fault in told if "presence account" in fault.own_remedy] == []


@pytest.mark.parametrize("code", [50076, 50020, 7000222, 65001, 90072, 90033, 50196, 59999999])
def test_an_exchange_that_needs_interaction_hands_on_the_claims_whatever_the_code(sim: CloudClient, code: int) -> None:
    claims = '{"access_token":{"capolids":{"essential":true,"values":["c1"]}}}'
    said = {"error": "interaction_required", "error_codes": [code], "claims": claims}
    error = refused(sim, on_behalf_of, status=400, body=said)
    assert isinstance(error, Denied)
    assert (error.reason, error.members) == ("InteractionRequired", {"claims": claims})


@pytest.mark.parametrize("more", [{"suberror": "basic_action"}, {"claims": "{}"}, {"suberror": "bad_token"}])
def test_an_exchange_refused_with_an_unknown_code_is_judged_by_its_words(
    sim: CloudClient, more: dict[str, str]
) -> None:
    said = {"error": "invalid_grant", "error_codes": [59999999], **more}
    error = refused(sim, on_behalf_of, status=400, body=said)
    assert isinstance(error, Denied)
    assert error.reason == "InteractionRequired"
    assert error.members.get("claims") == more.get("claims")


# the simulated Entra


def test_every_code_of_the_table_is_answered_by_the_simulated_entra_in_a_form_that_tells_its_family(
    sim: CloudClient,
) -> None:
    for row in ROWS:
        sim.control("POST", "faults", {"host": "login.microsoftonline.com", "aadsts": f"AADSTS{row.aadsts}"})
        answer = sim.http.post(f"{LOGIN}/{CONTOSO}{TOKENS}", data={}, timeout=10)
        assert 400 <= answer.status_code < 500
        error = refusal(answer.json(), "the account")
        assert isinstance(error, Denied)
        assert error.fault is not None
        assert error.fault.family == row.family


@pytest.mark.parametrize(
    ("code", "status", "error", "suberror", "claims"),
    [
        # https://github.com/AzureAD/microsoft-authentication-library-for-js/issues/5491
        (50076, 400, "invalid_grant", "basic_action", True),
        (53003, 400, "interaction_required", "message_only", True),
        (65001, 400, "invalid_grant", "consent_required", False),
        (50173, 400, "invalid_grant", "bad_token", False),
        # https://github.com/rootinc/laravel-azure-middleware/issues/22
        (90072, 400, "interaction_required", None, False),
        (50055, 400, "invalid_grant", "user_password_expired", False),
        (53005, 400, "unauthorized_client", "protection_policy_required", False),
        # https://microsoft.github.io/teams-sdk/teams/app-authentication/troubleshooting
        (7000229, 401, "invalid_client", None, False),
        (90033, 503, "temporarily_unavailable", None, False),
    ],
)
def test_the_simulated_entra_answers_as_the_record_shows(
    sim: CloudClient, code: int, status: int, error: str, suberror: str | None, claims: bool
) -> None:
    sim.control("POST", "faults", {"host": "login.microsoftonline.com", "aadsts": str(code)})
    answer = sim.http.post(f"{LOGIN}/{CONTOSO}{TOKENS}", data={}, timeout=10)
    body = answer.json()
    assert (answer.status_code, body["error"], body.get("suberror"), "claims" in body) == (
        status,
        error,
        suberror,
        claims,
    )
    assert (body["error_codes"], body["error_description"][: 7 + len(str(code))]) == ([code], f"AADSTS{code}:")


def test_several_codes_are_all_in_the_simulated_answer_and_the_first_gives_its_form(sim: CloudClient) -> None:
    sim.control("POST", "faults", {"host": "login.microsoftonline.com", "aadsts": ["AADSTS70002", "AADSTS70008"]})
    answer = sim.http.post(f"{LOGIN}/{CONTOSO}{TOKENS}", data={}, timeout=10)
    assert (answer.status_code, answer.json()["error_codes"]) == (401, [70002, 70008])
    assert "AADSTS70002: " in answer.json()["error_description"]
    assert " AADSTS70008: " in answer.json()["error_description"]


@pytest.mark.parametrize("aadsts", ["", "AADSTS", "AADSTS50076;AADSTS50020", "50076,", [], [50076], ["x"]])
def test_a_fault_with_a_code_that_is_none_is_refused(sim: CloudClient, aadsts: object) -> None:
    sim.control("POST", "faults", {"host": "login.microsoftonline.com", "aadsts": aadsts}, status=400)
