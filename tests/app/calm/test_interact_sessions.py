"""Sessions from outside: a page starts one, leaves, comes back; the routing back end tells of the agent."""

from __future__ import annotations

import base64
import json
import re
import uuid
from typing import Any

import pytest

from tests.app.interact_world import API_CLIENT, WEBSITE_CLIENT, InteractTenant
from tests.app.stack import CONTOSO, ROOT, AppStack
from tests.app.tour import pattern, run_tour, steps
from tests.devhost.stack import eventually


@pytest.fixture(scope="module")
def shop(stack: AppStack) -> InteractTenant:
    return InteractTenant(stack, sessionRecoveryTimeoutSeconds=5)


def acs_scopes(token: str) -> set[str]:
    payload = token.split(".")[1]
    return set(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["acsScope"].split(","))


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_session_starts_with_all_a_page_needs(shop: InteractTenant) -> None:
    started = shop.start(customer={"name": "Kim"}).started
    assert started["state"] == "Open"
    assert started["recoveryTimeoutSeconds"] == 5
    assert started["acs"].keys() == {"userId", "token", "expiresOn", "expiresInSeconds", "endpoint"}
    assert 3500 < started["acs"]["expiresInSeconds"] <= 3600
    assert started["acs"]["endpoint"] == "https://contoso.communication.azure.com"
    assert started["meeting"]["joinWebUrl"].startswith("https://teams.microsoft.com/")


def test_a_visitors_token_joins_calls_and_chats_and_starts_none(shop: InteractTenant) -> None:
    session = shop.start("service")
    renewed = shop.page("POST", f"sessions/{session.id}/token", X_Session_Secret=session.secret).json()
    session.agent("agentLeft")
    restarted = session.say("customerRejoined").json()
    assert restarted["restartedFrom"] == session.id
    for access in (session.started["acs"], renewed, restarted["acs"]):
        assert acs_scopes(access["token"]) == {"voip.join", "chat.join.limited"}


def test_a_customer_comes_back_to_an_agent_who_is_invited_anew(shop: InteractTenant) -> None:
    session = shop.start("direct")
    assert session.agent("agentJoined").json()["state"] == "Open"
    assert session.say("customerLeft").json()["state"] == "Recovering"
    assert session.agent("agentLeft").status_code == 200
    back = session.say("customerRejoined").json()
    assert (back["sessionId"], back["state"], back["reinviteAgent"]) == (session.id, "Open", True)
    assert session.agent("agentJoined").json()["reinviteAgent"] is False


def test_a_service_conversation_without_its_agent_starts_anew(shop: InteractTenant) -> None:
    session = shop.start("service", customer={"name": "Kim"})
    session.agent("agentJoined")
    session.agent("agentLeft")
    session.say("customerLeft")
    anew = session.say("customerRejoined").json()
    assert anew["sessionId"] != session.id
    assert anew["restartedFrom"] == session.id
    assert anew["state"] == "Open"
    assert session.read()["state"] == "Ended"
    again = session.say("customerRejoined").json()
    assert again["sessionId"] == anew["sessionId"]
    assert again["acs"]["userId"] == anew["acs"]["userId"]


def test_what_has_ended_stays_so(shop: InteractTenant) -> None:
    session = shop.start()
    assert session.say("ended").json()["state"] == "Ended"
    assert code(session.say("customerRejoined")) == (410, "SessionEnded")
    assert session.say("customerLeft").json()["state"] == "Ended"
    renewal = shop.page("POST", f"sessions/{session.id}/token", X_Session_Secret=session.secret)
    assert code(renewal) == (410, "SessionEnded")


def test_a_token_is_renewed_while_the_session_is_open(shop: InteractTenant) -> None:
    session = shop.start()
    path = f"sessions/{session.id}/token"
    renewed = shop.page("POST", path, X_Session_Secret=session.secret).json()
    assert renewed["userId"] == session.started["acs"]["userId"]
    assert renewed["expiresOn"] >= session.started["acs"]["expiresOn"]
    session.say("customerLeft")
    assert code(shop.page("POST", path, X_Session_Secret=session.secret)) == (409, "SessionRecovering")


