"""All that a test run stores, logs and answers, searched for secrets.

Log lines of the test process are looked at as they come, stacks and storage accounts before they end;
``leak_report.py`` fails a run with findings.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from azure.data.tables import TableServiceClient

Source = Callable[[], Iterator[tuple[str, str]]]
"""What there is to look at now: places and their texts."""

# Calls that exist to hand a secret out.
_HANDS_OUT: Final = re.compile(
    r"/(widget-key|widget-key/refresh|assistant/token|interact/sessions|interact/sessions/[^/]+/(token|events))$"
)
# Sealed by us for callers to bring back, and good for nothing else: where a list goes on, who asked for a consent.
_CARRIED: Final = re.compile(r"(\"continuation\":\s*\"|x-continuation': '|[?&]state=)[^\"'&]+")
# Both begin with what is rare and look back from there: there are megabytes to go through.
_GUID: Final = re.compile(r"-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
_FORMS: Final = {
    "an access key": re.compile(r"==(?<=[A-Za-z0-9+/]{86}==)"),  # 64 bytes, as keys of ACS and of storage have
    "a token": re.compile(r"eyJ[\w-]{10,}\.eyJ"),
    "a signature": re.compile(r"[?&]sig=(?!\*)|HMAC-SHA256 SignedHeaders"),
}
_SEALED: Final = re.compile(r"v\d\.\w+\.[\w-]{50,}\.")  # as storage/secrets.py writes it; belongs in rows only
_SETTINGS: Final = json.loads((Path(__file__).parents[1] / "local.settings.json.example").read_text())["Values"]


def app_secrets() -> set[str]:
    """Values of the app settings of a local run that nobody may see."""
    named = {name: str(value) for name, value in _SETTINGS.items()}
    plain = {value for name, value in named.items() if name.endswith(("_SECRET", "_PASSWORD", "_TOKEN"))}
    rings = {part.partition(":")[2] for part in named["SECRET_KEYS"].split(",")}
    return {value for value in plain | rings if value}


class Watch:
    """Finds secrets in texts. A widget key is a GUID like others: it is known by the SHA-256 that leads from it."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.looked_at: dict[str, int] = {}
        self._found: set[str] = set()
        self._guids: dict[str, str] = {}
        self._keys: set[str] = set()
        self._secrets = app_secrets()

    def look(self, place: str, text: str) -> None:
        self.looked_at[place] = self.looked_at.get(place, 0) + 1
        for what, form in _FORMS.items():
            if form.search(text):
                self._found.add(f"{what} in {place}")
        if not place.startswith("rows of ") and _SEALED.search(text):
            self._found.add(f"a sealed secret in {place}")
        self._found.update(f"an app setting in {place}" for secret in self._secrets if secret in text)
        self._guids.update((text[at.start() - 13 : at.end()].lower(), place) for at in _GUID.finditer(text))

    def key_is(self, sha256: str) -> None:
        """A widget key with this hash exists."""
        self._keys.add(sha256)

    def answer(self, path: str, text: str) -> None:
        if _HANDS_OUT.search(path):
            self._keys.update(_sha256(key) for key in re.findall(r'"widgetKey":\s*"([^"]+)"', text))
        else:
            self.look("answers", _CARRIED.sub("", text))

    @contextmanager
    def on(self, source: Source) -> Iterator[None]:
        """Look at the source when it ends, or when the run does."""
        self.sources.append(source)
        try:
            yield
            self._exhaust(source)
        finally:
            self.sources.remove(source)

    def found(self) -> list[str]:
        """What was found where, with all that still runs."""
        for source in self.sources:
            self._exhaust(source)
        keys = {f"a widget key in {place}" for guid, place in self._guids.items() if _sha256(guid) in self._keys}
        return sorted(self._found | keys)

    def _exhaust(self, source: Source) -> None:
        for place, text in source():
            self.look(place, text)

    def rows(self, connection: str) -> Iterator[tuple[str, str]]:
        """Every row of a storage account."""
        with TableServiceClient.from_connection_string(connection, retry_total=0) as service:
            for table in service.list_tables():
                with service.get_table_client(table.name) as client:
                    for entity in client.list_entities():
                        if table.name == "widgetkeys":
                            self.key_is(str(entity["PartitionKey"]))
                        yield f"rows of {table.name}", json.dumps(dict(entity), default=str)


class Listener(logging.Handler):
    """Hands every log line to the watch, with the exceptions it tells of."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        extra: dict[str, Any] = {name: value for name, value in vars(record).items() if name.startswith("nimbus_")}
        self._watch.look("log lines of the tests", f"{self.format(record)} {extra}")


def _sha256(key: str) -> str:
    return hashlib.sha256(key.lower().encode()).hexdigest()


WATCH: Final = Watch()
