"""App settings: every problem at once, secrets out of sight, and the gateway for local runs only."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.schedule import parse_schedule
from devhost.settings import storage_connection
from shared.app_settings.checks import schedule_flaw
from shared.app_settings.config import AZURE_MARKS, Config
from shared.kernel.body_limits import HOST_RECOMMENDED
from shared.kernel.errors import ConfigError
from shared.storage.account import StorageAccount

EXAMPLE: dict[str, str] = json.loads((Path(__file__).parents[2] / "local.settings.json.example").read_text())["Values"]
REQUIRED = (
    "API_CLIENT_ID",
    "API_AUDIENCE",
    "API_CLIENT_SECRET",
    "HOME_TENANT_ID",
    "GRAPH_CLIENT_ID",
    "GRAPH_CLIENT_SECRET",
    "PRESENCE_ACCOUNT_1_UPN",
    "PRESENCE_ACCOUNT_2_UPN",
    "PLATFORM_ACS_CONNECTION_STRING",
    "SECRET_KEYS",
    "PUBLIC_BASE_URL",
    "PRESENCE_SCHEDULE",
)


def problems(**changes: str | None) -> list[str]:
    """What is wrong with the example after these changes; None removes a setting."""
    env = {name: value for name, value in (EXAMPLE | changes).items() if value is not None}
    with pytest.raises(ConfigError) as refused:
        Config.from_env(env)
    return list(refused.value.problems)


def read(**changes: str) -> Config:
    return Config.from_env(EXAMPLE | changes)


def test_the_example_is_a_complete_configuration() -> None:
    config = read()
    assert config.gateway == "http://127.0.0.1:7080"
    assert [account.upn for account in config.presence_accounts] == [
        "presence1@nimbus.example",
        "presence2@nimbus.example",
    ]


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_env({})
    assert set(refused.value.problems) == {f"{name} is missing" for name in REQUIRED} | {
        "AzureWebJobsStorage or STORAGE_ACCOUNT_NAME is missing"
    }


@pytest.mark.parametrize("name", REQUIRED)
def test_each_required_setting_is_missed_alone_and_when_blank(name: str) -> None:
    assert problems(**{name: None}) == problems(**{name: "  "}) == [f"{name} is missing"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AzureWebJobsStorage": "x"}, "AzureWebJobsStorage is not a list"),
        ({"AzureWebJobsStorage": "AccountName=a"}, "AzureWebJobsStorage has neither AccountKey nor"),
        ({"AzureWebJobsStorage": "AccountKey=eA=="}, "AzureWebJobsStorage has neither AccountName nor"),
        ({"AzureWebJobsStorage": "AccountName=a;AccountKey=!"}, "AzureWebJobsStorage has an AccountKey"),
        ({"AzureWebJobsStorage": "AccountName=a;AccountName=b;AccountKey=eA=="}, "AzureWebJobsStorage is not a list"),
        (
            {"AzureWebJobsStorage": "AccountName=a;AccountKey=eA==;TableEndpoint=nonsense"},
            "AzureWebJobsStorage has an endpoint",
        ),
        ({"PRESENCE_SCHEDULE": "every minute"}, "PRESENCE_SCHEDULE is not an NCRONTAB expression"),
        ({"PRESENCE_SCHEDULE": "0 60 * * * *"}, "PRESENCE_SCHEDULE does not say a minute"),
        ({"PRESENCE_SCHEDULE": "*/0 * * * * *"}, "PRESENCE_SCHEDULE does not say a second"),
        ({"PRESENCE_SCHEDULE": "0 0 0 * * 7"}, "PRESENCE_SCHEDULE does not say a day of week"),
        ({"PRESENCE_SCHEDULE": "0 0 5-3 * * *"}, "PRESENCE_SCHEDULE does not say a hour"),
        ({"SECRET_KEYS": ","}, "SECRET_KEYS is not a list"),
        ({"PLATFORM_ACS_CONNECTION_STRING": "endpoint=https://x.example/;accesskey=eA=="}, "PLATFORM_ACS_"),
        ({"PLATFORM_ACS_CONNECTION_STRING": "secret"}, "PLATFORM_ACS_CONNECTION_STRING is not of use"),
        ({"PRESENCE_ACCOUNT_2_UPN": "Presence1@nimbus.example"}, "PRESENCE_ACCOUNT_2_UPN is the same account"),
        (
            {"PRESENCE_ACCOUNT_1_PASSWORD": " ", "PRESENCE_ACCOUNT_1_REFRESH_TOKEN": ""},
            "PRESENCE_ACCOUNT_1_REFRESH_TOKEN or PRESENCE_ACCOUNT_1_PASSWORD is missing",
        ),
        *(
            ({"PUBLIC_BASE_URL": url}, "PUBLIC_BASE_URL is not an https:// URL without path")
            for url in ("https://a.example/x", "https://a.example#x", "https://a.example?", "https://a.example:x")
        ),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:7071#x"}, "PUBLIC_BASE_URL"),
    ],
)
def test_what_has_the_wrong_form_is_said_without_its_value(changes: dict[str, str], said: str) -> None:
    (problem,) = problems(**changes)
    assert problem.startswith(said)
    assert "secret" not in problem


@pytest.mark.parametrize(
    "storage",
    [
        "AccountName=a;AccountKey=eA==",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.windows.net;",
        "TableEndpoint=https://a.example;QueueEndpoint=https://b.example;SharedAccessSignature=sv=1&sig=2",
        storage_connection(10000),
    ],
)
def test_a_connection_string_the_storage_sdks_take_is_taken(storage: str) -> None:
    assert read(AzureWebJobsStorage=storage).storage_connection_string == storage
    StorageAccount(storage, None, "")


def test_a_connection_string_is_not_judged_where_a_name_stands_in_for_it() -> None:
    assert read(AzureWebJobsStorage="x", STORAGE_ACCOUNT_NAME="ours").storage_account_name == "ours"


@pytest.mark.parametrize(
    "schedule", ["*/30 * * * * *", "0 */5 * * * *", "0 0 0 1 JAN *", "0,30 1-5/2 08 * * Mon-Fri", "00 00 00 31 12 0"]
)
def test_a_schedule_of_six_fields_is_taken(schedule: str) -> None:
    assert read(PRESENCE_SCHEDULE=schedule).presence_schedule == schedule
    parse_schedule(schedule)


@given(st.text(alphabet="0123456789*/-, monjan", max_size=24))
def test_a_schedule_that_is_taken_is_one_the_devhost_takes_too(text: str) -> None:
    if not schedule_flaw(text):
        parse_schedule(text)


def test_missing_and_malformed_settings_are_named_together() -> None:
    found = problems(
        API_CLIENT_ID="x",
        HOME_TENANT_ID=None,
        MICROSOFT_CLOUD="mars",
        SECRET_KEYS="a:b",
        COMPONENT_CLIENT_IDS="[1]",
        OUTBOUND_IP_ADDRESSES="here",
        PUBLIC_BASE_URL="ftp://x",
        PRESENCE_ACCOUNT_2_UPN="presence2",
        STORAGE_ACCOUNT_NAME="No!",
        MICROSOFT_CLOUD_GATEWAY="https://graph.microsoft.com",
    )
    assert [problem.split()[0] for problem in found] == [
        "MICROSOFT_CLOUD",
        "STORAGE_ACCOUNT_NAME",
        "MICROSOFT_CLOUD_GATEWAY",
        "API_CLIENT_ID",
        "HOME_TENANT_ID",
        "PRESENCE_ACCOUNT_2_UPN",
        "SECRET_KEYS",
        "COMPONENT_CLIENT_IDS",
        "OUTBOUND_IP_ADDRESSES",
        "PUBLIC_BASE_URL",
    ]


def test_the_nimbus_app_is_a_component_whose_client_id_need_not_be_repeated() -> None:
    bot = "A0000000-0000-4000-8000-0000000000FF"
    assert read(COMPONENT_CLIENT_IDS=json.dumps({"Calling Bot": bot})).component_client_ids == {
        "Calling Bot": bot.lower(),
        "Nimbus App": EXAMPLE["GRAPH_CLIENT_ID"],
    }
    assert read(COMPONENT_CLIENT_IDS="").component_client_ids == {"Nimbus App": EXAMPLE["GRAPH_CLIENT_ID"]}


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (
            '{"Calling Bott": "a0000000-0000-4000-8000-0000000000ff"}',
            "names Calling Bott; there are Nimbus App, Calling",
        ),
        ('{"Nimbus App": "a0000000-0000-4000-8000-0000000000ff"}', "another Nimbus App than GRAPH_CLIENT_ID"),
        ('{"Calling Bot": "the bot"}', "is not a JSON object of client ids"),
        ('{"Calling Bot": 5}', "is not a JSON object of client ids"),
        ('{"Calling Bot": null}', "is not a JSON object of client ids"),
        ('"Calling Bot"', "is not a JSON object of client ids"),
        ("{", "is not a JSON object of client ids"),
        ("[" * 100_000, "is not a JSON object of client ids"),
    ],
)
def test_client_ids_of_components_that_make_no_sense_are_named(ids: str, said: str) -> None:
    (problem,) = problems(COMPONENT_CLIENT_IDS=ids)
    assert problem.startswith("COMPONENT_CLIENT_IDS ")
    assert said in problem


def test_audiences_are_a_list_with_commas() -> None:
    assert read().api_audience == ("api://nimbus-extensions",)
    several = read(API_AUDIENCE="api://nimbus-extensions, https://nimbus.example/api ,")
    assert several.api_audience == ("api://nimbus-extensions", "https://nimbus.example/api")
    assert problems(API_AUDIENCE=" , ,") == ["API_AUDIENCE is missing"]


def test_scopes_are_a_list_with_commas_and_may_be_left_out() -> None:
    assert read().api_scopes == read(API_SCOPES=" , ").api_scopes == ()
    assert read(API_SCOPES="access_as_user, Calls.Read.All,").api_scopes == ("access_as_user", "Calls.Read.All")


@pytest.mark.parametrize(
    "scopes",
    [
        "access_as_user Calls.Read",  # as a token has them
        "api://nimbus-extensions/access_as_user",  # as a request has them
        "access_as_user,.default",
        "a" * 121,
        'access"as"user',
        "acc\u00e8s",
    ],
)
def test_what_can_be_no_scope_of_a_token_is_named(scopes: str) -> None:
    assert problems(API_SCOPES=scopes) == [
        "API_SCOPES is not a comma-separated list of scope names, such as access_as_user"
    ]


@pytest.mark.parametrize("mark", AZURE_MARKS)
def test_the_gateway_is_refused_in_azure(mark: str) -> None:
    (problem,) = problems(**{mark: "x"})
    assert mark in problem


@pytest.mark.parametrize("mark", AZURE_MARKS)
def test_without_a_gateway_azure_is_fine(mark: str) -> None:
    assert read(**{mark: "x", "MICROSOFT_CLOUD_GATEWAY": ""}).gateway is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7080", "http://localhost:7080/", "http://[::1]:7080", "http://127.9.9.9"]
)
def test_a_gateway_on_a_loopback_address_is_taken(url: str) -> None:
    assert read(MICROSOFT_CLOUD_GATEWAY=url).gateway == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:7080",
        "http://10.0.0.1:7080",
        "http://0.0.0.0:7080",
        "http://example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://user@127.0.0.1",
        "http://127.0.0.1@example.org",
        "http://127.0.0.1/path",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1:port",
        "http://127.1",
        "http://[::1",
        "http://",
        "127.0.0.1:7080",
        "file:///etc/passwd",
    ],
)
def test_any_other_gateway_is_refused(url: str) -> None:
    assert problems(MICROSOFT_CLOUD_GATEWAY=url) == [
        "MICROSOFT_CLOUD_GATEWAY is not an http:// URL of a loopback address"
    ]


KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def test_the_first_key_of_the_ring_comes_first() -> None:
    assert read(SECRET_KEYS=f"new:{KEY}, old:{KEY}").secret_keys == (
        ("new", b"01234567890123456789012345678901"),
        ("old", b"01234567890123456789012345678901"),
    )


@pytest.mark.parametrize(
    "ring", [KEY, f":{KEY}", "a:", "a:AAAA", f"a:{KEY},a:{KEY}", f"a.b:{KEY}", f"ä:{KEY}", f"a:{KEY}!", f"a:{KEY[:-4]}"]
)
def test_a_ring_of_anything_but_32_bytes_under_different_ids_is_refused_without_showing_it(ring: str) -> None:
    (problem,) = problems(SECRET_KEYS=ring)
    assert problem.startswith("SECRET_KEYS is not a list of id:base64")
    assert KEY not in problem


def test_secrets_stay_out_of_what_is_printed() -> None:
    token = {"PRESENCE_ACCOUNT_1_REFRESH_TOKEN": "very-secret-token"}
    shown = repr(read(**token))
    secrets = [
        EXAMPLE["API_CLIENT_SECRET"],
        EXAMPLE["GRAPH_CLIENT_SECRET"],
        EXAMPLE["PRESENCE_ACCOUNT_1_PASSWORD"],
        "very-secret-token",
        "accesskey",
        "local-only-key",
        EXAMPLE["AzureWebJobsStorage"],
    ]
    assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.parametrize("url", ["https://app.example.org", "http://localhost:7071", "http://127.0.0.1:7071/"])
def test_the_public_url_is_https_or_loopback(url: str) -> None:
    assert read(PUBLIC_BASE_URL=url).public_base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["http://app.example.org", "https://app.example.org/path", "https://", "app.example.org"]
)
def test_any_other_public_url_is_refused(url: str) -> None:
    assert [problem.split()[0] for problem in problems(PUBLIC_BASE_URL=url)] == ["PUBLIC_BASE_URL"]


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("*/30 * * * * *", 30), ("*/5 * * * * *", 5), ("0 */2 * * * *", 120), ("0 0 * * * *", 30)],
)
def test_the_interval_between_polls_is_read_from_the_schedule(schedule: str, seconds: int) -> None:
    assert read(PRESENCE_SCHEDULE=schedule).presence_interval == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "host"), [("usgov", "graph.microsoft.us"), ("China", "microsoftgraph.chinacloudapi.cn")]
)
def test_a_sovereign_cloud_has_hosts_of_its_own(name: str, host: str) -> None:
    resource = f"endpoint=https://platform.communication.azure.{'us' if name == 'usgov' else 'cn'}/;accesskey=eA=="
    config = read(MICROSOFT_CLOUD=name, WEBHOOK_ALLOWED_HOSTS="", PLATFORM_ACS_CONNECTION_STRING=resource)
    assert config.cloud.graph == f"https://{host}"
    assert config.webhook_allowed_hosts == config.cloud.webhook_suffixes


def test_storage_is_named_by_connection_string_or_account() -> None:
    assert read().storage_account_name is None
    config = Config.from_env({**EXAMPLE, "AzureWebJobsStorage": "", "STORAGE_ACCOUNT_NAME": "nimbus1"})
    assert (config.storage_account_name, config.storage_connection_string) == ("nimbus1", None)


LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"


@pytest.mark.parametrize("mark", AZURE_MARKS)
@pytest.mark.parametrize(
    ("value", "shown"), [("", "104,857,600"), ("1048577", "1,048,577"), ("1048576", None), ("262144", None)]
)
def test_in_azure_a_limit_of_bodies_that_is_not_set_or_too_large_is_warned_of(
    mark: str, value: str, shown: str | None
) -> None:
    warnings = read(**{LIMIT: value, mark: "x", "MICROSOFT_CLOUD_GATEWAY": ""}).warnings
    assert [LIMIT in one and shown in one and "1048576" in one for one in warnings if shown] == [True] * bool(shown)
    assert bool(warnings) == bool(shown)


def test_a_local_run_is_not_warned() -> None:
    assert read(**{LIMIT: ""}).warnings == ()


@pytest.mark.parametrize("value", ["many", "1 MiB", "-1", "0", "262143", "1e6", "9" * 13, "\u0663" * 7])
def test_a_limit_of_bodies_that_is_none_or_below_what_the_app_takes_is_a_problem(value: str) -> None:
    assert problems(**{LIMIT: value}) == [f"{LIMIT} is not a number of bytes, 262144 at least"]


def test_the_example_sets_the_limit_that_is_recommended() -> None:
    assert read().request_body_size_limit == HOST_RECOMMENDED
