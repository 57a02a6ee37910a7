"""What the app is told: local.settings.json for its environment, host.json for its host."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from devhost.errors import CannotStart, IndexingError

# Azurite's published account; the same on every machine, so not a secret.
_ACCOUNT: Final = "devstoreaccount1"
_ACCOUNT_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# Signs of a run inside Azure: with one of them the app refuses its local gateway.
AZURE_SIGNS: Final = ("CONTAINER_NAME", "WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME")
FILES: Final = ("local.settings.json", "local.settings.json.example")
_SETTING: Final = re.compile(r"%([^%]+)%")
_TIMESPAN: Final = re.compile(r"(?:(\d{1,8})\.)?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d)(\.\d+)?", re.ASCII)
_GATEWAY: Final = "MICROSOFT_CLOUD_GATEWAY"


def storage_connection(port: int) -> str:
    """The connection string of an Azurite whose blob port is `port`, queue port+1, table port+2."""
    host = "http://127.0.0.1"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_ACCOUNT_KEY};"
        f"BlobEndpoint={host}:{port}/{_ACCOUNT};QueueEndpoint={host}:{port + 1}/{_ACCOUNT};"
        f"TableEndpoint={host}:{port + 2}/{_ACCOUNT};"
    )


def read_values(app: Path) -> dict[str, str]:
    """`Values` of local.settings.json, else of the example; nothing if neither is there."""
    for name in FILES:
        path = app / name
        if path.is_file():
            return read_settings_file(path)
    return {}


def read_settings_file(path: Path) -> dict[str, str]:
    """`Values` as texts, also those that are none; raises CannotStart naming the file and what is wrong."""
    values = _read_json(path).get("Values")
    if not isinstance(values, dict):
        raise CannotStart(f"{path} has no object Values.")
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    for name, value in told.items():
        if not _fits_environment(name, value):
            raise CannotStart(
                f"{path}: an environment variable cannot hold the setting {name!r}; "
                "look for a NUL or half a character (\\ud800 to \\udfff) in it, or = in its name."
            )
    return told


def _fits_environment(name: str, value: str) -> bool:
    try:
        return b"\0" not in (name + value).encode() and "=" not in name
    except UnicodeEncodeError:
        return False


def local_settings(
    values: Mapping[str, str], environ: Mapping[str, str], *, simulator_port: int, storage_port: int
) -> dict[str, str]:
    """The file's values under the real variables; local storage and the file's gateway are those of these ports."""
    told = {**values, **environ}
    if values.get(_GATEWAY) and _GATEWAY not in environ:
        told[_GATEWAY] = f"http://127.0.0.1:{simulator_port}"
    if told.get("AzureWebJobsStorage", "").strip().rstrip(";").lower() == "usedevelopmentstorage=true":
        told["AzureWebJobsStorage"] = storage_connection(storage_port)
    return told


def worker_environment(
    values: Mapping[str, str], environ: Mapping[str, str], *, app_port: int, simulator_port: int, storage_port: int
) -> dict[str, str]:
    """The workers' environment: the file's values under the real variables, ports as they are in this run."""
    told = local_settings(values, environ, simulator_port=simulator_port, storage_port=storage_port)
    if values.get("PUBLIC_BASE_URL") and "PUBLIC_BASE_URL" not in environ:
        told["PUBLIC_BASE_URL"] = f"http://127.0.0.1:{app_port}"
    told.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    told.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")  # as Core Tools sets it
    return {name: value for name, value in told.items() if name not in AZURE_SIGNS}


def flaws(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What this product's app would say about its settings, all at once."""
    from shared.app_settings.config import problems_of  # noqa: PLC0415 - 0.4 s that only a start that failed pays for

    return problems_of(environ)


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """Replace every `%NAME%` by the app setting; raises IndexingError for one that is not set."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise IndexingError(f"{text!r} names the setting {found[1]}, which is not set")
        return environ[found[1]]

    return _SETTING.sub(value, text)


@dataclass(frozen=True)
class QueueSettings:
    """host.json `extensions.queues`; defaults and bounds are those of the storage extension."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True


@dataclass(frozen=True)
class HostSettings:
    """What the devhost honours of host.json."""

    route_prefix: str = "api"
    queues: QueueSettings = QueueSettings()


def read_host_settings(app: Path) -> HostSettings:
    """host.json of the app; raises CannotStart with the reason if it is missing or wrong."""
    path = app / "host.json"
    if not path.is_file():
        raise CannotStart(f"{app} holds no host.json, so it is not a function app.")
    extensions = _section(path, _read_json(path), "extensions")
    queues, http = _section(path, extensions, "queues"), _section(path, extensions, "http")
    prefix = http.get("routePrefix", "api")
    if not isinstance(prefix, str):
        raise CannotStart(f"{path}: routePrefix is {prefix!r}, but a text is meant.")
    batch = _number(path, queues, "batchSize", 16, 1, 32)
    encoding = str(queues.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise CannotStart(f"{path}: messageEncoding is {encoding!r}, but base64 or none is meant.")
    return HostSettings(
        route_prefix=prefix.strip("/"),
        queues=QueueSettings(
            batch_size=batch,
            new_batch_threshold=_number(path, queues, "newBatchThreshold", batch // 2, 0, 1000),
            max_dequeue_count=_number(path, queues, "maxDequeueCount", 5, 1, 1_000_000),
            visibility_timeout=_span(path, queues, "visibilityTimeout", timedelta(0)),
            max_polling_interval=max(
                _span(path, queues, "maxPollingInterval", timedelta(minutes=1)), timedelta(milliseconds=100)
            ),
            base64=encoding == "base64",
        ),
    )


def _section(path: Path, whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = whole.get(name, {})
    if not isinstance(section, dict):
        raise CannotStart(f"{path}: {name} is {json.dumps(section)}, but an object is meant.")
    return section


def _number(path: Path, section: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise CannotStart(f"{path}: {name} is {value!r}, but a whole number from {low} to {high} is meant.")
    return value


def _span(path: Path, section: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    """A .NET TimeSpan, `[d.]hh:mm:ss[.fff]`."""
    if name not in section:
        return default
    found = _TIMESPAN.fullmatch(str(section[name]))
    if found is None:
        raise CannotStart(f"{path}: {name} is {section[name]!r}, but a time span like 00:00:10 is meant.")
    days, hours, minutes, seconds, fraction = found.groups()
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds) + float(fraction or 0)
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise CannotStart(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CannotStart(f"{path} must hold a JSON object.")
    return content
