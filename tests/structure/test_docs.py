"""The written pages say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.storage.account import TABLES
from tests.structure.indexed import AS_DEVHOST, environment, run
from tools import permissions_page
from tools.settings_page import page

ROOT = Path(__file__).parents[2]
CODE = ("bench", "devhost", "functions", "portal", "shared", "simulator", "tests", "tools")


def test_every_app_setting_is_documented_once_and_none_is_made_up() -> None:
    example = set(json.loads((ROOT / "local.settings.json.example").read_text())["Values"])
    config = (ROOT / "shared/app_settings/config.py").read_text()
    read = set(re.findall(r'\.\w+\(\s*"([A-Z]+(?:_[A-Z0-9]+)+|AzureWebJobsStorage)"', config))
    read |= {f"PRESENCE_ACCOUNT_{n}_{part}" for n in (1, 2) for part in ("UPN", "PASSWORD", "REFRESH_TOKEN")}
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/app-settings.md").read_text(), re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == example | read


@pytest.mark.parametrize("written", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=str)
def test_every_link_of_a_page_leads_somewhere(written: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", written.read_text()):
        assert (written.parent / target).exists(), target


def test_every_target_of_the_makefile_is_in_its_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def test_the_page_of_settings_is_the_one_the_catalogue_makes() -> None:
    made = (ROOT / "docs/settings.md").read_text()
    assert made == page(), "run: python -m tools.settings_page"


def test_the_tables_of_permissions_are_those_the_catalogue_makes() -> None:
    assert permissions_page.PAGE.read_text() == permissions_page.page(), "run: python -m tools.permissions_page"


@pytest.fixture(scope="module")
def functions() -> Any:
    """Each function with its bindings, as the host is told of them."""
    return run(AS_DEVHOST, ROOT, environment(storage_port=10000))


def rows(table: str) -> list[list[str]]:
    """The rows of a table of the architecture, by the first cell of its head."""
    text = (ROOT / "docs/architecture.md").read_text()
    found = re.search(rf"^\| {table} \|.*\n\| --- .*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_the_architecture_lists_each_timer_and_who_works_on_each_queue(
    functions: list[dict[str, Any]],
) -> None:
    timers = {one["name"] for one in functions if one["trigger"] == "timerTrigger"}
    assert timers == {row[0] for row in rows("timer")}
    works = {
        binding["queueName"]: one["name"]
        for one in functions
        if one["trigger"] == "queueTrigger"
        for binding in one["bindings"]
        if binding["type"] == "queueTrigger" and not binding["queueName"].endswith("-poison")
    }
    assert works == {row[0]: row[2].partition("`")[0].split()[0] for row in rows("queue")}


def test_the_architecture_lists_every_table() -> None:
    assert {row[0] for row in rows("table")} == {*TABLES}


def test_every_decision_is_listed() -> None:
    pages = {path.name for path in (ROOT / "docs/decisions").glob("0*.md")}
    listed = re.findall(r"\]\((0[^)]+)\)", (ROOT / "docs/decisions/README.md").read_text())
    assert sorted(listed) == sorted(pages)


def test_files_that_documents_and_docstrings_name_are_there() -> None:
    """Written as code and with their ending; a path counts from the project's root, a bare name anywhere."""
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts += [
        path
        for room in ("shared", "functions", "devhost", "simulator", "tools")
        for path in (ROOT / room).rglob("*.py")
    ]
    files = {path.relative_to(ROOT).as_posix() for room in CODE for path in (ROOT / room).rglob("*.*")}
    known = files | {name.rpartition("/")[2] for name in files} | {path.name for path in ROOT.iterdir()}
    named = {
        (name, text.name)
        for text in texts
        for name in re.findall(r"`((?:[\w.-]+/)*\w+\.(?:py|json|js|mjs))`", text.read_text("utf-8"))
    }
    assert {(name, text) for name, text in named if name not in known} == set()


def in_glossary() -> list[str]:
    return re.findall(r"^\|.+\| `([\w.]+)` \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)


def test_the_glossary_is_read() -> None:
    assert len(in_glossary()) > 50


@pytest.mark.parametrize("name", in_glossary())
def test_each_code_name_of_the_glossary_exists(name: str) -> None:
    place, _, attribute = name.rpartition(".")
    whole, of_module = ROOT / name.replace(".", "/"), (ROOT / place.replace(".", "/")).with_suffix(".py")
    if not (whole.is_dir() or whole.with_suffix(".py").is_file()):
        assert of_module.is_file(), f"{name} is neither a module nor in one"
        defined = re.search(rf"^(class|def) {attribute}\b|^{attribute}\b.* = ", of_module.read_text(), re.MULTILINE)
        assert defined, f"{place} defines no {attribute}"
