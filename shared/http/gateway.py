"""The only builder of a Session: timeouts, the pool, and the detour to a local fake of Microsoft's cloud.

Code always names the real https:// URLs. With a gateway, https://HOST/PATH goes to GATEWAY/HOST/PATH.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.exceptions import InvalidSchema

from shared.http.keep_alive import TimedAdapter

# As many as the worker has threads (PYTHON_THREADPOOL_THREAD_COUNT); a smaller pool would throw connections away.
POOL: Final = 64
# Of one answer, decoded. The largest that is asked for, the permissions Microsoft Graph offers, has about 1 MB.
MOST_BYTES: Final = 8 * 1024 * 1024
_CHUNK: Final = 64 * 1024

_Timeout = float | tuple[float, float] | tuple[float, None] | None


Session = requests.Session
"""What ``open_session`` gives; rooms outside of this one know it by no other name."""


class AnswerTooLarge(requests.RequestException):
    """The far side sent more than any answer needs; the rest was not read."""


def open_session(
    gateway: str | None,
    *,
    connect_timeout: float = 3.05,
    read_timeout: float = 10.0,
    most_bytes: int = MOST_BYTES,
) -> requests.Session:
    """A session for every host outside; safe to share between threads.

    A call without a timeout gets these (seconds, to connect and between two bytes); a whole answer may take twice
    as long as one silence in it, see keep_alive.py. A body of more than ``most_bytes`` raises AnswerTooLarge; one
    that is asked for as a stream is up to the caller. Nothing is retried and no redirect is followed: a 3xx is an
    answer like any other. Plain http:// is refused, except to the gateway, with requests' InvalidSchema. No cookie is
    kept and no netrc is read; proxies of the environment count only without a gateway.
    """
    session = _Session()
    door = _Door(gateway, (connect_timeout, read_timeout), most_bytes)
    session.mount("https://", door)
    session.mount("http://", door)
    session.trust_env = gateway is None
    # With an auth of its own a session asks no netrc, which would overwrite the bearer token.
    session.auth = _as_it_is
    # One session serves every tenant and account; what one was given must not reach another.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Nowhere: a token or a password must not follow a redirect, and no API we call needs one."""
        return None


class _Door(TimedAdapter):
    def __init__(self, gateway: str | None, timeout: tuple[float, float], most_bytes: int) -> None:
        super().__init__(pool_maxsize=POOL)
        self._gateway = gateway.rstrip("/").lower() if gateway else None
        self._timeout = timeout
        self._most_bytes = most_bytes

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: _Timeout = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        response = super().send(
            self._directed(request),
            stream=stream,
            timeout=self._timeout if timeout is None else timeout,
            verify=verify,
            cert=cert,
            proxies=proxies,
        )
        response.request, response.url = request, request.url or ""
        if not stream:
            self._read(response)
        return response

    def _read(self, response: requests.Response) -> None:
        """Read the body into the response, whose ``content`` would read it without a bound."""
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                response.close()
                raise AnswerTooLarge(f"an answer of more than {self._most_bytes} bytes", request=response.request)
        response._content = bytes(body)

    def _directed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the URL it is really sent to; method, headers and body stay."""
        parts = urlsplit(request.url or "")
        if parts.scheme != "https":
            if self._gateway is None or f"{parts.scheme}://{parts.netloc}" != self._gateway:
                raise InvalidSchema("only https:// leaves this process", request=request)
            return request
        if self._gateway is None:
            return request
        detour = request.copy()
        detour.url = f"{self._gateway}/{parts.netloc.rpartition('@')[2]}{request.path_url}"
        return detour


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
