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

from shared.connections import AwakeAdapter

# As many as the worker has threads (PYTHON_THREADPOOL_THREAD_COUNT); a smaller pool would throw connections away.
POOL: Final = 64

_Timeout = float | tuple[float, float] | tuple[float, None] | None


Session = requests.Session
"""What ``open_session`` gives; rooms outside of this one know it by no other name."""


def open_session(gateway: str | None, *, connect_timeout: float = 3.05, read_timeout: float = 10.0) -> requests.Session:
    """A session for every host outside; safe to share between threads.

    A call without a timeout gets these (seconds, to connect and between two bytes). Nothing is retried and
    no redirect is followed: a 3xx is an answer like any other. Plain http:// is refused, except to the
    gateway, with requests' InvalidSchema. No cookie is kept and no netrc is read; proxies of the environment
    count only without a gateway.
    """
    session = _Session()
    door = _Door(gateway, (connect_timeout, read_timeout))
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


class _Door(AwakeAdapter):
    def __init__(self, gateway: str | None, timeout: tuple[float, float]) -> None:
        super().__init__(pool_maxsize=POOL)
        self._gateway = gateway.rstrip("/").lower() if gateway else None
        self._timeout = timeout

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
        return response

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
