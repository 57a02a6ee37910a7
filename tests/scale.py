"""How large storms are: small ones prove the claim with every run, ``THOROUGH=1 make test`` plays them in full."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def scaled(quick: int, full: int) -> int:
    return full if THOROUGH else quick
