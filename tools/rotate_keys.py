"""Seals every stored secret again under the newest key: `python -m tools.rotate_keys [--settings FILE]`.

Put the new key first in SECRET_KEYS and restart the app, run this with the same settings, then drop the old key.
Stop it whenever you like; it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from shared.bootstrap import build_rotation
from shared.config import Config
from shared.errors import AppError


def main() -> int:
    """0 when all is done, 2 with a sentence when it cannot start or go on, 130 when it was stopped."""
    parser = argparse.ArgumentParser(description="Seal stored secrets again under the newest key of SECRET_KEYS.")
    parser.add_argument("--settings", type=Path, help="a local.settings.json to read app settings from")
    arguments = parser.parse_args()
    env = dict(os.environ)
    try:
        if arguments.settings:
            env = {**json.loads(arguments.settings.read_text())["Values"], **env}
        sealed = build_rotation(Config.from_env(env)).run(_progress)
    except (AppError, OSError, ValueError, KeyError) as exc:
        print(f"\nstopped: {exc}. Run it again to go on.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped. Run it again to go on.", file=sys.stderr)
        return 130
    print(f"\n{sealed} secrets sealed again; the others were sealed with the newest key already.", file=sys.stderr)
    return 0


def _progress(done: int, of: int) -> None:
    width = 30 * done // of
    print(f"\r[{'#' * width}{'.' * (30 - width)}] {done} of {of} tenants", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
