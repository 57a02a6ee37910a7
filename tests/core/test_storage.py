"""The storage contract, on a real Azurite: what tables promise to the features above them."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.core.exceptions import ServiceResponseError, ServiceResponseTimeoutError
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devhost.ports import free_ports
from devhost.settings import storage_connection
from shared.kernel.errors import NotFound, Stale, StorageDown
from shared.kernel.queue_names import QUEUES
from shared.storage.account import TABLES, StorageAccount
from shared.storage.entities import (
    MAX_ENTITY_BYTES,
    MAX_PROPERTIES,
    Delete,
    Insert,
    Merge,
    Operation,
    Overwrite,
    Replace,
    Row,
    with_doc,
)
from shared.storage.keys import key, prefix_end
from shared.storage.tables import MAX_OPERATIONS, MAX_TRANSACTION_BYTES, Exists, Table, TooBig
from tests.azurite import azurite
from tests.clients.fake_cloud import Answer, FakeCloud
from tests.core.faults import FragileTable, wire
from tests.core.race import together

pytestmark = pytest.mark.storage  # accounts of its own, and some that do not answer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
REAL = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def table(account: StorageAccount) -> Table:
    return account.table("journal")


@pytest.fixture
def here() -> str:
    """A partition of this test's own."""
    return f"test-{uuid.uuid4()}"


# conditional writes


def test_a_row_is_created_once(table: Table, here: str) -> None:
    etag = table.insert(Row(here, "a", {"n": 1}))
    with pytest.raises(Exists):
        table.insert(Row(here, "a", {"n": 2}))
    assert table.get(here, "a") == Row(here, "a", {"n": 1}, etag)


@pytest.mark.parametrize("number", [1, 2])
def test_a_kept_connection_that_breaks_under_a_write_is_no_outage(
    connection: str, table: Table, here: str, number: int
) -> None:
    """A server closes what was idle for some seconds, perhaps at the moment it is used again."""
    with wire(connection) as (tap, behind):
        tap.inserts_into, tap.drop = "journal" if number == 1 else "", 1
        StorageAccount(behind, None, "").table("journal").transact(
            [Insert(Row(here, str(name), {"n": name})) for name in range(number)]
        )
        assert (tap.seen, tap.drop) == (2, 0)
    assert len(list(table.span(here, "0", "9"))) == number


@pytest.mark.parametrize("number", [1, 2])
def test_a_write_whose_answer_gets_lost_is_sent_again_and_finds_its_own_work(
    connection: str, table: Table, here: str, number: int
) -> None:
    with wire(connection) as (tap, behind):
        tap.inserts_into, tap.lose = "journal" if number == 1 else "", 1
        with pytest.raises(Exists):
            StorageAccount(behind, None, "").table("journal").transact(
                [Insert(Row(here, str(name), {"n": name})) for name in range(number)]
            )
    assert len(list(table.span(here, "0", "9"))) == number


class Unwell:
    """A client of the SDK whose sendings end as ``ends`` says, one after the other."""

    table_name = "journal"

    def __init__(self, *ends: Exception) -> None:
        self._ends = list(ends)
        self.sent = 0

    def create_entity(self, entity: object) -> dict[str, str]:
        self.sent += 1
        if self._ends:
            raise self._ends.pop(0)
        return {"etag": "1"}


BROKEN, TOO_LATE = ServiceResponseError("reset by peer"), ServiceResponseTimeoutError("no answer in time")


@pytest.mark.parametrize(
    ("ends", "sent", "is_down"), [((BROKEN, BROKEN), 3, False), ((BROKEN,) * 3, 3, True), ((TOO_LATE,), 1, True)]
)
def test_a_write_is_sent_again_twice_and_never_after_its_time_limit(
    ends: tuple[Exception, ...], sent: int, is_down: bool
) -> None:
    """What took so long may have been done, and undone by somebody: a task that was cancelled would come back."""
    client: Any = Unwell(*ends)
    with pytest.raises(StorageDown) if is_down else nullcontext():
        Table(client).insert(Row("p", "r", {}))
    assert client.sent == sent


