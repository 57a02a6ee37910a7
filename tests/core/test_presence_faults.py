"""Every code of Entra that speaks of an account has a fault and something a person can do about it."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.errors import AppError, Broken, Denied, NotPermitted, Throttled, Unreachable, Upstream
from shared.presence.faults import REMEDIES, FaultCode, fault_as, fault_of, remedy_of

# Source: entra-docs, reference-error-codes; by what an admin has to do.
BY_FAULT: dict[FaultCode, str] = {
    "MfaRequired": "50076 50074 50079 50072 50078 50158 53004",
    "PermissionNotGranted": "65001 65004 65005 650056 650057 90094 90095",
    "AppNotInTenant": "700016 700011 7000112 500011 50105 70001",
    "NotAddedAsGuest": "50020 50034 51004 16000 16003 50014",
    "WrongPassword": "50126 50056 50064 50132 50133 50173 70008 700082 50089",
    "PasswordExpired": "50055 50144",
    "AccountLocked": "50053",
    "AccountDisabled": "50057",
    "BlockedByConditionalAccess": (
        "53003 530032 53000 53001 53002 530035 50131 50097 50005 50135 53011 70043 500212 500213 500021 500022"
    ),
    "Unknown": "7000215 7000222 7000218 700025 70002 700027 90002 50059 50128 9001023",
}
CODES = [(fault, f"AADSTS{number}") for fault, numbers in BY_FAULT.items() for number in numbers.split()]


@pytest.mark.parametrize(("fault", "reason"), CODES)
def test_each_code_is_a_fault_with_a_remedy(fault: FaultCode, reason: str) -> None:
    assert fault_of(Denied("no", reason=reason)) == (fault, reason)
    assert remedy_of(fault, reason).endswith(".")


def test_what_an_admin_cannot_help_says_who_can() -> None:
    shrug = REMEDIES["Unknown"]
    assert all(remedy_of(fault, reason) != shrug for fault, reason in CODES if fault == "Unknown")


def test_an_unknown_code_is_kept_as_it_came() -> None:
    assert fault_of(Denied("no", reason="AADSTS999999")) == ("Unknown", "AADSTS999999")
    assert remedy_of("Unknown", "AADSTS999999") == REMEDIES["Unknown"]


@pytest.mark.parametrize("reason", ["Authorization_RequestDenied", "Forbidden", "AccessDenied", "UnknownError", ""])
def test_signed_in_and_yet_refused_means_restricted_guests_whatever_graph_calls_it(reason: str) -> None:
    refusal = NotPermitted("no", reason=reason)
    assert fault_of(refusal) == ("GuestAccessRestricted", reason or refusal.code)
    assert fault_as("account2", refusal) == fault_of(refusal)
    assert fault_as("application", refusal)[0] == "PermissionNotGranted", "the application is nobody's guest"


def test_signed_in_and_given_nothing_means_restricted_guests() -> None:
    assert fault_of(Denied("no", reason="NothingReturned")) == ("GuestAccessRestricted", "NothingReturned")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("x"), "UpstreamUnreachable"),
        (Broken("x"), "UpstreamBroken"),
        (Throttled("x", retry_after=1), "UpstreamThrottled"),
        (Denied("x", reason="NoCredentials"), "NoCredentials"),
    ],
)
def test_what_is_not_the_accounts_fault_says_so(error: Upstream, reason: str) -> None:
    assert isinstance(error, AppError)
    assert fault_of(error) == ("Unknown", reason)
    assert remedy_of("Unknown", reason) != REMEDIES["Unknown"]


def test_every_fault_has_a_remedy_and_no_fault_has_none() -> None:
    assert set(REMEDIES) == set(get_args(FaultCode))
    assert remedy_of("", "") == ""
