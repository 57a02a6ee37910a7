"""Who a widget belongs to, on which pages it may be, and what it may know before a session starts."""

from __future__ import annotations

from typing import Literal

from shared.kernel.errors import NotAllowed, NotFound, NotKnown
from shared.kernel.wire import Wire, https_origin
from shared.tenants.tenants import Head, Tenants
from shared.tenants.widget_keys import WidgetKeys


class WidgetFacts(Wire):
    """``enabled`` says whether a session can start: switched on and licensed."""

    enabled: bool
    authorization: Literal["None", "VerifyToken", "VerifyTokenAndTenant"]
    session_recovery_timeout_seconds: int


class Widget:
    """Answers for a widget key."""

    def __init__(self, widget_keys: WidgetKeys, tenants: Tenants) -> None:
        self._widget_keys = widget_keys
        self._tenants = tenants

    def head(self, widget_key: str | None) -> Head:
        """The tenant of the key. Raises NotKnown (``WidgetKeyInvalid``), also when the tenant is gone."""
        tenant_id = self._widget_keys.tenant_of(widget_key)
        try:
            head = self._tenants.head(tenant_id)
        except NotFound:
            raise NotKnown("the widget key is not valid", code="WidgetKeyInvalid") from None
        self._widget_keys.check(widget_key, head.rows)
        return head

    def facts(self, head: Head) -> WidgetFacts:
        interact = head.settings.value.interact
        return WidgetFacts(
            enabled=is_on(head),
            authorization=interact.authorization,
            session_recovery_timeout_seconds=interact.session_recovery_timeout_seconds,
        )


def is_on(head: Head) -> bool:
    """Switched on by the tenant, and licensed."""
    return head.settings.value.interact.enabled and "Interact" in head.tenant.value.products


def check_on(head: Head) -> None:
    """Raises NotAllowed (``InteractDisabled``)."""
    if not is_on(head):
        raise NotAllowed("Interact is switched off, or not licensed", code="InteractDisabled")


def check_origin(head: Head, origin: str | None) -> None:
    """Whether a page of this origin may use the widget; a call without an origin comes from no page.

    Raises NotAllowed (``OriginNotAllowed``).
    """
    interact = head.settings.value.interact
    if origin is None or not interact.restrict_origins:
        return
    try:
        known = https_origin(origin) in interact.allowed_origins
    except ValueError:  # "null" of a sandboxed page, or no page of the internet
        known = False
    if not known:
        raise NotAllowed("this page's origin is not among the allowed origins", code="OriginNotAllowed")
