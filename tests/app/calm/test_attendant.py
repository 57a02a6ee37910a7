"""The Attendant Console and the address books of flows, from outside."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.app.stack import CONTOSO, FABRIKAM, HOME, AppStack

ALEX = {"upn": "alex.admin@contoso.example", "scp": "access_as_user"}
SEARCH = "/api/attendant/contacts"


class Book:
    """An address book of Contoso's of its own for a test."""

    def __init__(self, stack: AppStack) -> None:
        self.stack = stack
        self.id = f"b{uuid.uuid4().hex[:12]}"
        self.managed = f"/api/tenants/{CONTOSO}/address-books/{self.id}"
        self.contacts = f"/v2/AddressBooks/{self.id}/contacts"
        made = stack.call("PUT", self.managed, {"name": "Leads"})
        assert (made.status_code, made.headers["ETag"]) == (201, '"1"')

    def call(self, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        return self.stack.call(method, self.contacts + path, body, **more)


@pytest.fixture
def book(stack: AppStack) -> Book:
    return Book(stack)


def test_a_flow_fills_reads_and_empties_an_address_book(stack: AppStack, book: Book) -> None:
    assert {"id": book.id, "name": "Leads"} in stack.call("GET", "/v2/AddressBooks").json()
    sent = {"externalId": "a,1", "displayName": "Zoltan Zebra", "emailAddresses": ["z@zebra.example"]}
    added = book.call("POST", "", sent | {"unknownField": 1, "company": None})
    assert (added.status_code, added.json()) == (200, sent)
    for external_id in ("b", "c"):
        assert book.call("POST", "", {"externalId": external_id}).status_code == 200
    assert book.call("PUT", "", {"externalId": "b", "lastName": "New"}).json() == {"externalId": "b", "lastName": "New"}
    assert book.call("PUT", "", {"externalId": "nobody"}).status_code == 404
    for query, found in {"externalIds=b&externalIds=c": "bc", "externalIds=b,c,nobody": "bc", "": "abc"}.items():
        assert [one["externalId"][0] for one in book.call("GET", f"?{query}").json()] == list(found)
    assert [one["externalId"] for one in book.call("GET", f"?externalIds={quote('a,1')}").json()] == ["a,1"]
    removed = book.call("POST", "/delete", ["b", "nobody"])
    assert (removed.status_code, removed.content) == (200, b"")
    assert book.call("POST", "/clear").status_code == 200
    assert book.call("GET").json() == []


@pytest.mark.parametrize("query", ["externalIds=", "externalIds", "externalIds=&externalIds="])
def test_asking_for_the_contacts_of_no_id_is_422_and_not_the_whole_book(
    stack: AppStack, book: Book, query: str
) -> None:
    book.call("POST", "", {"externalId": "1"})
    refused = book.call("GET", f"?{query}")
    assert (refused.status_code, [finding["path"] for finding in refused.json()["errors"]]) == (422, ["externalIds"])
    assert [one["externalId"] for one in book.call("GET", f"?{query}&externalIds=1").json()] == ["1"]
    assert [one["externalId"] for one in book.call("GET", "?externalIds=,").json()] == []
    assert stack.call("GET", f"/v2/AddressBooks/nowhere/contacts?{query}").json()["code"] == "AddressBookNotFound"


def test_refusals_come_in_the_order_of_the_contract(stack: AppStack, book: Book) -> None:
    agent = stack.token(CONTOSO, "Agent")
    assert stack.call("POST", "/v2/AddressBooks/nowhere/contacts", {}, token=None).status_code == 401
    for method, path in (("GET", ""), ("POST", "/clear"), ("POST", "/delete")):
        assert book.call(method, path, token=agent).status_code == 403
    assert stack.call("POST", "/v2/AddressBooks/nowhere/contacts", {}).json()["code"] == "AddressBookNotFound"
    assert book.call("POST", "", {"externalId": 1}, token=stack.token(CONTOSO, "ServiceOwner")).status_code == 422
    assert book.call("POST", "/delete", {"externalIds": []}).status_code == 422
    assert stack.call("PUT", book.managed, {"name": "Other"}).status_code == 428
    assert stack.call("PUT", book.managed, {"name": "Other"}, etag='"7"').status_code == 412
    assert stack.call("PUT", book.managed, {"name": "Other"}, etag='"1"').status_code == 200
    assert stack.call("DELETE", book.managed).status_code == 204
    assert book.call("GET").status_code == 404


def test_another_tenant_sees_neither_the_book_nor_its_contacts(stack: AppStack, book: Book) -> None:
    book.call("POST", "", {"externalId": "1", "displayName": "Quiet Secret"})
    stranger = stack.token(FABRIKAM)
    assert book.call("GET", token=stranger).status_code == 404
    assert book.id not in stack.call("GET", "/v2/AddressBooks", token=stranger).text
    assert stack.call("GET", book.managed.rpartition("/")[0], token=stranger).json()["code"] == "WrongTenant"


def test_an_attendant_finds_people_of_all_three_directories(stack: AppStack, book: Book) -> None:
    book.call("POST", "", {"externalId": "1", "displayName": "Samira Zzyzx"})
    token = stack.token(CONTOSO, "Agent", **ALEX)
    expected = {"samira": "addressBook", "carla": "o365", "mira mar": "exchange"}
    for text, source in expected.items():
        found = stack.call("GET", f"{SEARCH}?q={quote(text)}", token=token).json()
        assert [one["sources"] for one in found["items"]] == [[source]], text
        assert found["notes"] == []
    # Two worker processes answer in turn; both know of a removal at once.
    book.call("POST", "/clear")
    for _ in range(4):
        assert stack.call("GET", f"{SEARCH}?q=samira", token=token).json()["items"] == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "q"),
        ("q=&department=", "q"),
        ("q=x&sources=", "sources"),
        ("q=x&sources=moon", "sources"),
        ("q=x&fields=shoeSize", "fields"),
        ("q=x&sources=exchange&country=CH", "country"),
        (f"q={'x' * 2048}", "q"),
        ("q=x&top=0", "top"),
        ("q=x&continuation=%00", "continuation"),
    ],
)
def test_a_question_that_cannot_be_asked_names_its_parameter(stack: AppStack, query: str, path: str) -> None:
    answer = stack.call("GET", f"{SEARCH}?{query}")
    assert answer.status_code == 422
    assert [finding["path"] for finding in answer.json()["errors"]] == [path]


