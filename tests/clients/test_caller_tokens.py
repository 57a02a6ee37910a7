"""A good token proves who calls; everything else is NotKnown, with a code that says why."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clients.entra.caller_tokens import CallerTokens, Claims
from shared.kernel.errors import NotKnown, Unreachable
from tests.clients.fake_cloud import (
    API_CLIENT,
    AUDIENCE,
    OID,
    OTHER_TENANT,
    TENANT,
    Answer,
    KeyMaker,
    TurnedClock,
    b64url,
)
from tests.scale import scaled

SEVERAL = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=scaled(50, 300)
)
V1: dict[str, Any] = {
    "ver": "1.0",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "preferred_username": None,
    "upn": "ada@contoso.example",
}


def refused(tokens: CallerTokens, token: str) -> str:
    with pytest.raises(NotKnown) as refusal:
        tokens.verify(token)
    assert not any(part and part in refusal.value.detail for part in token.split(".") if len(part) > 8)
    return refusal.value.code


def test_a_good_token_says_who_calls(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert tokens.verify(maker.token()) == Claims(
        tid=TENANT,
        oid=OID,
        app=API_CLIENT,
        name="Ada Admin",
        roles=frozenset({"TenantAdmin"}),
        scopes=frozenset({"access_as_user"}),
        app_only=False,
        upn="ada@contoso.example",
    )


def test_the_v1_form_counts_too_though_its_key_names_the_v2_issuer(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert tokens.verify(maker.token(**V1)).upn == "ada@contoso.example"


def test_a_token_without_scopes_belongs_to_an_app(tokens: CallerTokens, maker: KeyMaker) -> None:
    claims = tokens.verify(maker.token(scp=None, sub=OID, name=None, preferred_username=None, roles=["Integration"]))
    assert (claims.app_only, claims.scopes, claims.name, claims.upn) == (True, frozenset(), "", None)


def test_identities_are_in_lower_case(tokens: CallerTokens, maker: KeyMaker) -> None:
    tid = TENANT.replace("1", "a")
    issuer = f"https://login.microsoftonline.com/{tid.upper()}/v2.0"
    app = "A" + API_CLIENT[1:]
    claims = tokens.verify(maker.token(tid=tid.upper(), iss=issuer, oid=OID.upper(), azp=app))
    assert (claims.tid, claims.oid, claims.app) == (tid, OID, API_CLIENT)


def test_a_name_is_cleaned_and_cut(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert tokens.verify(maker.token(name=" A\x00d\r\na\u202e \ud800")).name == "Ada"
    assert len(tokens.verify(maker.token(name="x" * 1000)).name) == 256


@pytest.mark.parametrize(("seconds", "passes"), [(-1, True), (0, True), (59, True), (60, False), (61, False)])
def test_a_token_is_good_until_a_minute_after_its_end(
    tokens: CallerTokens, maker: KeyMaker, clock: TurnedClock, seconds: int, passes: bool
) -> None:
    token = maker.token(exp=clock.seconds() - seconds)
    if passes:
        assert tokens.verify(token)
    else:
        assert refused(tokens, token) == "TokenExpired"


@pytest.mark.parametrize(("seconds", "passes"), [(0, True), (60, True), (61, False)])
def test_a_token_is_good_from_a_minute_before_its_start(
    tokens: CallerTokens, maker: KeyMaker, clock: TurnedClock, seconds: int, passes: bool
) -> None:
    token = maker.token(nbf=clock.seconds() + seconds)
    if passes:
        assert tokens.verify(token)
    else:
        assert refused(tokens, token) == "TokenNotYetValid"


def test_the_moment_of_the_call_counts_not_that_of_the_first_use(
    tokens: CallerTokens, maker: KeyMaker, clock: TurnedClock
) -> None:
    token = maker.token()
    assert tokens.verify(token)
    clock.turn(seconds=3661)
    assert refused(tokens, token) == "TokenExpired"


def test_a_start_may_be_absent_an_end_may_not(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert tokens.verify(maker.token(nbf=None, iat=None))
    assert refused(tokens, maker.token(exp=None)) == "TokenInvalid"


def test_a_token_for_another_api_is_refused_as_such(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert refused(tokens, maker.token(aud="https://graph.microsoft.com")) == "TokenWrongAudience"
    assert tokens.verify(maker.token(aud=API_CLIENT))


def test_a_token_for_graph_is_known_by_the_nonce_of_its_header_and_costs_no_fetch(
    tokens: CallerTokens, maker: KeyMaker
) -> None:
    payload = json.dumps(maker.claims(aud="https://graph.microsoft.com")).encode()
    header = {"alg": "RS256", "kid": "k1", "nonce": "8VAJ_PMoyAfrqkU_4GxQXm1AcA9UzrCFMhdkA4X-MxM"}
    assert refused(tokens, maker.signed(payload, header)) == "TokenWrongAudience"
    assert maker.fetches == 0


def with_changes(**changes: Any) -> Any:
    return pytest.param(changes, id=f"{changes}"[:60])


@pytest.mark.parametrize(
    "changes",
    [
        with_changes(iss=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"),
        with_changes(tid=OTHER_TENANT),
        with_changes(iss=f"https://login.microsoftonline.com/{TENANT}/v2.0/"),
        with_changes(iss=f"https://sts.windows.net/{TENANT}/"),
        with_changes(iss=f"https://login.microsoftonline.us/{TENANT}/v2.0"),
        with_changes(ver="1.0"),
        with_changes(ver=2.0),
        with_changes(ver=["2.0"]),
        with_changes(ver=None),
        with_changes(tid="common", iss="https://login.microsoftonline.com/common/v2.0"),
        with_changes(tid=TENANT + "\n", iss=f"https://login.microsoftonline.com/{TENANT}\n/v2.0"),
        with_changes(tid=[TENANT]),
        with_changes(oid=None),
        with_changes(oid="ada"),
        with_changes(oid={"a": OID}),
        with_changes(aud=[AUDIENCE]),
        with_changes(aud=None),
        with_changes(aud={"x": AUDIENCE}),
        with_changes(exp=True),
        with_changes(exp=1.9e9),
        with_changes(exp=10**18),
        with_changes(exp=10**4000),
        with_changes(exp=-1),
        with_changes(exp=float("nan")),
        with_changes(exp=float("inf")),
        with_changes(exp="1900000000"),
        with_changes(exp=[1900000000]),
        with_changes(nbf=False),
        with_changes(nbf=1.5),
        with_changes(iat="now"),
        with_changes(iat=-5),
        with_changes(roles="TenantAdmin"),
        with_changes(roles=[["TenantAdmin"]]),
        with_changes(roles={"TenantAdmin": 1}),
        with_changes(scp=["access_as_user"]),
        with_changes(name=7),
        with_changes(preferred_username=["ada"]),
    ],
)
def test_a_strange_claim_is_refused_though_the_signature_is_good(
    tokens: CallerTokens, maker: KeyMaker, changes: dict[str, Any]
) -> None:
    payload = json.dumps(maker.claims(**changes)).encode()
    assert refused(tokens, maker.signed(payload)) == "TokenInvalid"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "k1"},
        {"alg": "RS384", "kid": "k1"},
        {"alg": ["RS256"], "kid": "k1"},
        {"kid": "k1"},
        {"alg": "RS256"},
        {"alg": "RS256", "kid": ""},
        {"alg": "RS256", "kid": 1},
        {"alg": "RS256", "kid": ["k1"]},
        {"alg": "RS256", "kid": {"k1": "k1"}},
        {"alg": "RS256", "kid": "k" * 300},
        {"alg": "RS256", "kid": "k1", "crit": ["exp"]},
        {"alg": "RS256", "kid": "k1", "crit": []},
        {"alg": "RS256", "kid": "k1", "b64": False},
        {"alg": "RS256", "kid": "unknown"},
    ],
)
def test_a_strange_header_is_refused(tokens: CallerTokens, maker: KeyMaker, header: dict[str, Any]) -> None:
    assert refused(tokens, maker.signed(json.dumps(maker.claims()).encode(), header)) == "TokenInvalid"


def test_our_public_key_is_not_a_shared_secret(tokens: CallerTokens, maker: KeyMaker) -> None:
    public = maker.private["k1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = b64url(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    body = b64url(json.dumps(maker.claims()).encode())
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = b64url(secret.sign(f"{head}.{body}".encode(), public))
    assert refused(tokens, f"{head}.{body}.{signature}") == "TokenInvalid"


def test_an_unsigned_token_is_refused(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert refused(tokens, jwt.encode(maker.claims(), "", "none", {"kid": "k1"})) == "TokenInvalid"


def test_a_key_of_somebody_else_under_our_key_id_is_refused(tokens: CallerTokens, maker: KeyMaker) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(tokens, jwt.encode(maker.claims(), other, "RS256", {"kid": "k1"})) == "TokenInvalid"


def test_a_key_of_one_tenant_signs_for_that_tenant_only(tokens: CallerTokens, maker: KeyMaker) -> None:
    maker.publish("own", issuer=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")
    assert refused(tokens, maker.token("own")) == "TokenInvalid"
    issuer = f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"
    assert tokens.verify(maker.token("own", tid=OTHER_TENANT, iss=issuer)).tid == OTHER_TENANT


def test_a_key_without_an_issuer_signs_for_every_tenant(tokens: CallerTokens, maker: KeyMaker) -> None:
    maker.publish("open", issuer=None)
    assert tokens.verify(maker.token("open"))


def test_a_doubled_claim_is_refused(tokens: CallerTokens, maker: KeyMaker) -> None:
    payload = json.dumps(maker.claims())[:-1] + f', "tid": "{OTHER_TENANT}"}}'
    assert refused(tokens, maker.signed(payload.encode())) == "TokenInvalid"


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"5", b"{", b"\xff\xfe", b"[" * 20_000, b"9" * 10_000])
def test_a_signed_payload_that_is_no_object_is_refused(tokens: CallerTokens, maker: KeyMaker, payload: bytes) -> None:
    assert refused(tokens, maker.signed(payload)) == "TokenInvalid"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c.d", "ä.ö.ü", "\ud800.a.b", "Bearer x", "a" * 100_000, "a." * 50_000, "eyJ9.e30.AA\n"],
)
def test_what_is_no_token_is_refused(tokens: CallerTokens, token: str) -> None:
    assert refused(tokens, token) == "TokenInvalid"


def test_a_token_of_100_kb_is_refused_unread(tokens: CallerTokens, maker: KeyMaker) -> None:
    assert refused(tokens, maker.token(groups="g" * 100_000)) == "TokenInvalid"
    assert maker.fetches == 0


@SEVERAL
@given(st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}(\.[A-Za-z0-9_=-]{0,40}){1,4}", fullmatch=True))
def test_no_text_is_strange_enough_for_another_error(tokens: CallerTokens, token: str) -> None:
    assert refused(tokens, token) == "TokenInvalid"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    [
        "aud",
        "iss",
        "tid",
        "oid",
        "sub",
        "azp",
        "appid",
        "idtyp",
        "ver",
        "exp",
        "nbf",
        "iat",
        "name",
        "roles",
        "scp",
        "upn",
    ]
)


@SEVERAL
@given(st.dictionaries(_NAMES, _JSON, max_size=3), st.dictionaries(st.sampled_from(["alg", "kid", "typ"]), _JSON))
def test_no_claim_or_header_is_strange_enough_for_another_error(
    tokens: CallerTokens, maker: KeyMaker, changes: dict[str, object], header: dict[str, object]
) -> None:
    payload = json.dumps(maker.claims() | changes).encode()
    for token in (maker.signed(payload), maker.signed(payload, {"alg": "RS256", "kid": "k1"} | header)):
        try:
            claims = tokens.verify(token)
        except NotKnown:
            continue
        assert claims.tid == TENANT
        claims.name.encode()


@SEVERAL
@given(st.data())
def test_one_changed_character_anywhere_spoils_a_token(
    tokens: CallerTokens, maker: KeyMaker, data: st.DataObject
) -> None:
    token = maker.token()
    # The last character of the signature carries two bits of padding that no reader looks at.
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09_-.").filter(lambda char: char != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    if [_decoded(part) for part in changed.split(".")] != [_decoded(part) for part in token.split(".")]:
        assert refused(tokens, changed) == "TokenInvalid"


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return b""


def test_missing_keys_are_not_the_callers_fault(tokens: CallerTokens, maker: KeyMaker) -> None:
    maker.failure = Answer(503)
    with pytest.raises(Unreachable):
        tokens.verify(maker.token())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("entra.caller_tokens", {"msal", "jwt"}),
        ("graph.graph", {"msal", "jwt", "cryptography.hazmat.primitives.asymmetric.rsa"}),
    ],
)
def test_a_cold_start_imports_only_what_it_needs(module: str, unwanted: set[str]) -> None:
    script = f"import sys, shared.clients.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert unwanted.isdisjoint(loaded)
