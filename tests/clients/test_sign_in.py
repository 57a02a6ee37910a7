"""Signing in as the application and as the guest accounts; Entra's refusals in our errors."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.entra.token_endpoint import first_sentence
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable, Upstream
from tests.clients.fake_cloud import CLOUD, LOGIN, OTHER_TENANT, TENANT, Answer, FakeCloud, FakeEntra, TurnedClock
from tests.clients.memory_shelf import MemoryShelf

WITH_TOKEN = PresenceAccount("presence1@nimbus.example", "rt-1", None)
WITH_PASSWORD = PresenceAccount("presence2@nimbus.example", None, "pass word 2")
CLIENT = "a0000000-0000-4000-8000-000000000002"


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def sign_ins(session: requests.Session, entra: FakeEntra, clock: TurnedClock, shelf: MemoryShelf) -> SignIns:
    return SignIns(session, CLOUD, CLIENT, "app-secret", clock, shelf)


@pytest.fixture
def elsewhere(session: requests.Session, entra: FakeEntra, clock: TurnedClock, shelf: MemoryShelf) -> SignIns:
    """Another instance, with the same shelf."""
    return SignIns(session, CLOUD, CLIENT, "app-secret", clock, shelf)


def test_the_application_signs_in_with_its_secret(sign_ins: SignIns, entra: FakeEntra) -> None:
    assert sign_ins.app_token(TENANT) == "app#1"
    (form,) = entra.sign_ins()
    assert form["scope"] == "https://graph.microsoft.com/.default"


def test_a_refresh_token_is_redeemed_without_the_secret(sign_ins: SignIns, entra: FakeEntra) -> None:
    assert sign_ins.guest_token(TENANT, WITH_TOKEN) == "presence1@nimbus.example#1"
    (form,) = entra.sign_ins()
    assert "client_secret" not in form
    root = "https://graph.microsoft.com"
    assert {f"{root}/Presence.Read.All", f"{root}/User.Read", f"{root}/User.ReadBasic.All"} <= set(
        form["scope"].split()
    )


def test_a_password_is_the_legacy_way(sign_ins: SignIns, entra: FakeEntra) -> None:
    assert sign_ins.guest_token(TENANT, WITH_PASSWORD) == "presence2@nimbus.example#1"
    assert entra.sign_ins()[0]["grant_type"] == "password"


def test_a_refresh_token_is_preferred_to_a_password(sign_ins: SignIns, entra: FakeEntra) -> None:
    sign_ins.guest_token(TENANT, PresenceAccount(WITH_TOKEN.upn, "rt-1", "a password"))
    assert entra.sign_ins()[0]["grant_type"] == "refresh_token"


def test_an_account_without_credentials_is_denied_without_a_call(sign_ins: SignIns, cloud: FakeCloud) -> None:
    with pytest.raises(Denied) as refusal:
        sign_ins.guest_token(TENANT, PresenceAccount("presence1@nimbus.example", None, None))
    assert refusal.value.reason == "NoCredentials"
    assert cloud.asked == []


def test_a_token_serves_until_five_minutes_before_its_end(
    sign_ins: SignIns, entra: FakeEntra, clock: TurnedClock
) -> None:
    assert sign_ins.app_token(TENANT) == sign_ins.app_token(TENANT)
    clock.turn(minutes=54)
    assert sign_ins.app_token(TENANT) == "app#1"
    clock.turn(minutes=1)
    assert sign_ins.app_token(TENANT) == "app#2"


def test_tokens_are_kept_apart_by_tenant_and_account(sign_ins: SignIns) -> None:
    tokens = [
        sign_ins.app_token(TENANT),
        sign_ins.app_token(OTHER_TENANT),
        sign_ins.guest_token(TENANT, WITH_TOKEN),
        sign_ins.guest_token(TENANT, WITH_PASSWORD),
        sign_ins.guest_token(OTHER_TENANT, WITH_PASSWORD),
    ]
    assert len(set(tokens)) == 5


def test_a_forgotten_token_is_not_used_again(sign_ins: SignIns) -> None:
    sign_ins.guest_token(TENANT, WITH_TOKEN)
    sign_ins.forget(TENANT, WITH_TOKEN.upn.upper())
    assert sign_ins.guest_token(TENANT, WITH_TOKEN).endswith("#2")
    sign_ins.app_token(TENANT)
    sign_ins.forget(TENANT, None)
    sign_ins.forget(TENANT, None)
    assert sign_ins.app_token(TENANT) == "app#4"


def test_a_fresh_sign_in_does_not_use_the_token_at_hand(sign_ins: SignIns) -> None:
    sign_ins.guest_token(TENANT, WITH_TOKEN)
    assert sign_ins.guest_token(TENANT, WITH_TOKEN, fresh=True).endswith("#2")
    assert sign_ins.guest_token(TENANT, WITH_TOKEN).endswith("#2")


@pytest.mark.parametrize("fresh", [True, False])
def test_an_admin_who_just_gave_consent_does_not_wait(sign_ins: SignIns, entra: FakeEntra, fresh: bool) -> None:
    entra.refusals[WITH_PASSWORD.upn] = entra.refuse(65001)
    with pytest.raises(Denied, match="AADSTS65001"):
        sign_ins.guest_token(TENANT, WITH_PASSWORD, fresh=fresh)
    del entra.refusals[WITH_PASSWORD.upn]
    assert sign_ins.guest_token(TENANT, WITH_PASSWORD, fresh=fresh)


def test_many_callers_at_once_cause_one_sign_in(sign_ins: SignIns, entra: FakeEntra) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: sign_ins.app_token(TENANT), range(8)))
    assert tokens == {"app#1"}
    assert len(entra.sign_ins()) == 1


def test_a_rotated_refresh_token_is_kept_and_used_from_then_on(
    sign_ins: SignIns, elsewhere: SignIns, entra: FakeEntra, shelf: MemoryShelf
) -> None:
    entra.rotates = True
    for instance, tenant in ((sign_ins, TENANT), (elsewhere, OTHER_TENANT), (sign_ins, TENANT)):
        instance.guest_token(tenant, WITH_TOKEN, fresh=True)
    assert [form["refresh_token"] for form in entra.sign_ins()] == ["rt-1", "rt-2", "rt-3"]
    assert shelf.rotated == [(WITH_TOKEN.upn, "rt-2"), (WITH_TOKEN.upn, "rt-3"), (WITH_TOKEN.upn, "rt-4")]


def test_entra_is_asked_once_however_many_instances_there_are(
    sign_ins: SignIns, elsewhere: SignIns, entra: FakeEntra, clock: TurnedClock
) -> None:
    for _ in range(2):
        tokens = {instance.guest_token(TENANT, WITH_PASSWORD) for instance in (sign_ins, elsewhere, sign_ins)}
        assert len(tokens) == 1
        clock.turn(minutes=56)
    assert len(entra.sign_ins()) == 2


def test_while_another_instance_renews_a_token_the_old_one_serves_as_long_as_it_can(
    sign_ins: SignIns, elsewhere: SignIns, entra: FakeEntra, clock: TurnedClock, shelf: MemoryShelf
) -> None:
    assert sign_ins.app_token(TENANT) == "app#1"
    shelf.renewing.add("application")
    clock.turn(minutes=55)
    assert (sign_ins.app_token(TENANT), elsewhere.app_token(TENANT)) == ("app#1", "app#1")
    clock.turn(minutes=3)
    assert sign_ins.app_token(TENANT) == "app#2", "whoever claimed it must have died"


def test_an_account_that_was_signed_in_by_hand_needs_no_setting(
    sign_ins: SignIns, entra: FakeEntra, shelf: MemoryShelf
) -> None:
    shelf.keep_refresh_token("presence1@nimbus.example", None, "rt-1")
    assert sign_ins.guest_token(TENANT, PresenceAccount("presence1@nimbus.example", None, None))
    assert entra.sign_ins()[0]["grant_type"] == "refresh_token"


def test_a_newly_configured_refresh_token_wins_over_a_rotated_one(sign_ins: SignIns, entra: FakeEntra) -> None:
    entra.rotates = True
    sign_ins.guest_token(TENANT, WITH_TOKEN)
    entra.refresh_tokens["rt-new"] = WITH_TOKEN.upn
    sign_ins.guest_token(OTHER_TENANT, PresenceAccount(WITH_TOKEN.upn, "rt-new", None))
    assert entra.sign_ins()[-1]["refresh_token"] == "rt-new"


def test_a_rotated_token_that_cannot_be_kept_does_not_fail_the_sign_in(
    sign_ins: SignIns, entra: FakeEntra, shelf: MemoryShelf
) -> None:
    entra.rotates = shelf.broken = True
    for _ in range(2):
        assert sign_ins.guest_token(TENANT, WITH_TOKEN, fresh=True)
    assert [form["refresh_token"] for form in entra.sign_ins()] == ["rt-1", "rt-1"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (FakeEntra.refuse(50076), "AADSTS50076"),
        (FakeEntra.refuse(50126, error_codes=[50000, 50126]), "AADSTS50126"),
        (FakeEntra.refuse(1234567), "AADSTS1234567"),
        (FakeEntra.refuse(65001, error_codes=None), "AADSTS65001"),
        (FakeEntra.refuse(65001, error_codes=[True, "x"]), "AADSTS65001"),
        (Answer(401, {"error": "invalid_client", "error_codes": [7000215]}), "AADSTS7000215"),
        (Answer(400, {"error": "unauthorized_client"}), "unauthorized_client"),
        (Answer(400, {"error": ["odd\n"], "error_description": 5, "error_codes": "x"}), "UnknownError"),
    ],
)
def test_a_refusal_carries_entras_code(sign_ins: SignIns, entra: FakeEntra, answer: Answer, reason: str) -> None:
    entra.refusals[WITH_PASSWORD.upn] = answer
    with pytest.raises(Denied) as refusal:
        sign_ins.guest_token(TENANT, WITH_PASSWORD)
    assert refusal.value.reason == reason


def test_a_tenant_that_does_not_exist_is_denied_with_entras_code(sign_ins: SignIns, cloud: FakeCloud) -> None:
    cloud.on(f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration", FakeEntra.refuse(90002))
    with pytest.raises(Denied) as refusal:
        sign_ins.app_token(TENANT)
    assert refusal.value.reason == "AADSTS90002"


def test_the_detail_is_entras_first_sentence_without_trace_ids(sign_ins: SignIns, entra: FakeEntra) -> None:
    entra.refusals["app"] = entra.refuse(700016, "App 'a.b' was not found. Ask an admin.")
    with pytest.raises(Denied) as refusal:
        sign_ins.app_token(TENANT)
    assert refusal.value.detail == "Entra refuses the application: AADSTS700016: App 'a.b' was not found."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ""),
        ("\n", ""),
        ("One", "One"),
        ("Trace ID: 5", ""),
        ("A. B.", "A."),
        ("A\r\nTrace ID: 1", "A"),
        ("x" * 999, "x" * 300),
    ],
)
def test_a_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(429, headers={"Retry-After": "17"}), Throttled),
        (Answer(429), Throttled),
        (Answer(503, headers={"Retry-After": "17"}), Throttled),
        (Answer(503), Unreachable),
        (Answer(500, b"<html>"), Unreachable),
        (Answer(400, {"error": "temporarily_unavailable"}), Unreachable),
        *[(FakeEntra.refuse(code), Unreachable) for code in (90033, 90006, 90012, 50033)],
        *[(FakeEntra.refuse(code), Throttled) for code in (50196, 90055)],
        (Answer(drop=True), Unreachable),
        (Answer(body=b""), Broken),
        (Answer(body=b'{"access_token": "secret-part'), Broken),
        (Answer(400, b"<html>"), Broken),
        (Answer(body=b"[]"), Broken),
        (Answer(body={}), Broken),
        (Answer(body={"access_token": 5, "expires_in": 3600}), Broken),
        (Answer(body={"access_token": "a\nb", "expires_in": 3600}), Broken),
        (Answer(body={"access_token": "t", "expires_in": [], "id_token": "x"}), Broken),
        (Answer(body=b'{"access_token": "t", "expires_in": 1e400}'), Broken),
        (Answer(302, b"", {"Location": "https://evil.example"}), Broken),
    ],
)
@pytest.mark.parametrize("account", [WITH_TOKEN, WITH_PASSWORD, None], ids=["token", "password", "app"])
def test_a_failure_of_entra_is_not_a_refusal_and_is_not_remembered(
    sign_ins: SignIns,
    entra: FakeEntra,
    caplog: pytest.LogCaptureFixture,
    account: PresenceAccount | None,
    answer: Answer,
    error: type[Upstream],
) -> None:
    entra.refusals[account.upn if account else "app"] = answer

    def sign_in() -> str:
        return sign_ins.guest_token(TENANT, account) if account else sign_ins.app_token(TENANT)

    with pytest.raises(error) as failure:
        sign_in()
    if isinstance(failure.value, Throttled) and "Retry-After" in answer.headers:
        assert failure.value.retry_after == 17
    assert "secret-part" not in caplog.text
    entra.refusals.clear()
    assert sign_in()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"5", {"token_endpoint": 5, "authorization_endpoint": "x"}])
def test_half_a_metadata_document_is_broken(sign_ins: SignIns, cloud: FakeCloud, body: object) -> None:
    cloud.on(f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration", Answer(body=body))
    with pytest.raises(Broken):
        sign_ins.app_token(TENANT)


@pytest.mark.parametrize("life", ["3600", 3600, 10**12])
def test_a_life_in_any_form_is_read(sign_ins: SignIns, entra: FakeEntra, life: object) -> None:
    entra.refusals["app"] = Answer(body={"access_token": "t", "expires_in": life})
    assert sign_ins.app_token(TENANT) == "t"
    entra.refusals.clear()
    assert sign_ins.app_token(TENANT) == "t"


def test_no_secret_reaches_the_log(sign_ins: SignIns, entra: FakeEntra, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sign_ins.app_token(TENANT)
    sign_ins.guest_token(TENANT, WITH_TOKEN)
    sign_ins.guest_token(TENANT, WITH_PASSWORD)
    for secret in ("app-secret", "rt-1", "pass word 2", "presence1@nimbus.example#"):
        assert secret not in caplog.text


def test_a_tenant_that_leaves_takes_its_tokens_along_and_no_lock_stays(sign_ins: SignIns) -> None:
    sign_ins.app_token(TENANT)
    sign_ins.guest_token(TENANT, WITH_TOKEN)
    sign_ins.app_token(OTHER_TENANT)
    assert (len(sign_ins._tokens), len(sign_ins._turns)) == (3, 0)
    sign_ins.forget_tenant(TENANT)
    assert len(sign_ins._tokens) == 1
