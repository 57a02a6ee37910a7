"""Microsoft's clouds: which hosts are whose. One app setting, MICROSOFT_CLOUD, chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cloud:
    """Hosts of one cloud. URLs come without a trailing slash, suffixes with a leading dot."""

    login: str
    v1_issuer: str
    graph: str
    storage_suffix: str
    acs_suffixes: tuple[str, ...]
    webhook_suffixes: tuple[str, ...]


CLOUDS: Final = {
    "public": Cloud(
        login="https://login.microsoftonline.com",
        v1_issuer="https://sts.windows.net",
        graph="https://graph.microsoft.com",
        storage_suffix="core.windows.net",
        acs_suffixes=(".communication.azure.com",),
        webhook_suffixes=(".logic.azure.com", ".api.powerplatform.com"),
    ),
    "usgov": Cloud(
        login="https://login.microsoftonline.us",
        v1_issuer="https://sts.windows.net",
        graph="https://graph.microsoft.us",
        storage_suffix="core.usgovcloudapi.net",
        acs_suffixes=(".communication.azure.us",),
        webhook_suffixes=(".logic.azure.us", ".api.powerplatform.us"),
    ),
    "china": Cloud(
        login="https://login.partner.microsoftonline.cn",
        v1_issuer="https://sts.chinacloudapi.cn",
        graph="https://microsoftgraph.chinacloudapi.cn",
        storage_suffix="core.chinacloudapi.cn",
        acs_suffixes=(".communication.azure.cn",),
        webhook_suffixes=(".logic.azure.cn", ".api.powerplatform.partner.microsoftonline.cn"),
    ),
}
