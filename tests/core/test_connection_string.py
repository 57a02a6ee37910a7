"""What a connection string may be, told with everything it may not."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.acs_connection_string import ConnectionString, Refused, read_connection_string
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import Invalid

SUFFIXES = CLOUDS["public"].acs_suffixes
HOST = "contoso.communication.azure.com"
KEY = base64.b64encode(bytes(range(64))).decode()
GOOD = f"endpoint=https://{HOST}/;accesskey={KEY}"


def at(endpoint: str) -> str:
    """A string that is good but for its endpoint."""
    return f"endpoint={endpoint};accesskey={KEY}"


def keyed(key: str) -> str:
    return f"endpoint=https://{HOST}/;accesskey={key}"


def refusal(text: str) -> Refused:
    with pytest.raises(Refused) as refused:
        read_connection_string(text, SUFFIXES)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"{GOOD};",
        f"endpoint=https://{HOST};accesskey={KEY}",
        f"accesskey={KEY};endpoint=https://{HOST}/",
        f"Endpoint=https://{HOST}/;AccessKey={KEY}",
        f"ENDPOINT=HTTPS://{HOST.upper()}/;ACCESSKEY={KEY};",
    ],
)
def test_each_spelling_of_a_good_string_is_the_same_string(text: str) -> None:
    assert read_connection_string(text, SUFFIXES) == ConnectionString(HOST, KEY)


def test_a_good_string_gives_its_parts() -> None:
    read = read_connection_string(GOOD, SUFFIXES)
    assert read.endpoint == f"https://{HOST}"
    assert read.text == GOOD
    assert len(read.fingerprint) == 16
    assert int(read.fingerprint, 16)


def test_a_host_may_have_several_labels_before_the_suffix() -> None:
    assert read_connection_string(at("https://res.europe.communication.azure.com/"), SUFFIXES).host.startswith("res.")


def test_each_cloud_has_its_own_suffix() -> None:
    gov = at("https://x.communication.azure.us")
    assert read_connection_string(gov, CLOUDS["usgov"].acs_suffixes).host == "x.communication.azure.us"
    assert refusal(gov).code == "HostNotAllowed"


def test_another_key_or_host_has_another_fingerprint() -> None:
    strings = [ConnectionString(HOST, KEY), ConnectionString(HOST, "AAAA"), ConnectionString(f"x{HOST}", KEY)]
    assert len({string.fingerprint for string in strings}) == 3


def test_the_key_is_not_in_the_repr() -> None:
    assert KEY not in repr(read_connection_string(GOOD, SUFFIXES))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "x.communication.azure.com.evil.example",
        "communication.azure.com",
        "evilcommunication.azure.com",
        "x.communication.azure.com.au",
        "x.communication.azure.co",
        "x-communication.azure.com",
        "communication.azure.com.communication.azure.org",
        "azure.com",
        "localhost",
        "127.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f.1",
        "metadata.google.internal",
        "xn--communication-azure-com.example",
    ],
)
def test_a_well_formed_string_with_a_foreign_host_is_not_allowed(host: str) -> None:
    for endpoint in (f"https://{host}", f"https://{host}/", f"HTTPS://{host.upper()}/"):
        refused = refusal(at(endpoint))
        assert refused.code == "HostNotAllowed"
        assert refused.detail.endswith("whose names end in .communication.azure.com")


SHAPE, CHARS = "is not of the form", "white space, control characters or letters outside of ASCII"
HOST_SHAPE, SCHEME, BASE64 = "does not name a host", "does not start with https://", "is not base64"

MALFORMED = [
    # the whole
    ("", SHAPE),
    (";", SHAPE),
    ("nonsense", SHAPE),
    (KEY, SHAPE),
    (f"{GOOD};;", SHAPE),
    (f";{GOOD}", SHAPE),
    (f"{GOOD};region=eu", SHAPE),
    (f"endpoint:https://{HOST}/;accesskey:{KEY}", SHAPE),
    (f"endpoint=https://{HOST}/", "has no accesskey"),
    (f"accesskey={KEY}", "has no endpoint"),
    ("x" * 1025, "longer than 1024"),
    ("x" * 10_240, "longer than 1024"),
    (keyed("A" * 10_240), "longer than 1024"),
    (at("https://" + "a." * 5_000 + HOST), "longer than 1024"),
    # parts that come twice: one reader takes the first, another the last
    (f"{GOOD};accesskey={KEY}", "names its accesskey twice"),
    (f"{GOOD};endpoint=https://evil.example/", "names its endpoint twice"),
    (f"endpoint=https://evil.example/;{GOOD}", "names its endpoint twice"),
    (f"{GOOD};EndPoint=https://{HOST}/", "names its endpoint twice"),
    # white space and what hides
    (f" {GOOD}", CHARS),
    (f"{GOOD} ", CHARS),
    (f"{GOOD}\n", CHARS),
    (f"{GOOD}\r\nHost: evil.example", CHARS),
    (at(f"https://{HOST}\n/"), CHARS),
    (at(f"https://con\ttoso.{HOST}/"), CHARS),
    (at(f"https://{HOST}\x00.evil.example/"), CHARS),
    (at(f"https://{HOST}\x7f/"), CHARS),
    (f"endpoint =https://{HOST}/;accesskey={KEY}", CHARS),
    (at(f"https://{HOST}\u200b/"), CHARS),
    (at(f"https://\u202e{HOST}/"), CHARS),
    (at(f"https://{HOST}\ud800/"), CHARS),
    # look-alikes
    (at("https://contoso\uff0ecommunication\uff0eazure\uff0ecom/"), CHARS),
    (at("https://contoso\u3002communication\u3002azure\u3002com/"), CHARS),
    (at("https://evil.example\uff61communication.azure.com/"), CHARS),
    (at("https://contoso.\uff43ommunication.azure.com/"), CHARS),
    (at("https://contoso.c\u043emmunication.azure.com/"), CHARS),
    (at("https://evil.example\uff0f.communication.azure.com/"), CHARS),
    (at("https://evil.example\u2100.communication.azure.com/"), CHARS),
    (f"endpo\u0131nt=https://{HOST}/;accesskey={KEY}", CHARS),
    (f"endpoint=https://{HOST}/;acce\u017f\u017fkey={KEY}", CHARS),
    (keyed("\uff21AAA"), CHARS),
    # the scheme
    (at(f"http://{HOST}/"), SCHEME),
    (at(f"httpss://{HOST}/"), SCHEME),
    (at(f"ftp://{HOST}/"), SCHEME),
    (at(f"file:///{HOST}"), SCHEME),
    (at(f"//{HOST}/"), SCHEME),
    (at(f"https:/{HOST}/"), SCHEME),
    (at(f"https:\\\\{HOST}/"), SCHEME),
    (at(HOST), SCHEME),
    (at(""), SCHEME),
    # what stands around a host
    (at(f"https://{HOST}:443/"), "holds a port"),
    (at(f"https://{HOST}:/"), "holds a port"),
    (at(f"https://{HOST}:8080"), "holds a port"),
    (at(f"https://evil.example:80.{HOST}/"), HOST_SHAPE),
    (at(f"https://user@{HOST}/"), "holds a user"),
    (at(f"https://user:word@{HOST}/"), "holds a user"),
    (at(f"https://{HOST}@evil.example/"), "holds a user"),
    (at(f"https://evil.example/@{HOST}/"), "holds a user"),
    (at(f"https://{HOST}/identities"), "holds a path"),
    (at(f"https://{HOST}//"), "holds a path"),
    (at(f"https:///{HOST}/"), "holds a path"),
    (at("https://evil.example/.communication.azure.com"), "holds a path"),
    (at(f"https://{HOST}/?a=b"), "holds a query"),
    (at("https://evil.example?.communication.azure.com"), "holds a query"),
    (at(f"https://{HOST}/#a"), "holds a fragment"),
    (at("https://evil.example#.communication.azure.com"), "holds a fragment"),
    (at("https://evil.example\\.communication.azure.com"), "holds a backslash"),
    (at(f"https://{HOST}\\"), "holds a backslash"),
    # what is no host
    (at("https://"), HOST_SHAPE),
    (at("https:///"), HOST_SHAPE),
    (at(f"https://{HOST}./"), HOST_SHAPE),
    (at(f"https://{HOST}.."), HOST_SHAPE),
    (at("https://.communication.azure.com/"), HOST_SHAPE),
    (at("https://..communication.azure.com/"), HOST_SHAPE),
    (at("https://-x.communication.azure.com/"), HOST_SHAPE),
    (at("https://x_y.communication.azure.com/"), HOST_SHAPE),
    (at("https://*.communication.azure.com/"), HOST_SHAPE),
    (at("https://evil.example%2f.communication.azure.com/"), HOST_SHAPE),
    (at("https://contoso%2ecommunication.azure.com/"), HOST_SHAPE),
    (at(f"https://{HOST}%00/"), HOST_SHAPE),
    (at("https://[::1]/"), HOST_SHAPE),
    (at("https://[::1]:443/"), HOST_SHAPE),
    (at("https://[::ffff:127.0.0.1].communication.azure.com/"), HOST_SHAPE),
    (at("https://::1/"), "holds a port"),
    (at("https://" + "a" * 64 + ".communication.azure.com"), HOST_SHAPE),
    (at("https://" + "a." * 120 + HOST), HOST_SHAPE),
    (at("https://${jndi:ldap://evil.example}.communication.azure.com"), "holds a path"),
    # the key
    (keyed(""), BASE64),
    (keyed("===="), BASE64),
    (keyed(KEY[:-1]), BASE64),
    (keyed(f"{KEY}="), BASE64),
    (keyed(f"{KEY}{KEY}"), BASE64),
    (keyed(f"!{KEY}"), BASE64),
    (keyed(f"{KEY[:10]}*{KEY[10:]}"), BASE64),
    (keyed(f"{KEY}&a=b"), BASE64),
    (keyed(f'"{KEY}"'), BASE64),
    (keyed("_-_-"), BASE64),
    (keyed("%2B%2F=="), BASE64),
    (keyed("AB=="), BASE64),  # its last bits are lost in decoding: another text for the same bytes
    (keyed(f"{KEY[:10]} {KEY[10:]}"), CHARS),
    (keyed(f"{KEY[:10]}\n{KEY[10:]}"), CHARS),
]


@pytest.mark.parametrize(("text", "why"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_string_is_refused_with_the_reason(text: str, why: str) -> None:
    refused = refusal(text)
    assert refused.code == "InvalidConnectionString"
    assert why in refused.detail


@pytest.mark.parametrize("text", [text for text, _ in MALFORMED] + [at("https://evil.example")])
def test_a_refusal_quotes_nothing_of_the_string(text: str) -> None:
    refused = refusal(text)
    assert isinstance(refused, Invalid)
    assert [(finding.path, finding.code) for finding in refused.findings] == [("", refused.code)]
    assert KEY not in str(refused)
    assert "evil" not in str(refused)


TEXTS = st.text() | st.text(alphabet="endpoit=hs:/;acky.mu") | st.text(alphabet="A=/+;").map(keyed)
TEXTS |= st.text(alphabet="a.-@:/?#%\\[]\u3002\uff0e\x00").map(
    lambda part: at(f"https://{part}communication.azure.com/")
)
TEXTS |= st.tuples(st.integers(0, len(GOOD)), st.text(max_size=4)).map(
    lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] :]
)


@given(TEXTS)
def test_any_text_is_refused_or_leads_to_a_host_of_ours(text: str) -> None:
    try:
        read = read_connection_string(text, SUFFIXES)
    except Refused:
        return
    label, _, rest = read.host.partition(".")
    assert label
    assert f".{rest}".endswith(SUFFIXES)
    assert read_connection_string(read.text, SUFFIXES) == read


LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?", fullmatch=True)


@given(st.lists(LABELS, min_size=1, max_size=4), st.binary(min_size=1, max_size=96))
def test_any_host_below_the_suffix_and_any_key_are_taken(labels: list[str], key: bytes) -> None:
    host = ".".join(labels) + SUFFIXES[0]
    encoded = base64.b64encode(key).decode()
    read = read_connection_string(f"endpoint=https://{host}/;accesskey={encoded}", SUFFIXES)
    assert (read.host, read.access_key) == (host.lower(), encoded)
    assert read_connection_string(read.text, SUFFIXES) == read
