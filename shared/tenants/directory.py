"""The services (queues) and users of a tenant: one partition of the table ``directory`` each tenant.

Beside each user stands a row that leads from its UPN to its id, written in the same transaction, so that a
UPN belongs to one user at most. With each user that comes or goes the ``generation`` of the list changes, so that
whoever keeps a copy knows with one read whether it still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Final, Protocol

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.errors import Conflict, Invalid, NotFound, Stale
from shared.kernel.wire import is_guid, is_upn
from shared.storage.entities import Delete, Insert, Merge, Operation, Overwrite, Row
from shared.storage.keys import key, prefix_end
from shared.storage.tables import Exists, Table
from shared.tenants.documents import Held, Versions, check, commit, held, past, remove, write
from shared.tenants.licences import Licences
from shared.tenants.models import Page, Service, ServiceWrite, Stored, User, UserWrite

_SERVICE: Final = "service:"
_USER: Final = "user:"
_UPN: Final = "upn:"
_GENERATION: Final = "generation"
_READS_AT_ONCE: Final = 8
_NO_USER: Final = "00000000-0000-0000-0000-000000000000"


class ServiceGate(Protocol):
    """Closes a service to new tasks before it is deleted; returns False while it has unfinished ones."""

    def shut(self, tenant_id: str, service_upn: str) -> bool: ...


class Directory:
    """Reads and writes services and users. ``gate`` says whether a service may go.

    What is wanted comes as a function and is judged after the version: an old version is not worth judging.
    """

    def __init__(self, table: Table, licences: Licences, gate: ServiceGate) -> None:
        self._table = table
        self._licences = licences
        self._gate = gate

    # services

    def service(self, tenant_id: str, upn: str) -> Stored[Service]:
        """Raises NotFound (``ServiceNotFound``)."""
        found = self._service(tenant_id, upn)
        if found is None:
            raise _no_service(upn)
        return found.stored

    def services(self, tenant_id: str, *, top: int, continuation: str | None = None) -> Page[Service]:
        rows, following = self._table.page(
            tenant_id, _SERVICE, prefix_end(_SERVICE), top=top, continuation=continuation
        )
        return Page([held(Service, row).value for row in rows], following)

    def all_services(self, tenant_id: str) -> list[Service]:
        rows = self._table.span(tenant_id, _SERVICE, prefix_end(_SERVICE))
        return [held(Service, row).value for row in rows]

    def put_service(
        self, tenant_id: str, upn: str, wanted: Callable[[], ServiceWrite], *, versions: Versions, by: Caller
    ) -> Stored[Service]:
        while True:
            found = self._service(tenant_id, upn)
            check(found, versions)
            if not is_upn(upn):
                raise Invalid.field("serviceUpn", "is not a user principal name")
            service = Service(upn=found.value.upn if found else upn, **dict(wanted()))
            row = _SERVICE + key(upn)
            calls_out = service.licence == "ContactCenter" and service.outbound_enabled
            after, claim = past(self._table, found, tenant_id, row)
            operations = [
                write(found, tenant_id, row, service, after=after, licences=service.licence, calls_out=calls_out),
                *claim,
            ]
            try:
                saved = commit(self._table, found, service, operations, lambda: self._service(tenant_id, upn), after)
            except Stale as exc:
                if found is None or exc.members.get("etag") != found.revision:
                    raise
                continue  # touched, which makes no new version: write it once more
            break
        self._licences.forget(tenant_id)
        log.info("service written", tenant=tenant_id, service=service.upn, by=by.oid)
        return saved

    def touch_service(self, tenant_id: str, upn: str) -> None:
        """Leave the service as it is, yet make who is about to delete it look again.

        Raises NotFound (``ServiceNotFound``).
        """
        try:
            self._table.transact([Merge(Row(tenant_id, _SERVICE + key(upn), {}), "*")])
        except NotFound:
            raise _no_service(upn) from None

    def delete_service(self, tenant_id: str, upn: str, *, versions: Versions, by: Caller) -> None:
        """Raises Conflict (``ServiceInUse``) while the service has unfinished tasks. Without versions any goes.

        The gate for tasks is shut first, then the service goes as it was read before: whoever opened the gate again
        has touched it. Dying in between leaves a service like one that never had a task.
        """
        while True:
            found = self._service(tenant_id, upn)
            if found is None:
                raise _no_service(upn)
            if versions is not None:
                check(found, versions)
            if not self._gate.shut(tenant_id, upn):
                raise Conflict("the service has unfinished outbound tasks; finish or cancel them", code="ServiceInUse")
            if remove(self._table, found):
                break
        self._licences.forget(tenant_id)
        log.info("service deleted", tenant=tenant_id, service=found.value.upn, by=by.oid)

    # users

    def user(self, tenant_id: str, user_id: str) -> Stored[User]:
        """Raises NotFound (``UserNotFound``)."""
        found = self._user(tenant_id, user_id)
        if found is None:
            raise NotFound("there is no such user", code="UserNotFound")
        return found.stored

    def users(self, tenant_id: str, *, top: int, continuation: str | None = None) -> Page[User]:
        rows, following = self._table.page(tenant_id, _USER, prefix_end(_USER), top=top, continuation=continuation)
        return Page([held(User, row).value for row in rows], following)

    def users_of(self, tenant_id: str, user_ids: Sequence[str]) -> dict[str, User]:
        """Those of these users that are there, by id. A point read each, some at a time: never a scan."""
        if len(user_ids) == 1:
            found = [self._user(tenant_id, user_ids[0])]
        else:
            with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
                found = list(pool.map(lambda user_id: self._user(tenant_id, user_id), user_ids))
        return {user.value.user_id: user.value for user in found if user is not None}

    def all_users(self, tenant_id: str) -> list[User]:
        rows = self._table.span(tenant_id, _USER, prefix_end(_USER))
        return [held(User, row).value for row in rows]

    def user_ids(self, tenant_id: str) -> list[str]:
        """Ids of all users in ascending order, 1,000 a storage call."""
        rows = self._table.span(tenant_id, _USER, prefix_end(_USER), select=["PartitionKey", "RowKey"])
        return [row.row.removeprefix(_USER) for row in rows]

    def generation(self, tenant_id: str) -> str:
        """Another text whenever a user came or went, '' before the first one; one point read."""
        row = self._table.get(tenant_id, _GENERATION)
        return row.text("value") if row else ""

    def user_id_of(self, tenant_id: str, upn: str) -> str:
        """The user with this UPN. Raises NotFound (``UserNotFound``)."""
        row = self._table.get(tenant_id, _UPN + key(upn)) if is_upn(upn) else None
        if row is None:
            raise NotFound(f"there is no user {upn[:160]}", code="UserNotFound")
        return row.text("user_id")

    def find_user_by_upn(self, tenant_id: str, upn: str) -> User | None:
        """Returns the user with this UPN. Two point reads for every UPN, so that the time does not tell who exists."""
        if not is_upn(upn):
            return None
        row = self._table.get(tenant_id, _UPN + key(upn))
        found = self._user(tenant_id, row.text("user_id") if row else _NO_USER)
        return found.value if found else None

    def put_user(
        self,
        tenant_id: str,
        user_id: str,
        wanted: Callable[[], UserWrite],
        *,
        versions: Versions,
        by: Caller,
        keep_group: bool = False,
    ) -> Stored[User]:
        """Raises Conflict (``UpnInUse``) when another user has the UPN.

        Whom a group brought is an admin's from now on, unless the write is to ``keep_group``.
        """
        found = self._user(tenant_id, user_id)
        check(found, versions)
        if not is_guid(user_id):
            raise Invalid.field("userId", "is not a GUID")
        user = User(user_id=user_id, **dict(wanted()))
        beside = {"licences": ",".join(sorted(user.licences))}
        if keep_group and found and (group := found.row.text("from_group")):
            beside["from_group"] = group
        after, claim = past(self._table, found, tenant_id, _USER + user_id)
        operations = [write(found, tenant_id, _USER + user_id, user, after=after, **beside), *claim]
        if found is None:
            operations.append(_next_generation(tenant_id))
        previous = key(found.value.upn) if found else None
        if previous != key(user.upn):
            operations.append(Insert(Row(tenant_id, _UPN + key(user.upn), {"user_id": user_id})))
            if previous is not None:
                operations.append(Delete(Row(tenant_id, _UPN + previous, {}), "*"))
        try:
            saved = commit(self._table, found, user, operations, lambda: self._user(tenant_id, user_id), after)
        except Stale:
            self._refuse_taken_upn(tenant_id, user)
            raise
        if found and set(found.value.licences) - set(user.licences):
            self._licences.forget(tenant_id)
        else:
            self._licences.user_has(tenant_id, user.licences)
        log.info("user written", tenant=tenant_id, user=user_id, by=by.oid)
        return saved

    def delete_user(self, tenant_id: str, user_id: str, *, versions: Versions, by: Caller) -> None:
        while True:
            found = self._user(tenant_id, user_id)
            if found is None:
                raise NotFound("there is no such user", code="UserNotFound")
            if versions is not None:
                check(found, versions)
            pointer = Row(tenant_id, _UPN + key(found.value.upn), {})
            if remove(self._table, found, Delete(pointer, "*"), _next_generation(tenant_id)):
                break
        if found.value.licences:
            self._licences.forget(tenant_id)
        log.info("user deleted", tenant=tenant_id, user=user_id, by=by.oid)

    # users whom a security group brought

    def bring_user(self, tenant_id: str, choice: str, user_id: str, wanted: UserWrite) -> bool:
        """Add a user on behalf of a chosen group; False if the user is there already, who then stays whose they are.

        Raises Conflict (``UpnInUse``) when another user has the UPN.
        """
        if self._user(tenant_id, user_id) is not None:
            return False
        user = User(user_id=user_id, **dict(wanted))
        after, claim = past(self._table, None, tenant_id, _USER + user_id)
        row = write(None, tenant_id, _USER + user_id, user, after=after, licences="", from_group=choice)
        pointer = Insert(Row(tenant_id, _UPN + key(user.upn), {"user_id": user_id}))
        try:
            self._table.transact([row, *claim, pointer, _next_generation(tenant_id)])
        except (Exists, Stale):
            self._refuse_taken_upn(tenant_id, user)
            return False
        return True

    def users_from(self, tenant_id: str, choice: str) -> set[str]:
        """Ids of the users whom a chosen group brought and nobody has written since."""
        rows = self._table.span(
            tenant_id,
            _USER,
            prefix_end(_USER),
            only="from_group eq @group",
            parameters={"group": choice},
            select=["PartitionKey", "RowKey"],
        )
        return {row.row.removeprefix(_USER) for row in rows}

    def remove_user_from(self, tenant_id: str, choice: str, user_id: str) -> bool:
        """Remove a user whom the chosen group brought; False for any other: who was written since is an admin's."""
        found = self._user(tenant_id, user_id)
        if found is None or found.row.text("from_group") != choice:
            return False
        pointer = Row(tenant_id, _UPN + key(found.value.upn), {})
        return remove(self._table, found, Delete(pointer, "*"), _next_generation(tenant_id))

    def _refuse_taken_upn(self, tenant_id: str, user: User) -> None:
        row = self._table.get(tenant_id, _UPN + key(user.upn))
        if row is not None and row.text("user_id") != user.user_id:
            raise Conflict(f"another user has the UPN {user.upn}", code="UpnInUse") from None

    def _service(self, tenant_id: str, upn: str) -> Held[Service] | None:
        if not is_upn(upn):
            return None  # no row can have such a key, and not every text makes a key
        row = self._table.get(tenant_id, _SERVICE + key(upn))
        return held(Service, row) if row else None

    def _user(self, tenant_id: str, user_id: str) -> Held[User] | None:
        if not is_guid(user_id):
            return None
        row = self._table.get(tenant_id, _USER + user_id)
        return held(User, row) if row else None


def _no_service(upn: str) -> NotFound:
    return NotFound(f"there is no service {upn[:160]}", code="ServiceNotFound")


def _next_generation(tenant_id: str) -> Operation:
    """Written blindly, since any text that was not there before will do."""
    return Overwrite(Row(tenant_id, _GENERATION, {"value": token_hex(8)}))
