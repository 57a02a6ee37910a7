"""How much each run tries: ``QUICK=1`` a little, ``THOROUGH=1`` everything; without either, enough for the claims."""

from __future__ import annotations

import os
from typing import Final

THOROUGH: Final = bool(os.environ.get("THOROUGH"))
_QUICK: Final = bool(os.environ.get("QUICK"))
_PART: Final = 5  # of the usual number of examples with QUICK


def scaled(usual: int, full: int) -> int:
    if THOROUGH:
        return full
    return max(usual // _PART, 1) if _QUICK else usual
