"""Two audiences are the same if they differ in nothing but a trailing slash and the case of scheme and host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.entra.audience import comparable
from shared.clients.entra.caller_tokens import CallerTokens
from shared.clients.entra.signing_keys import SigningKeys
from shared.kernel.errors import NotKnown
from tests.clients.fake_cloud import API_CLIENT, CLOUD, KeyMaker, TurnedClock

# Registered, in the token, and whether they are the same.
PAIRS = [
    ("api://nimbus-extensions", "api://nimbus-extensions", True),
    ("api://nimbus-extensions", "api://nimbus-extensions/", True),
    ("api://nimbus-extensions/", "api://nimbus-extensions", True),
    ("api://Nimbus-Extensions", "API://nimbus-EXTENSIONS", True),
    ("https://Nimbus.example/Api/", "https://nimbus.example/Api", True),
    ("https://nimbus.example:443/api", "HTTPS://NIMBUS.example:443/api/", True),
    (f"api://{API_CLIENT}", f"api://{API_CLIENT.upper()}/", True),
    (f"api://{API_CLIENT}/Interact", f"API://{API_CLIENT.upper()}/Interact/", True),
    ("urn:nimbus:api", "urn:nimbus:api", True),
    (API_CLIENT, API_CLIENT.upper(), True),
    (API_CLIENT.upper(), API_CLIENT, True),
    ("https://nimbus.example/Api", "https://nimbus.example/api", False),
    ("api://nimbus-extensions", "api://nimbus-extensions//", False),
    ("api://nimbus-extensions", "api://nimbus-extensions/x", False),
    ("api://nimbus-extensions", "api:nimbus-extensions", False),
    ("api://nimbus-extensions", "https://nimbus-extensions", False),
    ("api://nimbus-extensions", "api://nimbus-extensions ", False),
    ("api://nimbus-extensions", "api://nimbus-extensions\n", False),
    ("api://nimbus-extensions", "api://nimbus-extensions.evil.example", False),
    ("api://nimbus", "api://n\u0131mbus", False),  # a dotless i
    ("api://kim", "api://\u212aim", False),  # the Kelvin sign, which lower() turns into a k
    ("urn:nimbus:api", "urn:nimbus:API", False),
    (API_CLIENT, f"{API_CLIENT}/", False),
    (API_CLIENT, f"api://{API_CLIENT}", False),
    (API_CLIENT, API_CLIENT.replace("-", ""), False),
]


@pytest.mark.parametrize(("configured", "sent", "same"), PAIRS)
def test_a_trailing_slash_and_the_case_of_scheme_and_host_do_not_matter(
    keys: SigningKeys, maker: KeyMaker, clock: TurnedClock, configured: str, sent: str, same: bool
) -> None:
    tokens = CallerTokens(keys, CLOUD, ["api://another", configured], clock)
    if same:
        assert tokens.verify(maker.token(aud=sent))
    else:
        with pytest.raises(NotKnown) as refused:
            tokens.verify(maker.token(aud=sent))
        assert refused.value.code == "TokenWrongAudience"


WORDS = st.text("abKz019-._", min_size=1, max_size=8)
PATHS = st.lists(WORDS, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))


@given(WORDS, PATHS, st.booleans(), st.booleans())
def test_every_spelling_of_an_app_id_uri_is_the_same(host: str, path: str, capitals: bool, slash: bool) -> None:
    start = f"api://{host}"
    spelling = (start.upper() if capitals else start) + path + ("/" if slash else "")
    assert comparable(spelling) == comparable(start + path)


@given(WORDS, PATHS, WORDS, PATHS)
def test_app_id_uris_that_differ_in_host_or_path_stay_apart(host: str, path: str, other: str, another: str) -> None:
    same = (host.lower(), path) == (other.lower(), another)
    assert (comparable(f"api://{host}{path}") == comparable(f"api://{other}{another}")) == same


@given(st.text())
def test_no_audience_is_strange_enough_to_raise(text: str) -> None:
    assert comparable(comparable(text)) in (comparable(text), comparable(text).removesuffix("/"))
