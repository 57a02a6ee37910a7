"""What a function app declares: its functions with their triggers and bindings, as plain values.

`describe` is what the real host is told about the app, and refuses what the
real host or its worker would refuse, so that it is noticed here first.
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devhost.errors import IndexingError
from devhost.routing import parse_template
from devhost.schedule import parse_schedule
from devhost.settings import resolve

HTTP: Final = "httpTrigger"
TIMER: Final = "timerTrigger"
QUEUE: Final = "queueTrigger"
RETURN: Final = "$return"
_OUTPUTS: Final = ("http", "queue")
_NAME: Final = re.compile(r"[A-Za-z][\w-]{0,126}", re.ASCII)
_QUEUE_NAME: Final = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")

Binding = Mapping[str, Any]
"""One binding as in function.json: type, direction (IN, OUT), name, and what its type needs."""


@dataclass(frozen=True)
class Function:
    """One indexed function. Settings (`%NAME%`) are resolved in `trigger` and `outputs`, not in `bindings`."""

    name: str
    trigger_type: str
    bindings: tuple[Binding, ...]
    trigger: Binding
    outputs: Mapping[str, Binding]
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool

    @property
    def kind(self) -> str:
        """http, timer or queue."""
        return self.trigger_type.removesuffix("Trigger")

    @property
    def anonymous(self) -> bool:
        """Whether an HTTP function runs without a key. The default level is FUNCTION."""
        return str(self.trigger.get("authLevel", "FUNCTION")).upper() == "ANONYMOUS"


def load(app_dir: Path) -> Any:
    """Import function_app.py of the folder and return its `app`; the app's own import errors pass through."""
    sys.path[:] = [str(app_dir), *(entry for entry in sys.path if entry not in ("", str(app_dir)))]
    module = importlib.import_module("function_app")
    if not hasattr(module, "app"):
        raise IndexingError("function_app.py has no object named app")
    return module.app


def index(app: Any, environ: Mapping[str, str]) -> list[Function]:
    """The app's functions in the order of their declaration, without the disabled ones.

    Works once per app object: azure-functions builds them only once.
    """
    functions = [_function(declared, environ) for declared in app.get_functions()]
    enabled = [function for function in functions if not _disabled(function.name, environ)]
    _refuse_doubles(enabled)
    return enabled


def describe(functions: Iterable[Function]) -> list[dict[str, Any]]:
    """Name, trigger type and bindings of each function, ready for JSON."""
    return [
        {"name": function.name, "trigger": function.trigger_type, "bindings": [dict(one) for one in function.bindings]}
        for function in functions
    ]


def summary(functions: Iterable[Function], prefix: str) -> list[dict[str, str]]:
    """What the start-up table shows of each function: name, trigger kind and what sets it off."""
    return [{"name": one.name, "trigger": one.kind, "detail": _detail(one, prefix)} for one in functions]


def _detail(function: Function, prefix: str) -> str:
    trigger = function.trigger
    match function.trigger_type:
        case "httpTrigger":
            methods = ",".join(trigger.get("methods") or ("ANY",))
            path = f"{prefix}/{trigger['route'].strip('/')}".strip("/")
            return f"{methods} /{path}" + ("" if function.anonymous else "  (key)")
        case "queueTrigger":
            return str(trigger["queueName"])
        case _:
            return str(trigger["schedule"]) + ("  and at start" if trigger.get("runOnStartup") else "")


def _function(declared: Any, environ: Mapping[str, str]) -> Function:
    name = str(declared.get_function_name())
    try:
        return _understood(name, declared, environ)
    except IndexingError as error:
        raise IndexingError(f"function {name}: {error}") from error


def _understood(name: str, declared: Any, environ: Mapping[str, str]) -> Function:
    if not _NAME.fullmatch(name):
        raise IndexingError("a name starts with a letter and holds letters, digits, - and _ only")
    bindings = tuple(json.loads(raw) for raw in declared.get_raw_bindings())
    triggers = [binding for binding in bindings if binding["type"].endswith("Trigger")]
    if len(triggers) != 1:
        raise IndexingError(f"it has {len(triggers)} triggers instead of one")
    trigger = _resolved(triggers[0], name, environ)
    outputs = {one["name"]: _resolved(one, name, environ) for one in bindings if one is not triggers[0]}
    call = declared.get_user_function()
    return Function(
        name=name,
        trigger_type=trigger["type"],
        bindings=bindings,
        trigger=trigger,
        outputs=outputs,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=_wants_context(call, {trigger["name"], *outputs}),
    )


def _resolved(binding: Binding, function: str, environ: Mapping[str, str]) -> Binding:
    """The binding with its settings filled in; refuses what this host does not run."""
    whole = {**binding, **{key: resolve(binding[key], environ) for key in _TEXTS if isinstance(binding.get(key), str)}}
    match binding["type"]:
        case "httpTrigger":
            whole["route"] = whole.get("route") or function
            parse_template(whole["route"])
            if re.match(r"/?(admin|runtime)", whole["route"], re.IGNORECASE):
                raise IndexingError(f"route {whole['route']!r}: the host keeps admin and runtime for itself")
        case "timerTrigger":
            parse_schedule(whole["schedule"])
        case "queueTrigger" | "queue":
            if not _QUEUE_NAME.fullmatch(whole["queueName"]):
                raise IndexingError(f"{whole['queueName']!r} cannot be a queue's name")
        case other if other not in _OUTPUTS:
            raise IndexingError(f"the devhost does not run the binding {other}")
    return whole


_TEXTS: Final = ("route", "schedule", "queueName")


def _wants_context(call: Callable[..., Any], bound: set[str]) -> bool:
    """Whether the function takes `context`; refuses parameters without a binding and bindings without a parameter."""
    parameters = set(inspect.signature(call).parameters)
    wants = "context" in parameters and "context" not in bound
    if strange := parameters - bound - {"context"}:
        raise IndexingError(f"the parameters {sorted(strange)} have no binding")
    if strange := bound - parameters - {RETURN}:
        raise IndexingError(f"the bindings {sorted(strange)} have no parameter")
    return wants


def _disabled(name: str, environ: Mapping[str, str]) -> bool:
    return environ.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("true", "1")


def _refuse_doubles(functions: Iterable[Function]) -> None:
    """The host refuses two functions of one name (in any case) and two of one route and method."""
    names: set[str] = set()
    routes: dict[tuple[str, str], str] = {}
    for function in functions:
        if function.name.lower() in names:
            raise IndexingError(f"two functions are named {function.name}")
        names.add(function.name.lower())
        if function.trigger_type != HTTP:
            continue
        for method in function.trigger.get("methods") or ("any method",):
            key = (function.trigger["route"].strip("/").lower(), method)
            if key in routes:
                raise IndexingError(f"functions {routes[key]} and {function.name} share {method} {key[0]}")
            routes[key] = function.name
