"""The users of a tenant, listed, filtered, searched, counted or read one by one."""

from __future__ import annotations

from typing import Any, Final

from simulator.graph_access import ROOT, GraphRefusal, Reader, denied, names, not_found
from simulator.graph_filter import matches
from simulator.graph_lists import filter_of, is_advanced, is_eventual, ordered, page_reply, pick, refuse_skip, selection
from simulator.graph_search import search_of
from simulator.graph_support import check_user_filter, properties_in
from simulator.graph_types import USER, check_literals
from simulator.wire import Call, Reply, json_reply

READ_ALL: Final = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
READ_BASIC: Final = "User.ReadBasic.All"
DEFAULT: Final = names(
    "businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname "
    "userPrincipalName id"
)
BASIC: Final = frozenset(names("id displayName givenName surname mail userPrincipalName"))
KNOWN: Final = (
    *DEFAULT,
    *names(
        "accountEnabled ageGroup assignedLicenses assignedPlans city companyName consentProvidedForMinor country "
        "createdDateTime creationType department employeeHireDate employeeId employeeOrgData employeeType "
        "externalUserState faxNumber identities imAddresses isResourceAccount mailNickname "
        "onPremisesExtensionAttributes "
        "onPremisesImmutableId onPremisesLastSyncDateTime onPremisesSamAccountName onPremisesSyncEnabled otherMails "
        "passwordPolicies postalCode preferredDataLocation proxyAddresses showInAddressList state streetAddress "
        "usageLocation userType"
    ),
)
ORDER: Final = {name.lower(): name for name in ("displayName", "userPrincipalName", "createdDateTime")}

User = dict[str, Any]


def list_users(call: Call, reader: Reader) -> Reply:
    """A page of the users that fit $filter and $search."""
    refuse_skip(call)
    selected = selection(call, KNOWN, DEFAULT, "user")
    found = ordered(call, _found(call, reader), ORDER)
    return page_reply(call, "users", [_visible(user, reader) for user in found], selected=selected)


def count_users(call: Call, reader: Reader) -> Reply:
    """How many users fit, as text."""
    if not is_eventual(call):
        raise GraphRefusal(400, "Request_BadRequest", "$count is not currently supported.")
    return Reply(200, str(len(_found(call, reader, advanced=True))).encode(), "text/plain")


def read_user(call: Call, reader: Reader, key: str) -> Reply:
    """One user, by id or by user principal name."""
    own = key.lower() in (reader.oid.lower(), (reader.account or "").lower())
    if not (own and reader.may("User.Read")):
        _may_list(reader)
    user = user_of(reader, key)
    if user is None:
        raise not_found(key)
    selected = selection(call, KNOWN, DEFAULT, "user")
    shown = user if own else _visible(user, reader)
    return json_reply({"@odata.context": f"{ROOT}/$metadata#users/$entity", **pick(shown, selected)})


def user_of(reader: Reader, key: str) -> User | None:
    """The user with that id or user principal name; the signed-in user exists even if nobody listed them."""
    user = reader.tenant.users.get(key.lower()) or reader.tenant.users_by_upn.get(key.lower())
    if user is None and not reader.app_only and key.lower() == reader.oid.lower():
        return {"id": reader.oid, "userPrincipalName": reader.account, "displayName": reader.account}
    return user


def _may_list(reader: Reader) -> None:
    reader.must(*READ_ALL, READ_BASIC)
    if reader.guest and reader.tenant.guest_restricted:
        raise denied()


def _visible(user: User, reader: Reader) -> User:
    if reader.may(*READ_ALL):
        return user
    return {name: value for name, value in user.items() if name in BASIC}


def _guests(reader: Reader) -> list[User]:
    """Who was invited, as Entra lists guests."""
    tenant = reader.tenant
    return [
        {
            "id": tenant.oid_of(upn),
            "userPrincipalName": f"{upn.replace('@', '_')}#EXT#@{tenant.tenant_id[:8]}.onmicrosoft.example",
            "displayName": upn.partition("@")[0],
            "mail": upn,
            "userType": "Guest",
            "externalUserState": "Accepted",
        }
        for upn in sorted(tenant.guests - tenant.users_by_upn.keys())
    ]


def _found(call: Call, reader: Reader, *, advanced: bool = False) -> list[User]:
    _may_list(reader)
    advanced = advanced or is_advanced(call)
    users = list(reader.tenant.users.values())
    search = search_of(call)
    if search is not None:
        if not is_eventual(call):
            raise GraphRefusal(
                400,
                "Request_UnsupportedQuery",
                "Request with $search query parameter only works through MSGraph with a special request header: "
                "'ConsistencyLevel: eventual'",
            )
        users = [user for user in users if search(user)]
    node = filter_of(call)
    if node is None:
        return users
    if "usertype" in properties_in(node):
        # Accounts that are only named as guests stay out of plain lists, which tests count.
        users = [*users, *_guests(reader)]
    check_user_filter(node, advanced=advanced)
    check_literals(node, USER)
    if call.query.get("$orderby") and not advanced:
        raise GraphRefusal(400, "Request_UnsupportedQuery", "Sorting not supported for current query.")
    if not reader.may(*READ_ALL) and not properties_in(node) <= {name.lower() for name in BASIC}:
        # What the token cannot read is not there for its filters either; Graph says so by an empty list.
        return []
    return [user for user in users if matches(node, user)]
