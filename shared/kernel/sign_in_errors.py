"""What a refused sign-in at Entra means, and who can mend it: the rule over ``sign_in_errors.json``. Pure.

Entra's codes change and grow, so an answer whose codes are not listed is judged by ``suberror``, ``claims`` and
``error``. The walls decide where this lies: clients read Entra's answers, features show what to do about them, and
neither may import the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

FaultCode = Literal[
    "NotAddedAsGuest",
    "PermissionNotGranted",
    "MfaRequired",
    "WrongPassword",
    "PasswordExpired",
    "AccountLocked",
    "SignInExpired",
    "AccountDisabled",
    "BlockedByConditionalAccess",
    "AppNotInTenant",
    "GuestAccessRestricted",
    "Unknown",
]
Family = Literal[
    "TenantUnavailable",
    "AppNotInTenant",
    "NotInTenant",
    "AccountDisabled",
    "AccountLocked",
    "PasswordExpired",
    "WrongPassword",
    "SignInExpired",
    "GuestAccessRestricted",
    "ConditionalAccess",
    "SecondFactor",
    "ConsentMissing",
    "AssertionExpired",
    "AssertionRefused",
    "OurCredentials",
    "OurRequest",
    "DeviceCode",
    "HomeDirectory",
    "Throttled",
    "Transient",
]
Actor = Literal["tenant", "operator", "user", "nobody"]

_FILE: Final = Path(__file__).with_name("sign_in_errors.json")


@dataclass(frozen=True, slots=True)
class SignInFault:
    """One way in which a sign-in fails. ``code`` is the contract's, ``acts`` who can mend it, ``remedy`` how.

    Both are for a presence account, ``own_acts`` and ``own_remedy`` for the caller's own sign-in. ``consent``: a tenant
    administrator's consent mends it.
    """

    family: Family
    code: FaultCode
    means: str
    acts: Actor
    remedy: str
    consent: bool
    own_acts: Actor
    own_remedy: str

    def in_own_sign_in(self) -> SignInFault:
        """Returns the fault as it is told to the person whose sign-in failed."""
        return replace(self, acts=self.own_acts, remedy=self.own_remedy)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The file, indexed. ``faults`` are in order of precedence, and ``ranks`` leads from a code to its place there."""

    faults: tuple[SignInFault, ...]
    by_code: Mapping[int, SignInFault]
    ranks: Mapping[int, int]
    by_suberror: Mapping[str, SignInFault]
    by_error: Mapping[str, SignInFault]
    by_claims: SignInFault


@cache
def catalogue() -> Catalogue:
    raw: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    rows = [(_fault(family, row), row) for family in raw["families"] for row in family["faults"]]
    by_code = {code: fault for fault, row in rows for codes in row["codes"].values() for code in codes}
    (by_claims,) = (fault for fault, row in rows if row.get("claims"))
    return Catalogue(
        faults=tuple(fault for fault, _ in rows),
        by_code=by_code,
        ranks={code: rank for rank, code in enumerate(by_code)},
        by_suberror={word: fault for fault, row in rows for word in row.get("suberrors", ())},
        by_error={word: fault for fault, row in rows for word in row.get("errors", ())},
        by_claims=by_claims,
    )


def _fault(family: Mapping[str, Any], row: Mapping[str, Any]) -> SignInFault:
    own: Mapping[str, Any] = row.get("ownSignIn", row)
    return SignInFault(
        family=family["family"],
        code=family["code"],
        means=row["means"],
        acts=row["acts"],
        remedy=row["remedy"],
        consent=row.get("consent", False),
        own_acts=own["acts"],
        own_remedy=own["remedy"],
    )


def deciding_code(codes: Collection[int]) -> int | None:
    """Returns which of Entra's codes tells what to do, whatever their order; None without any."""
    ranks = catalogue().ranks
    return min(codes, key=lambda code: (ranks.get(code, len(ranks)), code), default=None)


def fault_in(codes: Collection[int], *, error: str, suberror: str, claims: bool) -> SignInFault | None:
    """Returns the fault of an answer of the token endpoint, None where it fits no family.

    The codes come first, then the words, the more specific one before the other.
    """
    known = catalogue()
    code = deciding_code(codes)
    if code is not None and code in known.by_code:
        return known.by_code[code]
    if suberror in known.by_suberror:
        return known.by_suberror[suberror]
    return known.by_claims if claims else known.by_error.get(error)


def fault_called(reason: str) -> SignInFault | None:
    """Returns the fault that a reason such as ``AADSTS50076`` or ``invalid_client`` stands for, None for another."""
    found = re.fullmatch(r"AADSTS([0-9]{1,9})", reason)
    return catalogue().by_code.get(int(found[1])) if found else catalogue().by_error.get(reason)


def usual_remedy(code: str) -> str:
    """Returns the remedy for a code of the contract where nothing more is known; '' for a code that is none."""
    return next((fault.remedy for fault in catalogue().faults if fault.code == code), "")
