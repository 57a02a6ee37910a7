"""The search against the simulated cloud: bounds that hold, sources that fail alone, consent that is told."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.attendant.address_books.contacts import Doc, read_contact
from shared.attendant.address_books.packs import compressed, packed
from shared.attendant.address_books.text import Question, entry_of, search
from shared.attendant.address_books.text_index import Hit, Pack, SearchCopies
from shared.attendant.fields import places
from shared.attendant.odata_filter.check import FilterCheck
from shared.attendant.odata_filter.tokens import sendable
from shared.attendant.search.contact_search import ContactSearch, Found, MailboxConsentLink
from shared.attendant.search.query import read_query
from shared.clients.entra.on_behalf_of import OnBehalfOf
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.contacts import ExchangeContacts
from shared.clients.graph.filtered_lists import GraphLists, Listed
from shared.clients.graph.users import DirectorySearch
from shared.http.gateway import open_session
from shared.kernel.clock import now
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import NotAllowed
from shared.storage.entities import Row
from shared.tenants.documents import Held
from shared.tenants.models import Tenant
from shared.tenants.setting_catalogue import AttendantConsole, Settings
from shared.tenants.tenants import Head
from tests.clients.memory_shelf import MemoryShelf
from tests.simulator.cloud_client import ALICE, API_APP, CONTOSO, NIMBUS_APP, NIMBUS_SECRET, CloudClient, running

CLOUD = CLOUDS["public"]
INSIDE = [("Anna Moser", "Sales"), ("Ben O'Hara", "Sales"), ("%27 Quote", "Sales"), ("') or (1 eq 1", "Sales")]
OUTSIDE = [("Anna Outsider", "Board"), ("') Outsider", "Board"), ("1 Outsider", "sales board"), ("Zoe Outsider", None)]

# Where a user's token is exchanged.
TOKENS = f"/{CONTOSO}/oauth2/v2.0/token"


class Books(SearchCopies):
    """Address books with these contacts; ``waits`` lets them hang until it is set, ``whole`` is false where some found
    no room."""

    def __init__(self) -> None:
        self.docs: list[Doc] = []
        self.waits: threading.Event | None = None
        self.whole = True

    def search(self, tenant_id: str, question: Question, *, most: int) -> tuple[list[Hit], bool]:
        if self.waits is not None:
            self.waits.wait(10)
        values = packed({doc["externalId"]: doc for doc in self.docs})
        pack = Pack(1, "".join(map(entry_of, self.docs)), compressed(Row("", "", values), "docs"))
        found = search([pack.text], question, most=most)
        return [Hit("book", one.entry, one.match, str(one.place), pack, one.place) for one in found], self.whole


class Console:
    """An attendant of Contoso at the simulated cloud."""

    def __init__(self, cloud: CloudClient, **limits: float) -> None:
        self.cloud = cloud
        session = open_session(cloud.gateway)
        lists = GraphLists(session, CLOUD)
        self.directory = DirectorySearch(SignIns(session, CLOUD, NIMBUS_APP, NIMBUS_SECRET, now, MemoryShelf()), lists)
        self.mailbox = ExchangeContacts(OnBehalfOf(session, CLOUD, API_APP, "local-api-client-secret", now), lists)
        self.books = Books()
        self.consent = MailboxConsentLink(
            CLOUD.login, CLOUD.graph, API_APP, "http://127.0.0.1:7071/api/consent/callback"
        )
        patience: Any = {"addressBook": 5.0, "o365": 5.0, "exchange": 5.0} | limits
        self.search = ContactSearch(self.books, self.directory, self.mailbox, self.consent, patience)
        self.filter = ""

    def head(self, of: Tenant | None = None) -> Head:
        tenant = of or Tenant(tenant_id=CONTOSO, display_name="Contoso", products=["AttendantConsole"])
        console = Settings(attendant_console=AttendantConsole(contact_search_filter=self.filter))
        return Head(Held(tenant, Row("", "", {})), Held(console, Row("", "", {})), {})

    def find(
        self, text: str, *, admin: bool = False, token: str | None = None, of: Tenant | None = None, **more: Any
    ) -> Found:
        wanted: dict[str, Any] = {"sources": "o365", "fields": None, "narrowed": {}, "top": 100, "continuation": None}
        return self.search.find(
            self.head(of), lambda: read_query(text, **(wanted | more)), user_token=token, is_admin=admin
        )

    def names(self, text: str, **more: Any) -> list[str | None]:
        return [hit.display_name for hit in self.find(text, **more).items]

    def pages(self, text: str, **more: Any) -> list[str | None]:
        """Names on all pages, in order."""
        page = self.find(text, **more)
        names = [hit.display_name for hit in page.items]
        while page.continuation is not None:
            page = self.find(text, **more, continuation=page.continuation)
            names += [hit.display_name for hit in page.items]
        return names

    def users_asked(self) -> list[Any]:
        """What Graph was asked of its users since the journal was emptied."""
        rows: list[Any] = self.cloud.control("GET", "requests?host=graph.microsoft.com&pathPrefix=/v1.0/users")
        return rows

    def fault(self, **fault: Any) -> None:
        self.cloud.control("POST", "faults", {"host": "graph.microsoft.com", "times": 5} | fault)

    def token(self) -> str:
        return self.cloud.token(upn="alice@contoso.example", oid=ALICE)


def user(name: str, department: str | None) -> dict[str, Any]:
    upn = f"{uuid.uuid5(uuid.NAMESPACE_URL, name).hex[:8]}@contoso.example"
    return {"id": str(uuid.uuid4()), "userPrincipalName": upn, "displayName": name, "department": department}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def console(simulated: CloudClient) -> Console:
    simulated.control("POST", "reset")
    fill(simulated)
    return Console(simulated)


def fill(cloud: CloudClient, *scopes: str, **more: Any) -> None:
    users = [user(name, department) for name, department in INSIDE + OUTSIDE]
    users.append({"id": ALICE, "userPrincipalName": "alice@contoso.example", "displayName": "Alice"})
    mailbox = {"id": "1", "displayName": "Annabelle Mailbox", "emailAddresses": [{"address": "a@b.example"}]}
    consents = [{"clientId": API_APP, "scopes": list(scopes)}] if scopes else []
    cloud.contoso(**({"users": users, "contacts": {ALICE: [mailbox]}, "consents": consents} | more))


# bounds


def test_without_a_filter_the_whole_directory_is_searched(console: Console) -> None:
    assert console.names("anna") == ["Anna Moser", "Anna Outsider"]


def test_the_admins_filter_bounds_every_search(console: Console) -> None:
    console.filter = "department eq 'Sales'"
    assert console.names("anna") == ["Anna Moser"]
    assert console.names("zoe") == []


@pytest.mark.parametrize("text", ["%27", "') or (1 eq 1", "Ben O'H"])
def test_a_text_with_tricks_finds_whom_it_names(console: Console, text: str) -> None:
    console.filter = "department eq 'Sales'"
    assert len(console.names(text)) == 1


PIECES = [
    "'",
    "''",
    "%27",
    "＇",
    "’",
    ")",
    "(",
    " or ",
    " and ",
    "1 eq 1",
    "a",
    "Z",
    "Outsider",
    "\\",
    "&",
    "$filter=",
    "#",
]
PLUSES = [name for name, place in places("o365").items() if place.ability.filter]
TYPED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30)


OURS = "companyName eq 'Ours'"


def test_nothing_that_can_be_typed_shows_anybody_outside_the_filter(console: Console) -> None:
    """Of whatever is typed there are two namesakes, one within the filter and one outside: the first one is found."""
    asked = 0
    others = [user(name, department) | {"companyName": "Theirs"} for name, department in INSIDE + OUTSIDE]

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(TYPED, st.sampled_from(PLUSES), TYPED, st.sampled_from([OURS, f"{OURS} or companyName eq 'Mine'"]))
    def search(text: str, plus: str, value: str, bounds: str) -> None:
        nonlocal asked
        console.filter = bounds
        narrowed = {plus: value} if value.strip() else {}
        name = " ".join(sendable(text).split())
        if not name and not narrowed:
            return
        alike = user(name, None) | {"givenName": name, "surname": name, plus: sendable(value)}
        ours, theirs = alike | {"companyName": "Ours"}, alike | {"id": str(uuid.uuid4()), "companyName": "Theirs"}
        theirs["userPrincipalName"] = f"{name[:9].encode().hex()}@theirs.example"
        fill(console.cloud, users=[ours, theirs, *others])
        found = console.find(text, narrowed=narrowed, admin=True)
        asked += 1
        assert found.notes == []
        assert found.filter_problem is None
        assert [hit.object_id for hit in found.items] == [ours["id"]]

    search()
    assert asked > 50


@pytest.mark.parametrize("broken", ["department eq 'Sales", "department eq 'Sales') or (1 eq 1", "", "nobody eq 'x'"])
def test_a_broken_filter_shows_nobody_and_its_problem_only_to_admins(console: Console, broken: str) -> None:
    console.filter = broken or "contains(department,'Sales')"
    found = console.find("anna", admin=True, sources=None)
    assert found.items == []
    assert found.filter_problem is not None
    told = console.find("anna", sources=None)
    assert (told.items, told.filter_problem, told.notes) == ([], None, [])


@pytest.mark.parametrize("source", ["addressBook", "exchange"])
def test_a_broken_filter_shows_nobody_of_other_sources_either_where_the_directory_is_not_asked(
    console: Console, source: str
) -> None:
    fill(console.cloud, "Contacts.Read")
    console.books.docs = [read_contact({"externalId": "1", "displayName": "Anna Booked"})]
    assert len(console.find("anna", sources=source, token=console.token()).items) == 1
    console.filter = "department eq 'Sales"
    found = console.find("anna", sources=source, token=console.token(), admin=True)
    assert found.items == []
    assert found.filter_problem is not None
    told = console.find("anna", sources=source, token=console.token())
    assert (told.items, told.filter_problem, told.notes) == ([], None, [])


@pytest.mark.parametrize(("bounds", "asked"), [("", 1), ("department eq 'Sales'", 2)])
def test_a_text_that_graph_refuses_leaves_the_other_sources_and_is_not_the_filters_fault(
    console: Console, bounds: str, asked: int
) -> None:
    console.filter = bounds
    console.books.docs = [read_contact({"externalId": "1", "displayName": "Anna Booked"})]
    console.cloud.control("DELETE", "requests")
    refusal = {"error": {"code": "Request_BadRequest", "message": "Invalid filter clause"}}
    console.fault(pathPrefix="/v1.0/users", status=400, body=refusal, times=1)
    found = console.find("anna", sources="addressBook,o365", admin=True)
    assert [hit.display_name for hit in found.items] == ["Anna Booked"]
    assert [(note.source, note.code, note.message) for note in found.notes] == [
        ("o365", "RefusedByGraph", "Invalid filter clause")
    ]
    assert found.filter_problem is None
    assert len(console.users_asked()) == asked


def test_pages_of_the_directory_hold_each_user_once_whatever_its_order(console: Console) -> None:
    shuffled = random.Random(1).sample(range(120), 120)
    fill(console.cloud, users=[user(f"Anna {number:03}", "Sales") for number in shuffled])
    assert console.pages("anna", top=50) == [f"Anna {number:03}" for number in range(120)]


def test_an_exact_match_comes_first_however_late_the_directory_gives_it(console: Console) -> None:
    fill(
        console.cloud, users=[*(user(f"Annabelle {number:03}", "Sales") for number in range(60)), user("Anna", "Sales")]
    )
    assert console.pages("anna", top=25) == ["Anna", *(f"Annabelle {number:03}" for number in range(60))]


def test_pages_of_address_books_hold_each_contact_once(console: Console) -> None:
    shuffled = random.Random(1).sample(range(60), 60)
    console.books.docs = [read_contact({"externalId": str(n), "displayName": f"Anna {n:03}"}) for n in shuffled]
    assert console.pages("anna", top=10, sources="addressBook") == [f"Anna {number:03}" for number in range(60)]


def test_somebody_two_sources_know_is_on_one_page_only(console: Console) -> None:
    fill(console.cloud, users=[user(f"Anna {n:03}", "Sales") | {"mail": f"{n}@contoso.example"} for n in range(30)])
    console.books.docs = [
        read_contact(
            {
                "externalId": str(n),
                "displayName": f"Zoe {n}",
                "company": "Anna",
                "emailAddresses": [f"{n}@contoso.example"],
            }
        )
        for n in range(0, 30, 3)
    ]
    names = console.pages("anna", top=7, sources="addressBook,o365")
    assert names[:10] == [f"Zoe {n}" for n in sorted(range(0, 30, 3), key=str)]
    assert names[10:] == [f"Anna {n:03}" for n in range(30) if n % 3]


# sources


def test_without_a_token_the_mailbox_is_not_searched_and_the_note_says_how(console: Console) -> None:
    found = console.find("anna", sources=None)
    assert [(note.source, note.code) for note in found.notes] == [("exchange", "SignInWithToken")]
    assert len(found.items) == 2


def test_missing_consent_is_told_with_the_link_that_mends_it(console: Console) -> None:
    (note,) = console.find("anna", sources="exchange", token=console.token()).notes
    assert note.code == "ConsentMissing"
    assert note.url is not None
    assert note.url.startswith(f"{CLOUD.login}/{CONTOSO}/v2.0/adminconsent?")
    assert "Contacts.Read" in note.url
    opened = console.cloud.http.get(note.url, allow_redirects=False)
    assert "error" not in opened.headers["Location"]
    assert console.names("anna", sources="exchange", token=console.token()) == ["Annabelle Mailbox"]


def test_a_policy_that_wants_more_of_the_attendants_sign_in_is_told_with_what_it_wants(console: Console) -> None:
    said = {"error": "interaction_required", "error_codes": [50076], "claims": '{"access_token":{}}'}
    console.fault(host="login.microsoftonline.com", pathPrefix=TOKENS, status=400, body=said)
    (note,) = console.find("anna", sources="exchange", token=console.token()).notes
    assert (note.code, note.claims) == ("InteractionRequired", '{"access_token":{}}')


def test_a_refused_sign_in_of_the_attendant_is_told_with_its_remedy(console: Console) -> None:
    console.fault(host="login.microsoftonline.com", pathPrefix=TOKENS, aadsts="AADSTS50105")
    (note,) = console.find("anna", sources="exchange", token=console.token()).notes
    assert note.remedy is not None
    assert "assign this user" in note.remedy


def test_in_mailboxes_a_name_is_found_by_its_middle(console: Console) -> None:
    fill(console.cloud, "Contacts.Read")
    assert console.names("belle", sources="exchange", token=console.token()) == ["Annabelle Mailbox"]


def test_mailboxes_are_narrowed_by_whole_values(console: Console) -> None:
    values = {"companyName": "Acme", "department": "IT", "jobTitle": "Clerk"}
    contacts = [{"displayName": "Anna Zero"} | values]
    contacts += [{"displayName": f"Anna {name}"} | values | {name: f"{value} X"} for name, value in values.items()]
    fill(console.cloud, "Contacts.Read", contacts={ALICE: contacts})

    def found(**narrowed: str) -> set[str | None]:
        return set(console.names("anna", sources="exchange", token=console.token(), narrowed=narrowed))

    assert found(company="Acme") == {"Anna Zero", "Anna department", "Anna jobTitle"}
    assert found(department="IT", jobTitle="Clerk") == {"Anna Zero", "Anna companyName"}
    assert console.names("", sources="exchange", token=console.token(), narrowed={"jobTitle": "Clerk X"}) == [
        "Anna jobTitle"
    ]


def test_each_tick_of_the_directory_finds_a_user_by_that_field_and_by_no_other(console: Console) -> None:
    ticked = {name: place.property for name, place in places("o365").items()}
    users = [
        user(f"By {name}", None) | {"mail": f"{n}@x.example", name: "Needlework@contoso.example"}
        for n, name in enumerate(ticked.values())
    ]
    users.append(user("By none", None) | {"officeLocation": "Needlework", "mobilePhone": "Needlework"})
    by_display_name = next(one for one in users if one["displayName"].startswith("Needle"))
    fill(console.cloud, users=users)
    for name, property_ in ticked.items():
        text = "needlework@contoso.example" if places("o365")[name].whole else "needle"
        expected = by_display_name["displayName"] if name == "displayName" else f"By {property_}"
        assert console.names(text, fields=name) == [expected]
    assert "By none" not in console.names("needle")


def test_each_plus_of_the_directory_narrows_to_those_who_have_that_value(console: Console) -> None:
    pluses = [place for place in places("o365").values() if place.ability.filter]
    values = {place.property: f"{place.name} O'B" for place in pluses}
    others = [values | {place.property: f"{place.name} O'B X"} for place in pluses]
    fill(console.cloud, users=[user(f"Anna {n}", None) | other for n, other in enumerate(others)])
    for number, place in enumerate(pluses):
        found = console.names("anna", narrowed={place.name: values[place.property]})
        assert found == [f"Anna {n}" for n in range(len(pluses)) if n != number]


def test_each_tick_of_mailboxes_finds_a_contact_by_that_field_and_by_no_other(console: Console) -> None:
    contacts: list[dict[str, Any]] = []
    for place in places("exchange").values():
        contacts.append({"displayName": f"Begins {place.name}", place.property: "Needle"})
        contacts.append({"displayName": f"Holds {place.name}", place.property: "A needle"})
    blank: dict[str, Any] = {
        "givenName": "Needle",
        "surname": "Needle",
        "mobilePhone": "Needle",
        "businessPhones": ["Needle"],
    }
    blank |= {"emailAddresses": [{"address": "needle@contoso.example"}], "businessAddress": {"city": "Needle"}}
    contacts.append({"displayName": "By none"} | blank)
    fill(console.cloud, "Contacts.Read", contacts={ALICE: contacts})
    for name, place in places("exchange").items():
        names = ["Needle", "A needle"] if name == "displayName" else [f"Begins {name}", f"Holds {name}"]
        found = console.names("needle", fields=name, sources="exchange", token=console.token())
        assert set(found) == set(names if place.ability.contains else names[:1])
    assert "By none" not in console.names("needle", sources="exchange", token=console.token())


def test_address_books_that_found_no_room_are_told(console: Console) -> None:
    assert console.find("anna", sources="addressBook").notes == []
    console.books.whole = False
    assert [(note.source, note.code) for note in console.find("anna", sources="addressBook").notes] == [
        ("addressBook", "TooLarge")
    ]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403}, "Authorization_RequestDenied"),
        ({"status": 429, "retryAfter": 7}, "Throttled"),
        ({"status": 503}, "Unreachable"),
        ({"status": 500}, "UpstreamBroken"),
        ({"drop": True}, "Unreachable"),
    ],
)
def test_a_directory_that_fails_leaves_the_mailbox_and_a_note(console: Console, fault: Any, code: str) -> None:
    fill(console.cloud, "Contacts.Read")
    console.fault(pathPrefix="/v1.0/users", **fault)
    found = console.find("anna", sources=None, token=console.token())
    assert [hit.display_name for hit in found.items] == ["Annabelle Mailbox"]
    (note,) = found.notes
    assert note.source == "o365"
    assert note.code in (code, "Forbidden")


@pytest.mark.parametrize("body", [{}, []])
def test_nonsense_of_entra_takes_one_source_and_leaves_the_others(console: Console, body: Any) -> None:
    console.books.docs = [read_contact({"externalId": "1", "displayName": "Anna Booked"})]
    console.fault(host="login.microsoftonline.com", pathPrefix=f"/{CONTOSO}/v2.0/.well-known", status=200, body=body)
    found = console.find("anna", sources="addressBook,exchange", token=console.token())
    assert [hit.display_name for hit in found.items] == ["Anna Booked"]
    assert [(note.source, note.code) for note in found.notes] == [("exchange", "UpstreamBroken")]


class MistakenDirectory:
    def users(self, tenant_id: str, filter_text: str, *, top: int) -> Listed:
        raise KeyError("value")


def test_a_mistake_of_ours_takes_one_source_is_logged_and_leaves_the_others(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    console.books.docs = [read_contact({"externalId": "1", "displayName": "Anna Booked"})]
    limits: Any = {"addressBook": 5.0, "o365": 5.0, "exchange": 5.0}
    console.search = ContactSearch(console.books, MistakenDirectory(), console.mailbox, console.consent, limits)
    token = console.token()
    found = console.find("anna", sources=None, token=token)
    assert [hit.display_name for hit in found.items] == ["Anna Booked"]
    assert ("o365", "InternalError") in [(note.source, note.code) for note in found.notes]
    assert f"tenant={CONTOSO} source=o365" in caplog.text
    assert "KeyError: 'value'" in caplog.text
    assert "in users" in caplog.text
    assert token not in caplog.text


def test_a_source_that_hangs_is_left_behind_and_the_others_are_shown(simulated: CloudClient) -> None:
    simulated.control("POST", "reset")
    fill(simulated)
    console = Console(simulated, addressBook=0.05)
    console.books.waits = threading.Event()
    try:
        found = console.find("anna", sources="addressBook,o365")
    finally:
        console.books.waits.set()
    assert len(found.items) == 2
    assert [(note.source, note.code) for note in found.notes] == [("addressBook", "TimedOut")]


class HangingDirectory:
    """Graph for Contoso's users until ``gate`` is set; for other tenants it answers."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def users(self, tenant_id: str, filter_text: str, *, top: int) -> Listed:
        if tenant_id == CONTOSO:
            self.gate.wait(10)
        return Listed([{"id": "1", "displayName": "Anna Elsewhere"}])