def test_a_missing_row_is_none(table: Table, here: str) -> None:
    assert table.get(here, "a") is None


def test_only_the_version_read_is_replaced(table: Table, here: str) -> None:
    old = table.insert(Row(here, "a", {"n": 1, "gone": 1}))
    new = table.replace(Row(here, "a", {"n": 2}), etag=old)
    with pytest.raises(Stale):
        table.replace(Row(here, "a", {"n": 3}), etag=old)
    assert table.get(here, "a") == Row(here, "a", {"n": 2}, new)


def test_replacing_what_is_not_there_is_not_found(table: Table, here: str) -> None:
    etag = table.insert(Row(here, "a", {}))
    with pytest.raises(NotFound):
        table.replace(Row(here, "b", {}), etag=etag)
    assert table.get(here, "b") is None


def test_only_the_version_read_is_deleted(table: Table, here: str) -> None:
    old = table.insert(Row(here, "a", {}))
    new = table.overwrite(Row(here, "a", {"n": 2}))
    with pytest.raises(Stale):
        table.delete(Row(here, "a", {}), etag=old)
    table.delete(Row(here, "a", {}), etag=new)
    assert table.get(here, "a") is None
    table.delete(Row(here, "a", {}), etag=new)  # a missing row is no error


def test_an_overwrite_asks_nobody(table: Table, here: str) -> None:
    table.overwrite(Row(here, "a", {"n": 1, "gone": 1}))
    table.overwrite(Row(here, "a", {"n": 2}))
    assert table.get(here, "a") == Row(here, "a", {"n": 2}, (table.get(here, "a") or Row("", "", {})).etag)


def test_of_16_who_replace_the_same_version_one_wins(table: Table, here: str) -> None:
    etag = table.insert(Row(here, "a", {"n": -1}))
    outcomes = together(16, lambda number: table.replace(Row(here, "a", {"n": number}), etag=etag))
    winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 15
    row = table.get(here, "a")
    assert row is not None
    assert row.number("n") == winners[0]


# transactions


def test_a_transaction_gives_an_etag_per_operation_and_none_for_a_delete(table: Table, here: str) -> None:
    gone = Row(here, "gone", {})
    merged = Row(here, "merged", {"kept": 1})
    etag, other = table.insert(gone), table.insert(merged)
    etags = table.transact(
        [Insert(Row(here, "a", {})), Delete(gone, etag), Merge(Row(here, "merged", {"new": 2}), other)]
    )
    assert etags[1] == ""
    assert [row.etag for row in table.span(here, "", "~")] == [etags[0], etags[2]]
    found = table.get(here, "merged")
    assert found is not None
    assert found.values == {"kept": 1, "new": 2}


OLD = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda here: Insert(Row(here, "there", {"n": 2})), Exists),
        (lambda here: Replace(Row(here, "there", {"n": 2}), OLD), Stale),
        (lambda here: Merge(Row(here, "there", {"n": 2}), OLD), Stale),
        (lambda here: Delete(Row(here, "there", {}), OLD), Stale),
        (lambda here: Replace(Row(here, "missing", {}), OLD), NotFound),
        (lambda here: Delete(Row(here, "missing", {}), "*"), NotFound),
        (lambda here: Delete(Row(here, "missing", {}), OLD), NotFound),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_one_failing_operation_fails_them_all(
    table: Table, here: str, build: Any, error: type[Exception], place: int
) -> None:
    etag = table.insert(Row(here, "there", {"n": 1}))
    operations: list[Operation] = [
        Insert(Row(here, "a", {})),
        Overwrite(Row(here, "b", {})),
        Insert(Row(here, "c", {})),
    ]
    operations.insert(place, build(here))
    with pytest.raises(error) as refused:
        table.transact(operations)
    if isinstance(refused.value, Exists):
        assert refused.value.index == place
    assert list(table.span(here, "", "~")) == [Row(here, "there", {"n": 1}, etag)]


