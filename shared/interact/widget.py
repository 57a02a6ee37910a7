"""What a widget may know before a session starts."""

from __future__ import annotations

from typing import Literal

from shared.errors import NotFound, NotKnown
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys
from shared.wire import Wire


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

    def facts(self, widget_key: str | None) -> WidgetFacts:
        """Raises NotKnown (``WidgetKeyInvalid``), also when the tenant is gone."""
        tenant_id = self._widget_keys.tenant_of(widget_key)
        try:
            head = self._tenants.head(tenant_id)
        except NotFound:
            raise NotKnown("the widget key is not valid", code="WidgetKeyInvalid") from None
        interact = head.settings.value.interact
        return WidgetFacts(
            enabled=interact.enabled and "Interact" in head.tenant.value.products,
            authorization=interact.authorization,
            session_recovery_timeout_seconds=interact.session_recovery_timeout_seconds,
        )
