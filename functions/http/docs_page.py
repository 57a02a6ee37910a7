"""The OpenAPI document as a page to read: plain HTML made on the server, without scripts."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from typing import Any

from functions.http import openapi

_STYLE = """
body{font:15px/1.5 "Segoe UI",Helvetica,Arial,sans-serif;color:#20304d;margin:0 auto;max-width:60rem;padding:2rem 1rem}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid #9db0cf}
details{border:1px solid #d5deec;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code{font-family:Consolas,Menlo,monospace}
.verb{display:inline-block;min-width:4.2rem;font-weight:600}.who{color:#51607a}
pre{background:#f4f7fc;border-radius:6px;overflow:auto;padding:.6rem}
"""


@cache
def page() -> str:
    """Made once per process, like the document it shows."""
    document = openapi.document()
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(_group(path), []).append(_operation(path, method, operation, document))
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(items)}" for name, items in sorted(groups.items()))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Nimbus Extensions API</title>'
        f"<style>{_STYLE}</style><h1>Nimbus Extensions API</h1>"
        '<p>For programs: <a href="/api/openapi.json">openapi.json</a>.</p>' + body + "</html>"
    )


def _group(path: str) -> str:
    """Tenant paths by what stands behind the tenant, the others by what stands first."""
    parts = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    return parts[2] if parts[:2] == ["api", "tenants"] and len(parts) > 2 else parts[min(1, len(parts) - 1)]


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    who = ", ".join(operation["x-roles"]) or "anybody"
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code> in {escape(p['in'])}{', required' if p['required'] else ''}</li>"
        for p in operation["parameters"]
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    status, answer = next(iter(operation["responses"].items()))
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return (
        f'<details><summary><span class="verb">{method.upper()}</span><code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary>"
        f'<p class="who">Who: {escape(who)}</p><ul>{parameters}</ul>'
        + _shape("Body", body, document)
        + _shape(f"Answer {status}", schema, document)
        + "</details>"
    )


def _shape(title: str, schema: dict[str, Any] | None, document: dict[str, Any]) -> str:
    if schema is None:
        return ""
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    shown = document["components"]["schemas"].get(name, schema)
    return f"<p>{escape(title)} {escape(name)}</p><pre>{escape(json.dumps(shown, indent=1))}</pre>"
