"""What a filter says, and where it stops making sense."""

from __future__ import annotations

import pytest

from shared.attendant.odata_filter.nodes import Compare, Negation, Property, Value
from shared.attendant.odata_filter.syntax import DEEPEST, parse
from shared.attendant.odata_filter.text import canonical
from shared.attendant.odata_filter.tokens import LONGEST, FilterError, tokens

EXAMPLE = "endsWith(userPrincipalName,'onmicrosoft.com') and preferredLanguage eq 'en-GB'"

# What is typed, and its canonical text; None where it is canonical already.
# Samples of Graph's pages filter-query-parameter, aad-advanced-queries and user-list, in the spelling they have there.
GRAPHS = {
    "startswith(displayName,'mary') or startswith(givenName,'mary') or startswith(surname,'mary') or startswith(mail,'mary') or startswith(userPrincipalName,'mary')": None,  # noqa: E501
    "endswith(mail,'@hotmail.com')": None,
    "assignedLicenses/$count eq 0": None,
    "assignedLicenses/$count ne 0": None,
    "not(assignedLicenses/$count eq 0)": None,
    "owners/$count eq 1": None,
    "department in ('Retail', 'Sales')": "department in ('Retail','Sales')",
    "mail in ('mail1@domain.com', 'mail2@domain.com')": "mail in ('mail1@domain.com','mail2@domain.com')",
    "companyName in (null, 'Microsoft')": "companyName in (null,'Microsoft')",
    "not(userType in ('Member'))": None,
    "assignedPlans/any(a:a/servicePlanId eq 2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2 and a/capabilityStatus eq 'Suspended')": None,  # noqa: E501
    "assignedLicenses/any(s:s/skuId eq 184efa21-98c3-4e5d-95ab-d07053a96e67)": None,
    "identities/any(c:c/issuerAssignedId eq 'j.smith@yahoo.com' and c/issuer eq 'My B2C tenant')": None,
    "NOT groupTypes/any(c:c eq 'Unified')": "not(groupTypes/any(c:c eq 'Unified'))",
    "alternativeSecurityIds/any(a:a/type le 2)": None,
    "companyName ne null and NOT(companyName eq 'Microsoft')": "companyName ne null and not(companyName eq 'Microsoft')",  # noqa: E501
    "companyName ne null": None,
    "userType eq 'Member'": None,
    "not(userType eq 'Member')": None,
    "isAssignableToRole ne true": None,
    "isRead eq false": None,
    "start/dateTime ge '2017-07-01T08:00'": None,
    "from/emailAddress/address eq 'someuser@example.com'": None,
    "ReceivedDateTime ge 2017-04-01 and receivedDateTime lt 2017-05-01": None,
    "registrationDateTime le 2021-01-02T12:00:00Z": None,
    "startswith(userPrincipalName, 'admin')": "startswith(userPrincipalName,'admin')",
    "startsWith( displayName, 'Box')": "startswith(displayName,'Box')",
    "startsWith(mobilePhone, '25478') OR startsWith(mobilePhone, '25473')": "startswith(mobilePhone,'25478') or startswith(mobilePhone,'25473')",  # noqa: E501
    "NOT startsWith(displayName, 'Conf')": "not(startswith(displayName,'Conf'))",
    "endsWith(mail,'@outlook.com')": "endswith(mail,'@outlook.com')",
    "endsWith(userPrincipalName,'#EXT#@contoso.com')": "endswith(userPrincipalName,'#EXT#@contoso.com')",
    "not(endswith(mail, 'contoso.com'))": "not(endswith(mail,'contoso.com'))",
    "not(startswith(mail, 'A'))": "not(startswith(mail,'A'))",
    "not(mail eq 'PineviewSchoolStaff@Contoso.com')": None,
    "not(companyName eq 'Contoso E.A.')": None,
    "appOwnerOrganizationId eq 72f988bf-86f1-41af-91ab-2d7cd011db47": None,
    "imAddresses/any(i:i eq 'admin@contoso.com')": None,
    "NOT(imAddresses/any(i:i eq 'admin@contoso.com'))": "not(imAddresses/any(i:i eq 'admin@contoso.com'))",
    "businessPhones/any(p:startswith(p, '44'))": "businessPhones/any(p:startswith(p,'44'))",
    "proxyAddresses/any(p:endswith(p,'contoso.com'))": None,
    "proxyAddresses/any (p:endsWith(p, 'OnMicrosoft.com'))": "proxyAddresses/any(p:endswith(p,'OnMicrosoft.com'))",
    "certificateUserIds/any(x:x eq '9876543210@mil')": None,
    "not(certificateUserIds/any(x:x eq '9876543210@mil'))": None,
    "accountEnabled eq false": None,
    "accountEnabled ne true": None,
    "contains(scope/microsoft.graph.accessReviewQueryScope/query, './members')": "contains(scope/microsoft.graph.accessReviewQueryScope/query,'./members')",  # noqa: E501
    "scenarios has 'secureFoundation'": None,
}
OURS = {
    EXAMPLE: "endswith(userPrincipalName,'onmicrosoft.com') and preferredLanguage eq 'en-GB'",
    "ownedObjects/$count eq 1": None,
    "NOT imAddresses/any(i:i eq 'a')": "not(imAddresses/any(i:i eq 'a'))",
    "createdDateTime ge 2021-01-02T12:00:00Z": None,
    "createdDateTime le 2021-01-02t12:00:00.5+01:00": "createdDateTime le 2021-01-02T12:00:00.5+01:00",
    "createdDateTime ge 2021-01-02 AND createdDateTime LT 2021-02-02": "createdDateTime ge 2021-01-02 and createdDateTime lt 2021-02-02",  # noqa: E501
    "id eq 2E2DDB96-6AF9-4B1D-A3F0-D6ECFD22EDB2": "id eq 2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2",
    "surname eq 'O''Brien'": None,
    "surname eq ''": None,
    "surname eq ''''": None,
    "extension_4750531c75d84e8698ecd21bbd5da9f5_test eq 'x'": None,
    "onPremisesExtensionAttributes/extensionAttribute1 eq 'x'": None,
    "tolower(city) eq 'zurich'": None,
    "createdDateTime le now()": None,
    "'en-GB' eq preferredLanguage": None,
    "employeeId gt -5": None,
}
READ = GRAPHS | OURS


