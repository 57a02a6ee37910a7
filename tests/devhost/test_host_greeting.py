"""What a person at the terminal reads: a greeting with working addresses, one line per call, details on request."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from devhost import greeting
from devhost.lines import LineHandler, Lines
from devhost.options import Options, read_options
from devhost.supervisor import DEMO

ROOT = Path(__file__).parents[2]


@pytest.fixture
def options() -> Options:
    return read_options(["--app", str(ROOT)], {"APP_PORT": "7371", "SIMULATOR_PORT": "7380"})


def test_the_greeting_names_one_person_of_each_role_and_only_ports_of_this_run(options: Options) -> None:
    people = greeting.people_of(json.loads(DEMO.read_text("utf-8")))
    assert [person.role for person in people] == ["TenantAdmin", "ServiceOwner", "Agent", "Operator"]
    text = greeting.welcome(options, people)
    assert all(person.name in text and person.oid in text for person in people)
    assert "http://127.0.0.1:7371/portal/widget-demo" in text
    assert "http://127.0.0.1:7380/_simulator/token" in text
    assert "7071" not in text + greeting.addresses(options)
    assert "7080" not in text + greeting.addresses(options)


@pytest.mark.parametrize(("verbose", "shown"), [(False, ["called"]), (True, ["called", "planned", "asked Graph"])])
def test_details_are_for_those_who_ask(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], verbose: bool, shown: list[str]
) -> None:
    lines = Lines(as_json=False, verbose=verbose, state_dir=tmp_path)
    lines.event("invocation", "called")
    lines.event("invocation", "planned", detail=True)
    LineHandler(lines).emit(logging.makeLogRecord({"msg": "asked Graph", "levelno": logging.INFO}))
    said = capfd.readouterr().out.splitlines()
    assert [word for word in ("called", "planned", "asked Graph") if any(word in line for line in said)] == shown


def test_a_warning_is_for_everybody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = Lines(as_json=False, verbose=False, state_dir=tmp_path)
    LineHandler(lines).emit(logging.makeLogRecord({"msg": "account 1 fails", "levelno": logging.WARNING}))
    assert "account 1 fails" in capfd.readouterr().out


def test_a_machine_gets_details_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Lines(as_json=True, verbose=False, state_dir=tmp_path).event("invocation", "planned", detail=True)
    assert json.loads(capfd.readouterr().out)["text"] == "planned"
