"""Entra's refusals: the AADSTS codes with the OAuth error, HTTP status and words Entra uses for them."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from simulator.wire import Call, Reply, json_reply


@dataclass(frozen=True)
class Kind:
    """How one AADSTS code is answered."""

    error: str
    message: str
    status: int = 400
    suberror: str | None = None
    #: Whether the answer asks for claims, as it does when a second factor is wanted.
    claims: bool = False


class EntraRefusal(Exception):
    """Entra says no. `message` replaces the usual words."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(f"AADSTS{code}")
        self.code = code
        self.message = message


_MFA = "you must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'."
_MOVED = f"Due to a configuration change made by your administrator, or because you moved to a new location, {_MFA}"
_BLOCKED = "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."
_REVOKED = "The provided grant has expired due to it being revoked, a fresh auth token is needed."
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXPIRED = "The refresh token has expired due to inactivity."

KINDS: Final[dict[int, Kind]] = {
    16000: Kind("interaction_required", "The user account does not exist in the tenant and cannot access it."),
    28000: Kind("invalid_request", "The scopes name more than one resource."),
    28002: Kind("invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    50005: Kind("interaction_required", "The device platform is not supported through Conditional Access."),
    50011: Kind("invalid_request", "The redirect URI does not match the one the code was asked for."),
    50013: Kind("invalid_grant", "Assertion failed signature validation."),
    50014: Kind("invalid_grant", "The user's redemption is in a pending state."),
    50020: Kind("invalid_grant", "The user account from another identity provider does not exist in this tenant."),
    50034: Kind("invalid_grant", "The user account does not exist in the directory."),
    50053: Kind("invalid_grant", "The account is locked, sign-ins were tried too often with a wrong user or password."),
    50055: Kind("invalid_grant", "The password is expired.", suberror="user_password_expired"),
    50056: Kind("invalid_grant", "Invalid or null password: password does not exist in the directory for this user."),
    50057: Kind("invalid_grant", "The user account is disabled."),
    50058: Kind("login_required", "A silent sign-in request was sent but no user is signed in."),
    50059: Kind("invalid_request", "No tenant-identifying information found in the request.", 400),
    50072: Kind(
        "interaction_required", f"You must enrol in multi-factor authentication: {_MFA}", 400, "basic_action", True
    ),
    50074: Kind("interaction_required", "Strong authentication is required.", 400, "basic_action", True),
    50076: Kind("invalid_grant", _MOVED, 400, "basic_action", True),
    50078: Kind(
        "invalid_grant", f"Presented multi-factor authentication has expired, {_MFA}", 400, "basic_action", True
    ),
    50079: Kind("invalid_grant", f"You must enrol in multi-factor authentication: {_MFA}", 400, "basic_action", True),
    50089: Kind("invalid_grant", "The flow token expired.", suberror="token_expired"),
    50097: Kind("interaction_required", "Device authentication is required.", suberror="message_only"),
    50105: Kind("invalid_grant", "The signed-in user is not assigned to a role for the application."),
    50126: Kind("invalid_grant", "Error validating credentials due to invalid username or password."),
    50128: Kind("invalid_request", "No tenant-identifying information found in the request or implied by credentials."),
    50131: Kind("invalid_grant", _BLOCKED, suberror="message_only"),
    50132: Kind(
        "invalid_grant", "The session is not valid: the password expired or was changed.", suberror="bad_token"
    ),
    50133: Kind(
        "invalid_grant", "The session is not valid: the password expired or was changed.", suberror="bad_token"
    ),
    50144: Kind("invalid_grant", "The user's Active Directory password has expired.", suberror="user_password_expired"),
    50158: Kind("interaction_required", "External security challenge not satisfied.", 400, "basic_action", True),
    50173: Kind("invalid_grant", _REVOKED, suberror="bad_token"),
    50196: Kind("invalid_grant", "The server ended the request because a client request loop was found."),
    53000: Kind("interaction_required", "The device is not in the required device state.", suberror="message_only"),
    53001: Kind("interaction_required", "The device is not domain joined.", suberror="message_only"),
    53002: Kind(
        "interaction_required", "The application used is not an approved application.", suberror="message_only"
    ),
    53003: Kind("interaction_required", _BLOCKED, 400, "message_only", True),
    53004: Kind("interaction_required", "The user needs to complete the multi-factor registration process."),
    54005: Kind("invalid_grant", "The OAuth2 authorization code was already redeemed."),
    65001: Kind(
        "invalid_grant",
        "The user or administrator has not consented to use the application. Send an interactive authorization "
        "request for this user and resource.",
        suberror="consent_required",
    ),
    65004: Kind("access_denied", "The user declined to consent to access the app."),
    65005: Kind("invalid_client", "The application's required resource access list does not contain the resource."),
    70000: Kind("invalid_grant", "The provided value for the input parameter is not valid."),
    70003: Kind("unsupported_grant_type", "The app requested an unsupported grant type."),
    70008: Kind(
        "invalid_grant", "The provided authorization code or refresh token has expired.", suberror="token_expired"
    ),
    70011: Kind("invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    70016: Kind("authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: Kind("bad_verification_code", "Invalid verification code."),
    70019: Kind("expired_token", "The verification code expired."),
    70043: Kind(
        "invalid_grant", "The refresh token has expired due to sign-in frequency checks.", suberror="bad_token"
    ),
    90002: Kind(
        "invalid_request",
        "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
    ),
    90006: Kind("temporarily_unavailable", "An external server error occurred; it can be tried again.", 503),
    90012: Kind("temporarily_unavailable", "The request has timed out.", 503),
    90014: Kind("invalid_request", "A required field is missing from the request."),
    90033: Kind("temporarily_unavailable", "A transient error has occurred. Please try again.", 503),
    90055: Kind("temporarily_unavailable", "The tenant is throttled due to too many requests.", 429),
    90094: Kind("consent_required", "An administrator has to consent to this application."),
    240002: Kind("invalid_request", f"Input id_token cannot be used as '{_JWT_BEARER}' grant."),
    500011: Kind("invalid_resource", "The resource principal was not found in the tenant."),
    500131: Kind("invalid_grant", "Assertion audience does not match the client that presented the assertion."),
    500133: Kind("invalid_grant", "Assertion is not within its valid time range."),
    500212: Kind("access_denied", "The user's tenant does not allow outbound access to the resource tenant."),
    500213: Kind("access_denied", "The resource tenant's cross-tenant access policy does not allow this user."),
    501481: Kind("invalid_grant", "The Code_Verifier does not match the code_challenge of the authorization request."),
    530032: Kind("access_denied", "Blocked by Conditional Access due to the security policy of the tenant."),
    530035: Kind("access_denied", "Access has been blocked by security defaults."),
    700003: Kind("invalid_grant", "The device object was not found in the tenant."),
    700016: Kind("unauthorized_client", "The application was not found in the directory. Is it the right tenant?"),
    700025: Kind(
        "invalid_client",
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        401,
    ),
    700082: Kind("invalid_grant", _EXPIRED, suberror="bad_token"),
    900144: Kind("invalid_request", "The request body must contain a required parameter."),
    7000112: Kind("unauthorized_client", "The application is disabled."),
    7000114: Kind("invalid_request", "The application is not allowed to make on-behalf-of calls with this assertion."),
    7000215: Kind(
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
        "not the client secret ID.",
        401,
    ),
    7000218: Kind(
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        401,
    ),
    7000222: Kind("invalid_client", "The provided client secret keys are expired.", 401),
    9001023: Kind("invalid_request", "The grant type is not supported over the /common or /consumers endpoints."),
}


def code_number(text: str) -> int | None:
    """50076 for `AADSTS50076` or `50076`; None for anything else."""
    found = re.fullmatch(r"(?:AADSTS)?(\d{4,8})", text.strip(), re.IGNORECASE)
    return int(found[1]) if found else None


def entra_error(aadsts: str | int, call: Call, *, message: str | None = None, status: int | None = None) -> Reply:
    """The error answer of a code; a code that is not in the table is an `invalid_grant`."""
    code = code_number(str(aadsts)) or 0
    kind = KINDS.get(code, Kind("invalid_grant", "The request was refused."))
    body = error_body(code, kind, message, call.headers.get("client-request-id"))
    return json_reply(body, status or kind.status, {"Cache-Control": "no-store", "x-ms-request-id": body["trace_id"]})


def error_body(code: int, kind: Kind, message: str | None = None, correlation: str | None = None) -> dict[str, Any]:
    """The members of an Entra error, in its order."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = str(uuid.uuid4()), correlation or str(uuid.uuid4())
    text = f"AADSTS{code}: {message or kind.message}"
    body: dict[str, Any] = {
        "error": kind.error,
        "error_description": f"{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
        "error_codes": [code],
        "timestamp": now,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    if kind.suberror:
        body["suberror"] = kind.suberror
    if kind.claims:
        body["claims"] = json.dumps({"access_token": {"polids": {"essential": True, "values": [trace]}}})
    return body
