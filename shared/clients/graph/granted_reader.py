"""What a tenant granted to several apps, as the Nimbus App sees it, and what it knows of itself without looking."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Final, Literal

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.entra.signed_token import SignedToken
from shared.clients.graph.grants import Grants, Principal
from shared.clients.graph.graph import TokenRefused
from shared.kernel import log
from shared.kernel.components import RESOURCE_CLIENT_IDS
from shared.kernel.errors import AppError, Denied, Upstream

PATIENCE: Final = 10.0  # seconds for all apps together, once they are found
AT_ONCE: Final = 6  # apps read side by side

Why = Literal["NotAllowedToRead", "AppNotInTenant", "GuestsCannotTell", "NoAnswer"]
Names = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Granted:
    """Names of application (``roles``) and delegated permissions (``scopes``); None where ``why`` kept them unread."""

    roles: Names = None
    scopes: Names = None
    why: Why | None = None


class GrantedReader:
    """``own_client_id`` is the Nimbus App, whose sign-ins these are."""

    def __init__(
        self,
        sign_ins: SignIns,
        grants: Grants,
        accounts: Sequence[PresenceAccount],
        own_client_id: str,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._sign_ins = sign_ins
        self._grants = grants
        self._accounts = accounts
        self._own = own_client_id
        self._patience = patience

    def read(self, tenant_id: str, client_ids: Collection[str]) -> dict[str, Granted]:
        """What each app holds for the whole tenant.

        After a sign-in one call finds the apps, two more per app that is there read its grants, side by side. Where
        Graph answers 403, the Nimbus App's own permissions are taken from its token and from a guest's sign-in, and
        the others stay unread. Raises Denied, Throttled, Unreachable or Broken when nothing at all can be found out.
        """
        try:
            # Roles are those of the hour a token was made; whoever checks has often just changed them.
            token = self._sign_ins.app_token(tenant_id, fresh=True)
        except Denied as exc:
            if exc.fault is not None and exc.fault.family == "AppNotInTenant" and exc.fault.consent:
                unread = dict.fromkeys(client_ids, Granted(why="AppNotInTenant"))
                return unread | ({self._own: Granted(frozenset(), frozenset())} if self._own in unread else {})
            raise
        try:
            principals = self._grants.principals(token, {*client_ids, *RESOURCE_CLIENT_IDS.values()})
        except TokenRefused:
            raise
        except Denied:
            unread = dict.fromkeys(client_ids, Granted(why="NotAllowedToRead"))
            return self._with_own(tenant_id, token, unread)
        return self._with_own(tenant_id, token, self._each(token, client_ids, principals))

    def _each(self, token: str, client_ids: Collection[str], principals: dict[str, Principal]) -> dict[str, Granted]:
        resources = {
            principals[client_id].id: principals[client_id].roles
            for client_id in RESOURCE_CLIENT_IDS.values()
            if client_id in principals
        }
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="grants")
        reads = {
            client_id: pool.submit(self._of, token, principals[client_id], resources)
            for client_id in client_ids
            if client_id in principals
        }
        wait(reads.values(), timeout=self._patience)
        pool.shutdown(wait=False, cancel_futures=True)
        found = dict.fromkeys(client_ids, Granted(frozenset(), frozenset()))
        return found | {
            client_id: read.result() if read.done() and not read.cancelled() else Granted(why="NoAnswer")
            for client_id, read in reads.items()
        }

    def _of(self, token: str, principal: Principal, resources: Mapping[str, Mapping[str, str]]) -> Granted:
        roles, why_no_roles = _read(
            lambda: frozenset(
                resources.get(row.resource_id, {}).get(row.role_id) or f"{row.resource_name}: {row.role_id}"
                for row in self._grants.roles(token, principal.id)
            )
        )
        scopes, why_no_scopes = _read(
            lambda: frozenset(
                scope if row.resource_id in resources else f"another API: {scope}"
                for row in self._grants.scopes(token, principal.id)
                for scope in row.scopes
            )
        )
        return Granted(roles, scopes, why_no_roles or why_no_scopes)

    def _with_own(self, tenant_id: str, token: str, found: dict[str, Granted]) -> dict[str, Granted]:
        own = found.get(self._own)
        if own is None or own.why != "NotAllowedToRead":
            return found
        if own.roles is None:
            own = replace(own, roles=_claimed(token, "roles"))
        if own.scopes is None:
            own = replace(own, scopes=self._scopes_of_a_guest(tenant_id))
        why: Why | None = "NotAllowedToRead" if own.roles is None else "GuestsCannotTell"
        return found | {self._own: replace(own, why=None if None not in (own.roles, own.scopes) else why)}

    def _scopes_of_a_guest(self, tenant_id: str) -> Names:
        """Whatever the tenant granted the Nimbus App for its users is in a guest's token; None if no guest gets in."""
        for account in self._accounts:
            try:
                return _claimed(self._sign_ins.guest_token(tenant_id, account, fresh=True), "scp")
            except AppError as exc:
                log.info("a guest cannot tell what was granted", tenant=tenant_id, account=account.upn, why=exc.code)
        return None


def _read(names: Callable[[], frozenset[str]]) -> tuple[Names, Why | None]:
    try:
        return names(), None
    except Denied:
        return None, "NotAllowedToRead"
    except Upstream:
        return None, "NoAnswer"


def _claimed(token: str, claim: str) -> Names:
    """What a token of Graph says it may. Its form is Microsoft's own affair, so one that cannot be read is no error."""
    try:
        said = SignedToken.parse(token).claims().get(claim, "")
    except ValueError:
        return None
    names = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(name for name in names if isinstance(name, str))