def test_forty_samples_of_graphs_own_pages_are_among_those_read() -> None:
    assert len(GRAPHS) >= 40


@pytest.mark.parametrize(("typed", "expected"), READ.items())
def test_a_filter_has_one_canonical_text(typed: str, expected: str | None) -> None:
    text = canonical(parse(typed))
    assert text == (expected or typed)
    assert canonical(parse(text)) == text


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("city EQ 'x' Or NOT city Eq 'y'", "city eq 'x' or not(city eq 'y')"),
        ("STARTSWITH(city,'x') AND city IN('y')", "startswith(city,'x') and city in ('y')"),
        ("USERPRINCIPALNAME eq 'x'", "userPrincipalName eq 'x'"),
        ("OnPremisesextensionattributes/EXTENSIONATTRIBUTE7 eq NULL", "onPremisesExtensionAttributes/extensionAttribute7 eq null"),  # noqa: E501
        ("assignedlicenses/ANY(s:s/SKUID eq 'x')", "assignedLicenses/any(s:s/skuId eq 'x')"),
        ("OTHERMAILS/$COUNT eq 0", "otherMails/$count eq 0"),
        ("madeUp/Thing eq 'x'", "madeUp/Thing eq 'x'"),
    ],
)  # fmt: skip
def test_any_case_is_read_and_graphs_spelling_is_written(typed: str, expected: str) -> None:
    assert canonical(parse(typed)) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a eq 1 or b eq 2 and c eq 3", "a eq 1 or b eq 2 and c eq 3"),
        ("(a eq 1 or b eq 2) and c eq 3", "(a eq 1 or b eq 2) and c eq 3"),
        ("a eq 1 or (b eq 2 and c eq 3)", "a eq 1 or b eq 2 and c eq 3"),
        ("((a eq 1) and ((b eq 2)))", "a eq 1 and b eq 2"),
        ("not (a eq 1) and b eq 2", "not(a eq 1) and b eq 2"),
        ("not not a eq 1", "not(not(a eq 1))"),
        (" \t\r\n a   eq\n1 ", "a eq 1"),
    ],
)
def test_parentheses_stay_where_they_change_the_meaning(typed: str, expected: str) -> None:
    assert canonical(parse(typed)) == expected


def test_not_without_parentheses_takes_the_whole_comparison() -> None:
    assert parse("not city eq 'x'") == Negation(Compare(Property(("city",)), "eq", Value("string", "x")))


def test_a_variable_means_an_item_within_its_any_and_nothing_behind_it() -> None:
    tree = parse("otherMails/any(CITY:CITY eq 'a') and CITY eq 'b'")
    assert canonical(tree) == "otherMails/any(CITY:CITY eq 'a') and city eq 'b'"


