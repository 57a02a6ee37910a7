"""Audiences of access tokens, in the form in which two of them are compared."""

from __future__ import annotations

import re
from typing import Final

from shared.kernel.wire import is_guid

_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[!-.0-~]+)(/[!-~]*)?")  # ASCII only


def comparable(audience: str) -> str:
    """Returns the audience without what makes no difference.

    Of an App ID URI these are one trailing slash and the case of scheme and host; its path is compared exactly. A
    client id is a GUID and has no case. Everything else stays as it is: ``str.lower`` would turn the Kelvin sign
    into a k.
    """
    if is_guid(audience):
        return audience.lower()
    uri = _URI.fullmatch(audience)
    return uri[1].lower() + (uri[2] or "").removesuffix("/") if uri else audience