def test_a_directory_that_hangs_for_one_tenant_takes_nothing_from_others_nor_from_address_books(
    console: Console,
) -> None:
    hanging = HangingDirectory()
    limits: Any = {"addressBook": 5.0, "o365": 5.0, "exchange": 5.0}
    console.books.docs = [read_contact({"externalId": "1", "displayName": "Anna Booked"})]
    console.search = ContactSearch(console.books, hanging, console.mailbox, console.consent, limits)
    other = Tenant(tenant_id=str(uuid.uuid4()), display_name="Fabrikam", products=["AttendantConsole"])
    try:
        limits["o365"] = 0.005
        for _ in range(40):
            assert [note.code for note in console.find("anna").notes] == ["TimedOut"]
        limits["o365"] = 5.0
        assert console.names("anna", sources="addressBook") == ["Anna Booked"]
        assert console.names("anna", of=other) == ["Anna Elsewhere"]
    finally:
        hanging.gate.set()


def test_a_source_that_cannot_narrow_is_left_out_with_a_note(console: Console) -> None:
    found = console.find("anna", sources=None, narrowed={"city": "Bern"}, token=console.token())
    assert [(note.source, note.code) for note in found.notes] == [
        ("addressBook", "FieldNotSupported"),
        ("exchange", "FieldNotSupported"),
    ]


