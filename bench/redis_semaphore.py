"""A counting semaphore in Redis: a Lua script that counts, keeps the task and notes the event, in one round trip.

Redis runs scripts one after the other, so there is nothing to retry. With ``appendfsync always`` an answer means that
the task is on disk. Limit and service are read by the script too.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, Final

import redis

from bench.ways import Body, cancelled, event_of, task_of, text, upn

_ADMIT: Final = """
local service = redis.call('HMGET', KEYS[1], 'limit', 'used')
if tonumber(service[2]) >= tonumber(service[1]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'used', 1)
redis.call('SET', KEYS[2], ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[2])
return 1
"""
_RELEASE: Final = """
if redis.call('DEL', KEYS[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'used', -1)
redis.call('SET', KEYS[4], ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class _Held:
    service: str
    task_id: str


class RedisSemaphore:
    """Starts with an empty database."""

    def __init__(self, port: int, *, services: int, limit: int) -> None:
        self._client: Any = redis.Redis(port=port)
        self._client.flushall()
        for number in range(services):
            self._client.hset(f"service:{upn(number)}", mapping={"limit": limit, "used": 0})
        self._admit = self._client.register_script(_ADMIT)
        self._release = self._client.register_script(_RELEASE)

    def admit(self, body: Body) -> _Held | None:
        service, task = str(body["serviceUpn"]), task_of(body, str(uuid.uuid4()), 0)
        keys = [f"service:{service}", f"entry:{task['taskId']}", f"outbox:{service}"]
        is_in = self._admit(keys=keys, args=[text(task), text(event_of(task))])
        return _Held(service, task["taskId"]) if is_in else None

    def release(self, held: _Held) -> None:
        entry = f"entry:{held.task_id}"
        past = cancelled(json.loads(self._client.get(entry)))
        keys = [f"service:{held.service}", entry, f"outbox:{held.service}", f"past:{held.task_id}"]
        self._release(keys=keys, args=[text(past), text(event_of(past))])
