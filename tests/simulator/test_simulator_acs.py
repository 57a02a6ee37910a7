"""The real ACS identity client against the simulated resource."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
from azure.communication.identity import CommunicationIdentityClient, CommunicationTokenScope
from azure.communication.identity._api_versions import ApiVersion
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport

from tests.simulator.cloud_client import CloudClient

PLATFORM = "platform.communication.azure.com"
ZERO_KEY = base64.b64encode(bytes(64)).decode()
ONE_KEY = base64.b64encode(b"\x01" * 64).decode()


def client(
    cloud: CloudClient, host: str = PLATFORM, key: str = ZERO_KEY, timeout: float = 5
) -> CommunicationIdentityClient:
    # The client hands its timeouts to a transport it makes itself; one that is given needs its own.
    transport = RequestsTransport(
        session=cloud.http, session_owner=False, connection_timeout=timeout, read_timeout=timeout
    )
    return CommunicationIdentityClient(f"https://{host}", AzureKeyCredential(key), transport=transport, retry_total=0)


def make(identities: CommunicationIdentityClient) -> Any:
    return identities.create_user_and_token([CommunicationTokenScope.VOIP], token_expires_in=timedelta(hours=1))


def post(cloud: CloudClient, path: str, body: str, query: str = "api-version=2023-10-01") -> requests.Response:
    """A signed request that the SDK would not make."""
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    date = format_datetime(datetime.now(UTC), usegmt=True)
    text = f"POST\n/{path}?{query}\n{date};{PLATFORM};{digest}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(ZERO_KEY), text.encode(), hashlib.sha256)).decode()
    signed = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    headers = {"x-ms-date": date, "x-ms-content-sha256": digest, "Authorization": signed}
    return cloud.http.post(f"https://{PLATFORM}/{path}?{query}", data=body, headers=headers, timeout=10)


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def scopes_of(token: str) -> list[str]:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["acsScope"]).split(",")


def test_the_right_key_makes_a_user_and_a_token(cloud: CloudClient) -> None:
    identities = client(cloud)
    user, token = make(identities)
    assert user.raw_id.startswith("8:acs:")
    assert token.token.count(".") == 2
    assert identities.get_token(user, [CommunicationTokenScope.CHAT]).token != token.token
    identities.revoke_tokens(user)
    identities.delete_user(user)
    with pytest.raises(HttpResponseError) as refused:
        identities.get_token(user, [CommunicationTokenScope.CHAT])
    assert refused.value.status_code == 404


def test_each_resource_has_its_own_key(cloud: CloudClient) -> None:
    assert make(client(cloud, "contoso.communication.azure.com", ONE_KEY))
    with pytest.raises(HttpResponseError) as refused:
        make(client(cloud, PLATFORM, ONE_KEY))
    assert refused.value.status_code == 401
    assert refused.value.error is not None
    assert refused.value.error.code == "Denied"


@pytest.mark.parametrize(("state", "status"), [("denied", 401), ("forbidden", 403), ("throttled", 429)])
def test_a_resource_can_refuse(cloud: CloudClient, state: str, status: int) -> None:
    cloud.control("PUT", f"acs/{PLATFORM}", {"state": state})
    with pytest.raises(HttpResponseError) as refused:
        make(client(cloud))
    assert refused.value.status_code == status


def test_a_resource_can_hang_drop_or_talk_rubbish(cloud: CloudClient) -> None:
    cloud.control("PUT", f"acs/{PLATFORM}", {"state": "hang"})
    with pytest.raises(ServiceResponseError):
        make(client(cloud, timeout=0.2))
    cloud.control("PUT", f"acs/{PLATFORM}", {"state": "drop"})
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        make(client(cloud))
    cloud.control("PUT", f"acs/{PLATFORM}", {"state": "garbage"})
    with pytest.raises(Exception, match=r".+"):
        make(client(cloud))
    cloud.control("PUT", f"acs/{PLATFORM}", {"state": "ok"})
    assert make(client(cloud))


def test_a_resource_nobody_made_cannot_be_reached(cloud: CloudClient) -> None:
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        make(client(cloud, "nobody.communication.azure.com"))


def test_a_new_resource_and_a_new_key(cloud: CloudClient) -> None:
    host = "fabrikam.communication.azure.com"
    cloud.control("PUT", f"acs/{host}", {"accessKey": ONE_KEY, "state": "ok"})
    assert make(client(cloud, host, ONE_KEY))
    cloud.control("PUT", f"acs/{host}", {"accessKey": ZERO_KEY})
    assert make(client(cloud, host, ZERO_KEY))


def test_a_changed_body_or_path_breaks_the_signature(cloud: CloudClient) -> None:
    seen: list[requests.PreparedRequest] = []
    cloud.http.hooks["response"].append(lambda answer, **_: seen.append(answer.request))
    try:
        make(client(cloud))
    finally:
        cloud.http.hooks["response"].clear()
    good = seen[-1]
    assert requests.Session().send(good, timeout=5).status_code == 201
    body = good.copy()
    body.body = b'{"createTokenWithScopes": ["chat"]}'
    body.headers["Content-Length"] = str(len(body.body))
    assert requests.Session().send(body, timeout=5).status_code == 401
    path = good.copy()
    path.url = str(path.url) + "&more=1"
    assert requests.Session().send(path, timeout=5).status_code == 401


def test_a_token_lives_between_one_hour_and_a_day(cloud: CloudClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        client(cloud).create_user_and_token([CommunicationTokenScope.VOIP], token_expires_in=timedelta(minutes=59))
    assert refused.value.status_code == 400


@pytest.mark.parametrize("minutes", [0, -60, 59, 1441, 60.0, True, False, "60", [], {}])
def test_a_lifetime_is_a_whole_number_of_minutes_within_bounds(cloud: CloudClient, minutes: Any) -> None:
    body = json.dumps({"createTokenWithScopes": ["voip"], "expiresInMinutes": minutes})
    assert error(post(cloud, "identities", body)) == (400, "ValidationError")


@pytest.mark.parametrize(
    ("told", "minutes"), [({"expiresInMinutes": 60}, 60), ({"expiresInMinutes": None}, 1440), ({}, 1440)]
)
def test_a_token_lives_a_day_unless_told_otherwise(cloud: CloudClient, told: dict[str, Any], minutes: int) -> None:
    made = post(cloud, "identities", json.dumps({"createTokenWithScopes": ["voip"], **told})).json()["accessToken"]
    left = datetime.fromisoformat(made["expiresOn"]) - datetime.now(UTC)
    assert timedelta(0) <= timedelta(minutes=minutes) - left < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("scopes", "version", "status"),
    [
        (["voip.join", "chat.join.limited"], "2023-10-01", 201),
        (["voip.join"], "2022-10-01", 400),
        (["voip", "chat"], "2022-10-01", 201),
        (["voip.start"], "2023-10-01", 400),
        (["VOIP"], "2023-10-01", 400),
        (["voip", "Teams.ManageCalls"], "2023-10-01", 400),
        (["voip", None], "2023-10-01", 400),
        ("voip", "2023-10-01", 400),
    ],
)
def test_a_token_has_the_scopes_that_were_asked_for_if_the_version_knows_them(
    cloud: CloudClient, scopes: Any, version: str, status: int
) -> None:
    answer = post(cloud, "identities", json.dumps({"createTokenWithScopes": scopes}), f"api-version={version}")
    assert answer.status_code == status
    if status == 201:
        assert scopes_of(answer.json()["accessToken"]["token"]) == scopes


@pytest.mark.parametrize("version", ApiVersion)
def test_every_version_the_sdk_can_speak_is_understood(cloud: CloudClient, version: ApiVersion) -> None:
    assert post(cloud, "identities", "{}", f"api-version={version.value}").status_code == 201


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("api-version=1", "UnsupportedApiVersionValue"),
        ("api-version=", "UnsupportedApiVersionValue"),
        ("api-version=2099-01-01", "UnsupportedApiVersionValue"),
        ("x=1", "MissingApiVersionParameter"),
    ],
)
def test_a_version_nobody_published_is_refused(cloud: CloudClient, query: str, code: str) -> None:
    assert error(post(cloud, "identities", "{}", query)) == (400, code)
