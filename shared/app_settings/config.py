"""App settings. The only reader of the environment; every problem is named at once."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.app_settings.checks import is_base_url, is_scope_name, schedule_flaw, storage_flaw
from shared.kernel.acs_connection_string import Refused, read_connection_string
from shared.kernel.body_limits import BODY_LIMIT, HOST_DEFAULT, host_limit_warning
from shared.kernel.clouds import CLOUDS, Cloud
from shared.kernel.components import COMPONENTS, NIMBUS_APP
from shared.kernel.errors import ConfigError

# Any of these says "this is Azure", where a gateway to a pretended cloud has no business.
# Flex Consumption sets no WEBSITE_INSTANCE_ID, hence four names.
AZURE_MARKS: Final = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "CONTAINER_NAME", "WEBSITE_POD_NAME")
KEY_BYTES: Final = 32  # AES-256


@dataclass(frozen=True, slots=True)
class PresenceAccount:
    """One of the two guest accounts. A refresh token is preferred; the password is the legacy way."""

    upn: str
    refresh_token: str | None = field(repr=False)
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """All app settings, checked. Secrets stay out of its repr."""

    storage_connection_string: str | None = field(repr=False)
    storage_account_name: str | None
    cloud: Cloud
    gateway: str | None
    api_client_id: str
    api_audience: tuple[str, ...]
    api_scopes: tuple[str, ...]
    api_client_secret: str = field(repr=False)
    home_tenant_id: str
    graph_client_id: str
    graph_client_secret: str = field(repr=False)
    presence_accounts: tuple[PresenceAccount, PresenceAccount]
    platform_acs_connection_string: str = field(repr=False)
    secret_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    interact_audience: tuple[str, ...]
    component_client_ids: Mapping[str, str]  # always with the Nimbus App
    outbound_ip_addresses: tuple[str, ...]
    public_base_url: str
    presence_schedule: str
    webhook_allowed_hosts: tuple[str, ...]
    request_body_size_limit: int  # bytes; kept by the host
    in_azure: bool

    @property
    def presence_interval(self) -> timedelta:
        """Time between two polls, read from schedules of the forms */n * * * * * and 0 */n * * * *; else 30 s."""
        fields = self.presence_schedule.split()
        for unit, field_ in zip(("seconds", "minutes"), fields, strict=False):
            step = field_.removeprefix("*/")
            if step != field_ and step.isdigit() and int(step):
                return timedelta(**{unit: int(step)})
        return timedelta(seconds=30)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Settings with which the app works, and would be safer with another value; none in local runs."""
        warning = host_limit_warning(self.request_body_size_limit) if self.in_azure else ""
        return (warning,) if warning else ()

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Config:
        """Read and check every setting. Raises ConfigError naming all that is missing or malformed."""
        read = _Reader(env)
        cloud, graph_client_id = read.cloud(), read.guid("GRAPH_CLIENT_ID")
        config = cls(
            storage_connection_string=env.get("AzureWebJobsStorage", "").strip() or None,
            storage_account_name=read.storage_account(),
            cloud=cloud,
            gateway=read.gateway(),
            api_client_id=read.guid("API_CLIENT_ID"),
            api_audience=read.texts("API_AUDIENCE"),
            api_scopes=read.scopes("API_SCOPES"),
            api_client_secret=read.text("API_CLIENT_SECRET"),
            home_tenant_id=read.guid("HOME_TENANT_ID"),
            graph_client_id=graph_client_id,
            graph_client_secret=read.text("GRAPH_CLIENT_SECRET"),
            presence_accounts=read.accounts(),
            platform_acs_connection_string=read.acs("PLATFORM_ACS_CONNECTION_STRING", cloud),
            secret_keys=read.key_ring("SECRET_KEYS"),
            interact_audience=read.listed("INTERACT_AUDIENCE"),
            component_client_ids=read.client_ids("COMPONENT_CLIENT_IDS", nimbus_app=graph_client_id),
            outbound_ip_addresses=read.addresses("OUTBOUND_IP_ADDRESSES"),
            public_base_url=read.base_url("PUBLIC_BASE_URL"),
            presence_schedule=read.schedule("PRESENCE_SCHEDULE"),
            webhook_allowed_hosts=read.listed("WEBHOOK_ALLOWED_HOSTS") or cloud.webhook_suffixes,
            request_body_size_limit=read.body_size("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"),
            in_azure=any(env.get(mark) for mark in AZURE_MARKS),
        )
        if read.problems:
            raise ConfigError(read.problems)
        return config


def problems_of(env: Mapping[str, str]) -> tuple[str, ...]:
    """All that is missing or malformed, in the words of ``Config.from_env``; nothing if the app can work."""
    try:
        Config.from_env(env)
    except ConfigError as exc:
        return exc.problems
    return ()