def test_agents_are_told_of_by_a_back_end_only(shop: InteractTenant) -> None:
    session = shop.start()
    path, joined = f"sessions/{session.id}/events", {"type": "agentJoined"}
    assert code(session.say("agentJoined")) == (403, "RoleMissing")
    assert code(shop.integration(path, joined, appOnly=False)) == (403, "RoleMissing")
    assert code(shop.integration(path, {"type": "customerLeft"}))[0] == 403
    assert code(shop.page("POST", path, joined, X_Widget_Key="")) == (401, "WidgetKeyInvalid")
    assert session.agent("agentJoined").status_code == 200


def test_a_session_is_nobody_elses(stack: AppStack, shop: InteractTenant) -> None:
    session, other = shop.start(), InteractTenant(stack)
    path = f"sessions/{session.id}"
    assert code(shop.page("GET", path)) == (401, "SessionSecretInvalid")
    assert code(shop.page("GET", path, X_Session_Secret="guess")) == (401, "SessionSecretInvalid")
    assert code(other.page("GET", path, X_Session_Secret=session.secret)) == (404, "SessionNotFound")
    assert code(other.integration(f"{path}/events", {"type": "agentLeft"})) == (404, "SessionNotFound")
    for name in (str(uuid.uuid4()), "x", "..%2f", "%00"):
        assert shop.page("GET", f"sessions/{name}", X_Session_Secret="guess").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"conversation": "service", "target": "nobody@contoso.example"}, 404, "TargetNotAvailable"),
        ({"conversation": "direct", "target": "nobody@contoso.example"}, 404, "TargetNotAvailable"),
        ({"conversation": "direct", "target": "not a upn"}, 422, "target"),
        ({"conversation": "chat", "target": "a@b.example"}, 422, "conversation"),
        ({"target": "a@b.example"}, 422, "conversation"),
        ({"conversation": "direct", "target": "a@b.example", "customer": {"x": "y" * 5000}}, 422, "customer"),
        ({"conversation": "direct", "target": "a@b.example", "extra": 1}, 422, "extra"),
    ],
)
def test_a_start_that_cannot_be_is_told_what_is_wrong(
    shop: InteractTenant, body: dict[str, Any], status: int, told: str
) -> None:
    answer = shop.page("POST", "sessions", body)
    assert answer.status_code == status
    assert told in (answer.json()["code"], *(finding["path"] for finding in answer.json().get("errors", [])))


def test_a_visitor_cannot_tell_who_works_there(shop: InteractTenant) -> None:
    told = []
    for conversation, target in (("direct", shop.plain), ("direct", "nobody@contoso.example"), ("service", shop.upn)):
        answer = shop.page("POST", "sessions", {"conversation": conversation, "target": target})
        assert code(answer) == (404, "TargetNotAvailable")
        told.append({name: value for name, value in answer.json().items() if name != "traceId"})
    assert told[0] == told[1] == told[2]


def test_a_visitor_is_not_told_what_the_tenant_has_not_set_up(stack: AppStack) -> None:
    shop = InteractTenant(stack, o365UserId=None)
    answer = shop.page("POST", "sessions", {"conversation": "service", "target": shop.desk})
    assert code(answer) == (409, "InteractNotConfigured")
    assert answer.json()["detail"] == "The service is not available at the moment. Try again later."
    assert "missing" not in answer.json()
    trace = answer.json()["traceId"]

    def told() -> list[str]:
        return [line for line in stack.logged("call operation=start_session") if trace in line]

    eventually(lambda: bool(told()), "the call is in the log")  # its line may come after its answer
    assert "o365UserId" in told()[0]


