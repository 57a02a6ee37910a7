"""Whom a visitor may reach: a service, or a person with the Interact licence."""

from __future__ import annotations

from shared.interact.sessions.rules import Conversation
from shared.kernel.errors import NotFound
from shared.tenants.directory import Directory


def find_target(directory: Directory, tenant_id: str, conversation: Conversation, upn: str) -> str:
    """Returns the UPN as the directory spells it.

    Raises NotFound (``TargetNotAvailable``), the same for a service or person that does not exist and for a person
    without the licence: a visitor must not learn who works there.
    """
    if conversation == "service":
        try:
            return directory.service(tenant_id, upn).value.upn
        except NotFound:
            raise _not_available() from None
    user = directory.find_user_by_upn(tenant_id, upn)
    if user is None or "Interact" not in user.licences:
        raise _not_available()
    return user.upn


def _not_available() -> NotFound:
    return NotFound("there is no such service, or no such user with the Interact licence", code="TargetNotAvailable")
