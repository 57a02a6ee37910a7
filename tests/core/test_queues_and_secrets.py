"""Queue messages as the Functions host reads them, and secrets at rest."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue import QueueClient, TextBase64EncodePolicy
from hypothesis import example, given
from hypothesis import strategies as st

from shared.storage.account import StorageAccount
from shared.storage.queues import MAX_BYTES, MAX_DELAY, MessageTooBig, Queue
from shared.storage.secrets import SecretBox, Unreadable
from tests.core.old_seals import v1_seal

# queues


@pytest.fixture
def raw(connection: str) -> Iterator[QueueClient]:
    """A queue of this test's own, with text as it is on the wire."""
    client = QueueClient.from_connection_string(connection, f"test-{uuid.uuid4()}")
    client.create_queue()
    yield client
    client.delete_queue()


@pytest.fixture
def queue(account: StorageAccount, raw: QueueClient) -> Queue:
    return account.queue(raw.queue_name)


def test_a_message_is_base64_of_json_in_utf_8_on_the_wire(queue: Queue, raw: QueueClient) -> None:
    queue.send({"tenantId": "t", "name": "Zoë 😀"})
    (message,) = raw.receive_messages()
    assert base64.b64decode(message.content, validate=True) == '{"tenantId":"t","name":"Zoë 😀"}'.encode()


def test_a_message_never_expires(queue: Queue, raw: QueueClient) -> None:
    queue.send({})
    (message,) = raw.receive_messages()
    assert message.expires_on is not None
    assert message.expires_on > datetime.now(UTC) + timedelta(days=365 * 100)


