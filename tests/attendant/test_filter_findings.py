"""What an admin is told of a filter before it is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.attendant.odata_filter import support as filter_support
from shared.attendant.odata_filter.findings import Code, FilterReport, examine
from tests.attendant.test_filter_syntax import READ

DATA = json.loads(Path(filter_support.__file__).with_name("support.json").read_text())


def codes(report: FilterReport, *, of: str | None = None) -> set[Code]:
    return {finding.code for finding in report.findings if of in (None, finding.property)}


def refused(text: str) -> bool:
    return "OperatorNotSupported" in codes(examine(text))


def test_the_products_own_example_needs_advanced_parameters() -> None:
    report = examine("endsWith(userPrincipalName,'onmicrosoft.com') and preferredLanguage eq 'en-GB'")
    assert report.canonical == "endswith(userPrincipalName,'onmicrosoft.com') and preferredLanguage eq 'en-GB'"
    assert report.properties == ("userPrincipalName", "preferredLanguage")
    assert report.needs_advanced_query
    assert codes(report, of="userPrincipalName") == {"HidesServiceAccounts"}
    assert codes(report, of="preferredLanguage") == {"HidesServiceAccounts", "NeedsPermission"}


# What each of the samples is about, and whether Graph's pages ask for the advanced parameters.
FLAGS = {
    "endsWith(userPrincipalName,'onmicrosoft.com') and preferredLanguage eq 'en-GB'": (
        "userPrincipalName preferredLanguage",
        True,
    ),
    "startswith(displayName,'mary') or startswith(givenName,'mary') or startswith(surname,'mary') or startswith(mail,'mary') or startswith(userPrincipalName,'mary')": (  # noqa: E501
        "displayName givenName surname mail userPrincipalName",
        False,
    ),
    "endswith(mail,'@hotmail.com')": ("mail", True),
    "assignedLicenses/$count eq 0": ("assignedLicenses", True),
    "assignedLicenses/$count ne 0": ("assignedLicenses", True),
    "not(assignedLicenses/$count eq 0)": ("assignedLicenses", True),
    "ownedObjects/$count eq 1": ("ownedObjects", True),
    "department in ('Retail', 'Sales')": ("department", False),
    "mail in ('mail1@domain.com', 'mail2@domain.com')": ("mail", False),
    "companyName in (null, 'Microsoft')": ("companyName", True),
    "not(userType in ('Member'))": ("userType", True),
    "assignedPlans/any(a:a/servicePlanId eq 2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2 and a/capabilityStatus eq 'Suspended')": (  # noqa: E501
        "assignedPlans/servicePlanId assignedPlans/capabilityStatus",
        True,
    ),
    "assignedLicenses/any(s:s/skuId eq 184efa21-98c3-4e5d-95ab-d07053a96e67)": ("assignedLicenses/skuId", False),
    "identities/any(c:c/issuerAssignedId eq 'j.smith@yahoo.com' and c/issuer eq 'My B2C tenant')": (
        "identities/issuerAssignedId identities/issuer",
        False,
    ),
    "companyName ne null and NOT(companyName eq 'Microsoft')": ("companyName", True),
    "companyName ne null": ("companyName", True),
    "userType eq 'Member'": ("userType", False),
    "not(userType eq 'Member')": ("userType", True),
    "startswith(userPrincipalName, 'admin')": ("userPrincipalName", False),
    "not(endswith(mail, 'contoso.com'))": ("mail", True),
    "not(startswith(mail, 'A'))": ("mail", True),
    "not(companyName eq 'Contoso E.A.')": ("companyName", True),
    "imAddresses/any(i:i eq 'admin@contoso.com')": ("imAddresses", False),
    "NOT(imAddresses/any(i:i eq 'admin@contoso.com'))": ("imAddresses", True),
    "NOT imAddresses/any(i:i eq 'a')": ("imAddresses", True),
    "businessPhones/any(p:startswith(p, '44'))": ("businessPhones", True),
    "proxyAddresses/any(p:endswith(p,'contoso.com'))": ("proxyAddresses", True),
    "certificateUserIds/any(x:x eq '9876543210@mil')": ("certificateUserIds", True),
    "accountEnabled eq false": ("accountEnabled", False),
    "accountEnabled ne true": ("accountEnabled", True),
    "createdDateTime ge 2021-01-02T12:00:00Z": ("createdDateTime", False),
    "createdDateTime le 2021-01-02t12:00:00.5+01:00": ("createdDateTime", False),
    "createdDateTime ge 2021-01-02 AND createdDateTime LT 2021-02-02": ("createdDateTime", False),
    "id eq 2E2DDB96-6AF9-4B1D-A3F0-D6ECFD22EDB2": ("id", False),
    "startsWith( displayName, 'Box')": ("displayName", False),
    "startsWith(mobilePhone, '25478') OR startsWith(mobilePhone, '25473')": ("mobilePhone", True),
    "NOT startsWith(displayName, 'Conf')": ("displayName", True),
    "endsWith(mail,'@outlook.com')": ("mail", True),
    "endsWith(userPrincipalName,'#EXT#@contoso.com')": ("userPrincipalName", True),
    "not(mail eq 'PineviewSchoolStaff@Contoso.com')": ("mail", True),
    "proxyAddresses/any (p:endsWith(p, 'OnMicrosoft.com'))": ("proxyAddresses", True),
    "not(certificateUserIds/any(x:x eq '9876543210@mil'))": ("certificateUserIds", True),
    # Of other resources than users: what users do not have needs nothing, save for a not around it.
    "owners/$count eq 1": ("owners", False),
    "NOT groupTypes/any(c:c eq 'Unified')": ("groupTypes", True),
    "alternativeSecurityIds/any(a:a/type le 2)": ("alternativeSecurityIds/type", False),
    "isAssignableToRole ne true": ("isAssignableToRole", False),
    "isRead eq false": ("isRead", False),
    "start/dateTime ge '2017-07-01T08:00'": ("start/dateTime", False),
    "from/emailAddress/address eq 'someuser@example.com'": ("from/emailAddress/address", False),
    "ReceivedDateTime ge 2017-04-01 and receivedDateTime lt 2017-05-01": ("ReceivedDateTime receivedDateTime", False),
    "registrationDateTime le 2021-01-02T12:00:00Z": ("registrationDateTime", False),
    "appOwnerOrganizationId eq 72f988bf-86f1-41af-91ab-2d7cd011db47": ("appOwnerOrganizationId", False),
    "surname eq 'O''Brien'": ("surname", False),
    "surname eq ''": ("surname", False),
    "surname eq ''''": ("surname", False),
    "contains(scope/microsoft.graph.accessReviewQueryScope/query, './members')": (
        "scope/microsoft.graph.accessReviewQueryScope/query",
        False,
    ),
    "scenarios has 'secureFoundation'": ("scenarios", False),
    "extension_4750531c75d84e8698ecd21bbd5da9f5_test eq 'x'": (
        "extension_4750531c75d84e8698ecd21bbd5da9f5_test",
        False,
    ),
    "onPremisesExtensionAttributes/extensionAttribute1 eq 'x'": (
        "onPremisesExtensionAttributes/extensionAttribute1",
        True,
    ),
    "tolower(city) eq 'zurich'": ("city", False),
    "createdDateTime le now()": ("createdDateTime", False),
    "'en-GB' eq preferredLanguage": ("preferredLanguage", True),
    "employeeId gt -5": ("employeeId", False),
}


def test_every_sample_names_its_properties_and_says_whether_it_needs_advanced_parameters() -> None:
    assert FLAGS.keys() == READ.keys()
    found = {text: examine(text) for text in FLAGS}
    assert {text: (" ".join(one.properties), one.needs_advanced_query) for text, one in found.items()} == FLAGS


@pytest.mark.parametrize("text", ["", " ", "\r\n\t"])
def test_nothing_is_to_be_said_of_no_filter(text: str) -> None:
    assert examine(text) == FilterReport("", (), False, ())


def test_every_part_of_the_data_names_its_source() -> None:
    assert "filter-directory-objects.md @" in DATA["source"]
    assert "user.md @" in DATA["resource_source"]
    assert "user-get.md @" in DATA["permissions"]["source"]
    assert "judgement" in DATA["service_accounts"]["source"]


def _test(form: str, operator: str) -> str:
    """A test of a property as the table writes it: ``city``, or ``otherMails/any(p:p)``."""
    subject = form.rpartition(":")[2].rstrip(")")
    test = f"startswith({subject},'x')" if operator == "startswith" else f"{subject} {operator}"
    return f"{form.rpartition(':')[0]}:{test})" if ":" in form else test


COLUMNS = {"eq": "eq 'x'", "startswith": "startswith", "ge_le": "ge 'x'", "eq_null": "eq null"}


@pytest.mark.parametrize("form", DATA["user_properties"])
def test_each_cell_of_graphs_table_is_kept(form: str) -> None:
    for column, operator in COLUMNS.items():
        report = examine(_test(form, operator))
        cell = DATA["user_properties"][form][column]
        assert ("OperatorNotSupported" in codes(report)) is (cell in (None, "not_supported")), (form, operator)
        assert report.needs_advanced_query is (cell == "advanced"), (form, operator)
        assert "UnknownProperty" not in codes(report)


@pytest.mark.parametrize(
    ("text", "advanced", "unsupported"),
    [
        ("city in ('a','b')", False, False),
        ("city in ('a',null)", True, False),
        ("companyName in ('a')", True, False),
        ("userPrincipalName in ('a',null)", False, True),
        ("city ne 'a'", True, False),
        ("city ne null", True, False),
        ("not(city eq 'a')", True, False),
        ("not city eq 'a' and state eq 'b'", True, False),
        ("mail eq 'x'", False, False),
        ("endswith(mail,'x')", True, False),
        ("endswith(userPrincipalName,'x')", True, False),
        ("proxyAddresses/any(p:endswith(p,'x'))", True, False),
        ("endswith(displayName,'x')", False, True),
        ("contains(displayName,'x')", False, True),
        ("createdDateTime ge 2021-01-01", False, False),
        ("employeeHireDate le 2021-01-01", True, False),
        ("2021-01-01 le createdDateTime", False, False),
        ("createdDateTime gt 2021-01-01", False, True),
        ("city le 'x'", False, True),
        ("city has 'x'", False, True),
        ("passwordPolicies eq 'x'", False, True),
        ("passwordPolicies ne 'x'", False, True),
        ("id eq 'x'", False, False),
        ("id in ('x')", False, False),
        ("otherMails/$count eq 0", True, False),
        ("otherMails/$count ne 0", True, False),
        ("0 eq otherMails/$count", True, False),
        ("otherMails/$count eq 1", False, True),
        ("otherMails/$count ge 0", False, True),
        ("otherMails/$count in (0)", False, True),
        ("ownedObjects/$count eq 1", True, False),
        ("assignedPlans/$count eq 0", False, True),
        ("city/$count eq 0", False, True),
        ("otherMails eq 'x'", False, True),
        ("startswith(businessPhones,'4')", False, True),
        ("city/any(x:x eq 'a')", False, True),
        ("assignedLicenses/any(x:x eq 'a')", False, True),
        ("tolower(city) eq 'x'", False, True),
        ("startswith(city,'x') eq true", False, True),
        ("city eq state", False, True),
        ("1 eq 1", False, True),
        ("startswith('a','b')", False, True),
        ("startswith('a',city)", False, True),
        ("'a' in ('a')", False, True),
        ("aboutMe eq 'x'", False, True),
        ("extension_4750531c75d84e8698ecd21bbd5da9f5_test eq 'x'", False, False),
        ("startswith(extension_4750531c75d84e8698ecd21bbd5da9f5_test,'x')", True, False),
        ("extension_4750531c75d84e8698ecd21bbd5da9f5_list/any(x:x eq 'x')", False, False),
        ("ext55gb1l09_msLearnCourses/courseId eq 1", True, False),
        ("extensions/any(e:e/id eq 'x')", False, True),
        ("com.contoso.roaming/theme eq 'dark'", False, True),
    ],
)
def test_what_the_documents_derive_from_the_table(text: str, advanced: bool, unsupported: bool) -> None:
    report = examine(text)
    assert (report.needs_advanced_query, refused(text)) == (advanced, unsupported)
    assert "UnknownProperty" not in codes(report)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("depatment", "department"),
        ("display_name", "displayName"),
        ("upn", None),
        ("userPrincipleName", "userPrincipalName"),
        ("onPremisesExtensionAttributes/extensionAttribute16", "extensionAttribute1"),
        ("x" * 500, None),
    ],
)
def test_an_unknown_property_is_named_with_the_one_that_was_meant(name: str, hint: str | None) -> None:
    report = examine(f"city eq 'x' and {name} eq 'y'")
    [finding] = [finding for finding in report.findings if finding.code == "UnknownProperty"]
    assert (finding.property, finding.position) == (name, 16)
    assert ("did you mean" in finding.message) is (hint is not None)
    assert (hint or "") in finding.message


def test_a_property_used_twice_is_spoken_of_once() -> None:
    report = examine("jobTitle eq 'a' or jobTitle eq 'b'")
    assert [(finding.code, finding.position) for finding in report.findings] == [
        ("NeedsPermission", 0),
        ("HidesServiceAccounts", 0),
    ]


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("displayName eq 'x'", None),
        ("id eq 'x'", None),
        ("mail ne 'x'", None),
        ("city eq 'x'", "User.Read.All"),
        ("assignedLicenses/$count eq 0", "User.Read.All"),
        ("signInActivity/lastSignInDateTime le 2021-01-01", "AuditLog.Read.All"),
        ("employeeLeaveDateTime le 2021-01-01", "User-LifeCycleInfo.Read.All"),
        ("customSecurityAttributes/Sales/Region eq 'x'", "CustomSecAttributeAssignment.Read.All"),
    ],
)
def test_more_than_the_basic_profile_takes_more_permission(text: str, permission: str | None) -> None:
    told = [finding.message for finding in examine(text).findings if finding.code == "NeedsPermission"]
    assert bool(told) is (permission is not None)
    assert all((permission or "") in message for message in told)


@pytest.mark.parametrize(
    ("text", "hides"),
    [
        ("jobTitle eq 'Clerk'", {"jobTitle"}),
        ("department in ('A','B')", {"department"}),
        ("department in ('A',null)", set()),
        ("startswith(companyName,'C')", {"companyName"}),
        ("jobTitle ne 'Clerk'", set()),
        ("jobTitle ne null", {"jobTitle"}),
        ("jobTitle eq null", set()),
        ("not(jobTitle eq 'Clerk')", set()),
        ("not(jobTitle eq null)", {"jobTitle"}),
        ("jobTitle eq 'Clerk' or displayName eq 'x'", set()),
        ("jobTitle eq 'Clerk' or city eq 'Bern'", {"jobTitle", "city"}),
        ("jobTitle eq 'Clerk' and displayName eq 'x'", {"jobTitle"}),
        ("not(jobTitle ne 'Clerk' or displayName eq 'x')", {"jobTitle"}),
        ("not(jobTitle ne 'Clerk' and displayName eq 'x')", set()),
        ("endswith(userPrincipalName,'@contoso.com')", {"userPrincipalName"}),
        ("not(endswith(userPrincipalName,'@guests.com'))", set()),
        ("endswith(mail,'@contoso.com')", {"mail"}),
        ("proxyAddresses/any(p:startswith(p,'x'))", {"proxyAddresses"}),
        ("not(proxyAddresses/any(p:startswith(p,'x')))", set()),
        ("proxyAddresses/$count ne 0", {"proxyAddresses"}),
        ("proxyAddresses/$count eq 0", set()),
        ("assignedLicenses/any(a:a/skuId eq 'x')", {"assignedLicenses/skuId"}),
        ("accountEnabled eq true", {"accountEnabled"}),
        ("accountEnabled eq false", set()),
        ("accountEnabled ne false", {"accountEnabled"}),
        ("userType eq 'Guest'", {"userType"}),
        ("userType eq 'member'", set()),
        ("displayName eq 'x'", set()),
        ("tolower(jobTitle) ne 'x'", set()),
    ],
)
def test_a_filter_that_misses_accounts_of_services_is_told_so(text: str, hides: set[str]) -> None:
    report = examine(text)
    assert {finding.property for finding in report.findings if finding.code == "HidesServiceAccounts"} == hides


@pytest.mark.parametrize(
    ("text", "position", "meant"),
    [
        ("https://graph.microsoft.com/v1.0/users?$filter=city eq 'Bern'&$top=5", 0, "city eq 'Bern'"),
        ("GET /users?$filter=city eq 'Bern'", 0, "city eq 'Bern'"),
        ("$filter=city eq 'Bern'", 0, "city eq 'Bern'"),
        ("filter=city eq 'Bern'", 0, "city eq 'Bern'"),
        ("users?$count=true&$filter=city%20eq%20%27Bern%27", 5, "city eq 'Bern'"),
        ("city%20eq%20'Bern'", 4, "city eq 'Bern'"),
        ("city eq 'Bern'&$count=true", 14, ""),
        ("https://graph.microsoft.com/v1.0/users/" + "x" * 3000, 0, ""),
    ],
)
def test_a_pasted_address_is_recognised_and_its_filter_shown(text: str, position: int, meant: str) -> None:
    report = examine(text)
    [finding] = report.findings
    assert (report.canonical, finding.code, finding.position) == (None, "LooksLikeUrl", position)
    assert finding.message.endswith(meant)


def test_an_address_inside_a_text_is_no_address() -> None:
    assert codes(examine("displayName eq 'https://x/?$filter=%27'")) == set()


def test_a_broken_filter_has_one_finding_and_no_canonical_text() -> None:
    report = examine("city eq 'x' adn state eq 'y'")
    [finding] = report.findings
    assert (report.canonical, report.properties, report.needs_advanced_query) == (None, (), False)
    assert (finding.code, finding.position) == ("SyntaxError", 12)
    assert "did you mean and?" in finding.message


def test_findings_stand_in_order_of_position() -> None:
    report = examine("jobTitle eq 'x' and contains(city,'y') and depatment eq 'z'")
    places = [finding.position or 0 for finding in report.findings]
    assert places == sorted(places)
