"""Headless Chromium, the one of the system: Playwright only drives it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is needed for the tests of pages. On Debian and Ubuntu: apt install chromium"
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own, closed at the end. In a container it has no sandbox to be in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