@pytest.mark.parametrize("test", ["a/any(b:b eq 1)", "not(a eq 1)", "(a eq 1)", "length(a) eq 1"])
def test_side_by_side_is_not_deep(test: str) -> None:
    assert parse(" or ".join([test] * (DEEPEST + 1)))


BROKEN = {
    "": (0, None),
    "   ": (0, None),
    "(": (1, None),
    "city": (4, None),
    "city eq": (7, None),
    "city eqq 'x'": (5, "eq"),
    "city equals 'x'": (5, None),
    "city eq 'x' adn state eq 'y'": (12, "and"),
    "city eq 'x' state eq 'y'": (12, None),
    "startwith(city,'x')": (0, "startswith"),
    "starts_with(city,'x')": (0, "startswith"),
    "startswith(city)": (0, None),
    "startswith(city 'x')": (16, None),
    "startswith(city,'x'": (10, None),
    "city = 'x'": (5, None),
    "city == 'x'": (5, None),
    "city eq 'x' && state eq 'y'": (12, None),
    'city eq "x"': (8, None),
    "city eq ‘x’": (8, None),
    "city eq ＇x＇": (8, None),
    "city eq 'x": (8, None),
    "city eq 'it's'": (13, None),
    "city eq 'x''": (8, None),
    "city eq 'a\tb'": (10, None),
    "city eq 'x')": (11, None),
    "(city eq 'x'": (0, None),
    "city eq 5x": (8, None),
    "city eq 2021-13": (8, None),
    "city in ()": (9, None),
    "city in ('a',)": (13, None),
    "city in 'a'": (8, None),
    "city in (state)": (9, None),
    "a/any()": (6, None),
    "a/any(x)": (7, None),
    "a/any(x:)": (8, None),
    "a/any(eq:eq eq 1)": (6, None),
    "a/all(x:x eq 1)": (0, None),
    "any(x:x eq 1)": (0, None),
    "and": (0, None),
    "city eq 'x' and": (15, None),
    "city eq and": (8, None),
    "$count eq 0": (0, None),
    "city eq\u00a0'x'": (7, None),
    "city eq \ud800": (8, None),
}


@pytest.mark.parametrize(("typed", "told"), BROKEN.items())
def test_a_broken_filter_is_told_where_it_breaks(typed: str, told: tuple[int, str | None]) -> None:
    with pytest.raises(FilterError) as caught:
        parse(typed)
    assert (caught.value.position, caught.value.hint) == told
    assert caught.value.message


def test_all_is_refused_with_the_reason() -> None:
    with pytest.raises(FilterError, match="does not support all"):
        parse("otherMails/all(m:m eq 'x')")


@pytest.mark.parametrize("opening", ["(", "not ", "not(", "tolower(", "a/any(x:", "(not (", "a eq 1 and ("])
def test_depth_ends_in_an_answer(opening: str) -> None:
    text = opening * (LONGEST // len(opening))
    with pytest.raises(FilterError, match="levels"):
        parse(text)


def test_a_filter_has_two_thousand_characters_and_64_levels_at_most() -> None:
    assert (LONGEST, DEEPEST) == (2_000, 64)


def test_as_deep_as_allowed_is_read_and_one_more_is_not() -> None:
    for before, after in (("(", ")"), ("not ", ""), ("not(", ")")):
        assert parse(before * DEEPEST + "city eq 'x'" + after * DEEPEST)
        with pytest.raises(FilterError, match="levels"):
            parse(before * (DEEPEST + 1) + "city eq 'x'" + after * (DEEPEST + 1))


def test_as_long_as_allowed_is_read_and_one_more_is_not() -> None:
    frame = "city eq ''"
    full = f"city eq '{'x' * (LONGEST - len(frame))}'"
    assert len(canonical(parse(full))) == LONGEST
    with pytest.raises(FilterError) as caught:
        parse(full.replace("xx", "xxx", 1))
    assert caught.value.position == LONGEST


def test_a_filter_whose_canonical_text_would_be_too_long_is_refused() -> None:
    typed = "city in('x')"
    typed = typed.replace("x", "x" * (LONGEST - len(typed) + 1))
    assert len(typed) == LONGEST
    with pytest.raises(FilterError, match="blanks"):
        parse(typed)


def test_tokens_know_where_they_stood() -> None:
    text = "city eq 'O''B' and x/any(y:y in (1,2))"
    for token in tokens(text)[:-1]:
        shown = "'O''B'" if token.kind == "string" else token.text
        assert text.startswith(shown, token.position)
