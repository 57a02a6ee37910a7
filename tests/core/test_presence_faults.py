"""What kept an account from reading has a code of the contract, and says who can do something about it."""

from __future__ import annotations

import pytest

from shared.kernel.errors import AppError, Broken, Denied, NotPermitted, Throttled, Unreachable, Upstream
from shared.kernel.sign_in_errors import catalogue
from shared.presence.faults import TELL_THE_OPERATOR, fault_as, fault_of, remedy_of
from tests.core.poll_world import refused_by_entra


def test_the_reason_tells_more_than_the_code() -> None:
    here, at_home = fault_of(refused_by_entra("AADSTS500571")), fault_of(refused_by_entra("AADSTS50057"))
    assert here[0] == at_home[0] == "AccountDisabled"
    assert "the operator" not in remedy_of(*here)
    assert "operator of Nimbus" in remedy_of(*at_home)


def test_what_a_tenants_admin_cannot_mend_says_who_can() -> None:
    code, reason = fault_of(refused_by_entra("AADSTS7000222"))
    assert (code, reason) == ("Unknown", "AADSTS7000222")
    assert "credentials" in remedy_of(code, reason)


def test_an_unknown_code_is_kept_as_it_came() -> None:
    assert fault_of(Denied("no", reason="AADSTS999999")) == ("Unknown", "AADSTS999999")
    assert remedy_of("Unknown", "AADSTS999999") == TELL_THE_OPERATOR


def test_a_code_and_a_reason_that_were_kept_before_the_file_changed_still_have_a_remedy() -> None:
    assert "password" in remedy_of("WrongPassword", "AADSTS700082")
    assert remedy_of("GuestAccessRestricted", "Authorization_RequestDenied").startswith("In Entra admin center")
    assert remedy_of("NoSuchCode", "AADSTS1") == ""


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
    assert remedy_of("Unknown", reason) not in ("", TELL_THE_OPERATOR)


def test_every_code_has_a_remedy_and_no_fault_has_none() -> None:
    assert all(remedy_of(fault.code, "").endswith(".") for fault in catalogue().faults)
    assert remedy_of("", "") == ""
