"""What visitors of a website are told when a call of the widget fails: the code and one neutral sentence.

A visitor has no account with us. The full detail of a problem may name settings, tables or what Microsoft answered, so
it goes to the log, where the trace id of the answer leads to it.
"""

from __future__ import annotations

from typing import Final

NOT_AVAILABLE: Final = "The service is not available at the moment. Try again later."
_NOT_ACCEPTED: Final = "The access token is not accepted."

_SENTENCES: Final[dict[str, str]] = {
    # the widget, its key and the page it is on
    "WidgetKeyInvalid": "The widget key is not valid.",
    "OriginNotAllowed": "The widget may not be used on this page.",
    "InteractDisabled": "The service is switched off.",
    "RateLimited": "There are too many requests. Wait and try again.",
    "Forbidden": "This call is not allowed.",
    "RoleMissing": "This call is not allowed.",
    "Unauthenticated": "This call is not allowed.",
    # the access token of the website's own app
    "TokenMissing": "An access token is required.",
    "TokenExpired": "The access token has expired.",
    "TokenNotYetValid": "The access token is not valid yet.",
    "TokenWrongAudience": _NOT_ACCEPTED,
    "TokenWrongApp": _NOT_ACCEPTED,
    "TokenWrongTenant": _NOT_ACCEPTED,
    "TokenInvalid": _NOT_ACCEPTED,
    # the session
    "TargetNotAvailable": "The person or service is not available.",
    "SessionNotFound": "The session does not exist.",
    "SessionSecretInvalid": "The session secret is not valid.",
    "SessionRecovering": "The customer has left the session. Rejoin it first.",
    "SessionEnded": "The session has ended. Start a new one.",
    "Conflict": "The session was changed at the same moment. Try again.",
    "Stale": "The session was changed at the same moment. Try again.",
    # the request itself
    "MalformedJson": "The body is not valid JSON.",
    "LengthRequired": "The body needs a Content-Length.",
    "BodyTooLarge": "The body is too large.",
    "UnsupportedMediaType": "The body must be application/json.",
    "InvalidContent": "The content is not valid.",
    "NotAnObject": "The body is not a JSON object.",
    "NotFound": "There is nothing here.",
    "InternalError": "Something went wrong on our side. Quote the trace id when you report it.",
}

OF_THE_BODY: Final = frozenset({"InvalidContent", "NotAnObject"})
"""Codes whose findings are about fields that the visitor sent, and are shown."""


def sentence(code: str) -> str:
    """Returns the sentence for a problem's code. What we or Microsoft failed to do has one for all codes."""
    return _SENTENCES.get(code, NOT_AVAILABLE)
