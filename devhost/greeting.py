"""What a run says to the person who started it: where everything is, who can sign in, what to try next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from devhost.options import Options

_INDENT: Final = "  "


@dataclass(frozen=True)
class Person:
    """Somebody of the demo data whose token the simulator signs."""

    name: str
    role: str
    tenant_id: str
    oid: str


def people_of(demo: Mapping[str, Any]) -> list[Person]:
    """The people of demo.json, one for each role."""
    return [Person(one["name"], one["role"], one["tenantId"], one["oid"]) for one in demo.get("people", [])]


def addresses(options: Options) -> str:
    """What this run starts, by its address."""
    return _section("Addresses", [(who, f"http://127.0.0.1:{port}/") for port, who, _ in options.ports])


def welcome(options: Options, people: Sequence[Person]) -> str:
    """For a run of this app with its demo data: who can sign in, and what to try."""
    app, simulator = (f"http://127.0.0.1:{port}" for port in (options.app_port, options.simulator_port))
    try_next = [
        ("a customer's website", f"{app}/portal/widget-demo"),
        ("every call, described", f"{app}/api/docs"),
        ("can it work?", f"{app}/api/health/ready"),
        ("the tour", "README.md, Five minutes with it"),
    ]
    if not options.simulator:
        return _section("Try next", try_next)
    asked = ("what Microsoft was asked", f"{simulator}/_simulator/requests")
    rows = [(person.name, f"{person.role:<13} {person.oid} of tenant {person.tenant_id}") for person in people]
    return "\n".join(
        [
            _section("Who can sign in (the simulator signs their tokens)", rows),
            *([_token(people[0], simulator)] if people else []),
            _section("Try next", [*try_next, asked]),
        ]
    )


def functions(found: Sequence[Mapping[str, str]]) -> str:
    """Each function with what sets it off."""
    return _section("Functions", [(one["name"], f"{one['trigger']:<5}  {one['detail']}") for one in found])


def _token(person: Person, simulator: str) -> str:
    body = f'{{"tenantId": "{person.tenant_id}", "oid": "{person.oid}", "roles": ["{person.role}"]}}'
    lines = [
        f"A token for {person.name}",
        f"{_INDENT}curl -s {simulator}/_simulator/token -H 'Content-Type: application/json' \\",
        f"{_INDENT}  -d '{body}'",
    ]
    return "\n".join([*lines, ""])


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(left) for left, _ in rows), default=0)
    return "\n".join([title, *(f"{_INDENT}{left:<{width}}  {right}" for left, right in rows), ""])
