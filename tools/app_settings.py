"""The app settings a command works with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devhost.errors import CannotStart
from devhost.options import simulator_port, storage_port
from devhost.settings import local_settings, read_settings_file
from shared.app_settings.config import Config


def read_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """The environment's app settings before those of a local.settings.json, read as a local run reads them.

    Local storage and a gateway of the file are those at STORAGE_PORT and SIMULATOR_PORT. Raises ConfigError and
    ValueError, each with a sentence that lacks its full stop.
    """
    try:
        values = read_settings_file(path) if path else {}
        told = local_settings(
            values, environ, simulator_port=simulator_port(environ), storage_port=storage_port(environ)
        )
    except CannotStart as reason:
        raise ValueError(str(reason).removesuffix(".")) from reason
    return Config.from_env(told)
