"""The session sends what the caller wrote, to the gateway if there is one, and never waits for ever."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
import requests

from shared.http.gateway import open_session
from shared.http.keep_alive import AwakeAdapter
from shared.http.upstream_answers import reaching
from shared.kernel.errors import Broken, Unreachable
from shared.storage.account import transport
from tests.clients.fake_cloud import Answer, FakeCloud


def test_a_call_to_a_host_goes_to_the_gateway_under_the_hosts_name(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/graph.microsoft.com/v1.0/users", Answer(body={"value": []}))
    reply = session.get("https://graph.microsoft.com/v1.0/users?$top=1&a=b%20c", headers={"X-Signed": "s"})
    assert reply.json() == {"value": []}
    assert reply.url == "https://graph.microsoft.com/v1.0/users?$top=1&a=b%20c"
    (asked,) = cloud.asked
    assert (asked.query, asked.headers["X-Signed"]) == ("$top=1&a=b%20c", "s")


def test_a_port_of_the_host_stays_in_the_path(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/hooks.logic.azure.com:443/workflows/1", Answer(202))
    assert session.post("https://hooks.logic.azure.com:443/workflows/1", data=b"x").status_code == 202


def test_the_gateway_itself_may_be_called(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/_control", Answer())
    assert session.get(f"{cloud.url}/_control").status_code == 200


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/", "http://graph.microsoft.com/v1.0", "{gateway}.example/"])
def test_plain_http_to_anywhere_else_is_refused(cloud: FakeCloud, session: requests.Session, target: str) -> None:
    with pytest.raises(Broken), reaching("it"):
        session.get(target.format(gateway=cloud.url))
    assert cloud.asked == []


def test_plain_http_is_refused_without_a_gateway_too(cloud: FakeCloud) -> None:
    with open_session(None) as session, pytest.raises(Broken), reaching("it"):
        session.get(f"{cloud.url}/_control")
    assert cloud.asked == []


def test_a_redirect_is_an_answer_and_nothing_follows_it(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer(302, b"", {"Location": "https://b.example/"}))
    assert session.get("https://a.example/").status_code == 302
    assert session.get("https://a.example/", allow_redirects=False).status_code == 302
    assert cloud.count("/b.example/") == 0


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_call(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer(headers={"Set-Cookie": "who=contoso; Path=/"}))
    session.get("https://a.example/")
    session.get("https://a.example/")
    assert "Cookie" not in cloud.asked[1].headers


@pytest.mark.parametrize("with_gateway", [True, False])
def test_a_netrc_never_replaces_the_bearer_token(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_gateway: bool
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with open_session(cloud.url if with_gateway else None) as session:
        request = requests.Request("GET", "https://graph.microsoft.com/", headers={"Authorization": "Bearer t"})
        assert session.prepare_request(request).headers["Authorization"] == "Bearer t"


def test_a_gateway_is_reached_past_the_proxies_of_the_environment(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    cloud.on("/a.example/", Answer())
    with open_session(cloud.url) as session:
        assert session.get("https://a.example/").status_code == 200


def test_a_host_that_never_answers_is_given_up_after_the_read_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        open_session(f"http://127.0.0.1:{silent.getsockname()[1]}", read_timeout=0.05) as session,
        pytest.raises(Unreachable),
        reaching("it"),
    ):
        session.get("https://a.example/")


def test_a_connection_that_breaks_is_not_retried(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer(drop=True))
    with pytest.raises(Unreachable), reaching("it"):
        session.post("https://a.example/", data=b"once")
    assert cloud.count("/a.example/") == 1


def kept_socket(session: requests.Session) -> socket.socket:
    """That of the one connection which the session keeps."""
    manager = session.get_adapter("https://a.example/").poolmanager  # type: ignore[attr-defined]
    (key,) = manager.pools.keys()
    connection = manager.pools[key].pool.queue[-1]
    assert isinstance(connection.sock, socket.socket)
    return connection.sock


def test_a_kept_connection_asks_before_azure_forgets_it(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer())
    session.get("https://a.example/")
    kept = kept_socket(session)
    assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    idle, every, times = (
        kept.getsockopt(socket.IPPROTO_TCP, option)
        for option in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
        )
    )
    assert idle + every * times < 240


def test_a_kept_connection_to_a_proxy_asks_too() -> None:
    manager = AwakeAdapter().proxy_manager_for("http://127.0.0.1:9")
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in manager.connection_pool_kw["socket_options"]


def test_connections_to_storage_are_kept_in_the_same_way() -> None:
    session = transport().session
    for target in ("https://nimbus.table.core.windows.net/", "http://127.0.0.1:10002/"):
        assert isinstance(session.get_adapter(target), AwakeAdapter)


def test_a_body_that_ends_too_early_is_no_answer(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer(body=b"half", headers={"Content-Length": "100", "Connection": "close"}))
    with pytest.raises(Unreachable), reaching("it"):
        session.get("https://a.example/")


def test_threads_share_one_session(cloud: FakeCloud, session: requests.Session) -> None:
    cloud.on("/a.example/", Answer(body={"ok": True}))
    statuses: list[int] = []
    calls = [
        threading.Thread(target=lambda: statuses.append(session.get("https://a.example/").status_code))
        for _ in range(16)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert statuses == [200] * 16
