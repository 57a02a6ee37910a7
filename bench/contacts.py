"""Search in address books: ours against a scan of the table and against SQLite's FTS5, on the same contacts.

Each tenant has one address book, written pack by pack. Searches are of five kinds: a whole family name, four letters
from the middle of one, two letters, one letter, and a text nobody has. Two more are hard for a search in text: one
letter in a field that nobody has, and one letter narrowed to a department and a job title. Ours and the scan go through
storage for each search (ours reads the generation only); FTS5 is an index in memory that reads nothing, so it is
measured too kindly.
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Final

from bench.rounds import percentile, say
from shared.attendant.address_books.address_books import AddressBooks
from shared.attendant.address_books.contacts import AddressBookWrite, Doc, values_of
from shared.attendant.address_books.packs import number_of, packed
from shared.attendant.address_books.text import Question, fold
from shared.attendant.address_books.text_index import SearchCopies
from shared.attendant.fields import places
from shared.attendant.search.query import WINDOW
from shared.kernel.callers import Caller
from shared.storage.account import StorageAccount
from shared.storage.entities import Insert, Overwrite, Row

SIZES: Final = (1_000, 10_000, 100_000)
TOP: Final = 25
_LETTER: Final = {name: place.letter for name, place in places("addressBook").items()}
_LETTERS: Final = frozenset(_LETTER.values())
_SYLLABLES: Final = [
    "an",
    "be",
    "chi",
    "do",
    "el",
    "fa",
    "gu",
    "ha",
    "in",
    "jo",
    "ka",
    "li",
    "ma",
    "no",
    "or",
    "pe",
    "qui",
    "ra",
    "so",
    "tu",
    "ur",
    "va",
    "we",
    "xi",
    "yo",
    "za",
    "mi",
    "ch",
    "ael",
]
_BY: Final = Caller("", "", "bench", frozenset({"TenantAdmin"}))


@dataclass(frozen=True, slots=True)
class Times:
    """Of many runs, in ms."""

    p50: float
    p95: float
    samples: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of one number of contacts. ``cold`` is a first search of a process, ``changed`` the first after one contact was
    written; ``building`` is how long FTS5 takes to index, in ms."""

    contacts: int
    warm: Times
    short: Times
    one_field: Times
    narrowed: Times
    changed: Times
    cold: Times
    scan: Times
    fts5: Times
    building: float
    adds: Times


def measure(connection: str, sizes: Sequence[int], *, searches: int, colds: int) -> list[Size]:
    account = StorageAccount(connection, None, "")
    account.prepare()
    return [_size(account, count, searches, colds) for count in sizes]


def _size(account: StorageAccount, count: int, searches: int, colds: int) -> Size:
    say(f"contacts: {count:,}")
    chance = random.Random(count)
    docs = [_contact(number, chance) for number in range(count)]
    table, tenant_id = account.table("contacts"), str(uuid.uuid4())
    books, copies = AddressBooks(table), SearchCopies(table, AddressBooks(table))
    books.put(tenant_id, "bench", lambda: AddressBookWrite(name="Bench"), versions=None, by=_BY)
    _fill(account, tenant_id, books, docs)
    long, short = _texts(docs, chance, searches)

    def ours(text: str, question: Callable[[str], Question] = _question) -> None:
        found, _ = copies.search(tenant_id, question(text), most=WINDOW)
        json.dumps([one.contact() for one in found[:TOP]])

    def after_a_change(text: str) -> float:
        _add(books, tenant_id, {**chance.choice(docs), "company": uuid.uuid4().hex})
        return _timed(partial(ours, text))

    ours(long[0])
    index, building = _index(docs)
    return Size(
        count,
        warm=_times([_timed(partial(ours, text)) for text in long]),
        short=_times([_timed(partial(ours, text)) for text in short]),
        one_field=_times([_timed(partial(ours, text[0], _in_one_field)) for text in short]),
        narrowed=_times([_timed(partial(ours, text[0], _narrowed)) for text in short]),
        changed=_times([after_a_change(text) for text in long[:20]]),
        cold=_times([_timed(partial(_cold, account, tenant_id)) for _ in range(colds)]),
        scan=_times([_timed(partial(_scan, books, tenant_id, text)) for text in long[:2]]),
        fts5=_times([_timed(partial(_fts5, index, text)) for text in long]),
        building=building,
        adds=_times([_timed(partial(_add, books, tenant_id, _contact(count + n, chance))) for n in range(100)]),
    )


