"""Health, and the description of this API."""

from __future__ import annotations

from typing import Any, Literal

import azure.functions as func

from functions.http import docs_page, openapi, web
from functions.http.headers import bearer
from functions.wiring import core
from shared.kernel.callers import OPERATOR
from shared.kernel.errors import AppError, ConfigError, StorageDown
from shared.kernel.wire import Wire
from shared.operations.health import Dependency

bp = func.Blueprint()


class ProcessLive(Wire):
    status: Literal["live"] = "live"


class DependencyState(Wire):
    """``detail`` is for operators only."""

    name: str
    state: Literal["ok", "down"]
    latency_ms: int
    detail: str | None = None


class Ready(Wire):
    """Where ``settings`` need attention nothing else was looked at. ``warnings`` are for operators only.

    What is None stays out.
    """

    status: Literal["ready", "notReady"]
    dependencies: list[DependencyState] | None = None
    settings: list[str] | None = None
    warnings: list[str] | None = None

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@web.route(
    bp,
    "GET",
    "api/health/live",
    open_because="a platform probe; says only that the process answers",
    answer=ProcessLive,
)
def get_live(call: web.Call) -> func.HttpResponse:
    """Tell that this instance answers."""
    return call.ok(ProcessLive())


@web.route(
    bp,
    "GET",
    "api/health/ready",
    open_because="a platform probe; details only for operators",
    answer=Ready,
    also_status=(503,),
)
def get_ready(call: web.Call) -> func.HttpResponse:
    """Tell whether this instance can work, with the state of each dependency."""
    warnings: tuple[str, ...] = ()
    try:
        warnings = core().setting_warnings
        found = core().health.check()
    except ConfigError as exc:
        # Names of settings, never values; who sets the app up must see them before anybody can sign in.
        return call.ok(Ready(status="notReady", settings=list(exc.problems)), status=503)
    except StorageDown as exc:
        found = [Dependency("storage", ok=False, needed=True, latency_ms=0, detail=exc.detail)]
    ready = all(dependency.ok for dependency in found if dependency.needed)
    details = _is_operator(call)
    answer = Ready(
        status="ready" if ready else "notReady",
        dependencies=[_shown(dependency, details) for dependency in found],
        warnings=[*warnings] or None if details else None,
    )
    return call.ok(answer, status=200 if ready else 503)


@web.route(bp, "GET", "api/openapi.json", open_because="the description of the API is public", answer=dict)
def get_openapi(call: web.Call) -> func.HttpResponse:
    """Read the OpenAPI 3.1 description of everything served here."""
    return call.ok_text(openapi.text())


@web.route(bp, "GET", "api/docs", open_because="the description of the API is public", texts=("text/html",))
def get_docs(call: web.Call) -> func.HttpResponse:
    """Read the description of the API as a page."""
    return call.html(docs_page.page())


def _is_operator(call: web.Call) -> bool:
    try:
        return core().callers.of_bearer(bearer(call.req)).may(OPERATOR)
    except AppError:
        return False


def _shown(dependency: Dependency, details: bool) -> DependencyState:
    return DependencyState(
        name=dependency.name,
        state="ok" if dependency.ok else "down",
        latency_ms=dependency.latency_ms,
        detail=dependency.detail or None if details else None,
    )