def test_100_operations_are_one_transaction_and_101_are_refused_before_the_wire(table: Table, here: str) -> None:
    operations = [Insert(Row(here, f"{number:03}", {})) for number in range(MAX_OPERATIONS + 1)]
    with pytest.raises(TooBig):
        table.transact(operations)
    assert list(table.span(here, "", "~")) == []
    table.transact(operations[:-1])
    assert len(list(table.span(here, "", "~"))) == MAX_OPERATIONS


def test_many_operations_are_cut_at_100(table: Table, here: str) -> None:
    watched = FragileTable(table)
    watched.transact_all([Insert(Row(here, f"{number:03}", {})) for number in range(230)])
    assert [len(batch) for batch in watched.transactions] == [100, 100, 30]
    assert len(list(table.span(here, "", "~"))) == 230


def test_many_operations_are_cut_at_what_one_transaction_may_weigh(table: Table, here: str) -> None:
    watched = FragileTable(table)
    watched.transact_all([Insert(Row(here, str(number), with_doc("x" * 300_000))) for number in range(9)])
    assert [len(batch) for batch in watched.transactions] == [6, 3]
    assert [len(row.doc) for row in table.span(here, "", "~")] == [300_000] * 9


def test_a_transaction_that_weighs_too_much_is_refused_before_the_wire(table: Table, here: str) -> None:
    heavy = [Insert(Row(here, str(number), with_doc("x" * 400_000))) for number in range(6)]
    assert sum(2 * 400_000 for _ in heavy) > MAX_TRANSACTION_BYTES
    with pytest.raises(TooBig):
        table.transact(heavy)
    assert list(table.span(here, "", "~")) == []


def test_no_operations_are_no_transaction(table: Table) -> None:
    watched = FragileTable(table)
    watched.transact_all([])
    assert watched.transactions == []


# sizes


