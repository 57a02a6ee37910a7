"""The widget's client for websites, and on a developer's machine a page to try it on."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.errors import NotFound

bp = func.Blueprint()
_FOLDER: Final = Path(__file__).parents[1] / "portal" / "widget"
_CLIENT: Final = "nimbus-widget.js"
_DEMO: Final = "demo.html"
_TYPES: Final = {_CLIENT: "text/javascript", "demo.js": "text/javascript", "demo.css": "text/css", _DEMO: "text/html"}
# Websites name the client without a version, so an hour is as long as they may run an old one.
_CACHE: Final = "public, max-age=3600"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


# Named so that they come before a route that takes every path of the portal: the host asks in alphabetical order.
@web.route(
    bp, "GET", "portal/widget-demo", open_because="a page without data, in local runs only", texts=(_TYPES[_DEMO],)
)
def fetch_widget_demo(call: web.Call) -> func.HttpResponse:
    """Show the page that tries the widget (local runs only)."""
    return _file(call, _DEMO)


@web.route(
    bp,
    "GET",
    "portal/widget/{file}",
    open_because="websites load the client before anybody is known",
    texts=tuple(dict.fromkeys(_TYPES.values())),
)
def fetch_widget_file(call: web.Call) -> func.HttpResponse:
    """Load the widget's client for websites."""
    return _file(call, call.path("file"))


def _file(call: web.Call, name: str) -> func.HttpResponse:
    if name not in _TYPES or (name != _CLIENT and not core().local_run):
        raise NotFound("there is no such page")
    content, etag = _content(name)
    headers = {
        "x-trace-id": call.trace_id,
        "ETag": etag,
        "Cache-Control": _CACHE if name == _CLIENT else "no-cache",
        # Pages of other sites load the client; a browser may otherwise be told not to let them.
        "Cross-Origin-Resource-Policy": "cross-origin" if name == _CLIENT else "same-origin",
    }
    if name == _DEMO:
        headers["Content-Security-Policy"] = _POLICY
    if call.req.headers.get("if-none-match") == etag:
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(content, status_code=200, mimetype=_TYPES[name], charset="utf-8", headers=headers)


@cache
def _content(name: str) -> tuple[bytes, str]:
    content = (_FOLDER / name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
