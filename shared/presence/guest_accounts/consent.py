"""The link with which a tenant grants the Nimbus App what presence needs, and what came of it."""

from __future__ import annotations

import json
import secrets as random
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.clouds import Cloud
from shared.kernel.components import CONSENT_CALLBACK
from shared.kernel.errors import Malformed, NotFound, Upstream
from shared.kernel.wire import Wire
from shared.presence.account_notes import AccountNotes
from shared.storage.entities import Row
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Exists, Table
from shared.tenants.rate_limit import TenantLimit
from shared.tenants.tenants import Tenants

SCOPES: Final = ("Presence.Read.All", "User.Read", "User.ReadBasic.All")
VALID_FOR: Final = timedelta(hours=1)
MAY_BE_FAST: Final = timedelta(minutes=1)  # the clock of the instance that made the link
LONGEST_STATE: Final = 2048
USES: Final = "consents"
_PLACE: Final = {"tenant": "consent", "field": "state"}


class GrantLink(Wire):
    """Where an admin of the tenant agrees, and to what."""

    url: str
    permissions: list[str]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the grants say after somebody came back. ``missing`` is None when nobody could read them."""

    tenant_name: str
    missing: tuple[str, ...] | None


class Grants(Protocol):
    """Reads what a tenant granted the app. Raises Throttled, Unreachable, Broken."""

    def delegated_grants(self, tenant_id: str) -> frozenset[str] | None: ...


class SignedIn(Protocol):
    def forget(self, tenant_id: str) -> None: ...


class Consents:
    """Makes links and judges who comes back. The state is sealed, so it tells its tenant and admin, and no other.

    ``journal`` keeps a row per state that was used, ``<tenant>|consents`` and the hash of what the state says; the
    daily tidy removes it long after the state is too old.
    """

    def __init__(
        self,
        cloud: Cloud,
        client_id: str,
        public_base_url: str,
        secrets: SecretBox,
        tenants: Tenants,
        grants: Grants,
        signed_in: SignedIn,
        notes: AccountNotes,
        journal: Table,
        pace: TenantLimit,
        clock: Clock,
    ) -> None:
        self._cloud = cloud
        self._client_id = client_id
        self._redirect_uri = f"{public_base_url}/{CONSENT_CALLBACK}"
        self._secrets = secrets
        self._tenants = tenants
        self._grants = grants
        self._signed_in = signed_in
        self._notes = notes
        self._journal = journal
        self._pace = pace
        self._clock = clock

    def link(self, tenant_id: str, by: Caller) -> GrantLink:
        """Returns a link that is good for one hour and one return."""
        who = {"tenantId": tenant_id, "by": by.oid, "byTenant": by.tid}
        said = {**who, "at": to_wire(self._clock()), "id": random.token_hex(8)}
        query = {
            "client_id": self._client_id,
            "scope": " ".join(f"{self._cloud.graph}/{scope}" for scope in SCOPES),
            "redirect_uri": self._redirect_uri,
            "state": self._secrets.seal(json.dumps(said), **_PLACE),
        }
        url = f"{self._cloud.login}/{tenant_id}/v2.0/adminconsent?{urlencode(query, quote_via=quote)}"
        return GrantLink(url=url, permissions=list(SCOPES))

    def came_back(self, state: str | None) -> Consent:
        """Returns what the tenant named in the state has granted by now, whatever else the browser says.

        A state is used up before the grants are read. A process that dies in between leaves the admin with a link
        that is refused, and the refusal says to ask for another one. Raises RateLimited, which leaves the state usable;
        Malformed (``ConsentStateInvalid``) for a state that is not ours, too old, or used before.
        """
        text, said = self._opened(state)
        try:
            head = self._tenants.head(said["tenantId"])
        except NotFound:
            raise _invalid() from None
        use = _use_of(head.tenant_id, text)
        if self._journal.get(use.partition, use.row):  # before the limit: a used link must not use up the tenant's
            raise _used()
        self._pace.take(head.tenant_id)
        self._use(use)
        missing = self._missing(head.tenant_id)
        log.info(
            "consent was checked",
            tenant=head.tenant_id,
            by=said["by"],
            missing="unknown" if missing is None else ",".join(missing),
        )
        # Tokens keep the permissions of the hour they were made.
        self._signed_in.forget(head.tenant_id)
        self._notes.rest(head.tenant_id)
        return Consent(head.tenant.value.display_name, missing)

    def _missing(self, tenant_id: str) -> tuple[str, ...] | None:
        try:
            granted = self._grants.delegated_grants(tenant_id)
        except Upstream as exc:
            log.warning("grants could not be read", tenant=tenant_id, why=exc.detail)
            return None
        return None if granted is None else tuple(scope for scope in SCOPES if scope not in granted)

    def _use(self, use: Row) -> None:
        """Lets one of several calls with one state past, on whichever instances."""
        try:
            self._journal.insert(use)
        except Exists:
            # The row may be our own: the answer got lost and the insert was sent again.
            there = self._journal.get(use.partition, use.row)
            if there is None or there.values != use.values:
                raise _used() from None

    def _opened(self, state: str | None) -> tuple[str, dict[str, str]]:
        """Returns the text of the state, and what it says."""
        if not state or len(state) > LONGEST_STATE:
            raise _invalid()
        try:
            text = self._secrets.open(state, **_PLACE)
        except Unreadable:
            raise _invalid() from None
        said: dict[str, str] = json.loads(text)
        age = self._clock() - from_wire(said["at"])
        if not -MAY_BE_FAST <= age <= VALID_FOR:
            raise _invalid()
        return text, said


def _invalid() -> Malformed:
    return Malformed("this link is not ours, or older than one hour; ask for a new one", code="ConsentStateInvalid")


def _use_of(tenant_id: str, text: str) -> Row:
    """Returns the row of a used state, found by what it says, since base64 can spell one state in several ways."""
    return Row(f"{tenant_id}|{USES}", sha256(text.encode()).hexdigest(), {"mark": random.token_hex(8)})


def _used() -> Malformed:
    return Malformed(
        "this link was used already. What was granted shows in the permission check; to check the presence accounts at "
        "once, ask for a new link",
        code="ConsentStateInvalid",
    )
