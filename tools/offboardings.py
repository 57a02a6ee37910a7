"""Lists who offboarded which tenant in the last year: `python -m tools.offboardings [--settings FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.bootstrap.commands import offboarding_records
from shared.kernel.errors import AppError
from tools.app_settings import read_config


def main() -> int:
    """0 with one line per offboarding, oldest first; 2 with a sentence when storage cannot be read."""
    parser = argparse.ArgumentParser(description="List the tenants that were offboarded in the last year.")
    parser.add_argument("--settings", type=Path, help="a local.settings.json to read app settings from")
    arguments = parser.parse_args()
    try:
        found = offboarding_records(read_config(arguments.settings))
    except (AppError, OSError, ValueError) as exc:
        print(f"not listed: {exc}", file=sys.stderr)
        return 2
    for record in found:
        print(f"{record.at} tenant {record.tenant_id} by {record.operator} products {','.join(record.products) or '-'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