@pytest.mark.parametrize("letter", ["x", "ä", "😀"])
def test_a_row_larger_than_azure_takes_is_refused_before_the_wire(table: Table, here: str, letter: str) -> None:
    weight = len(letter.encode("utf-16-le"))
    fits, too_big = (with_doc(letter * (size // weight)) for size in (MAX_ENTITY_BYTES - 5000, MAX_ENTITY_BYTES + 1))
    table.insert(Row(here, "fits", fits))
    for write in (
        lambda: table.insert(Row(here, "big", too_big)),
        lambda: table.overwrite(Row(here, "big", too_big)),
        lambda: table.replace(Row(here, "fits", too_big), etag="*"),
        lambda: table.transact([Insert(Row(here, "big", too_big))]),
    ):
        with pytest.raises(TooBig):
            write()
    assert [row.row for row in table.span(here, "", "~")] == ["fits"]


def test_a_row_has_at_most_252_properties(table: Table, here: str) -> None:
    values = {f"p{number}": number for number in range(MAX_PROPERTIES + 1)}
    with pytest.raises(TooBig):
        table.insert(Row(here, "a", values))
    del values["p0"]
    table.insert(Row(here, "a", values))
    assert (table.get(here, "a") or Row("", "", {})).values == values


# documents

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


@given(doc=JSON, times=st.sampled_from([1, 5000]))
def test_any_document_survives_being_cut_into_properties(doc: Any, times: int) -> None:
    values = with_doc([doc, "ä😀" * times], revision=3)
    assert Row("p", "r", values).doc == [doc, "ä😀" * times]
    assert values["revision"] == 3
    assert all(len(str(value).encode("utf-16-le")) <= 65_536 for value in values.values())


@REAL
@given(doc=JSON)
def test_any_document_survives_the_storage(table: Table, doc: Any) -> None:
    table.overwrite(Row("test-documents", "a", with_doc([doc, "😀" * 20_000])))
    row = table.get("test-documents", "a")
    assert row is not None
    assert row.doc == [doc, "😀" * 20_000]


# keys


@given(first=TEXT, second=TEXT)
def test_keys_are_the_same_exactly_when_the_texts_are_the_same_without_case(first: str, second: str) -> None:
    assert (key(first) == key(second)) == (first.casefold() == second.casefold())


@given(text=st.text(st.sampled_from("aA/\\#?=%2f.+ä\x00\x7f"), max_size=4))
def test_an_escape_cannot_be_typed(text: str) -> None:
    typed = key(text)
    assert (key(typed) == key(text)) == (typed == text.casefold())


@given(text=TEXT)
def test_keys_hold_only_what_a_table_key_may_hold(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9@._=-]*", key(text))


@REAL
@given(text=TEXT.filter(lambda text: len(text) < 60))
def test_any_text_makes_a_key_that_the_storage_takes(table: Table, text: str) -> None:
    table.overwrite(Row("test-keys", f"t:{key(text)}", {"said": text}))
    row = table.get("test-keys", f"t:{key(text.swapcase())}") or table.get("test-keys", f"t:{key(text)}")
    assert row is not None
    assert row.text("said") == text


NASTY = [
    "guest_fabrikam.example#EXT#@contoso.onmicrosoft.com",
    "a/b\\c#d?e",
    "o'neil@c.example",
    "a%2Fb",
    "ß=ss",
    "",
    "..",
    "\x7f\x00",
]


@pytest.mark.parametrize("text", NASTY)
def test_nasty_names_keep_their_rows_apart(table: Table, here: str, text: str) -> None:
    for other in NASTY:
        table.overwrite(Row(here, f"upn:{key(other)}", {"said": other}))
    row = table.get(here, f"upn:{key(text.upper())}" if text == text.upper().lower() else f"upn:{key(text)}")
    assert row is not None
    assert row.text("said") == text
    assert len(list(table.span(here, "upn:", prefix_end("upn:")))) == len(NASTY)


@given(prefix=st.text(st.characters(min_codepoint=33, max_codepoint=125), min_size=1), rest=TEXT)
def test_everything_with_a_prefix_lies_before_its_end(prefix: str, rest: str) -> None:
    assert prefix <= prefix + rest < prefix_end(prefix)


# ranges and pages


def test_a_span_goes_over_more_than_one_page_of_the_storage(table: Table, here: str) -> None:
    table.transact_all([Insert(Row(here, f"a{number:04}", {})) for number in range(1100)])
    table.insert(Row(here, "b", {}))
    assert [row.row for row in table.span(here, "a", "b")] == [f"a{number:04}" for number in range(1100)]


def test_pages_together_are_the_whole_range(table: Table, here: str) -> None:
    table.transact_all([Insert(Row(here, f"a{number}", {})) for number in range(7)] + [Insert(Row(here, "b", {}))])
    seen: list[list[str]] = []
    continuation: str | None = None
    while True:
        rows, continuation = table.page(here, "a", "b", top=3, continuation=continuation)
        seen.append([row.row for row in rows])
        if continuation is None:
            break
    assert seen == [["a0", "a1", "a2"], ["a3", "a4", "a5"], ["a6"]]


def test_a_page_that_ends_with_the_range_is_the_last(table: Table, here: str) -> None:
    table.transact([Insert(Row(here, "a0", {})), Insert(Row(here, "a1", {}))])
    rows, continuation = table.page(here, "a", "b", top=2)
    assert ([row.row for row in rows], continuation) == (["a0", "a1"], None)


def test_no_page_asks_for_more_rows_than_azure_gives_at_once(table: Table, here: str) -> None:
    """Azure refuses $top above 1,000; Azurite does not, so what is asked for is looked at."""
    asked: list[int] = []

    class Client:
        table_name = "journal"

        def query_entities(self, query: str, *, parameters: Any, results_per_page: int) -> list[Any]:
            asked.append(results_per_page)
            return []

    client: Any = Client()
    Table(client).page(here, "a", "b", top=1000)
    assert asked == [1000]


@pytest.mark.parametrize(
    "continuation",
    [
        "",
        "0",
        "~",
        "a",
        "secret",
        "b",
        "' or 1 eq 1 or '",
        "@p",
        "a\x00",
        "\uffff",
        "😀",
        "x" * 512,
        "%27",
        "a1' or RowKey ge ''",
    ],
)
def test_a_hostile_continuation_gives_no_row_outside_of_the_range(table: Table, here: str, continuation: str) -> None:
    for name in ("0secret", "a0", "a1", "secret"):
        table.overwrite(Row(here, name, {}))
    rows, following = table.page(here, "a", "b", top=10, continuation=continuation)
    assert {row.row for row in rows} <= {"a0", "a1"}
    assert following is None


@REAL
@given(continuation=TEXT)
def test_no_continuation_at_all_leads_out_of_the_range(table: Table, continuation: str) -> None:
    for name in ("0secret", "a0", "a1", "secret"):
        table.overwrite(Row("test-pages", name, {}))
    rows, _ = table.page("test-pages", "a", "b", top=10, continuation=continuation)
    assert {row.row for row in rows} <= {"a0", "a1"}


def test_removing_blindly_takes_what_is_there_and_does_not_mind_what_is_not(table: Table, here: str) -> None:
    rows = [Row(here, f"{number:03}", {}) for number in range(120)]
    table.transact_all([Insert(row) for row in rows if row.row not in ("003", "110")])
    table.remove_blindly(rows)
    table.remove_blindly(rows)
    assert list(table.span(here, "", "~")) == []


# the account


@pytest.mark.parametrize(
    "ask",
    [
        lambda account: account.table("tenants").get("a", "b"),
        lambda account: account.table("tenants").insert(Row("a", "b", {})),
        lambda account: account.table("tenants").transact([Insert(Row("a", "b", {}))]),
        lambda account: list(account.table("tenants").span("a", "b", "c")),
        lambda account: account.table("tenants").page("a", "b", "c", top=3),
        lambda account: account.queue("presence-polls").send({}),
        lambda account: account.prepare(),
        lambda account: account.probe(),
    ],
)
def test_storage_that_nobody_listens_for_is_down_within_seconds(ask: Any) -> None:
    nobody = StorageAccount(storage_connection(free_ports(3)), None, "")
    started = time.perf_counter()
    with pytest.raises(StorageDown):
        ask(nobody)
    assert time.perf_counter() - started < 5


def test_dead_queues_are_noticed_although_the_tables_answer(connection: str) -> None:
    dead = storage_connection(free_ports(3))
    parts, others = (dict(part.split("=", 1) for part in text.strip(";").split(";")) for text in (connection, dead))
    parts["QueueEndpoint"] = others["QueueEndpoint"]
    half = StorageAccount(";".join(f"{name}={value}" for name, value in parts.items()), None, "")
    started = time.perf_counter()
    with pytest.raises(StorageDown):
        half.probe()
    assert time.perf_counter() - started < 5


def test_an_account_known_by_its_name_is_asked_as_the_managed_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = FakeCloud()
    cloud.on("/msi", Answer(body={"access_token": "x", "expires_on": "99999999999", "token_type": "Bearer"}))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi")  # as Azure Functions says where to ask
    monkeypatch.setenv("IDENTITY_HEADER", "mine")
    named = StorageAccount(None, "nimbus", "invalid")  # a suffix that no name server ever answers for
    with pytest.raises(StorageDown) as tables:
        named.probe()
    with pytest.raises(StorageDown) as queues:
        named.queue("presence-polls").send({})
    cloud.close()
    assert "nimbus.table.invalid" in str(tables.value.__cause__)
    assert "nimbus.queue.invalid" in str(queues.value.__cause__)
    asked = {(parse_qs(one.query)["resource"][0], one.headers["X-IDENTITY-HEADER"]) for one in cloud.asked}
    assert asked == {("https://storage.azure.com", "mine")}


def test_a_new_account_is_prepared_by_four_at_once_and_again() -> None:
    with azurite() as connection:
        accounts = [StorageAccount(connection, None, "") for _ in range(4)]
        with pytest.raises(StorageDown):
            accounts[0].probe()
        assert together(4, lambda number: accounts[number].prepare()) == [None] * 4
        accounts[0].prepare()
        accounts[0].probe()
        for name in TABLES:
            assert accounts[0].table(name).get("nothing", "here") is None
        for queue in QUEUES:
            accounts[0].queue(queue).send({})
        with TableServiceClient.from_connection_string(connection) as tables:
            tables.delete_table("contacts")
            StorageAccount(connection, None, "").prepare()
            assert "contacts" not in {one.name for one in tables.list_tables()}, "a known account costs one read"