def test_a_message_has_at_most_48_kib_and_a_bigger_one_is_not_sent(queue: Queue, raw: QueueClient) -> None:
    room = MAX_BYTES - len(json.dumps({"a": ""}, separators=(",", ":")))
    queue.send({"a": "x" * room})
    with pytest.raises(MessageTooBig):
        queue.send({"a": "x" * (room + 1)})
    with pytest.raises(MessageTooBig):
        queue.send({"a": "ä" * (room // 2 + 1)})
    (message,) = raw.receive_messages()
    assert len(message.content) == 64 * 1024


def test_a_delayed_message_is_not_to_be_seen_yet(queue: Queue, raw: QueueClient) -> None:
    queue.send({}, delay=timedelta(hours=1))
    assert list(raw.receive_messages()) == []
    assert raw.get_queue_properties().approximate_message_count == 1


def test_a_longer_delay_than_azure_takes_is_cut_to_seven_days(queue: Queue, raw: QueueClient) -> None:
    queue.send({}, delay=MAX_DELAY + timedelta(days=30))
    assert raw.get_queue_properties().approximate_message_count == 1


def test_the_sdk_of_the_host_reads_what_is_sent(queue: Queue, raw: QueueClient, connection: str) -> None:
    queue.send({"tenantId": "t"})
    sent = raw.peek_messages()[0].content
    assert base64.b64encode(b'{"tenantId":"t"}').decode() == sent
    assert TextBase64EncodePolicy()('{"tenantId":"t"}') == sent


# secrets

OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
PLACE = {"tenant": "11111111-1111-4111-8111-111111111111", "field": "interact.acsConnectionString"}


@given(plain=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_secret_opens_where_it_was_sealed(plain: str) -> None:
    box = SecretBox([NEW])
    assert box.open(box.seal(plain, **PLACE), **PLACE) == plain


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    box = SecretBox([NEW])
    assert len({box.seal("s", **PLACE) for _ in range(5)}) == 5


def test_a_sealed_secret_shows_nothing_of_itself() -> None:
    sealed = SecretBox([NEW]).seal("endpoint=https://x/;accesskey=abc", **PLACE)
    assert "endpoint" not in sealed
    assert all(b"accesskey" not in base64.urlsafe_b64decode(part + "==") for part in sealed.split(".")[2:])


@pytest.mark.parametrize(
    "place",
    [
        {"tenant": "22222222-2222-4222-8222-222222222222"},
        {"field": "assistant.acsConnectionString"},
        {"tenant": PLACE["tenant"] + "|interact", "field": "acsConnectionString"},
    ],
)
def test_a_row_copied_to_another_place_does_not_open(place: dict[str, str]) -> None:
    box = SecretBox([NEW])
    with pytest.raises(Unreadable):
        box.open(box.seal("s", **PLACE), **PLACE | place)


@given(places=st.lists(st.tuples(st.text("a|:1", max_size=4), st.text("a|:1", max_size=4)), min_size=2, max_size=2))
@example(places=[("a|b", "c"), ("a", "b|c")])
def test_no_two_places_are_one(places: list[tuple[str, str]]) -> None:
    box, (one, other) = SecretBox([NEW]), places
    sealed = box.seal("s", tenant=one[0], field=one[1])
    if one == other:
        assert box.open(sealed, tenant=other[0], field=other[1]) == "s"
    else:
        with pytest.raises(Unreadable):
            box.open(sealed, tenant=other[0], field=other[1])


def test_the_form_of_earlier_releases_opens_and_is_to_be_sealed_again() -> None:
    box = SecretBox([NEW])
    sealed = v1_seal(NEW, "s", **PLACE)
    assert box.open(sealed, **PLACE) == "s"
    assert not box.is_current(sealed)
    with pytest.raises(Unreadable):
        box.open(sealed, **PLACE | {"field": "assistant.acsConnectionString"})


def test_one_form_does_not_pass_for_the_other() -> None:
    box = SecretBox([NEW])
    for sealed in (box.seal("s", **PLACE), v1_seal(NEW, "s", **PLACE)):
        version, rest = sealed.split(".", 1)
        with pytest.raises(Unreadable):
            box.open(f"{'v1' if version == 'v2' else 'v2'}.{rest}", **PLACE)


def test_a_tenant_is_the_same_in_any_case() -> None:
    box = SecretBox([NEW])
    sealed = box.seal("s", tenant="ABCD", field="f")
    assert box.open(sealed, tenant="abcd", field="f") == "s"


def test_a_key_that_is_not_on_the_ring_opens_nothing() -> None:
    sealed = SecretBox([OLD]).seal("s", **PLACE)
    for ring in ([NEW], [("old", b"x" * 32)], [("new", OLD[1])]):
        with pytest.raises(Unreadable):
            SecretBox(ring).open(sealed, **PLACE)


def test_an_old_key_still_opens_and_says_that_it_is_old() -> None:
    sealed = SecretBox([OLD]).seal("s", **PLACE)
    box = SecretBox([NEW, OLD])
    assert box.open(sealed, **PLACE) == "s"
    assert not box.is_current(sealed)
    assert box.is_current(box.seal("s", **PLACE))


@given(data=st.data())
def test_one_changed_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    box = SecretBox([NEW])
    parts = box.seal("secret", **PLACE).split(".")
    which = data.draw(st.sampled_from([2, 3]))
    raw = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts[which] = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    with pytest.raises(Unreadable):
        box.open(".".join(parts), **PLACE)


@pytest.mark.parametrize(
    "damage", ["", "v1", "v1...", "v1.new..", "v2.new.AA.AA", "v2.new.ä.ä", "v2.a.b.c.d", "v3.new.AA.AA", "plain"]
)
def test_what_is_no_sealed_secret_is_unreadable_and_not_repeated(damage: str) -> None:
    with pytest.raises(Unreadable) as refused:
        SecretBox([NEW]).open(damage, **PLACE)
    assert not damage or damage not in refused.value.detail


@given(text=st.text(max_size=40))
def test_no_text_at_all_makes_the_box_stumble(text: str) -> None:
    with pytest.raises(Unreadable):
        SecretBox([NEW]).open(text, **PLACE)


def test_two_secrets_cannot_be_mixed() -> None:
    box = SecretBox([NEW])
    one, other = (box.seal(text, **PLACE).split(".") for text in ("one", "other"))
    with pytest.raises(Unreadable):
        box.open(".".join([*one[:3], other[3]]), **PLACE)