def test_boxes_of_an_attendants_page_may_be_empty(stack: AppStack) -> None:
    empty = "&".join(f"{box}=" for box in ("jobTitle", "city", "company", "country", "department", "state"))
    (found,) = stack.call("GET", f"{SEARCH}?q=carla&sources=o365&{empty}").json()["items"]
    narrowed = stack.call("GET", f"{SEARCH}?q=&department={quote(found['department'])}&sources=o365").json()["items"]
    assert found in [one | {"match": found["match"]} for one in narrowed]
    every = stack.call("GET", "/api/attendant/services").json()
    assert stack.call("GET", "/api/attendant/services?q=").json()["items"] == every["items"] != []


@pytest.mark.parametrize("text", ["') or (1 eq 1", "%27", "＇) or", "*" * 200, "\x00\x1f\x1e", "a\u0000b", "٪"])
def test_no_text_breaks_the_search(stack: AppStack, text: str) -> None:
    answer = stack.call("GET", f"{SEARCH}?q={quote(text)}")
    assert answer.status_code in (200, 422)
    assert answer.json().get("items", []) == []


def test_half_a_character_in_the_directory_or_the_question_breaks_no_answer(stack: AppStack) -> None:
    user = {"id": str(uuid.uuid4()), "displayName": "Emoji \ud83d", "userPrincipalName": "emoji@contoso.example"}
    fault = {
        "host": "graph.microsoft.com",
        "pathPrefix": "/v1.0/users",
        "status": 200,
        "body": json.dumps({"value": [user]}),
    }
    stack.control("POST", "faults", fault | {"times": 1})
    (found,) = stack.call("GET", f"{SEARCH}?q=emoji&sources=o365").json()["items"]
    assert found["displayName"] == "Emoji \N{REPLACEMENT CHARACTER}"
    stack.control("POST", "faults", fault | {"times": 1})
    checked = stack.call("POST", f"/api/tenants/{CONTOSO}/attendant/filter-check", {"filter": "city eq 'x'"})
    assert checked.json()["live"]["sample"][0]["displayName"] == found["displayName"]
    assert stack.call("GET", f"{SEARCH}?q=a&fields=%ED%A0%BD").status_code == 422


def test_a_broken_filter_hides_everybody_and_is_told_to_admins_only(stack: AppStack) -> None:
    path = f"/api/tenants/{CONTOSO}/settings"
    before = stack.call("GET", path)
    broken = {"attendantConsole": {"contactSearchFilter": "department eq 'Sales"}}
    saved = stack.call("PATCH", path, broken, etag=before.headers["ETag"])
    try:
        assert saved.status_code == 200
        assert saved.json()["warnings"]
        admin = stack.call("GET", f"{SEARCH}?q=a").json()
        agent = stack.call("GET", f"{SEARCH}?q=a", token=stack.token(CONTOSO, "Agent")).json()
        assert (admin["items"], admin["filterProblem"]["code"]) == ([], "SyntaxError")
        assert (agent["items"], agent["filterProblem"]) == ([], None)
    finally:
        stack.call("PATCH", path, {"attendantConsole": None}, etag=saved.headers["ETag"])


def test_services_and_the_check_of_a_filter_answer_those_who_may_ask(stack: AppStack) -> None:
    agent = stack.token(CONTOSO, "Agent", oid="aaaaaaaa-0000-4000-8000-000000000003")
    services = stack.call("GET", "/api/attendant/services?q=desk", token=agent).json()["items"]
    assert [(one["displayName"], one["membersShown"]) for one in services] == [("Service Desk", True)]
    assert {"availableMembers", "available", "members"} <= services[0].keys()
    check = f"/api/tenants/{CONTOSO}/attendant/filter-check"
    answer = stack.call("POST", check, {"filter": "startswith(displayName,'Carla')"}).json()
    assert (answer["live"]["count"], answer["live"]["sample"][0]["displayName"]) == (1, "Carla Conti")
    assert stack.call("POST", check, {"filter": "a"}, token=agent).status_code == 403
    assert stack.call("POST", check, {"filter": "x" * 2001}).status_code == 422
    assert stack.call("POST", check, {"filter": "city eq 'x'"}, token=stack.token(HOME, "Operator")).status_code == 200


def test_the_matrix_is_served(stack: AppStack) -> None:
    rows = stack.call("GET", "/api/search-fields", token=stack.token(CONTOSO, "Agent")).json()["items"]
    titles = next(row for row in rows if row["field"] == "Job Title")
    assert titles["exchange"] == {"searchable": True, "contains": True, "filter": True}
