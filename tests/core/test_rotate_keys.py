"""`python -m tools.rotate_keys` as a person runs it."""

from __future__ import annotations

import array
import base64
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.settings import storage_connection
from shared.kernel.errors import ConfigError
from shared.storage.account import StorageAccount
from shared.storage.secrets import SecretBox
from shared.tenants.widget_keys import WidgetKeys
from tests.azurite import azurite
from tests.core.world import FakeClock, World
from tests.devhost.stack import eventually
from tools.app_settings import read_config
from tools.rotate_keys import MOST_NAMED

pytestmark = pytest.mark.storage  # a command of its own, on Azurite

ROOT = Path(__file__).parents[2]
OLD = f"old:{base64.b64encode(bytes(32)).decode()}"
NEW_KEY = ("new", bytes([1]) * 32)
NEW = f"new:{base64.b64encode(NEW_KEY[1]).decode()}"
TENANTS = 12  # more than are named in the last sentence
PAGE = 4096  # bytes, the smallest pipe there is
ONE_LINE = 80  # bytes, more than a line of progress and less than two


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """An account of its own: the command takes every tenant there is."""
    with azurite() as connection:
        yield connection


@pytest.fixture(scope="module")
def worlds(storage: str) -> list[World]:
    account = StorageAccount(storage, None, "")
    account.prepare()
    return [World(account, FakeClock(), tenant_id=str(uuid.uuid4())) for _ in range(TENANTS)]


def command(folder: Path, storage: str, ring: str, values: str = "Values") -> list[str]:
    local = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    file = folder / "local.settings.json"
    file.write_text(json.dumps({values: local | {"AzureWebJobsStorage": storage, "SECRET_KEYS": ring}}))
    return [sys.executable, "-m", "tools.rotate_keys", "--settings", str(file)]


def run(call: list[str]) -> tuple[int, str]:
    """Exit code and last line."""
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, env=plain())
    return ended.returncode, ended.stderr.splitlines()[-1]


def unread(pipe: int) -> int:
    """Bytes that wait in the pipe."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]


def plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "CONTAINER_NAME"}


def test_stopped_in_the_middle_it_says_so_and_goes_on_where_it_stopped(
    tmp_path: Path, storage: str, worlds: list[World]
) -> None:
    call = command(tmp_path, storage, f"{NEW},{OLD}")
    # A pipe with room for one line of progress: the command waits there with one tenant done, however slow we are.
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PAGE)
    full = os.write(writing, b"." * (PAGE - ONE_LINE))
    with subprocess.Popen(call, cwd=ROOT, stderr=writing, env=plain()) as process, os.fdopen(reading) as pipe:
        os.close(writing)
        eventually(lambda: unread(reading) > full, "one tenant is done", 30)
        process.send_signal(signal.SIGINT)
        said = pipe.read()
    assert (process.returncode, said.splitlines()[-1]) == (130, "stopped. Run it again to go on.")
    code, sentence = run(call)
    assert code == 0
    assert 0 < int(sentence.split()[0]) < TENANTS
    for world in worlds:
        heads, keys = world.account.table("tenants"), world.account.table("widgetkeys")
        renewed = WidgetKeys(heads, keys, SecretBox([NEW_KEY]), world.clock).read(world.tenant_id)
        assert world.widget_keys.tenant_of(renewed.widget_key) == world.tenant_id


def test_a_ring_without_the_right_key_is_told_which_secrets_it_does_not_open(
    tmp_path: Path, storage: str, worlds: list[World]
) -> None:
    code, sentence = run(command(tmp_path, storage, f"other:{base64.b64encode(bytes([2]) * 32).decode()}"))
    assert code == 2
    assert f"do not open {TENANTS}: widgetKey of tenant " in sentence
    assert sum(world.tenant_id in sentence for world in worlds) == MOST_NAMED
    assert "Put the key they were sealed with behind the newest one" in sentence


def test_a_file_that_is_no_settings_file_is_named(tmp_path: Path, storage: str) -> None:
    code, sentence = run(command(tmp_path, storage, OLD, values="values"))
    assert code == 2
    assert sentence == f"not started: {tmp_path / 'local.settings.json'} has no object Values"


def test_app_settings_that_are_missing_are_named(tmp_path: Path, storage: str) -> None:
    assert run(command(tmp_path, storage, "")) == (
        2,
        "not started: App settings need attention: SECRET_KEYS is missing",
    )


def test_a_settings_file_of_a_windows_editor_with_a_number_in_it_is_read_as_the_app_would_get_it(
    tmp_path: Path,
) -> None:
    local = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": local}), "utf-8-sig")
    assert read_config(file, {}).outbound_ip_addresses == ("203.0.113.10", "203.0.113.11")
    file.write_text(json.dumps({"Values": local | {"OUTBOUND_IP_ADDRESSES": 5}}))
    with pytest.raises(ConfigError, match="OUTBOUND_IP_ADDRESSES holds something"):
        read_config(file, {})


def test_a_settings_file_that_is_not_json_or_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    with pytest.raises(ValueError, match=f"{file} cannot be read"):
        read_config(file, {})
    file.write_text("{")
    with pytest.raises(ValueError, match=f"{file} is not JSON"):
        read_config(file, {})


def test_local_storage_and_the_gateway_are_those_of_the_stack_on_the_ports_told() -> None:
    example = ROOT / "local.settings.json.example"
    config = read_config(example, {"STORAGE_PORT": "20000", "SIMULATOR_PORT": "20080"})
    assert (config.storage_connection_string, config.gateway) == (storage_connection(20000), "http://127.0.0.1:20080")
    real = {"AzureWebJobsStorage": storage_connection(30000), "MICROSOFT_CLOUD_GATEWAY": "http://127.0.0.1:9"}
    config = read_config(example, real | {"STORAGE_PORT": "20000", "SIMULATOR_PORT": "20080"})
    assert (config.storage_connection_string, config.gateway) == (storage_connection(30000), "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="STORAGE_PORT is 'abc'"):
        read_config(example, {"STORAGE_PORT": "abc"})


def test_a_sign_of_azure_still_forbids_the_gateway_of_a_settings_file() -> None:
    with pytest.raises(ConfigError, match="WEBSITE_SITE_NAME says this is Azure"):
        read_config(ROOT / "local.settings.json.example", {"WEBSITE_SITE_NAME": "app"})
