"""local.settings.json, host.json and the command line."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.errors import CannotStart, IndexingError
from devhost.options import read_options
from devhost.settings import (
    QueueSettings,
    read_host_settings,
    read_settings_file,
    read_values,
    resolve,
    storage_connection,
    worker_environment,
)

LEASE = "DEVHOST_QUEUE_LEASE_SECONDS"


def environment(values: dict[str, str], environ: dict[str, str]) -> dict[str, str]:
    return worker_environment(values, environ, app_port=1, simulator_port=2, storage_port=3)


def test_real_variables_win_over_the_file() -> None:
    assert environment({"A": "file", "B": "file"}, {"A": "real"})["A"] == "real"
    assert environment({"A": "file", "B": "file"}, {"A": "real"})["B"] == "file"


def test_development_storage_is_spelled_out_for_the_port_in_use() -> None:
    assert environment({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, {})[
        "AzureWebJobsStorage"
    ] == storage_connection(3)
    assert "QueueEndpoint=http://127.0.0.1:4/devstoreaccount1" in storage_connection(3)


def test_addresses_from_the_file_follow_the_ports_but_real_ones_stay() -> None:
    file = {"MICROSOFT_CLOUD_GATEWAY": "http://127.0.0.1:7080", "PUBLIC_BASE_URL": "http://127.0.0.1:7071"}
    told = environment(file, {"PUBLIC_BASE_URL": "http://real"})
    assert told["MICROSOFT_CLOUD_GATEWAY"] == "http://127.0.0.1:2"
    assert told["PUBLIC_BASE_URL"] == "http://real"
    assert "MICROSOFT_CLOUD_GATEWAY" not in environment({}, {})


def test_signs_of_azure_do_not_reach_the_workers() -> None:
    signs = {"CONTAINER_NAME": "x", "WEBSITE_INSTANCE_ID": "x", "WEBSITE_SITE_NAME": "x", "WEBSITE_POD_NAME": "x"}
    assert not signs.keys() & environment(signs, signs).keys()


def test_the_example_serves_when_there_are_no_local_settings(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json.example").write_text('{"Values": {"A": "example", "N": 5}}')
    assert read_values(tmp_path) == {"A": "example", "N": "5"}
    (tmp_path / "local.settings.json").write_text('{"Values": {"A": "mine"}}')
    assert read_values(tmp_path) == {"A": "mine"}


@pytest.mark.parametrize("content", ["{", "[]", '{"values": {}}', '{"Values": []}', "[" * 100_000, "\xff"])
def test_a_file_that_is_no_settings_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(content, "latin-1")
    with pytest.raises(CannotStart, match=re.escape(str(file))):
        read_values(tmp_path)


@pytest.mark.parametrize("setting", [{"A": "secret\0"}, {"A\0": ""}, {"A": "secret\ud800"}, {"A=B": "secret"}])
def test_a_setting_no_environment_can_hold_is_named_and_not_shown(tmp_path: Path, setting: dict[str, str]) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": setting}))
    with pytest.raises(CannotStart, match=re.escape(f"the setting {next(iter(setting))!r}")) as refused:
        read_settings_file(file)
    assert "secret" not in str(refused.value)


def test_a_setting_that_is_not_set_is_named() -> None:
    assert resolve("%A%-%B%", {"A": "1", "B": "2"}) == "1-2"
    with pytest.raises(IndexingError, match="MISSING"):
        resolve("%MISSING%", {})


def host_json(folder: Path, extensions: dict[str, Any]) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    return folder


def test_an_empty_host_json_means_the_hosts_defaults(tmp_path: Path) -> None:
    host = read_host_settings(host_json(tmp_path, {}))
    assert host.route_prefix == "api"
    assert host.queues == QueueSettings()


def test_queue_settings_are_read_with_their_units(tmp_path: Path) -> None:
    told = {
        "batchSize": 4,
        "visibilityTimeout": "00:01:30",
        "maxPollingInterval": "00:00:00.5",
        "messageEncoding": "none",
    }
    queues = read_host_settings(host_json(tmp_path, {"queues": told, "http": {"routePrefix": ""}})).queues
    assert (queues.batch_size, queues.new_batch_threshold) == (4, 2)
    assert queues.visibility_timeout == timedelta(seconds=90)
    assert queues.max_polling_interval == timedelta(milliseconds=500)
    assert not queues.base64


@pytest.mark.parametrize(
    "wrong",
    [
        {"batchSize": 33},
        {"batchSize": True},
        {"visibilityTimeout": "soon"},
        {"visibilityTimeout": "24:00:00"},
        {"visibilityTimeout": "00:60:00"},
        {"visibilityTimeout": "00:00:60"},
        {"visibilityTimeout": "9999999999.00:00:00"},
        {"messageEncoding": "utf-8"},
    ],
)
def test_a_wrong_queue_setting_is_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(CannotStart, match=next(iter(wrong))):
        read_host_settings(host_json(tmp_path, {"queues": wrong}))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (None, "extensions"),
        ({"queues": []}, "queues"),
        ({"http": "api"}, "http"),
        ({"http": {"routePrefix": 1}}, "route"),
    ],
)
def test_a_part_of_host_json_of_the_wrong_kind_is_named(tmp_path: Path, wrong: Any, named: str) -> None:
    with pytest.raises(CannotStart, match=f"host.json: {named}"):
        read_host_settings(host_json(tmp_path, wrong))


def test_options_come_from_flags_and_environment(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").touch()
    options = read_options(["--app", str(tmp_path), "--no-simulator"], {"APP_PORT": "8000", "STATE_DIR": "/x"})
    assert (options.app_port, options.storage_port, options.processes) == (8000, 10000, 1)
    assert options.state_dir == Path("/x")
    assert [port for port, _, _ in options.ports] == [8000, 10000, 10001, 10002]


@pytest.mark.parametrize("name", ["APP_PORT", "STORAGE_PORT", "SIMULATOR_PORT", "APP_PROCESSES", LEASE])
def test_a_number_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "function_app.py").touch()
    with pytest.raises(CannotStart, match=name):
        read_options(["--app", str(tmp_path)], {name: "many"})


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"APP_PORT": "7080"}, "APP_PORT or SIMULATOR_PORT"),
        ({"SIMULATOR_PORT": "10002"}, "SIMULATOR_PORT or STORAGE_PORT"),
        ({"APP_PORT": "9001", "STORAGE_PORT": "9000"}, "APP_PORT or STORAGE_PORT"),
    ],
)
def test_one_port_for_two_is_refused_with_both_variables(tmp_path: Path, told: dict[str, str], named: str) -> None:
    (tmp_path / "function_app.py").touch()
    with pytest.raises(CannotStart, match=f"change {named}"):
        read_options(["--app", str(tmp_path)], told)


def test_a_port_that_this_run_does_not_use_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").touch()
    assert read_options(["--app", str(tmp_path), "--no-simulator"], {"APP_PORT": "7080"}).app_port == 7080
