"""Signs a presence account in once: `python -m tools.presence_signin 1|2 [--settings FILE]`.

Prints a code to type on Microsoft's page, waits for whoever does it, and keeps the account's refresh token, sealed, in
the storage account of the app settings. All instances use it from their next sign-in on; no restart is needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.bootstrap.commands import build_device_sign_in
from shared.kernel.errors import AppError
from tools.app_settings import read_config
from tools.failures import with_remedy


def main() -> int:
    """0 when the token is kept, 2 with a sentence when it is not, 130 when it was stopped."""
    parser = argparse.ArgumentParser(description="Sign a presence account in once, with a device code.")
    parser.add_argument("account", type=int, choices=(1, 2), help="which of the two presence accounts")
    parser.add_argument("--settings", type=Path, help="a local.settings.json to read app settings from")
    arguments = parser.parse_args()
    try:
        config = read_config(arguments.settings)
        account = config.presence_accounts[arguments.account - 1]
        device, shelf = build_device_sign_in(config)
        print(f"Sign in as {account.upn}.", flush=True)
        nimbus, home = config.graph_client_id, config.home_tenant_id
        token = device.refresh_token(account, nimbus, home, lambda text: print(text, flush=True))
        shelf.keep_refresh_token(account.upn, account.refresh_token, token)
        # Read back, since a shelf that cannot keep does without.
        if shelf.refresh_token(account.upn, account.refresh_token) != token:
            print("the token could not be kept; is the storage account there?", file=sys.stderr)
            return 2
    except (AppError, OSError, ValueError) as exc:
        print(f"not signed in: {with_remedy(exc)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped.", file=sys.stderr)
        return 130
    print(f"{account.upn} is signed in; its refresh token is kept.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
