"""Registering, listing and removing hooks, and taking events in for them."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from shared.kernel.callers import Caller
from shared.kernel.errors import AppError, Invalid
from shared.outbound.webhooks.models import Hook
from shared.outbound.webhooks.registrations import MOST_HOOKS
from shared.outbound.webhooks.store import HookStore, KeptHook, sealed_rows
from shared.storage.entities import Overwrite, Row, with_doc
from shared.storage.secrets import SecretBox
from shared.tenants.key_rotation import Rotated, Rotation
from shared.tenants.offboarding import Offboarding
from shared.tenants.tenants import Tenants
from tests.core.hook_world import URL, HookWorld
from tests.core.race import codes, together
from tests.core.world import OLD_KEY, SERVICE, World

OWNER = "bbbbbbbb-0000-4000-8000-000000000001"


@pytest.fixture
def owner(world: World) -> Caller:
    """Owns the service."""
    world.put_service(SERVICE, owners=[OWNER])
    return Caller(world.tenant_id, OWNER, "Olga Owner", frozenset({"ServiceOwner"}))


def stranger(world: World) -> Caller:
    return Caller(world.tenant_id, str(uuid.uuid4()), "Stranger", frozenset({"ServiceOwner"}))


def findings(hooks: HookWorld, kind: Any, body: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        hooks.process.webhooks.register(hooks.tenant_id, kind, body, by=hooks.world.by)
    return sorted(finding.path for finding in refused.value.findings)


# registering


def test_every_finding_of_a_registration_comes_at_once(hooks: HookWorld) -> None:
    config = {"services": [], "taskEvents": ["Queued", "Exploded"], "modalities": ["Fax"], "directions": ["Sideways"]}
    paths = ["config.directions.0", "config.modalities.0", "config.services", "config.taskEvents.1", "config.url"]
    assert findings(hooks, "tasks", {"config": config | {"url": "http://127.0.0.1/"}}) == paths
    assert findings(hooks, "tasks", {"config": config}) == paths
    assert findings(hooks, "tasks", {"config": config | {"url": 7}}) == paths


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["config"]),
        ([], [""]),
        ({"config": None}, ["config"]),
        ({"config": {}}, ["config.schedulerEntryEvents", "config.services", "config.url"]),
        ({"config": []}, ["config"]),
        (
            {"config": {"services": ["nobody"], "schedulerEntryEvents": [], "url": URL}},
            ["config.schedulerEntryEvents", "config.services.0"],
        ),
        (
            {"config": {"services": [SERVICE] * 101, "schedulerEntryEvents": ["Queued"], "url": URL}},
            ["config.services"],
        ),
    ],
)
def test_bad_content_is_named_by_its_field(hooks: HookWorld, body: Any, paths: list[str]) -> None:
    assert findings(hooks, "scheduler-entries", body) == paths


def test_a_refusal_does_not_repeat_the_url(hooks: HookWorld) -> None:
    with pytest.raises(Invalid) as refused:
        hooks.register(url="https://evil.example/?sig=s3cr3t", schedulerEntryEvents=["Exploded"])
    assert "s3cr3t" not in refused.value.detail + "".join(f.message for f in refused.value.findings)


def test_a_service_must_exist_and_be_the_callers(hooks: HookWorld, world: World, owner: Caller) -> None:
    with pytest.raises(AppError) as unknown:
        hooks.register(services=[SERVICE, "nobody@contoso.example"], by=stranger(world))
    with pytest.raises(AppError) as not_yours:
        hooks.register(by=stranger(world))
    assert (unknown.value.code, not_yours.value.code) == ("ServiceNotFound", "NotServiceOwner")
    assert hooks.register(services=[SERVICE.upper()], by=owner).services == [SERVICE]


def test_a_service_named_twice_in_whatever_spelling_is_kept_once_as_the_directory_spells_it(
    hooks: HookWorld, world: World
) -> None:
    world.put_service("Sales@contoso.example")
    named = [SERVICE.upper(), "sales@CONTOSO.example", SERVICE, "Sales@contoso.example"]
    hook = hooks.register(url=URL, services=named)
    assert hook.services == hooks.state(hook).services == [SERVICE, "Sales@contoso.example"]
    assert hooks.register(url=URL, services=[SERVICE, "SALES@contoso.example"]).id == hook.id, "the same wish again"


def test_a_registration_that_is_repeated_at_once_is_one_hook_and_later_another(hooks: HookWorld) -> None:
    first, again = hooks.register(url=URL), hooks.register(url=URL)
    assert first.id == again.id
    assert hooks.register(url=URL, schedulerEntryEvents=["Queued"]).id != first.id
    hooks.clock.move(minutes=11)
    assert hooks.register(url=URL).id != first.id


def test_registrations_at_once_do_not_pass_the_limit(hooks: HookWorld) -> None:
    one = hooks.register()
    many = [one.model_copy(update={"id": str(uuid.uuid4()), "fingerprint": str(n)}) for n in range(MOST_HOOKS - 4)]
    rows = [Row(f"{hooks.tenant_id}|hooks", f"hook:{hook.id}", with_doc(hook.as_json())) for hook in many]
    hooks.world.account.table("outbound").transact_all([Overwrite(row) for row in rows])
    outcomes = together(6, lambda _: hooks.register())
    assert codes(outcomes) == ["WebhookLimitReached"] * 3
    assert len(hooks.process.webhooks.page(hooks.tenant_id, top=1000, continuation=None).items) == MOST_HOOKS


def test_a_registration_repeated_on_two_instances_at_once_is_one_hook(hooks: HookWorld) -> None:
    outcomes = together(6, lambda _: hooks.register(url=URL))
    assert len({outcome.id for outcome in outcomes if isinstance(outcome, Hook)}) == 1


def test_what_is_secret_of_a_url_is_nowhere_in_clear(hooks: HookWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hook = hooks.register(url="https://prod-1.logic.azure.com/workflows/s3cr3t/invoke?sig=s3cr3t")
    hooks.publish(hooks.event("t", 1))
    table = hooks.world.account.table("outbound")
    names = list(table.partitions(f"{hooks.tenant_id}|", f"{hooks.tenant_id}}}"))
    stored = json.dumps([dict(row.values) for n in names if (row := table.get(n.partition, n.row))], default=str)
    assert len(names) == 4
    assert "s3cr3t" not in stored + caplog.text
    state = hooks.state(hook)
    assert state.url == "https://prod-1.logic.azure.com/workflows"
    assert state.fingerprint == hook.url_fingerprint
    assert f"url={state.url} fingerprint={state.fingerprint}" in caplog.text


def test_a_row_that_holds_the_whole_path_is_shown_without_it(hooks: HookWorld) -> None:
    hook = hooks.register()
    store_as_before(hooks, hook)
    state = hooks.state(hook)
    assert (state.url, state.fingerprint) == ("https://prod-1.logic.azure.com/workflows", None)


def store_as_before(hooks: HookWorld, hook: Hook) -> None:
    """With the whole path in clear, as earlier releases did."""
    table = hooks.world.account.table("outbound")
    row = table.get(f"{hooks.tenant_id}|hooks", f"hook:{hook.id}")
    assert row is not None
    old = {name: value for name, value in row.doc.items() if name != "urlFingerprint"} | {"url": URL.split("?")[0]}
    table.overwrite(Row(row.partition, row.row, with_doc(old, sealed=row.text("sealed"))))


# removing


def test_a_removed_hook_leaves_nothing_behind(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(hooks.event("t", 1))
    hooks.process.webhooks.remove(hooks.tenant_id, "scheduler-entries", hook.id.upper(), by=hooks.world.by)
    hooks.run(minutes=5)
    assert (hooks.hook(hook), hooks.rows(hook), hooks.receiver.posts) == (None, [], [])
    assert hooks.next_moment() is None


def test_what_is_published_while_a_hook_is_removed_is_cleared_away(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.process.webhooks.remove(hooks.tenant_id, "scheduler-entries", hook.id, by=hooks.world.by)
    hooks.beat()
    hooks.process.agenda.wake("webhook", hooks.tenant_id, hook.id)  # publish has read the hook before it went
    hooks.process.outbox.take_in(hooks.tenant_id, hook, [hooks.event("t", 1)], hooks.clock())
    hooks.run(minutes=5)
    assert hooks.rows(hook) == []


def test_who_may_remove_a_hook(hooks: HookWorld, world: World, owner: Caller) -> None:
    webhooks = hooks.process.webhooks
    hook = hooks.register()
    for kind, hook_id in (("tasks", hook.id), ("scheduler-entries", str(uuid.uuid4())), ("scheduler-entries", "x'y")):
        with pytest.raises(AppError) as unknown:
            webhooks.remove(hooks.tenant_id, kind, hook_id, by=world.by)  # type: ignore[arg-type]
        assert unknown.value.code == "WebhookNotFound"
    with pytest.raises(AppError) as refused:
        webhooks.remove(hooks.tenant_id, "scheduler-entries", hook.id, by=stranger(world))
    assert refused.value.code == "NotServiceOwner"
    webhooks.remove(hooks.tenant_id, "scheduler-entries", hook.id, by=owner)
    own = hooks.register(by=owner)
    world.put_service(SERVICE, owners=[])
    webhooks.remove(hooks.tenant_id, "scheduler-entries", own.id, by=owner)  # a flow may always unsubscribe
    assert webhooks.page(hooks.tenant_id, top=10, continuation=None).items == []


def test_a_hook_of_another_tenant_is_not_there(hooks: HookWorld) -> None:
    hook = hooks.register()
    with pytest.raises(AppError) as unknown:
        hooks.process.webhooks.remove(str(uuid.uuid4()), "scheduler-entries", hook.id, by=hooks.world.by)
    assert unknown.value.code == "WebhookNotFound"


def test_offboarding_takes_hooks_and_their_events_along(hooks: HookWorld, world: World) -> None:
    hook = hooks.register()
    hooks.publish(hooks.event("t", 1))
    world.tenants.start_offboarding(world.tenant_id, world.by)
    tables, records = [world.account.table("outbound")], world.account.table("system")
    Offboarding(world.tenants, tables, records, world.clock).run(world.tenant_id)
    assert (hooks.hook(hook), hooks.rows(hook)) == (None, [])
    hooks.run(minutes=5)
    assert hooks.receiver.posts == []


@pytest.mark.parametrize("key", [OLD_KEY, ("new", bytes(range(32)))])
def test_rotation_removes_the_path_that_earlier_releases_stored_in_clear(
    hooks: HookWorld, world: World, key: tuple[str, bytes]
) -> None:
    hook = hooks.register()
    store_as_before(hooks, hook)
    table = world.account.table("outbound")
    secrets, places = SecretBox([key]), [sealed_rows(table, lambda: [hooks.tenant_id])]
    # One key seals nothing anew, the other opens nothing; the path goes in both cases.
    Rotation(NoTenants(world.tenants), world.account.table("tenants"), secrets, places).run(lambda done, of: None)
    row = table.get(f"{hooks.tenant_id}|hooks", f"hook:{hook.id}")
    assert row is not None
    assert "invoke" not in json.dumps(row.doc)
    assert row.doc["url"] == "https://prod-1.logic.azure.com/workflows"
    assert hooks.state(hook).url == row.doc["url"]
    assert HookStore(table, world.secrets).url_of(hooks.tenant_id, KeptHook(hook, row)).startswith(URL)


def test_rotation_seals_urls_again_and_deliveries_go_on(hooks: HookWorld, world: World) -> None:
    hook = hooks.register()
    table, new = world.account.table("outbound"), ("new", bytes(range(32)))
    rotation = Rotation(
        NoTenants(world.tenants),
        world.account.table("tenants"),
        SecretBox([new, OLD_KEY]),
        [sealed_rows(table, lambda: [hooks.tenant_id])],
    )
    assert [rotation.run(lambda done, of: None) for _ in range(2)] == [Rotated(1, ()), Rotated(0, ())]
    store = HookStore(table, SecretBox([new]))
    kept = store.find(hooks.tenant_id, hook.id)
    assert kept is not None
    assert kept.hook == hook
    assert store.url_of(hooks.tenant_id, kept).startswith(URL)


class NoTenants(Tenants):
    """Tenants as the rotation sees them, so that it leaves those of other tests alone."""

    def __init__(self, real: Tenants) -> None:
        self.__dict__.update(real.__dict__)

    def ids(self) -> Iterator[str]:
        return iter([])


# publishing


def told(hooks: HookWorld, hook: Hook) -> list[str]:
    return [row.split(":", 1)[1] for row in hooks.pending(hook)]


def test_a_hook_is_told_what_it_asked_for_and_nothing_else(hooks: HookWorld, world: World) -> None:
    world.put_service("sales@contoso.example")
    finals = hooks.register(schedulerEntryEvents=["Completed", "Cancelled"])
    sales = hooks.register(services=["Sales@contoso.example"])
    both = hooks.register(services=[SERVICE, "sales@contoso.example"])
    hooks.publish(hooks.event("a", 1), hooks.event("a", 2, "Completed"), hooks.event("b", 1, modality="ExternalTask"))
    hooks.publish(hooks.event("c", 1, service="sales@CONTOSO.example"))
    assert told(hooks, finals) == ["a:00000002"]
    assert told(hooks, sales) == ["c:00000001"]
    assert told(hooks, both) == ["a:00000001", "a:00000002", "c:00000001"]


def test_a_hook_on_tasks_can_be_narrowed(hooks: HookWorld) -> None:
    def register(**changes: Any) -> Hook:
        config = {"services": [SERVICE], "taskEvents": ["Queued"], "url": f"{URL}&{uuid.uuid4()}"} | changes
        return hooks.process.webhooks.register(hooks.tenant_id, "tasks", {"config": config}, by=hooks.world.by)

    everything, audio = register(), register(modalities=["Audio"], directions=["Inbound", "Outbound"])
    external, inbound = register(modalities=["ExternalTask", "InstantMessaging"]), register(directions=["Inbound"])
    hooks.publish(hooks.event("a", 1), hooks.event("b", 1, modality="ExternalTask"))
    assert told(hooks, everything) == ["a:00000001", "b:00000001"]
    assert told(hooks, audio) == ["a:00000001"]
    assert told(hooks, external) == ["b:00000001"]
    assert told(hooks, inbound) == []
    hooks.deliver(external)
    (post,) = hooks.receiver.posts
    assert post.told == {"taskId": "b", "event": "Queued", "number": 1}


def test_publishing_again_changes_nothing_before_and_after_delivery(hooks: HookWorld) -> None:
    hook = hooks.register()
    events = [hooks.event("t", 1), hooks.event("t", 2), hooks.event("u", 1)]
    hooks.publish(*events)
    before = hooks.rows(hook)
    hooks.publish(*events)
    assert hooks.rows(hook) == before
    hooks.deliver(hook)
    hooks.publish(*events, hooks.event("t", 3))
    hooks.deliver(hook)
    assert sorted((post.task, post.number) for post in hooks.receiver.posts) == [("t", 1), ("t", 2), ("t", 3), ("u", 1)]


def test_publishing_at_once_on_several_instances_tells_each_event_once(hooks: HookWorld) -> None:
    hook = hooks.register()
    events = [hooks.event("t", number) for number in range(1, 6)]
    assert together(6, lambda n: hooks.publish(*events[: n % 3 + 3])) == [None] * 6
    hooks.deliver(hook)
    assert hooks.receiver.numbers("t") == [1, 2, 3, 4, 5]


def test_more_events_than_one_transaction_takes_all_arrive_in_order(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(*[hooks.event("t", number, padding="x" * 30_000) for number in range(1, 121)])
    hooks.deliver(hook)
    assert hooks.receiver.numbers("t") == list(range(1, 121))


def test_without_hooks_publishing_costs_one_read_and_no_appointment(hooks: HookWorld) -> None:
    hooks.publish(hooks.event("t", 1))
    assert hooks.next_moment() is None


def test_a_rejected_message_is_told_like_any_event(hooks: HookWorld) -> None:
    hook = hooks.register(schedulerEntryEvents=["Rejected"])
    message = f"rejected:{uuid.uuid4()}"
    hooks.publish(hooks.event(message, 1, "Rejected"))
    hooks.deliver(hook)
    assert hooks.receiver.numbers(message) == [1]
