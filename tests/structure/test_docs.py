"""The written pages say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tools import permissions_page
from tools.settings_page import page

ROOT = Path(__file__).parents[2]


def test_every_app_setting_is_documented_once_and_none_is_made_up() -> None:
    example = set(json.loads((ROOT / "local.settings.json.example").read_text())["Values"])
    config = (ROOT / "shared/config.py").read_text()
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