@pytest.mark.parametrize("event", [{"type": "gone"}, {}, {"type": "customerLeft", "at": "yesterday"}, []])
def test_an_event_that_cannot_be_read_changes_nothing(shop: InteractTenant, event: Any) -> None:
    session = shop.start()
    path = f"sessions/{session.id}/events"
    assert shop.page("POST", path, event, X_Session_Secret=session.secret).status_code == 422
    assert session.read()["state"] == "Open"


def test_pages_of_every_origin_hear_the_same_and_only_allowed_ones_may_call(stack: AppStack) -> None:
    shop = InteractTenant(stack, restrictOrigins=True, allowedOrigins=["https://shop.example"])
    for origin in ("https://shop.example", "https://evil.example"):
        asked = stack.http.options(
            f"{stack.base}/api/interact/sessions/x/events", headers={"Origin": origin}, timeout=9
        )
        assert asked.status_code == 204
        assert asked.headers["Access-Control-Allow-Origin"] == origin
        assert asked.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in asked.headers
        allowed = {name.strip() for name in asked.headers["Access-Control-Allow-Headers"].split(",")}
        assert allowed == {"X-Widget-Key", "X-Session-Secret", "Authorization", "Content-Type"}
    assert shop.page("GET", "widget", Origin="https://SHOP.example:443").status_code == 200
    assert shop.page("GET", "widget").status_code == 200
    for path, method in (("widget", "GET"), ("sessions", "POST")):
        refused = shop.page(method, path, Origin="https://evil.example")
        assert code(refused) == (403, "OriginNotAllowed")
        assert refused.headers["Access-Control-Allow-Origin"] == "https://evil.example"
    session = shop.start()
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/events", {"type": "customerLeft"}),
        ("POST", "/token", None),
    ):
        told = {"X_Session_Secret": session.secret, "Origin": "https://evil.example"}
        assert code(shop.page(method, f"sessions/{session.id}{path}", body, **told)) == (403, "OriginNotAllowed")
    assert session.read()["state"] == "Open"
    elsewhere = stack.call("GET", "/api/health/live", token=None, headers={"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


def test_switched_off_means_that_nothing_goes_on(stack: AppStack) -> None:
    shop = InteractTenant(stack)
    session = shop.start()
    shop.set(interact={"enabled": False})
    assert shop.page("GET", "widget").json()["enabled"] is False
    assert code(shop.page("POST", "sessions", {})) == (403, "InteractDisabled")
    assert code(session.say("customerLeft")) == (403, "InteractDisabled")
    assert code(session.agent("agentLeft")) == (403, "InteractDisabled")


def test_a_start_obeys_the_authorization_the_tenant_chose(stack: AppStack) -> None:
    shop = InteractTenant(stack, authorization="VerifyTokenAndTenant")
    wish = {"audience": "api://nimbus-interact", "appOnly": True}

    def start(token: str) -> Any:
        body = {"conversation": "service", "target": shop.desk}
        return shop.page("POST", "sessions", body, Authorization=f"Bearer {token}" if token else "")

    assert code(start("")) == (401, "TokenMissing")
    assert code(start("nonsense")) == (401, "TokenInvalid")
    assert code(start(stack.token(shop.id))) == (401, "TokenWrongAudience")
    assert code(start(stack.token(str(uuid.uuid4()), **wish))) == (401, "TokenWrongTenant")
    assert code(start(stack.token(shop.id, **wish, expiresIn=-120))) == (401, "TokenExpired")
    assert code(start(stack.token(shop.id, **wish, notBefore=600))) == (401, "TokenNotYetValid")
    for version in (1, 2):
        assert start(stack.token(shop.id, **wish, version=version)).status_code == 201
    renewal = {"aud": "api://nimbus-interact", "nonce": None}
    assert code(start(stack.token(shop.id, idToken=True, claims=renewal))) == (401, "TokenInvalid")
    assert [warned["code"] for warned in shop.call("GET", "settings").json()["warnings"]] == ["AnyAppAccepted"]
    shop.set(interact={"tokenClientIds": [WEBSITE_CLIENT.upper()]})
    assert shop.call("GET", "settings").json()["warnings"] == []
    for version in (1, 2):
        assert code(start(stack.token(shop.id, **wish, version=version))) == (401, "TokenWrongApp")
        assert start(stack.token(shop.id, **wish, version=version, clientId=WEBSITE_CLIENT)).status_code == 201


def test_a_missing_policy_is_recognised_before_anyone_calls(stack: AppStack) -> None:
    shop = InteractTenant(stack)
    assert shop.call("POST", "interact/meeting-check").json()["outcome"] == "MeetingCreated"
    shop.cloud(accessPolicies={})
    check = shop.call("POST", "interact/meeting-check").json()
    assert (check["ok"], check["outcome"]) == (False, "PolicyMissing")
    assert "Grant-CsApplicationAccessPolicy" in check["remedy"]
    body = {"conversation": "service", "target": shop.desk}
    assert code(shop.page("POST", "sessions", body)) == (502, "MeetingPolicyMissing")


def test_a_users_token_is_exchanged_for_one_of_the_assistant(stack: AppStack) -> None:
    shop = InteractTenant(stack)
    mine = {"oid": shop.agent, "upn": shop.upn}

    def ask(token: str) -> Any:
        return stack.call("POST", "/api/assistant/token", token=token)

    assert ask(stack.token(shop.id, "Agent", **mine)).json().keys() == {"token", "expiresOn"}
    assert ask(stack.token(shop.id, "Integration", appOnly=True)).status_code == 403
    said = {"error": "interaction_required", "error_codes": [50020], "claims": '{"access_token":{}}'}
    fault = {"host": "login.microsoftonline.com", "account": shop.upn, "status": 400, "body": said}
    stack.control("POST", "faults", fault)
    challenged = ask(stack.token(shop.id, "Agent", **mine))
    assert code(challenged) == (401, "InteractionRequired")
    assert challenged.json()["claims"] == said["claims"]
    shop.cloud(consents=[])
    refused = ask(stack.token(shop.id, "Agent", **mine))
    assert code(refused) == (403, "ConsentMissing")
    assert refused.json()["clientId"] == API_CLIENT
    assert code(ask(stack.new_tenant(services=0).token)) == (403, "AssistantDisabled")


def test_the_example_of_the_set_up_page_runs_as_it_is_printed(stack: AppStack) -> None:
    page = (ROOT / "docs/interact.md").read_text()
    tour = steps(page)
    assert len(tour) > 5
    before = stack.call("GET", f"/api/tenants/{CONTOSO}/settings")
    answers = run_tour(stack, [command for command, _ in tour])
    after = stack.call("GET", f"/api/tenants/{CONTOSO}/settings")
    restored = stack.call("PUT", f"/api/tenants/{CONTOSO}/settings", before.json(), etag=after.headers["ETag"])
    assert restored.status_code in (200, 422)
    for (command, printed), answer in zip(tour, answers, strict=True):
        assert re.fullmatch(pattern(printed), answer.strip(), re.DOTALL), f"{command}\n{answer}"


def test_one_address_cannot_start_without_end(shop: InteractTenant) -> None:
    """Each of the two processes counts for itself; a body that says nothing costs as much as one that does."""
    here = {"X_Forwarded_For": "9.9.9.9, 203.0.113.77:50123", "Origin": "https://shop.example"}
    answers = [shop.page("POST", "sessions", {}, **here) for _ in range(90)]
    assert {answer.status_code for answer in answers} == {422, 429}
    refused = answers[-1]
    assert code(refused) == (429, "RateLimited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    elsewhere = shop.page("POST", "sessions", {}, X_Forwarded_For="203.0.113.78")
    assert elsewhere.status_code == 422
