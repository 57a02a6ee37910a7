"""The headers that guard an answer, their names in lower case."""

from __future__ import annotations

from typing import Final

GUARDS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
}
NO_FRAMES: Final = "frame-ancestors 'none'"