class _Reader:
    """Reads one setting after the other and remembers what is wrong instead of stopping there."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        value = self._env.get(name, "").strip()
        if not value:
            self.problems.append(f"{name} is missing")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """At least one, with commas between."""
        values = self.listed(name)
        if not values:
            self.problems.append(f"{name} is missing")
        return values

    def scopes(self, name: str) -> tuple[str, ...]:
        values = self.listed(name)
        if not all(map(is_scope_name, values)):
            self.problems.append(f"{name} is not a comma-separated list of scope names, such as access_as_user")
        return values

    def guid(self, name: str) -> str:
        value = self.text(name)
        try:
            return str(uuid.UUID(value)) if value else ""
        except ValueError:
            self.problems.append(f"{name} is not a GUID")
            return ""

    def listed(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self._env.get(name, "").split(",") if part.strip())

    def cloud(self) -> Cloud:
        name = self._env.get("MICROSOFT_CLOUD", "public").strip().lower() or "public"
        if name not in CLOUDS:
            self.problems.append(f"MICROSOFT_CLOUD is none of {', '.join(CLOUDS)}")
        return CLOUDS.get(name, CLOUDS["public"])

    def storage_account(self) -> str | None:
        name = self._env.get("STORAGE_ACCOUNT_NAME", "").strip()
        connection = self._env.get("AzureWebJobsStorage", "").strip()
        if not name and not connection:
            self.problems.append("AzureWebJobsStorage or STORAGE_ACCOUNT_NAME is missing")
        elif not name and (flaw := storage_flaw(connection)):
            self.problems.append(f"AzureWebJobsStorage {flaw}")
        if name and not (name.isascii() and name.isalnum() and name == name.lower() and 3 <= len(name) <= 24):
            self.problems.append("STORAGE_ACCOUNT_NAME is not the name of a storage account")
        return name or None

    def gateway(self) -> str | None:
        url = self._env.get("MICROSOFT_CLOUD_GATEWAY", "").strip().rstrip("/")
        if not url:
            return None
        if marks := [mark for mark in AZURE_MARKS if self._env.get(mark)]:
            self.problems.append(f"MICROSOFT_CLOUD_GATEWAY is for local runs, and {marks[0]} says this is Azure")
        if not _is_loopback_http(url):
            self.problems.append("MICROSOFT_CLOUD_GATEWAY is not an http:// URL of a loopback address")
        return url

    def accounts(self) -> tuple[PresenceAccount, PresenceAccount]:
        first, second = self._account(1), self._account(2)
        if first.upn and first.upn.casefold() == second.upn.casefold():
            self.problems.append("PRESENCE_ACCOUNT_2_UPN is the same account as PRESENCE_ACCOUNT_1_UPN")
        return first, second

    def _account(self, number: int) -> PresenceAccount:
        name = f"PRESENCE_ACCOUNT_{number}"
        upn = self.text(f"{name}_UPN")
        token, password = (self._env.get(f"{name}_{part}", "").strip() for part in ("REFRESH_TOKEN", "PASSWORD"))
        if upn and upn.count("@") != 1:
            self.problems.append(f"{name}_UPN is not a user principal name")
        if upn and not token and not password:
            self.problems.append(f"{name}_REFRESH_TOKEN or {name}_PASSWORD is missing")
        return PresenceAccount(upn, token or None, password or None)

    def acs(self, name: str, cloud: Cloud) -> str:
        value = self.text(name)
        try:
            _ = value and read_connection_string(value, cloud.acs_suffixes)
        except Refused as exc:
            self.problems.append(f"{name} is not of use: {exc.detail}")
        return value

    def schedule(self, name: str) -> str:
        value = self.text(name)
        if value and (flaw := schedule_flaw(value)):
            self.problems.append(f"{name} {flaw}")
        return value

    def key_ring(self, name: str) -> tuple[tuple[str, bytes], ...]:
        keys: dict[str, bytes] = {}
        if not self.text(name):
            return ()
        for part in self.listed(name) or ("",):
            key_id, _, encoded = part.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not (key_id.isascii() and key_id.isalnum()) or key_id in keys or len(key) != KEY_BYTES:
                self.problems.append(
                    f"{name} is not a list of id:base64 with {KEY_BYTES} bytes each and ids that differ"
                )
                return ()
            keys[key_id] = key
        return tuple(keys.items())

    def client_ids(self, name: str, *, nimbus_app: str) -> Mapping[str, str]:
        """Client ids by component. That of the Nimbus App is GRAPH_CLIENT_ID; it may be repeated here."""
        try:
            ids = json.loads(self._env.get(name) or "{}")
            found = {str(component): str(uuid.UUID(client_id)) for component, client_id in ids.items()}
        except (ValueError, AttributeError, TypeError, RecursionError):
            self.problems.append(f"{name} is not a JSON object of client ids by component")
            return {}
        if strange := sorted(found.keys() - set(COMPONENTS)):
            self.problems.append(f"{name} names {', '.join(strange)}; there are {', '.join(COMPONENTS)}")
        if nimbus_app and found.setdefault(NIMBUS_APP, nimbus_app) != nimbus_app:
            self.problems.append(f"{name} names another {NIMBUS_APP} than GRAPH_CLIENT_ID")
        return found

    def addresses(self, name: str) -> tuple[str, ...]:
        for part in self.listed(name):
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError:
                self.problems.append(f"{name} holds something that is not an IP address or range")
        return self.listed(name)

    def body_size(self, name: str) -> int:
        text = self._env.get(name, "").strip() or str(HOST_DEFAULT)
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) >= BODY_LIMIT):
            self.problems.append(f"{name} is not a number of bytes, {BODY_LIMIT} at least")
            return HOST_DEFAULT
        return int(text)

    def base_url(self, name: str) -> str:
        url = self.text(name).rstrip("/")
        if url and not ((is_base_url(url) and url.lower().startswith("https:")) or _is_loopback_http(url)):
            self.problems.append(f"{name} is not an https:// URL without path (http:// only on loopback)")
        return url


def _is_loopback_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "http" or not is_base_url(url):
            return False
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
