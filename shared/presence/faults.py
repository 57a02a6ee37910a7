"""Why a guest account cannot read, in the product's words, each with what a person can do about it."""

from __future__ import annotations

from typing import Final

from shared.kernel import sign_in_errors
from shared.kernel.errors import Denied, NotPermitted, Upstream
from shared.kernel.sign_in_errors import FaultCode
from shared.presence.account_health import Source

TELL_THE_OPERATOR: Final = "Tell the operator of Nimbus; the raw code is in the log."

# Signed in, and Graph answers with nobody: it hides users from restricted guests.
NOTHING_RETURNED: Final = "NothingReturned"

# What is not a refusal of Entra is Unknown to the contract; these reasons still say who can do something.
_OTHERS: Final = {
    "NoCredentials": "The operator of Nimbus has to sign this account in once.",
    "UpstreamUnreachable": "Microsoft does not answer as it should; this is tried again by itself.",
    "UpstreamBroken": "Microsoft does not answer as it should; this is tried again by itself.",
    "UpstreamThrottled": "Microsoft asks to wait; try again in a minute.",
}


def fault_of(error: Upstream) -> tuple[FaultCode, str]:
    """The fault, and the far side's own word for it, kept as it came."""
    reason = error.reason if isinstance(error, Denied) and error.reason else error.code
    if isinstance(error, NotPermitted) or reason == NOTHING_RETURNED:
        return "GuestAccessRestricted", reason
    fault = error.fault if isinstance(error, Denied) else None
    return fault.code if fault else "Unknown", reason


def fault_as(source: Source, error: Upstream) -> tuple[FaultCode, str]:
    """The same for who read: the application is nobody's guest; where Graph refuses it, its role is missing."""
    code, reason = fault_of(error)
    if source == "application" and code == "GuestAccessRestricted":
        return "PermissionNotGranted", reason
    return code, reason


def remedy_of(code: str, reason: str) -> str:
    """What a person can do; '' for no fault. ``reason`` is the far side's word, which may tell more than the code."""
    if not code:
        return ""
    fault = sign_in_errors.fault_called(reason)
    if fault is not None and fault.code == code:
        return fault.remedy
    if code == "Unknown":
        return _OTHERS.get(reason, TELL_THE_OPERATOR)
    return sign_in_errors.usual_remedy(code)
