"""Fills a fresh stack with the demo data of demo.json; a second run changes nothing.

Started by the supervisor while the door is closed. The file holds
`{"people": [one of each role, for the greeting],
"simulator": {"tenants": {id: body}, "acs": {host: body}, "presence": {id: body}},
"app": [{"method", "path", "body", "ok": [status, ...], "as": tenant id, "then": [call, ...]}]}`.
Calls to the app are sent in their order as a local operator, or with `as` as a
tenant's admin; those of `then` follow, as the same caller, if the call made something.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from devhost.http import RUN_HEADER

DEMO: Final = Path(__file__).with_name("demo.json")
SECTIONS: Final = ("tenants", "acs", "presence")
# A PUT without If-Match is refused with one of these when the thing exists already.
THERE_ALREADY: Final = (412, 428)
CREATED: Final = 201
OPERATOR: Final = "0a000000-0000-4000-8000-00000000000a"
TIMEOUT: Final = 60  # seconds for one call


class SeedError(Exception):
    """A call was answered with a status the demo data does not expect."""


@dataclass(frozen=True)
class Target:
    """Where the stack listens, and what lets the seed in."""

    app: str
    simulator: str
    home_tenant: str
    run: str


def target(environ: Mapping[str, str]) -> Target:
    """From the environment the supervisor sets."""
    return Target(
        app=f"http://127.0.0.1:{environ['APP_PORT']}",
        simulator=f"http://127.0.0.1:{environ['SIMULATOR_PORT']}",
        home_tenant=environ["HOME_TENANT_ID"],
        run=environ["DEVHOST_RUN"],
    )


def seed(demo: Mapping[str, Any], to: Target) -> int:
    """Send everything; returns the number of calls. Raises SeedError at the first unexpected answer."""
    calls = 0
    with requests.Session() as session:
        session.trust_env = False  # loopback only: no proxy
        for section in SECTIONS:
            for key, body in demo.get("simulator", {}).get(section, {}).items():
                _call(session, "PUT", f"{to.simulator}/_simulator/{section}/{key}", body, ok=range(200, 300))
                calls += 1
        app = demo.get("app", [])
        tokens = {who: _token(session, who, to) for who in dict.fromkeys(call.get("as") for call in app)}
        for call in app:
            calls += _call_app(session, call, to, tokens[call.get("as")])
    return calls


def _call_app(session: requests.Session, call: Mapping[str, Any], to: Target, token: str) -> int:
    """Send one call, and what follows if it made something; how many that were."""
    headers = {"Authorization": f"Bearer {token}", RUN_HEADER: to.run}
    there = THERE_ALREADY if call["method"] == "PUT" else ()
    ok = (*call["ok"], *there)
    answer = _call(session, call["method"], to.app + call["path"], call.get("body"), ok=ok, headers=headers)
    following = call.get("then", []) if answer.status_code == CREATED else []
    for then in following:
        _call(session, then["method"], to.app + then["path"], then.get("body"), ok=tuple(then["ok"]), headers=headers)
    return 1 + len(following)


def _token(session: requests.Session, tenant_id: str | None, to: Target) -> str:
    """Of the tenant's admin; without a tenant, of a local operator."""
    role = "TenantAdmin" if tenant_id else "Operator"
    wanted = {"tenantId": tenant_id or to.home_tenant, "roles": [role], "oid": OPERATOR, "name": f"Local {role}"}
    answer = _call(session, "POST", f"{to.simulator}/_simulator/token", wanted, ok=(200, 201))
    return str(answer.json()["access_token"])


def _call(
    session: requests.Session,
    method: str,
    url: str,
    body: Any,
    *,
    ok: tuple[int, ...] | range,
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    answer = session.request(method, url, json=body, headers=headers, timeout=TIMEOUT)
    if answer.status_code not in ok:
        raise SeedError(f"{method} {url} answered {answer.status_code}: {answer.text[:500]}")
    return answer


def main() -> int:
    """0 when the demo data is there, 1 with the reason on stderr."""
    try:
        calls = seed(json.loads(DEMO.read_text("utf-8")), target(os.environ))
    except (SeedError, requests.RequestException, KeyError, ValueError) as error:
        print(f"seed: {error!r}", file=sys.stderr)
        return 1
    print(f"seed: {calls} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main())
