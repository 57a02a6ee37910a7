"""The answer for paths and methods that nothing serves: a problem like any other, with a trace id."""

from __future__ import annotations

from typing import Final

import azure.functions as func

from functions.http.headers import trace_id
from functions.http.problems import problem
from functions.http.security_headers import secured
from shared.kernel.errors import NotFound

bp = func.Blueprint()
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


# The host takes the first function that matches in alphabetical order, so the name makes this one the last.
@bp.route(route="{*path}", methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)
def zz_unknown_route(req: func.HttpRequest) -> func.HttpResponse:
    """Nothing is here; the host would say so without a word."""
    nothing = NotFound("there is nothing at this path, or not with this method", code="RouteNotFound")
    return secured(problem(nothing, trace_id(req)))
