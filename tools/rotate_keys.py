"""Seals every stored secret again under the newest key: `python -m tools.rotate_keys [--settings FILE]`.

Bring the new key into SECRET_KEYS in two restarts (behind the old one, then first; docs/operations.md says why), run
this with the same settings, then drop the old key.
Stop it whenever you like; it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.bootstrap.commands import build_rotation
from shared.kernel.errors import AppError, ConfigError
from tools.app_settings import read_config

MOST_NAMED = 10  # secrets in the last sentence


def main() -> int:
    """0 when all is done, 2 with a sentence when something is left, 130 when it was stopped."""
    parser = argparse.ArgumentParser(description="Seal stored secrets again under the newest key of SECRET_KEYS.")
    parser.add_argument("--settings", type=Path, help="a local.settings.json to read app settings from")
    arguments = parser.parse_args()
    try:
        rotated = build_rotation(read_config(arguments.settings)).run(_progress)
    except (ConfigError, OSError, ValueError) as exc:
        return _say(f"not started: {exc}", 2)
    except AppError as exc:
        return _say(f"stopped: {exc}. Run it again to go on.", 2)
    except KeyboardInterrupt:
        return _say("stopped. Run it again to go on.", 130)
    done = f"{rotated.sealed} secrets sealed again"
    if rotated.unreadable:
        shown = "; ".join(rotated.unreadable[:MOST_NAMED])
        return _say(
            f"{done}, but the keys in SECRET_KEYS do not open {len(rotated.unreadable)}: {shown}. "
            "Put the key they were sealed with behind the newest one and run this again.",
            2,
        )
    if not rotated.settled:
        return _say(
            f"{done}, but an instance still seals with an older key or release. Restart the app with the newest key "
            "first in SECRET_KEYS and run this again.",
            2,
        )
    return _say(f"{done}; the others were sealed with the newest key already.", 0)


def _say(sentence: str, code: int) -> int:
    print(f"\n{sentence}", file=sys.stderr)
    return code


def _progress(done: int, of: int) -> None:
    width = 30 * done // of
    print(f"\r[{'#' * width}{'.' * (30 - width)}] {done} of {of} tenants", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
