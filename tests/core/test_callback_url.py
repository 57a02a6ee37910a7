"""The guard against requests to hosts of somebody else's choice."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from shared.outbound.webhooks.callback_url import MAX_LENGTH, CallbackUrl, UrlRefused, read_callback_url, shortened

ALLOWED = (".logic.azure.com", ".api.powerplatform.com", "hooks.contoso.example")
PATH = "/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sig=A-b_c"


def code(url: str, allowed: tuple[str, ...] = ALLOWED) -> str:
    try:
        read_callback_url(url, allowed)
    except UrlRefused as exc:
        return exc.code
    return "ok"


@pytest.mark.parametrize(
    "host",
    [
        "prod-06.westeurope.logic.azure.com",
        "prod-06.westeurope.logic.azure.com:443",
        "PROD-06.WestEurope.Logic.Azure.COM",
        "default0123.4f.environment.api.powerplatform.com",
        "hooks.contoso.example",
        "eu.hooks.contoso.example",
    ],
)
def test_callbacks_of_flows_are_taken(host: str) -> None:
    read = read_callback_url(f"https://{host}{PATH}", ALLOWED)
    plain = host.lower().removesuffix(":443")
    assert read.url == f"https://{plain}{PATH}"
    assert read.shown == f"https://{plain}/workflows"
    assert "sig" not in repr(read)


@pytest.mark.parametrize(
    "authority",
    [
        "evil.logic.azure.com.evil.example",
        "evillogic.azure.com",
        "logic.azure.com",
        "evil.example",
        "azure.com",
        "xn--lgic-0qa.logic.azure.com",
        "hooks.contoso.example.evil.example",
        "xhooks.contoso.example",
    ],
)
def test_a_foreign_host_is_told_as_such(authority: str) -> None:
    assert code(f"https://{authority}{PATH}") == "HostNotAllowed"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "http://a.logic.azure.com/",
        "ftp://a.logic.azure.com/",
        "//a.logic.azure.com/",
        "a.logic.azure.com/",
        "https:a.logic.azure.com/",
        "https:/a.logic.azure.com/",
        "https://a.logic.azure.com./",
        "https://.logic.azure.com/",
        "https://a..logic.azure.com/",
        "https://-a.logic.azure.com/",
        "https://a_b.logic.azure.com/",
        "https://a.logic.azure.com:8443/",
        "https://a.logic.azure.com:0443/",
        "https://a.logic.azure.com:/",
        "https://a.logic.azure.com:443:443/",
        "https://user@a.logic.azure.com/",
        "https://user:secret@a.logic.azure.com/",
        "https://evil.example@a.logic.azure.com/",
        "https://a.logic.azure.com@evil.example/",
        "https://a.logic.azure.com%40evil.example/",
        "https://evil.example#@a.logic.azure.com/",
        "https://evil.example\\@a.logic.azure.com/",
        "https://evil.example\\.logic.azure.com/",
        "https://a.logic.azure.com\\@evil.example/",
        "https://a.logic.azure.com/#fragment",
        "https://a.logic.azure.com/a b",
        "https://a.logic.azure.com/\\evil",
        "https://a.logic.azure.com/\r\nHost: evil.example",
        "https://a.logic.azure.com/\t",
        "https://a.logic\t.azure.com/",
        "https://a.logic\n.azure.com/",
        " https://a.logic.azure.com/",
        "https://a.logic.azure.com/\n",
        "https://a.logic.azure.com/%",
        "https://a.logic.azure.com/%zz",
        "https://a.logic.azure.com/\u00e9",
        "https://a\u3002logic\u3002azure\u3002com/",
        "https://a.logic.azure\uff0ecom/",
        "https://a.log\u0131c.azure.com/",
        "https://a.logic.azure.c\u043em/",
        "https://a.\uff4cogic.azure.com/",
        "https://\u212aa.logic.azure.com/",
        "http\u017f://a.logic.azure.com/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/metadata/identity",
        "https://10.0.0.1/",
        "https://localhost/",
        "https://localhost.logic.azure.com:80/",
        "https://" + "a" * 64 + ".logic.azure.com/",
        "https://" + "a." * 130 + "logic.azure.com/",
    ],
)
def test_what_is_not_plainly_written_is_refused(url: str) -> None:
    assert code(url) == "UrlNotAllowed"


def test_an_over_long_url_is_refused() -> None:
    url = "https://a.logic.azure.com/?sig="
    assert code(url + "x" * (MAX_LENGTH - len(url))) == "ok"
    assert code(url + "x" * (MAX_LENGTH - len(url) + 1)) == "TooLong"


@pytest.mark.parametrize("allowed", [(), ("",), (".",), ("..",), ("127.0.0.1",), ("localhost",), ("[::1]",), ("com.",)])
def test_no_list_however_careless_lets_local_hosts_in(allowed: tuple[str, ...]) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "a.logic.azure.com", "0x7f.1"):
        assert code(f"https://{host}/", allowed) != "ok"


HOSTS = ("a", ".logic.azure.com", "evil.example", "..", "xn--", "1", "[", "]")
MARKS = ("https://", "/", "\\", "@", ":", "443", "#", "?", "%2f", "\t", "\u3002", "\u212a")
SNIPPETS = st.sampled_from((*HOSTS, *MARKS))


@given(st.lists(SNIPPETS, max_size=9).map("".join))
@example("https://a.logic.azure.com:443/x?y")
def test_whatever_is_taken_leads_where_every_reader_sees_it_lead(text: str) -> None:
    try:
        read = read_callback_url(f"https://{text}", ALLOWED)
    except UrlRefused:
        return
    assert isinstance(read, CallbackUrl)
    parts = urlsplit(read.url)
    prepared = requests.Request("POST", read.url).prepare().url
    assert prepared is not None
    for host in (parts.hostname, urlsplit(prepared).hostname):
        assert host is not None
        assert host.isascii()
        assert any(host.endswith(suffix) for suffix in ALLOWED)
    assert (parts.scheme, parts.port, parts.username, parts.fragment) == ("https", None, None, "")
    assert read.shown in (read.url, f"https://{parts.hostname}/{parts.path.split('/')[1]}")
    assert shortened(read.shown) == read.shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.logic.azure.com/workflows/s3cr3t/triggers/manual/paths/invoke?sig=s3cr3t", "/workflows"),
        ("https://a.logic.azure.com/powerautomate/automations/direct/workflows/s3cr3t/triggers/x", "/powerautomate"),
        ("https://a.logic.azure.com/workflows?sig=s3cr3t", "/workflows"),
        ("https://a.logic.azure.com?sig=s3cr3t", "/"),
        ("https://a.logic.azure.com", "/"),
    ],
)
def test_of_a_url_the_host_the_first_segment_and_a_fingerprint_are_shown(url: str, shown: str) -> None:
    read = read_callback_url(url, ALLOWED)
    assert read.shown == f"https://a.logic.azure.com{shown}"
    assert re.fullmatch(r"[0-9a-f]{16}", read.fingerprint)
    assert read.fingerprint == read_callback_url(url.replace("https://a", "HTTPS://A"), ALLOWED).fingerprint
    assert read.fingerprint != read_callback_url(f"{url}x" if "?" in url else f"{url}/x", ALLOWED).fingerprint
    assert "s3cr3t" not in f"{read} {read.shown} {read.fingerprint}"
