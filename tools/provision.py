"""Grants a tenant's apps the permissions they need: `python -m tools.provision --tenant ID [--dry-run]`.

Run it with the app settings of the app (--settings FILE reads a local.settings.json). It asks an administrator of the
tenant to sign in with a code. What is granted already stays as it is, nothing is taken away, and it may be stopped
and run again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shared.bootstrap.commands import build_provisioner
from shared.kernel.errors import AppError
from shared.kernel.wire import is_guid
from shared.permissions.provisioning import Step
from tools.app_settings import read_config
from tools.failures import with_remedy

WORDS = {"granted": "granted", "there": "was there", "planned": "to be granted", "failed": "FAILED"}


def main() -> int:
    """0 when nothing is missing any more, 2 when something failed, 130 when it was stopped."""
    arguments = _arguments()
    steps: list[Step] = []
    begun = False
    try:
        provisioner = build_provisioner(read_config(arguments.settings))
        head = provisioner.tenants.head(arguments.tenant)
        token = provisioner.sign_in.admin_token(arguments.tenant, _say)
        begun = True
        _say(f"provisioning {head.tenant.value.display_name} ({arguments.tenant})")
        provisioner.provisioning.run(
            head,
            token,
            lambda step: _tell(steps, step),
            dry_run=arguments.dry_run,
            optional=arguments.optional,
        )
    except (AppError, OSError, ValueError) as exc:
        _say(f"stopped: {exc}. Run it again to go on." if begun else f"not started: {with_remedy(exc)}")
        return 2
    except KeyboardInterrupt:
        _say("stopped. Run it again to go on.")
        return 130
    finally:
        if steps:
            print("\n".join(table(steps)))
    return 2 if any(step.outcome == "failed" for step in steps) else 0


def table(steps: Sequence[Step]) -> list[str]:
    """What became of every row, and a last line with the sums."""
    head = ("component", "permission", "kind", "result")
    rows = [head, *((s.component, s.permission, s.kind or "", f"{WORDS[s.outcome]} {s.detail}".strip()) for s in steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(row[at].ljust(widths[at]) for at in range(3)), row[3]]) for row in rows]
    sums: Counter[str] = Counter(step.outcome for step in steps)
    said = ", ".join(f"{sums[outcome]} {word}" for outcome, word in WORDS.items() if sums[outcome])
    return [*lines, said if sums.keys() != {"there"} else f"nothing to do: {said}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Grant a tenant's apps the permissions they need.")
    parser.add_argument("--tenant", type=_guid, required=True, help="id of the tenant")
    parser.add_argument("--settings", type=Path, help="a local.settings.json to read app settings from")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be granted")
    parser.add_argument("--optional", action="store_true", help="grant optional permissions as well")
    return parser.parse_args()


def _guid(text: str) -> str:
    if not is_guid(text):
        raise argparse.ArgumentTypeError("is not a GUID")
    return text.lower()


def _tell(steps: list[Step], step: Step) -> None:
    steps.append(step)
    if step.outcome != "there":
        _say(f"{WORDS[step.outcome]}: {step.permission} of {step.component} {step.detail}".rstrip())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
