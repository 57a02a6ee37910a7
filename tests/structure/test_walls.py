"""The architecture, kept by reading the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.structure.source import ROOT, Module, is_in, modules
from tests.structure.walls import DOORS, breaches

CORE = modules(ROOT, "shared", "functions")
PRODUCT = modules(ROOT, "function_app", "functions", "shared", "devhost", "simulator", "bench")
TESTS = modules(ROOT, "tests")
LONGEST = 300  # lines of a module


def users(found: list[Module], *names: str) -> set[str]:
    """The modules that use one of the names, or something of it."""
    # A name that is used stands in the text, under an alias too; that spares most modules the parsing.
    last = {name.rpartition(".")[2] for name in names}
    candidates = [module for module in found if any(word in module.text for word in last)]
    return {module.name for module in candidates if any(is_in(use, name) for use in module.uses for name in names)}


def test_the_source_is_where_it_is_looked_for() -> None:
    names = {module.name for module in PRODUCT}
    assert {
        "function_app",
        "functions.http.web",
        "shared",
        "shared.outbound.admission.slots",
        "devhost.indexing",
    } <= names


def test_no_import_goes_through_a_wall() -> None:
    assert breaches(ROOT) == []


@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_there_because_somebody_uses_it(door: str) -> None:
    assert {breach.split(" -> ")[0] for breach in breaches(ROOT, doors=set(DOORS) - {door})} == {door}


def test_the_core_is_called_only_by_triggers() -> None:
    assert {name.split(".")[0] for name in users(PRODUCT, "functions.wiring.core")} == {"functions"}


def test_the_app_registers_every_blueprint_and_does_nothing_else() -> None:
    (app,) = modules(ROOT, "function_app")
    triggers = sorted(one.path.stem for one in CORE if one.name.endswith(("_http", "_queue", "_timer")))
    _, *rest = [statement for statement in app.tree.body if not isinstance(statement, ast.Import | ast.ImportFrom)]
    written = ast.unparse(ast.Module(rest, []))
    rooms = ", ".join(triggers)
    assert written == f"app = func.FunctionApp()\nfor room in ({rooms}):\n    app.register_functions(room.bp)"


def test_only_the_config_reads_the_environment() -> None:
    assert users(CORE, "os.environ", "os.getenv", "os.environb") == {"shared.app_settings.config"}


def test_only_the_clock_knows_what_time_it_is() -> None:
    assert users(CORE, *clock_names()) == {"shared.kernel.clock"}


def clock_names() -> list[str]:
    classes = ("datetime.datetime", "datetime.date")
    return ["time.time", "time.time_ns", *(f"{one}.{way}" for one in classes for way in ("now", "utcnow", "today"))]


def test_only_the_retry_sleeps() -> None:
    assert users(CORE, "time.sleep", "asyncio.sleep") == {"shared.concurrency.retry"}


def test_names_are_compared_in_one_place_and_a_tenants_limit_is_one_type() -> None:
    assert users(CORE, "difflib") == {"shared.kernel.near_names"}
    assert [module.name for module in CORE if "Pace" in module.classes()] == ["shared.tenants.rate_limit"]


def test_nothing_is_named_service_but_a_queue_with_agents() -> None:
    assert [module.name for module in PRODUCT if module.name.split(".")[-1] in ("service", "services")] == []
    named = {name for module in PRODUCT for name in module.classes() if name.endswith("Service")}
    assert named <= {"Service"}


@pytest.mark.parametrize("module", PRODUCT, ids=lambda module: module.name)
def test_a_module_can_be_read_in_one_go(module: Module) -> None:
    assert module.lines <= LONGEST


def test_tests_tell_their_claims_to_fakes_that_hold_state() -> None:
    assert users(TESTS, "unittest.mock", "mock", "pytest_mock") == set()
    patching = [module for module in TESTS if "setattr" in module.text]
    patchers = {module.name for module in patching if any(use.endswith("monkeypatch.setattr") for use in module.uses)}
    assert patchers == set()


# the checkers themselves

PLANTED = {
    "functions/a_http.py": "import requests",
    "functions/b_http.py": "from shared.clients.graph import graph",
    "functions/c_http.py": "def handler():\n    import shared.storage.tables",
    "functions/d_http.py": "from azure.data import tables",
    "functions/e_http.py": "from shared.bootstrap.core import build",
    "functions/http/a.py": "from shared.app_settings.config import Config",
    "shared/kernel/a.py": "from shared.tenants.models import Tenant",
    "shared/kernel/b.py": "from shared.concurrency.retry import retry",
    "shared/concurrency/a.py": "from shared.storage.tables import Row",
    "shared/http/a.py": "from shared.app_settings.config import Config",
    "shared/app_settings/a.py": "from shared.tenants.models import Tenant",
    "shared/tenants/a.py": "from shared.outbound.tasks import models",
    "shared/tenants/b.py": "from shared.tenants.settings.effects import Effect",
    "shared/messaging/a.py": "from shared.outbound.tasks.store import OutboundStore",
    "shared/operations/a.py": "from shared.outbound.admission.scheduler import Scheduler",
    "shared/operations/b.py": "from shared.clients.graph.graph import Graph",
    "shared/outbound/admission/a.py": "from shared.outbound.distribution import matching",
    "shared/outbound/admission/b.py": "from shared.outbound.webhooks.outbox import HookOutbox",
    "shared/outbound/distribution/a.py": "import shared.outbound.admission.slots",
    "shared/outbound/distribution/b.py": "from shared.outbound.webhooks import store",
    "shared/outbound/webhooks/a.py": "from shared.outbound.admission.entries import Entries",
    "shared/outbound/webhooks/b.py": "from ..distribution.reservations import Hold",
    "shared/outbound/tasks/a.py": "from shared.outbound.admission import slots",
    "shared/outbound/tasks/b.py": "from ...presence.states import State",
    "shared/outbound/tasks/c.py": "import shared.clients.graph.graph as g",
    "shared/outbound/tasks/d.py": "import azure.functions as func",
    "shared/outbound/tasks/e.py": "from azure import functions",
    "shared/presence/polling/a.py": "from shared.presence.guest_accounts.consent import SCOPES",
    "shared/presence/guest_accounts/a.py": "from shared.presence.polling import poller",
    "shared/presence/a.py": "from shared.presence.polling.poller import Poller",
    "shared/attendant/odata_filter/a.py": "from shared.attendant.search import query",
    "shared/attendant/odata_filter/b.py": "from shared.attendant.address_books.contacts import Contact",
    "shared/attendant/address_books/a.py": "from shared.attendant.search.query import Query",
    "shared/attendant/a.py": "from shared.attendant.search.ranking import Hit",
    "shared/interact/acs/a.py": "from shared.interact.sessions.store import SessionStore",
    "shared/interact/widget/a.py": "from shared.interact.sessions.rules import Session",
    "shared/interact/sessions/a.py": "from shared.interact.widget.rates import WidgetRates",
    "shared/interact/a.py": "from shared.interact.sessions.start import SessionStart",
    "shared/clients/a.py": "from shared.storage.tables import Row",
    "shared/clients/entra/a.py": "if True:\n    from shared.presence import states",
    "shared/bootstrap/a.py": "import functions.wiring",
    "shared/loose.py": "from shared.kernel.clock import now",
    "simulator/a.py": "from shared.kernel.clock import now",
    "simulator/b.py": "import importlib\nimportlib.import_module('shared.kernel.clock')",
    "simulator/c.py": "import importlib\nname = 'shared'\nimportlib.import_module(name)",
    "devhost/a.py": "from shared.outbound.tasks import store",
    "bench/a.py": "from functions.http import web",
}
FINE = {
    "functions/f_http.py": "from functions.wiring import core\nfrom shared.kernel import log",
    "functions/wiring.py": "from shared.bootstrap.core import x\nfrom shared.app_settings.config import Config",
    "shared/outbound/tasks/f.py": "from shared.tenants.models import Page\nfrom shared.storage.keys import key",
    "shared/outbound/tasks/g.py": "from .f import x\nfrom . import f",
    "shared/outbound/admission/f.py": "from shared.outbound.tasks.task import Task\nfrom shared.kernel import log",
    "shared/presence/polling/f.py": "from shared.presence.blocks import cut\nfrom shared.presence.polling.g import x",
    "shared/tenants/settings/f.py": "from shared.tenants.settings import effects",
    "shared/clients/f.py": "import requests\nimport msal\nfrom azure.communication.identity import X",
    "simulator/f.py": "import starlette\nfrom simulator import state",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (PLANTED | FINE).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_every_planted_breach_is_found_and_nothing_else(tree: Path) -> None:
    found = {breach.split(" -> ")[0] for breach in breaches(tree)}
    assert found == {name.removesuffix(".py").replace("/", ".") for name in PLANTED}


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep\nsleep(1)",
        "import time as t\nt.sleep(1)",
        "def f(pause=__import__('x')):\n    import time\n    return time.sleep",
    ],
)
def test_a_planted_sleep_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "shared.py").write_text(text)
    assert users(modules(tmp_path, "shared"), "time.sleep") == {"shared"}


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime as dt\nx = dt.datetime.now",
        "from datetime import date\ndate.today()",
        "from time import time\ntime()",
    ],
)
def test_a_planted_look_at_the_clock_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "shared.py").write_text(text)
    assert users(modules(tmp_path, "shared"), *clock_names()) == {"shared"}
