"""The headers that every answer carries, whatever it is and whoever made it."""

from __future__ import annotations

from typing import Final

import azure.functions as func

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # One year, without includeSubDomains: the app has no hosts below its own name, nobody can have one below a name of
    # azurewebsites.net, and those below a custom domain may belong to others, whom a browser would then not reach over
    # HTTP for a year.
    "Strict-Transport-Security": "max-age=31536000",
}
# What most answers hold is somebody's data; those that may be kept say so themselves.
_CACHE: Final = "no-store"
# A page without scripts; one that needs more brings a policy of its own.
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def secured(response: func.HttpResponse) -> func.HttpResponse:
    """Returns the response with these headers added; its own Cache-Control and Content-Security-Policy stay."""
    response.headers.update(_ALWAYS)
    response.headers.setdefault("Cache-Control", _CACHE)
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    return response
