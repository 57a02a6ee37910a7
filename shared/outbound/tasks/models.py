"""Outbound and external tasks as flows send them, in the casing of the published connector."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, Field

from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import Invalid
from shared.kernel.wire import ConnectorModel, Upn, is_e164, is_upn, parse

MAX_JSON_BYTES: Final = 32_768  # of one entry
Text = Annotated[str, Field(max_length=1024)]
Priority = Literal["High", "Normal", "Low"]


def _utc(text: str) -> str:
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        raise ValueError("is not an ISO 8601 date and time") from None
    if offset is None or offset.total_seconds() != 0 or "T" not in text.upper():
        raise ValueError("is not a date and time in UTC with a trailing Z")
    try:
        return to_wire(from_wire(text))
    except (ValueError, OverflowError):
        raise ValueError("is not a date and time in UTC") from None


def _destination(text: str) -> str:
    if not (is_e164(text) or is_upn(text)):
        raise ValueError("is neither an E.164 number nor a user principal name")
    return text


def _reference(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("holds nothing to read, or control characters")
    return text


UtcTime = Annotated[str, AfterValidator(_utc)]
Destination = Annotated[str, Field(max_length=160), AfterValidator(_destination)]
ReferenceId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_reference)]


C = TypeVar("C", bound=ConnectorModel)


class NameAndValue(ConnectorModel):
    name: Annotated[Text, Field(min_length=1)]
    value: Text | None = None


Parameters = Annotated[list[NameAndValue], Field(max_length=100)]


class Customer(ConnectorModel):
    first_name: Text | None = None
    last_name: Text | None = None
    display_name: Text | None = None
    company: Text | None = None
    job_title: Text | None = None
    department: Text | None = None
    street_address: Text | None = None
    post_code: Text | None = None
    city: Text | None = None
    state: Text | None = None
    country: Text | None = None
    primary_tel_number: Text | None = None
    tel_numbers: Parameters | None = None
    upn: Annotated[Text | None, Field(alias="UPN")] = None
    im_address: Text | None = None
    email: Text | None = None
    custom_fields: Parameters | None = None


class SchedulerEntryWrite(ConnectorModel):
    """What a flow sends. Bounds and defaults are those of the published connector."""

    due_date_time_utc: UtcTime
    service_upn: Upn
    destination: Destination
    reference_id: Annotated[ReferenceId | None, Field(alias="ReferenceId")] = None
    distribution_priority: Priority = "Normal"
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 1
    attempt_timeout_in_seconds: Annotated[int, Field(ge=30, le=86_400)] = 3600
    max_queue_time_in_seconds: Annotated[int, Field(ge=5, le=3600)] = 300
    rona_timeout_in_seconds: Annotated[int, Field(ge=5, le=30)] = 20
    custom_call_context_parameters: Parameters | None = None
    customer: Customer | None = None

    @property
    def due(self) -> datetime:
        return from_wire(self.due_date_time_utc)

    def fingerprint(self) -> str:
        """The same for the same content, whatever the order of fields or the case of service and destination.

        The ReferenceId is left out: it names the content, and is compared without case where it is looked up.
        """
        fields = set(SchedulerEntryWrite.model_fields) - {"reference_id"}
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)
        for name in ("serviceUpn", "destination"):
            content[name] = content[name].casefold()
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_entry(data: object) -> SchedulerEntryWrite:
    """A body as a flow sends it. Raises Invalid, also for more than 32 KiB of content."""
    return read_body(SchedulerEntryWrite, data)


def read_body(model: type[C], data: object) -> C:
    """A connector's body. Raises Invalid, also for more than 32 KiB of content."""
    body = parse(model, data)
    if len(json.dumps(body.as_json(), ensure_ascii=False).encode()) > MAX_JSON_BYTES:
        raise Invalid.field("", f"the body has more than {MAX_JSON_BYTES} bytes of content", "TooBig")
    return body


class PreferredUser(ConnectorModel):
    """Asked first, those of the lowest ``priority`` before others; none counts as the first."""

    upn: Upn
    priority: Annotated[int, Field(ge=1, le=99)] = 1


PreferredUsers = Annotated[list[PreferredUser], Field(max_length=10)]


class TaskInformation(ConnectorModel):
    """What a flow may add to a task while it lives."""

    customer: Customer | None = None
    custom_context_parameters: Parameters | None = None
    preferred_users: PreferredUsers | None = None


class ExternalTaskWrite(TaskInformation):
    """A task from elsewhere, to be handed to a member of the service at once."""

    service_upn: Upn
    customer_identifier: Text | None = None
    distribution_priority: Priority = "Normal"
