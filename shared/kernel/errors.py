"""What can go wrong, as types. The edge (functions/http/problems.py) gives each its HTTP status.

AppError
|- Malformed          the text is not JSON
|- Invalid            the content breaks rules; carries every finding at once
|- NotKnown           who calls is not proven
|- NotAllowed         who calls is known and may not
|- NotFound
|- Gone               it was there, and is over for good
|- Conflict           the state forbids it
|  |- Stale           somebody changed it since it was read
|  `- NeedsVersion    it exists, and the write does not say which version it replaces
|- RateLimited        slow down; carries the pause
|- Unavailable        a part of our own is missing: settings, storage or the key of a secret
|  |- ConfigError     app settings are missing or malformed; names them all
|  `- StorageDown     Azure Storage does not answer
`- Upstream           Microsoft, or a host named by a tenant, did not do its part
   |- Denied          refused: the next account may do better
   |  `- NotPermitted  signed in well, yet Graph does not let them
   |- Throttled       slow down, same account; carries the pause
   |- Unreachable     no answer in time
   `- Broken          an answer that makes no sense
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shared.kernel.sign_in_errors import SignInFault

MOST_FINDINGS: Final = 100  # of one error; a caller who mends that many asks again for the rest


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one field. ``path`` is dotted and uses the caller's field names."""

    path: str
    message: str
    code: str

    def as_json(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message, "code": self.code}


class AppError(Exception):
    """Base of everything this product raises on purpose.

    ``code`` is stable and for machines, ``detail`` is one sentence for people and may be shown to the
    caller, ``members`` are further facts for the answer. None of them may hold a secret.
    """

    code = "InternalError"

    def __init__(self, detail: str, *, code: str | None = None, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.members = members


class Malformed(AppError):
    code = "MalformedJson"


class Invalid(AppError):
    """``findings`` are taken up to MOST_FINDINGS: where they are an iterator, no more of them are made."""

    code = "InvalidContent"

    def __init__(self, findings: Iterable[Finding], detail: str | None = None, *, code: str | None = None) -> None:
        self.findings = tuple(islice(findings, MOST_FINDINGS))
        listed = "; ".join(f"{f.path}: {f.message}" if f.path else f.message for f in self.findings[:5])
        more = "; and more" if len(self.findings) > 5 else ""
        super().__init__(detail or f"The content is not valid: {listed}{more}", code=code)

    @classmethod
    def field(cls, path: str, message: str, code: str = "InvalidValue") -> Invalid:
        """The common case of one finding; its code becomes the error's."""
        return cls([Finding(path, message, code)], message, code=code)


class NotKnown(AppError):
    code = "Unauthenticated"


class NotAllowed(AppError):
    code = "Forbidden"


class NotFound(AppError):
    code = "NotFound"


class Gone(AppError):
    code = "Gone"


class Conflict(AppError):
    code = "Conflict"


class Stale(Conflict):
    """A newer version exists. ``etag`` in members, where known, is the current one."""

    code = "Stale"


class NeedsVersion(Conflict):
    code = "PreconditionRequired"


class RateLimited(AppError):
    code = "RateLimited"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(AppError):
    code = "Unavailable"


class ConfigError(Unavailable):
    code = "ConfigurationError"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("App settings need attention: " + "; ".join(problems))
        self.problems = tuple(problems)


class StorageDown(Unavailable):
    code = "StorageUnavailable"


class Upstream(AppError):
    code = "UpstreamError"


class Denied(Upstream):
    """Refused. ``reason`` is the far side's own code (``AADSTS50076``, ``Authorization_RequestDenied``).

    ``fault`` says what a refused sign-in means, where it fits a family; its remedy is a member of the answer.
    """

    code = "UpstreamDenied"

    def __init__(self, detail: str, *, reason: str = "", fault: SignInFault | None = None, **members: object) -> None:
        if fault is not None:
            members.setdefault("remedy", fault.remedy)
        super().__init__(detail, code=None, **members)
        self.reason = reason
        self.fault = fault


class NotPermitted(Denied):
    """403: a new sign-in would not help, a permission or a role would."""


class Throttled(Upstream):
    code = "UpstreamThrottled"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unreachable(Upstream):
    code = "UpstreamUnreachable"


class Broken(Upstream):
    code = "UpstreamBroken"
