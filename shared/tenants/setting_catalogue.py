"""The setting catalogue. One field holds bounds, default, title and text; schema, forms and docs come from it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.json_schema import models_json_schema

from shared.kernel.wire import Guid, Wire, https_origin, once

SECTIONS: Final = ("outbound", "interact", "assistant", "attendantConsole", "presenceTracking")
# Fields that hold a secret, by section and name.
SECRETS: Final = (("interact", "acsConnectionString"), ("assistant", "acsConnectionString"))


class Secret(Wire):
    """A secret as it is kept: sealed, with what may be shown of it."""

    sealed: str
    endpoint: str
    fingerprint: str


Origin = Annotated[str, AfterValidator(https_origin)]
Origins = Annotated[list[Origin], Field(max_length=50), AfterValidator(once)]
ClientIds = Annotated[list[Guid], Field(max_length=20), AfterValidator(once)]
# On the wire a secret is written as text and read as an object without it, see settings_document.
ConnectionString = Annotated[
    Secret | None,
    WithJsonSchema({"type": ["string", "null"], "writeOnly": True, "format": "password", "maxLength": 1024}),
]


class Outbound(Wire):
    max_scheduled_tasks_per_service: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            title="Scheduled outbound tasks per service",
            description="Tasks of one service that may be scheduled or in progress at once. "
            "A flow that asks for one more gets an error and the task is dropped.",
        ),
    ] = 20


class Interact(Wire):
    enabled: Annotated[
        bool,
        Field(
            title="Interact enabled",
            description="Lets customers of your website reach agents in Teams. Needs an ACS connection string.",
        ),
    ] = False
    acs_connection_string: Annotated[
        ConnectionString,
        Field(
            title="ACS connection string",
            description="Connection string of your Azure Communication Services resource. It is kept encrypted and "
            "cannot be read again; Check tells whether a token can be made with it.",
        ),
    ] = None
    o365_user_id: Annotated[
        Guid | None,
        Field(
            alias="o365UserId",
            title="Microsoft 365 user id",
            description="Object id of the user on whose behalf meetings are made.",
        ),
    ] = None
    session_recovery_timeout_seconds: Annotated[
        int,
        Field(
            ge=5,
            le=60,
            title="Session recovery timeout",
            description="Seconds in which a customer who left may come back before the session ends for good.",
        ),
    ] = 20
    authorization: Annotated[
        Literal["None", "VerifyToken", "VerifyTokenAndTenant"],
        Field(
            title="Authorization",
            description="Whether a session needs an access token: none; one of any tenant, which proves no more than "
            "that some app got a token for Interact, unless the client ids of your own apps are listed; or one of "
            "your own tenant.",
        ),
    ] = "None"
    token_client_ids: Annotated[
        ClientIds,
        Field(
            title="Client ids of your apps",
            description="Client ids of the apps whose access tokens start a session, 20 at most. Empty: with "
            "VerifyToken any app of any tenant, with VerifyTokenAndTenant any app of your tenant. Not read without "
            "authorization.",
        ),
    ] = []
    restrict_origins: Annotated[
        bool,
        Field(
            title="Restrict origins",
            description="Accept the widget only on the pages of the allowed origins.",
        ),
    ] = False
    allowed_origins: Annotated[
        Origins,
        Field(
            title="Allowed origins",
            description="Origins of the form https://host or https://host:port, 50 at most.",
        ),
    ] = []


class Assistant(Wire):
    use_own_acs: Annotated[
        bool,
        Field(
            title="Use your own ACS instance",
            description="Exchange tokens at your own Azure Communication Services resource instead of the platform's. "
            "Needs a connection string.",
        ),
    ] = False
    acs_connection_string: Annotated[
        ConnectionString,
        Field(
            title="ACS connection string",
            description="Connection string of your own Azure Communication Services resource. It is kept encrypted "
            "and cannot be read again; Check tells whether a token can be made with it.",
        ),
    ] = None


class AttendantConsole(Wire):
    contact_search_filter: Annotated[
        str,
        Field(
            max_length=2000,
            title="Contact search filter",
            description="Value of a Microsoft Graph $filter that narrows the search of attendants in the directory. "
            "Only the filter, not a URL. It also applies to the accounts of services. It is saved even if it cannot "
            "be read; warnings say what is wrong.",
        ),
    ] = ""
    team_visibility: Annotated[
        Literal["None", "OwnMembers", "AllMembers"],
        Field(
            title="Team visibility",
            description="Which members of services attendants see: none, those available of own services, or all.",
        ),
    ] = "OwnMembers"


class PresenceTracking(Wire):
    track_over_guest_accounts: Annotated[
        bool,
        Field(
            title="Track presence over guest accounts",
            description="Reads the extended Teams presence of every user through two guest accounts, so that "
            "a call or a meeting can be told from being busy.",
        ),
    ] = False


class Settings(Wire):
    """What a tenant admin decides, in one document."""

    outbound: Annotated[Outbound, Field(title="Outbound tasks")] = Outbound()
    interact: Annotated[Interact, Field(title="Interact")] = Interact()
    assistant: Annotated[Assistant, Field(title="Assistant")] = Assistant()
    attendant_console: Annotated[AttendantConsole, Field(title="Attendant Console")] = AttendantConsole()
    presence_tracking: Annotated[PresenceTracking, Field(title="Presence tracking")] = PresenceTracking()

    def section(self, name: str) -> Wire:
        """By wire name, one of ``SECTIONS``."""
        sections: dict[str, Wire] = {field.alias or n: getattr(self, n) for n, field in type(self).model_fields.items()}
        return sections[name]


def schema() -> dict[str, Any]:
    """JSON Schema of the document as it is written, with titles, texts, bounds and defaults."""
    _, definitions = models_json_schema([(Settings, "validation")], ref_template="#/$defs/{model}")
    settings: dict[str, Any] = definitions["$defs"].pop("Settings")
    for section in settings["properties"].values():  # pydantic leaves a title out where it equals the model's
        section.setdefault("title", definitions["$defs"][section["$ref"].rsplit("/", 1)[-1]]["title"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **settings, "$defs": definitions["$defs"]}
