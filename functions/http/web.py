"""What every HTTP trigger needs: who calls, which tenant, the body, the answer.

``route`` registers an endpoint with Azure Functions and with ``ENDPOINTS``, from which the OpenAPI document is
made. It cannot be used without saying which roles may call, or why anybody may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any, Final, TypeVar

import azure.functions as func

from functions.http import query
from functions.http.answers import written
from functions.http.call_log import log_call
from functions.http.endpoints import ENDPOINTS, Endpoint
from functions.http.headers import allow_pages, bearer, bearer_if_any, trace_id, versions
from functions.http.operator_calls import note_operator
from functions.http.problems import problem, unexpected
from functions.http.request_body import body_of, json_body
from functions.http.security_headers import secured
from functions.wiring import core
from shared.kernel.body_limits import BODY_LIMIT
from shared.kernel.callers import OPERATOR, Caller, Role
from shared.kernel.errors import AppError, NotAllowed, NotFound
from shared.kernel.wire import Wire, is_guid, parse
from shared.tenants.documents import Versions
from shared.tenants.models import Page, Stored
from shared.tenants.tenants import Head

M = TypeVar("M", bound=Wire)

FORMATS: Final = ("json", "csv")  # of a list that is a table too

Handler = Callable[["Call"], func.HttpResponse]


@dataclass
class Call:
    """One HTTP call. Properties that can fail do so when they are read, in the order a handler reads them."""

    req: func.HttpRequest
    endpoint: Endpoint
    trace_id: str
    caller: Caller

    def identify(self, *roles: Role) -> None:
        """Raises NotKnown, RateLimited or NotAllowed (``ScopeMissing``, ``RoleMissing``).

        A caller who is refused is charged all the same, and named in the log.
        """
        self.caller = core().callers.of_bearer(bearer(self.req))
        core().caller_rates.call(self.caller)
        self.caller.require(*roles)

    @property
    def is_visitors(self) -> bool:
        """Whether a website's visitor calls, who has no account with us, rather than a back end with a token."""
        return self.endpoint.from_pages and not self.caller.oid

    @cached_property
    def head(self) -> Head:
        """The tenant of the call with its settings: that of the path, else the caller's own."""
        try:
            return core().tenants.head(self.tenant_id)
        except NotFound:
            if self.caller.may(OPERATOR):
                raise
            raise NotAllowed("your tenant is not onboarded", code="TenantNotOnboarded") from None

    def require_onboarded(self) -> None:
        """For what belongs to no tenant. Raises NotAllowed (``TenantNotOnboarded``), never for an operator, whose
        home is no tenant of the product."""
        if not self.caller.may(OPERATOR):
            _ = self.head

    @cached_property
    def tenant_id(self) -> str:
        """Raises NotAllowed (``WrongTenant``) for a tenant that is not the caller's, unless it asks as an operator.

        Where operators are not let in, being one besides another role opens no other tenant.
        """
        named = self.path("tenantId")
        if not named or named.casefold() == self.caller.tid:
            return self.caller.tid
        if not (OPERATOR in self.endpoint.roles and self.caller.may(OPERATOR)):
            raise NotAllowed("your token belongs to another tenant", code="WrongTenant")
        if not is_guid(named):
            raise NotFound("there is no such tenant", code="TenantNotFound")
        return named.lower()

    def path(self, name: str) -> str:
        return str(self.req.route_params.get(name) or "")

    def query(self, name: str) -> str | None:
        """As ``query.single``."""
        return query.single(self.req, name)

    def every_query(self, name: str) -> list[str]:
        """As ``query.several``."""
        return query.several(self.req, name)

    @property
    def bearer(self) -> str | None:
        """The caller's token, verified, to act in its name; None for a caller without one."""
        return bearer_if_any(self.req)

    @property
    def top(self) -> int:
        return query.top(self.req)

    @property
    def continuation(self) -> str | None:
        """The key at which this list goes on. Raises Invalid for what it did not give out to this tenant."""
        text = self.req.params.get("continuation")  # empty on a first page is as good as none
        return core().continuations.take(text, tenant_id=self.tenant_id, place=self.endpoint.path) if text else None

    @cached_property
    def json(self) -> Any:
        """The body. Raises what ``json_body`` raises."""
        return json_body(self.req, limit=self.endpoint.body_limit)

    @property
    def json_if_any(self) -> Any:
        """The body, where it may be left out; then that is the same as an empty object."""
        return self.json if body_of(self.req, limit=self.endpoint.body_limit) else {}

    def body(self, model: type[M]) -> M:
        """The body as a model. Raises Invalid with at most MOST_FINDINGS findings, besides what ``json`` raises."""
        return parse(model, self.json)

    @property
    def versions(self) -> Versions:
        """Revisions named by If-Match; None without the header, ``*`` for the one that names none."""
        return versions(self.req)

    def ok(self, value: object, *, status: int | None = None, etag: int | None = None) -> func.HttpResponse:
        headers = {"x-trace-id": self.trace_id}
        if etag is not None:
            headers["ETag"] = f'"{etag}"'
        if isinstance(value, Page):
            value = Page(value.items, self._going_on(value.continuation))
        return func.HttpResponse(
            written(value), status_code=status or self.endpoint.status, mimetype="application/json", headers=headers
        )

    def ok_text(self, text: bytes) -> func.HttpResponse:
        """An answer that is JSON text already."""
        headers = {"x-trace-id": self.trace_id}
        return func.HttpResponse(text, status_code=self.endpoint.status, mimetype="application/json", headers=headers)

    def stored(self, stored: Stored[Any]) -> func.HttpResponse:
        """A document with its ETag: 201 when it is new."""
        return self.ok(stored.value, status=201 if stored.created else 200, etag=stored.revision)

    def csv(self, text: str, continuation: str | None) -> func.HttpResponse:
        """A table for a spreadsheet; where it goes on is said in a header, since the body has no place for it."""
        headers = {"x-trace-id": self.trace_id}
        if going_on := self._going_on(continuation):
            headers["x-continuation"] = going_on
        return func.HttpResponse(text, status_code=200, mimetype="text/csv", charset="utf-8", headers=headers)

    def html(self, text: str, *, status: int = 200) -> func.HttpResponse:
        """A page without scripts; the policy lets none in."""
        headers = {"x-trace-id": self.trace_id}
        return func.HttpResponse(text, status_code=status, mimetype="text/html", charset="utf-8", headers=headers)

    def _going_on(self, following: str | None) -> str | None:
        return core().continuations.give(following, tenant_id=self.tenant_id, place=self.endpoint.path)

    def nothing(self, status: int = 204) -> func.HttpResponse:
        return func.HttpResponse(status_code=status, headers={"x-trace-id": self.trace_id})


