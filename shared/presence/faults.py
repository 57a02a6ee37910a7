"""Why a guest account cannot read, in the product's words, each with what a person can do about it."""

from __future__ import annotations

from typing import Final, Literal

from shared.errors import Denied, NotPermitted, Upstream
from shared.presence.accounts import Source

FaultCode = Literal[
    "NotAddedAsGuest",
    "PermissionNotGranted",
    "MfaRequired",
    "WrongPassword",
    "PasswordExpired",
    "AccountLocked",
    "AccountDisabled",
    "BlockedByConditionalAccess",
    "AppNotInTenant",
    "GuestAccessRestricted",
    "Unknown",
]

REMEDIES: Final[dict[FaultCode, str]] = {
    "NotAddedAsGuest": "Invite the account as a guest of your tenant and wait until the invitation is accepted.",
    "PermissionNotGranted": "Open the grant-permission link as a tenant administrator and accept.",
    "MfaRequired": "Exempt the account from multi-factor authentication, for example for a trusted location.",
    "WrongPassword": "The operator of Nimbus has to renew the account's sign-in.",
    "PasswordExpired": "The operator of Nimbus has to renew the account's password and sign-in.",
    "AccountLocked": "The account is locked for now; if it stays so, tell the operator of Nimbus.",
    "AccountDisabled": "Enable the guest account in your tenant, or tell the operator of Nimbus.",
    "BlockedByConditionalAccess": "Exclude the account from the conditional access policy that blocks it.",
    "AppNotInTenant": "Open the grant-permission link once, so that the Nimbus App exists in your tenant.",
    "GuestAccessRestricted": "Relax the guest user access restrictions, or give the account the role Directory "
    "Readers. It can take an hour to show.",
    "Unknown": "Tell the operator of Nimbus; the raw code is in the log.",
}

# Entra's codes, by what they mean here. Entra says that codes may change, so an unlisted one is Unknown.
_CODES: Final[dict[FaultCode, tuple[int, ...]]] = {
    "NotAddedAsGuest": (50020, 50034, 51004, 16000, 16003, 50014),
    "PermissionNotGranted": (65001, 65004, 65005, 650056, 650057, 90094, 90095),
    "MfaRequired": (50076, 50074, 50079, 50072, 50078, 50158, 53004),
    "WrongPassword": (50126, 50056, 50064, 50132, 50133, 50173, 70008, 700082, 50089),
    "PasswordExpired": (50055, 50144),
    "AccountLocked": (50053,),
    "AccountDisabled": (50057,),
    "BlockedByConditionalAccess": (
        *(53003, 530032, 53000, 53001, 53002, 530035, 50131, 50097, 50005, 50135, 53011, 70043),
        *(500212, 500213, 500021, 500022),
    ),
    "AppNotInTenant": (700016, 700011, 7000112, 500011, 50105, 70001),
}
_BY_CODE: Final = {f"AADSTS{number}": name for name, numbers in _CODES.items() for number in numbers}


# Signed in, and Graph answers with nobody: it hides users from restricted guests.
NOTHING_RETURNED: Final = "NothingReturned"

# What the admin cannot help is Unknown to the contract; the far side's own word still says who can.
_OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "The operator of Nimbus has to renew the credentials of the Nimbus App.": (
        *("AADSTS7000215", "AADSTS7000222", "AADSTS7000218", "AADSTS700025", "AADSTS70002", "AADSTS700027"),
    ),
    "Entra does not know the tenant in this cloud; compare the tenant id.": (
        *("AADSTS90002", "AADSTS50059", "AADSTS50128", "AADSTS9001023"),
    ),
    "The operator of Nimbus has to sign this account in once.": ("NoCredentials",),
    "Microsoft does not answer as it should; this is tried again by itself.": (
        *("UpstreamUnreachable", "UpstreamBroken"),
    ),
    "Microsoft asks to wait; try again in a minute.": ("UpstreamThrottled",),
}
_BY_REASON: Final = {reason: remedy for remedy, reasons in _OTHERS.items() for reason in reasons}


def fault_of(error: Upstream) -> tuple[FaultCode, str]:
    """The fault, and the far side's own word for it, kept as it came."""
    reason = error.reason if isinstance(error, Denied) and error.reason else error.code
    if isinstance(error, NotPermitted) or reason == NOTHING_RETURNED:
        return "GuestAccessRestricted", reason
    return _BY_CODE.get(reason, "Unknown"), reason


def fault_as(source: Source, error: Upstream) -> tuple[FaultCode, str]:
    """The same for who read: the application is nobody's guest; where Graph refuses it, its role is missing."""
    code, reason = fault_of(error)
    if source == "application" and code == "GuestAccessRestricted":
        return "PermissionNotGranted", reason
    return code, reason


def remedy_of(code: str, reason: str) -> str:
    """What a person can do; '' for no fault."""
    known: dict[str, str] = {str(name): text for name, text in REMEDIES.items()}
    return known.get(code, "") if code != "Unknown" else _BY_REASON.get(reason, REMEDIES["Unknown"])
