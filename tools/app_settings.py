"""The app settings a command works with."""

from __future__ import annotations

import json
import os
from pathlib import Path

from shared.config import Config


def read_config(path: Path | None) -> Config:
    """The environment's app settings before those of a local.settings.json.

    Raises ConfigError, OSError and ValueError, each with a sentence.
    """
    return Config.from_env({**_values(path), **os.environ})


def _values(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    document = json.loads(path.read_text())
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise ValueError(f"{path} has no object Values")
    return values
