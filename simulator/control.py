"""The control API under /_simulator: how tests, benches and people tell the cloud what it is like."""

from __future__ import annotations

import time
from typing import Any

from simulator.acs_resource import STATES, AcsResource
from simulator.control_input import BadControl, Fields, access_key, guid
from simulator.control_tenants import described, set_account, set_app, set_presence, set_tenant
from simulator.control_token import make_token
from simulator.entra_device import decide_device_code
from simulator.entra_errors import code_numbers
from simulator.faults import Fault
from simulator.hooks import Behaviour
from simulator.state import Cloud
from simulator.wire import Call, NotJson, Reply, json_reply, whole_number

PREFIX = "_simulator"


def answer(cloud: Cloud, call: Call) -> Reply:
    """Answer a control call; one that cannot be understood gets a 400 with a sentence."""
    parts = call.segments[1:]
    for routes in (_watch, _direct, _describe):
        try:
            reply = routes(cloud, call, parts)
        except (BadControl, NotJson) as exc:
            return json_reply({"error": str(exc)}, 400)
        if reply is not None:
            return reply
    return json_reply({"error": f"There is no control call {call.method} {call.path}."}, 404)


def _watch(cloud: Cloud, call: Call, parts: list[str]) -> Reply | None:
    """What happened: health, journal, webhooks."""
    match call.method, parts:
        case "GET", ["health"]:
            return json_reply({"ok": True, "uptimeSeconds": round(time.time() - cloud.started, 1)})
        case "GET", ["requests"]:
            top = whole_number(call.query["top"]) if "top" in call.query else None
            if top is None and "top" in call.query:
                raise BadControl("'top' must be a whole number.")
            return json_reply(cloud.journal.rows(call.query, top))
        case "DELETE", ["requests"]:
            cloud.journal.clear()
            return _done()
        case "GET", ["webhooks"]:
            return json_reply(list(cloud.webhooks.rows))
        case "DELETE", ["webhooks"]:
            cloud.webhooks.rows.clear()
            return _done()
        case "PUT", ["webhooks", "behaviour"]:
            cloud.webhooks.choose(_behaviours(call.json()))
            return _done()
        case "DELETE", ["webhooks", "behaviour"]:
            cloud.webhooks.forget_choices()
            return _done()
    return None


def _direct(cloud: Cloud, call: Call, parts: list[str]) -> Reply | None:
    """What shall happen: tokens, faults, limits, keys, sign-ins, a fresh start."""
    match call.method, parts:
        case "POST", ["token"]:
            return json_reply(make_token(cloud, call.json()))
        case "POST", ["faults"]:
            return json_reply({"waiting": cloud.faults.add(_fault(call.json()))}, 201)
        case "GET", ["faults"]:
            return json_reply(cloud.faults.waiting())
        case "DELETE", ["faults"]:
            cloud.faults.clear()
            return _done()
        case "PUT", ["limits"]:
            _set_limits(cloud, call.json())
            return _done()
        case "POST", ["keys", "rotate"]:
            return json_reply({"kid": cloud.keys.rotate(drop=call.query.get("drop", "").lower() == "true")})
        case "POST", ["devicecodes", user_code]:
            return _decide(cloud, call, user_code)
        case "POST", ["reset"]:
            cloud.reset()
            return _done()
    return None


def _describe(cloud: Cloud, call: Call, parts: list[str]) -> Reply | None:
    """What there is: tenants, accounts, apps, presence, ACS resources."""
    match call.method, parts:
        case "GET", ["tenants"]:
            return json_reply(sorted(cloud.tenants))
        case "GET", ["tenants", tenant_id]:
            tenant = cloud.tenants.get(guid(tenant_id, "The tenant"))
            return json_reply(described(tenant)) if tenant else json_reply({"error": "There is no such tenant."}, 404)
        case "PUT", ["tenants", tenant_id]:
            set_tenant(cloud, guid(tenant_id, "The tenant"), call.json())
            return _done()
        case "PUT", ["presence", tenant_id]:
            return json_reply({"set": set_presence(cloud, guid(tenant_id, "The tenant"), call.json())})
        case "POST", ["accounts", upn]:
            set_account(cloud, upn, call.json() if call.body else {})
            return _done()
        case "PUT", ["apps", client_id]:
            set_app(cloud, guid(client_id, "The client id"), call.json())
            return _done()
        case "PUT", ["acs", host]:
            _set_acs(cloud, host.lower(), call.json())
            return _done()
    return None


def _done() -> Reply:
    return json_reply({"ok": True})


def _fault(body: Any) -> Fault:
    known = "host pathPrefix account status aadsts retryAfter delayMs drop body times"
    fields = Fields(body, "A fault", known)
    several = isinstance(fields.raw("aadsts"), list)
    aadsts = ",".join(fields.texts("aadsts")) if several else fields.text("aadsts")
    if aadsts is not None and not code_numbers(aadsts):
        raise BadControl("'aadsts' of a fault must look like AADSTS50076; several codes are a list, or have commas.")
    # An absent `times` is one; null strikes until the faults are cleared.
    times = fields.whole("times", least=1) if "times" in fields else 1
    fault = Fault(
        fields.must_text("host").lower(),
        fields.text("pathPrefix") or "",
        fields.text("account"),
        fields.whole("status", least=200, most=599),
        aadsts,
        fields.whole("retryAfter", least=0),
        fields.whole("delayMs", least=0) or 0,
        fields.yes("drop") or False,
        fields.raw("body"),
        times,
    )
    if fault.only_delays and not fault.delay_ms:
        raise BadControl("A fault must do something: status, aadsts, retryAfter, delayMs, drop or body.")
    return fault


def _set_limits(cloud: Cloud, body: Any) -> None:
    fields = Fields(body, "The limits", "presenceCalls")
    if "presenceCalls" not in fields:
        raise BadControl("The limits need 'presenceCalls': how many per window, or null for as many as you like.")
    cloud.presence_limit.calls = fields.whole("presenceCalls", least=0)


def _behaviours(body: Any) -> list[Behaviour]:
    chosen = []
    for one in body if isinstance(body, list) else [body]:
        fields = Fields(one, "A behaviour", "pathPrefix status delayMs times body")
        chosen.append(
            Behaviour(
                fields.text("pathPrefix") or "",
                fields.whole("status", least=200, most=599) or 202,
                fields.whole("delayMs", least=0) or 0,
                fields.whole("times", least=1),
                fields.raw("body"),
            )
        )
    return chosen


def _decide(cloud: Cloud, call: Call, user_code: str) -> Reply:
    fields = Fields(call.json(), "A decision", "upn deny")
    upn = None if fields.yes("deny") else fields.must_text("upn")
    if upn is not None and cloud.account(upn) is None:
        raise BadControl(f"There is no account {upn}.")
    if not decide_device_code(cloud, user_code, upn):
        return json_reply({"error": f"There is no user code {user_code}."}, 404)
    return _done()


def _set_acs(cloud: Cloud, host: str, body: Any) -> None:
    if not host.endswith(".communication.azure.com"):
        raise BadControl("An ACS host must end with .communication.azure.com.")
    fields = Fields(body, "An ACS resource", "accessKey state")
    state = fields.text("state")
    if state is not None and state not in STATES:
        raise BadControl(f"'state' must be one of {', '.join(STATES)}.")
    key = fields.text("accessKey")
    resource = cloud.acs.get(host)
    if resource is None:
        if key is None:
            raise BadControl("A new ACS resource needs an 'accessKey'.")
        resource = cloud.acs[host] = AcsResource(host, access_key(key))
    if key is not None:
        resource.access_key = access_key(key)
    resource.state = state or "ok"