def test_a_consent_given_meanwhile_counts_at_the_next_search(console: Console) -> None:
    fill(console.cloud, grants=[])
    assert [note.source for note in console.find("anna").notes] == ["o365"]
    fill(console.cloud)
    assert len(console.names("anna")) == 2


def test_a_tenant_without_the_product_is_told_so(console: Console) -> None:
    head = console.head()
    tenant = head.tenant.value.model_copy(update={"products": []})
    bare = replace(head, tenant=replace(head.tenant, value=tenant))
    with pytest.raises(NotAllowed):
        console.search.find(
            bare, lambda: read_query("", None, None, {}, top=1, continuation=None), user_token=None, is_admin=True
        )


# the check of a filter


def test_a_check_counts_all_and_shows_five(console: Console) -> None:
    fill(console.cloud, users=[user(f"Anna {number:03}", "Sales") for number in range(30)])
    live = FilterCheck(console.directory).check(CONTOSO, "endsWith(userPrincipalName,'.example')").live
    assert (live.count, len(live.sample), live.problem) == (30, 5, None)


def test_a_check_of_a_blank_filter_counts_everybody(console: Console) -> None:
    checked = FilterCheck(console.directory).check(CONTOSO, " ")
    assert (checked.canonical, checked.live.count) == ("", len(INSIDE + OUTSIDE) + 1)


def test_a_check_says_what_graph_says_against_a_filter_we_can_read(console: Console) -> None:
    checked = FilterCheck(console.directory).check(CONTOSO, "contains(displayName,'a')")
    assert checked.canonical == "contains(displayName,'a')"
    assert checked.live.count is None
    assert "Unsupported" in (checked.live.problem or "")


def test_a_check_of_what_cannot_be_read_points_at_the_place_and_asks_nobody(console: Console) -> None:
    console.cloud.control("DELETE", "requests")
    checked = FilterCheck(console.directory).check(CONTOSO, "city eq 'Bern")
    assert checked.canonical is None
    assert checked.findings[0].position is not None
    assert console.users_asked() == []


def test_a_check_while_graph_is_away_still_tells_what_is_known(console: Console) -> None:
    console.fault(status=503)
    checked = FilterCheck(console.directory).check(CONTOSO, "city eq 'Bern'")
    assert checked.canonical == "city eq 'Bern'"
    assert checked.live.problem