def lines(sizes: Sequence[Size]) -> Iterator[str]:
    """The table that is printed."""
    yield "CONTACT SEARCH in address books, ms p50 / p95 (FTS5: trigram index in memory, no storage read)"
    heads = (
        "warm",
        "1-2 letters",
        "in one field",
        "narrowed",
        "after change",
        "cold",
        "scan",
        "FTS5",
        "FTS5 builds",
        "add one",
    )
    yield f"  {'contacts':<10}" + "".join(f"{head:<18}" for head in heads)
    for one in sizes:
        cells = [one.warm, one.short, one.one_field, one.narrowed, one.changed, one.cold, one.scan, one.fts5]
        texts = [*(f"{cell.p50:.1f} / {cell.p95:.1f}" for cell in cells), f"{one.building:.0f}"]
        texts.append(f"{one.adds.p50:.1f} / {one.adds.p95:.1f}")
        yield f"  {one.contacts:<10,}" + "".join(f"{text:<18}" for text in texts)
    first = sizes[0]
    yield f"  samples: warm and FTS5 {first.warm.samples}, cold {first.cold.samples}, scan {first.scan.samples}"


def _contact(number: int, chance: random.Random) -> Doc:
    def name() -> str:
        return "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))).title()

    first, last, company = name(), name(), name()
    return {
        "externalId": f"crm-{number:07}",
        "firstName": first,
        "lastName": last,
        "displayName": f"{first} {last}",
        "company": f"{company} AG",
        "department": chance.choice(["Sales", "IT", "Finance", "Legal"]),
        "jobTitle": chance.choice(["Manager", "Engineer", "Clerk"]),
        "emailAddresses": [f"{first}.{last}@{company}.example".lower()],
        "businessPhones": [f"+4144{chance.randint(1_000_000, 9_999_999)}"],
        "mobilePhones": [f"+4179{chance.randint(1_000_000, 9_999_999)}"],
        "addresses": [{"street": f"{name()}strasse {number % 200}", "city": name(), "country": "Switzerland"}],
    }


def _fill(account: StorageAccount, tenant_id: str, books: AddressBooks, docs: Sequence[Doc]) -> None:
    """Pack by pack, since one by one would take an hour."""
    table = account.table("contacts")
    (prefix,) = books.pack_prefixes(tenant_id)
    packs: dict[int, dict[str, Doc]] = {}
    for doc in docs:
        packs.setdefault(number_of(doc["externalId"]), {})[doc["externalId"]] = doc
    rows = [
        Row(tenant_id, f"{prefix}{number:03x}", {**packed(contacts), "revision": 1})
        for number, contacts in packs.items()
    ]
    table.transact_all([Insert(row) for row in rows])
    table.transact([Overwrite(Row(tenant_id, "generation", {"value": uuid.uuid4().hex}))])


def _texts(docs: Sequence[Doc], chance: random.Random, searches: int) -> tuple[list[str], list[str]]:
    names = [str(chance.choice(docs)["lastName"]) for _ in range(searches)]
    kinds: list[Callable[[str], str]] = [lambda name: name, lambda name: name[1:5], lambda name: f"{name}q"]
    long = [kinds[number % 3](name) for number, name in enumerate(names)]
    return [text for text in long if len(text) > 2], [name[: 1 + number % 2] for number, name in enumerate(names)]


def _question(text: str) -> Question:
    return Question(fold(text), _LETTERS, {})


def _in_one_field(text: str) -> Question:
    return Question(fold(text), frozenset({_LETTER["postalCode"]}), {})


def _narrowed(text: str) -> Question:
    return Question(fold(text), _LETTERS, {_LETTER["department"]: "legal", _LETTER["jobTitle"]: "clerk"})


def _add(books: AddressBooks, tenant_id: str, doc: Doc) -> None:
    books.put_contact(tenant_id, "bench", lambda: doc)


def _cold(account: StorageAccount, tenant_id: str) -> None:
    table = account.table("contacts")
    SearchCopies(table, AddressBooks(table)).search(tenant_id, _question("anna"), most=WINDOW)


def _scan(books: AddressBooks, tenant_id: str, text: str) -> None:
    sought = fold(text)
    found = (doc for doc in books.contacts(tenant_id, "bench") if any(sought in fold(v) for _, v in values_of(doc)))
    json.dumps([doc for doc, _ in zip(found, range(TOP), strict=False)])


def _index(docs: Sequence[Doc]) -> tuple[sqlite3.Connection, float]:
    began = perf_counter()
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE contacts USING fts5(text, doc UNINDEXED, tokenize='trigram')")
    rows = (("\x1f".join(fold(value) for _, value in values_of(doc)), json.dumps(doc)) for doc in docs)
    index.executemany("INSERT INTO contacts VALUES (?, ?)", rows)
    return index, (perf_counter() - began) * 1000


def _fts5(index: sqlite3.Connection, text: str) -> None:
    sought = '"' + fold(text).replace('"', '""') + '"'
    found = index.execute("SELECT doc FROM contacts WHERE contacts MATCH ? LIMIT ?", (sought, TOP)).fetchall()
    [json.loads(doc) for (doc,) in found]


def _timed(act: Callable[[], None]) -> float:
    began = perf_counter()
    act()
    return (perf_counter() - began) * 1000


def _times(values: Sequence[float]) -> Times:
    return Times(percentile(values, 0.5), percentile(values, 0.95), len(values))
