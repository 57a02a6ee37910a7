"""Faults: what goes wrong next, at which host, on which path, for whom."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from simulator.entra_errors import code_numbers, entra_error
from simulator.wire import Call, Reply, json_reply


@dataclass
class Fault:
    """Strikes `times` matching requests (None: all until cleared). Fields as in the control API."""

    host: str
    path_prefix: str = ""
    account: str | None = None
    status: int | None = None
    aadsts: str | None = None
    retry_after: int | None = None
    delay_ms: int = 0
    drop: bool = False
    body: Any = None
    times: int | None = 1

    def strikes(self, call: Call, account: str | None) -> bool:
        """Whether this request is meant. A host may begin with `*.`."""
        if self.host.startswith("*."):
            if not call.host.endswith(self.host[1:]):
                return False
        elif call.host != self.host:
            return False
        if self.account is not None and (account or "").lower() != self.account.lower():
            return False
        return call.path.startswith(self.path_prefix)

    @property
    def only_delays(self) -> bool:
        """Whether the request is answered as usual after the delay."""
        return (
            not self.drop
            and self.aadsts is None
            and all(part is None for part in (self.status, self.retry_after, self.body))
        )


class Faults:
    """Faults in the order they were told; the first that matches is used up first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> int:
        """Queue a fault; answers how many wait."""
        self._waiting.append(fault)
        return len(self._waiting)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """The faults not used up yet."""
        return [asdict(fault) for fault in self._waiting]

    def take(self, call: Call, account: str | None) -> Fault | None:
        """The fault that strikes this request, used up by one."""
        for fault in self._waiting:
            if fault.strikes(call, account):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault
        return None


def reply_of(fault: Fault, call: Call) -> Reply:
    """The answer of a fault that does more than delay, in the words of the host it strikes."""
    if fault.drop:
        return Reply(0, drop=True)
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.aadsts is not None:
        reply = entra_error(code_numbers(fault.aadsts), call, status=fault.status)
        reply.headers |= headers
        return reply
    status = fault.status or (200 if fault.retry_after is None else 429)
    if isinstance(fault.body, str):
        return Reply(status, fault.body.encode(), "text/plain; charset=utf-8", headers)
    return json_reply(_usual_body(status, call) if fault.body is None else fault.body, status, headers)


_CODES = {
    400: ("BadRequest", "The request is malformed."),
    401: ("InvalidAuthenticationToken", "Access token validation failure."),
    403: ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    404: ("Request_ResourceNotFound", "The resource does not exist."),
    429: ("TooManyRequests", "Too many requests."),
    503: ("ServiceUnavailable", "The service is temporarily unavailable."),
    504: ("GatewayTimeout", "The gateway timed out."),
}


def _usual_body(status: int, call: Call) -> dict[str, Any]:
    code, message = _CODES.get(status, ("UnknownError", "An error has occurred."))
    if call.host.startswith("login."):
        return {
            "error": "temporarily_unavailable" if status >= 429 else "invalid_request",
            "error_description": message,
        }
    return {"error": {"code": code, "message": message}}
