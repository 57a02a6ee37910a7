"""Threads that tenants share fairly: what hangs for one tenant never takes the threads of all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """At most ``threads`` acts at once, and of one tenant at most ``share``; what is beyond waits for its turn.

    An act that runs cannot be stopped; one whose future was cancelled while it waited is never begun.
    """

    def __init__(self, name: str, *, threads: int, share: int) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._share = share
        self._lock = Lock()
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[Future[T], Callable[[], T]]]] = {}

    def submit(self, tenant_id: str, act: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._waiting.setdefault(tenant_id, deque()).append((future, act))
            running = self._running.get(tenant_id, 0)
            if running < self._share:
                self._running[tenant_id] = running + 1
                self._pool.submit(self._next, tenant_id)
        return future

    def _next(self, tenant_id: str) -> None:
        """One act of the tenant; the one after it queues up behind those of other tenants."""
        with self._lock:
            waiting = self._waiting.get(tenant_id)
            future, act = waiting.popleft() if waiting else (None, None)
        if future is not None and act is not None and future.set_running_or_notify_cancel():
            _settle(future, act)
        with self._lock:
            if self._waiting.get(tenant_id):
                self._pool.submit(self._next, tenant_id)
                return
            self._waiting.pop(tenant_id, None)
            self._running[tenant_id] -= 1
            if not self._running[tenant_id]:
                del self._running[tenant_id]


def _settle(future: Future[T], act: Callable[[], T]) -> None:
    try:
        result = act()
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)