def route(
    blueprint: func.Blueprint,
    method: str,
    path: str,
    *,
    roles: tuple[Role, ...] = (),
    open_because: str = "",
    body: Any = None,
    body_limit: int = BODY_LIMIT,
    body_optional: bool = False,
    answer: Any = None,
    texts: tuple[str, ...] = (),
    status: int = 200,
    also_status: tuple[int, ...] = (),
    query: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
    versioned: bool = False,
    always_there: bool = False,
    etag: bool = False,
    paced: bool = False,
    asks_microsoft: bool = False,
    tenant_must_exist: bool = True,
    from_pages: bool = False,
) -> Callable[[Handler], Handler]:
    """Register a handler. Either ``roles``, any of which may call, or ``open_because``, a reason why anybody may.

    With roles, the caller's right to the tenant is checked before the handler runs; ``tenant_must_exist=False`` is for
    calls that make or list tenants, and those that ask ``require_onboarded`` themselves; ``asks_microsoft`` counts the
    call against the tighter limit of calls that Microsoft has to answer; ``from_pages`` lets any page read the answer
    and hides details of problems from visitors. The rest is for the description, see ``Endpoint``.
    """
    if bool(roles) == bool(open_because):
        raise TypeError(f"{method} {path} needs roles, or a reason to be open to all, and not both")

    def register(handler: Handler) -> Handler:
        summary = (handler.__doc__ or "").strip().split("\n")[0]
        endpoint = Endpoint(
            name=handler.__name__,
            method=method,
            path=path,
            summary=summary,
            roles=roles,
            open_because=open_because,
            body=body,
            body_limit=body_limit,
            body_optional=body_optional,
            answer=answer,
            texts=texts,
            status=status,
            also_status=also_status,
            query=query,
            required=required,
            versioned=versioned,
            always_there=always_there,
            etag=etag or (versioned and answer is not None),
            paced=paced or from_pages or bool(roles),
            asks_microsoft=asks_microsoft,
            tenant_must_exist=tenant_must_exist,
            from_pages=from_pages,
        )
        _serve(blueprint, endpoint, handler)
        return handler

    return register


def _serve(blueprint: func.Blueprint, endpoint: Endpoint, handler: Handler) -> None:
    ENDPOINTS[endpoint.name] = endpoint

    def trigger(req: func.HttpRequest) -> func.HttpResponse:
        return _run(endpoint, handler, req)

    trigger.__name__ = trigger.__qualname__ = endpoint.name
    trigger.__doc__ = handler.__doc__
    blueprint.route(route=endpoint.path, methods=[endpoint.method], auth_level=func.AuthLevel.ANONYMOUS)(trigger)


NOBODY: Final = Caller("", "", "", frozenset())


def _run(endpoint: Endpoint, handler: Handler, req: func.HttpRequest) -> func.HttpResponse:
    started = perf_counter()
    call = Call(req, endpoint, trace_id(req), NOBODY)
    failure: AppError | None = None
    try:
        if endpoint.roles:
            call.identify(*endpoint.roles)
            # Before the handler, so that none can forget whose data it is about to touch.
            _ = call.head if endpoint.tenant_must_exist else call.tenant_id
            if endpoint.asks_microsoft:
                core().caller_rates.upstream(call.caller)
            note_operator(req, endpoint, call.caller, call.tenant_id)
        response = handler(call)
    except AppError as exc:
        failure = exc
    except Exception as exc:
        failure = unexpected(exc, call.trace_id)
    if failure is not None:
        response = problem(failure, call.trace_id, to_visitor=call.is_visitors)
    if endpoint.from_pages:
        allow_pages(req, response)
    secured(response)
    log_call(
        req,
        endpoint,
        call.caller,
        trace_id=call.trace_id,
        status=response.status_code,
        ms=round((perf_counter() - started) * 1000),
        failure=failure,
        hidden=call.is_visitors,
    )
    return response
