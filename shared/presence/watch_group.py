"""Keeps a tenant's user directory in step with a security group, so that who is in the group is watched.

Users whom the group brought in leave with it; users whom an admin put there stay whatever the group says. A group is
*chosen*, and users are marked with the choice: whom an earlier choice brought is an admin's, even if the same group is
chosen again.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Final, Protocol

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import Broken, Conflict, Invalid, NotFound, Stale, Upstream
from shared.kernel.wire import Guid, Wire
from shared.presence.faults import fault_of
from shared.storage.entities import Row, Values
from shared.storage.queues import Queue
from shared.storage.tables import Table
from shared.tenants.directory import Directory
from shared.tenants.models import UserWrite
from shared.tenants.tenants import Tenants

# Its own row, so that an admin's choice and a poll never wait for each other.
_ROW: Final = "group"
NAMELESS: Final = "MembersWithoutNames"  # the app lacks User.Read.All


class WatchGroupWrite(Wire):
    group_id: Guid


class WatchGroup(WatchGroupWrite):
    """``problem`` says why the last look failed, or is not whole; ``brought`` and ``removed`` count users of then.

    ``MembersWithoutNames``: of some members only the id could be read, so they were neither brought nor removed.
    """

    synced_at: str | None
    brought: int
    removed: int
    problem: str | None


class Person(Protocol):
    """A member of the group as Graph describes it; '' for a UPN it does not tell."""

    @property
    def user_id(self) -> str: ...
    @property
    def upn(self) -> str: ...
    @property
    def display_name(self) -> str: ...


class Membership(Protocol):
    """Who came and who left; ``whole`` when ``came`` is everybody. ``link`` leads to the next changes."""

    @property
    def came(self) -> Sequence[Person]: ...
    @property
    def left(self) -> Sequence[str]: ...
    @property
    def whole(self) -> bool: ...
    @property
    def link(self) -> str: ...


class Groups(Protocol):
    """Reads a group as the application. Raises Denied, Throttled, Unreachable, Broken."""

    def changes(self, tenant_id: str, group_id: str, link: str) -> Membership: ...


class WatchGroups:
    """One group per tenant at most. ``looks`` is a queue of their own: bringing a large group in takes minutes."""

    def __init__(
        self, table: Table, tenants: Tenants, directory: Directory, groups: Groups, looks: Queue, clock: Clock
    ) -> None:
        self._table = table
        self._tenants = tenants
        self._directory = directory
        self._groups = groups
        self._looks = looks
        self._clock = clock

    def read(self, tenant_id: str) -> WatchGroup:
        """Raises NotFound (``WatchGroupNotFound``)."""
        row = self._table.get(tenant_id, _ROW)
        if row is None:
            raise NotFound("no group is watched", code="WatchGroupNotFound")
        return _shown(row)

    def choose(self, tenant_id: str, wanted: WatchGroupWrite, by: Caller) -> WatchGroup:
        """Watch this group from now on, whichever was watched before; its members come within a minute or so."""
        known = self._table.get(tenant_id, _ROW)
        again = known is not None and known.text("group_id") == wanted.group_id
        choice = _choice(known) if known is not None and again else token_hex(8)
        row = Row(tenant_id, _ROW, {"group_id": wanted.group_id, "choice": choice})
        self._table.overwrite(row)
        log.info("a group is watched", tenant=tenant_id, group=wanted.group_id, by=by.oid)
        self._ask(tenant_id)
        return _shown(row)

    def forget(self, tenant_id: str, by: Caller) -> None:
        """Watch no group; the users it brought stay, and are an admin's from now on."""
        self._table.remove_blindly([Row(tenant_id, _ROW, {})])
        log.info("no group is watched any more", tenant=tenant_id, by=by.oid)

    def plan(self) -> None:
        """Ask for a look at every tenant's group; a tenant without one costs a read."""
        for tenant_id in self._tenants.ids():
            if self._table.get(tenant_id, _ROW) is not None:
                self._ask(tenant_id)

    def sync(self, tenant_id: str) -> None:
        """Bring in who came to the group and take out who left it. May be killed and repeated at any point.

        The link to the next changes is kept only after all of them are done.
        """
        row = self._table.get(tenant_id, _ROW)
        if row is None:
            return
        group_id, choice = row.text("group_id"), _choice(row)
        try:
            found = self._changes(tenant_id, group_id, row.text("link"))
        except Upstream as error:
            log.warning("the watched group could not be read", tenant=tenant_id, why=error.detail)
            self._note(row, {**row.values, "problem": fault_of(error)[1]})
            return
        named = [person for person in found.came if person.upn]
        brought = sum(self._bring(tenant_id, choice, person) for person in named)
        here = self._directory.users_from(tenant_id, choice) if found.whole else set()
        left = (here | set(found.left)) - {person.user_id for person in found.came}
        removed = sum(self._directory.remove_user_from(tenant_id, choice, user_id) for user_id in left)
        whole = len(named) == len(found.came)
        values: Values = {
            "group_id": group_id,
            "choice": choice,
            # Without all names the next look reads everybody again: who is left out now would not come again.
            "link": found.link if whole else "",
            "problem": "" if whole else NAMELESS,
            "synced_at": to_wire(self._clock()),
            "brought": brought,
            "removed": removed,
        }
        self._note(row, values)

    def _changes(self, tenant_id: str, group_id: str, link: str) -> Membership:
        try:
            return self._groups.changes(tenant_id, group_id, link)
        except Broken:
            if not link:
                raise
            return self._groups.changes(tenant_id, group_id, "")  # Microsoft forgets links after some days

    def _bring(self, tenant_id: str, choice: str, person: Person) -> bool:
        user = UserWrite(upn=person.upn, display_name=person.display_name)
        try:
            return self._directory.bring_user(tenant_id, choice, person.user_id, user)
        except (Conflict, Invalid) as exc:
            log.warning("a member of the watched group was left out", tenant=tenant_id, why=exc.detail)
            return False

    def _note(self, row: Row, values: Values) -> None:
        try:
            self._table.replace(Row(row.partition, row.row, values), etag=row.etag)
        except (Stale, NotFound):
            log.info("the watched group was changed meanwhile", tenant=row.partition)

    def _ask(self, tenant_id: str) -> None:
        self._looks.send({"tenantId": tenant_id})


def _choice(row: Row) -> str:
    """What marks the users it brought; never empty, or an admin's users would be taken for the group's."""
    return row.text("choice") or row.text("group_id")


def _shown(row: Row) -> WatchGroup:
    return WatchGroup(
        group_id=row.text("group_id"),
        synced_at=row.text("synced_at") or None,
        brought=row.number("brought"),
        removed=row.number("removed"),
        problem=row.text("problem") or None,
    )
