"""Does a filter reach the accounts of services? A filter that does not makes calls impossible to forward to them.

The judgement runs the filter on the picture of an account made for a service (filter_support.json says how such an
account looks): no mailbox and no personal profile, so those properties are empty; sign-in blocked; a user principal
name and a licence of its own kind, so that a positive condition on these is taken to miss it and a negative one not.
Of all else nothing is known and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.attendant.odata_filter.nodes import AnyOf, Condition, Junction, Negation
from shared.attendant.odata_filter.support import service_accounts
from shared.attendant.odata_filter.uses import Use, leaf_uses, named


def hurdles(condition: Condition) -> list[Use]:
    """The tests that such an account fails, empty if it passes the filter as a whole."""
    return _hurdles(condition, {}, negated=False)


def _hurdles(condition: Condition, items: Mapping[str, str], *, negated: bool) -> list[Use]:
    match condition:
        case Negation(inner):
            return _hurdles(inner, items, negated=not negated)
        case Junction(word, conditions):
            parts = [_hurdles(part, items, negated=negated) for part in conditions]
            # not (a or b) is (not a and not b), so under a not the words change places.
            if (word == "or") != negated and not all(parts):
                return []
            return [use for part in parts for use in part]
        case AnyOf(collection, variable, inner):
            name = named(collection, items)
            if name.lower() in service_accounts().empty:
                missed = Use(name, "any", (), in_list=True, negated=negated, position=condition.position)
                return [] if negated else [missed]
            return _hurdles(inner, {**items, variable: name}, negated=negated)
        case _:
            found = leaf_uses(condition, items, negated=negated)
            return [use for use in found if _holds(use) is negated]


def _holds(use: Use) -> bool | None:
    """Whether the test, without its not, holds for the pictured account; None if that is not known."""
    accounts, name = service_accounts(), use.name.lower()
    if name in accounts.empty:
        return _holds_for_empty(use)
    negative = use.operator.startswith("ne")
    texts = [value.text.lower() for value in use.values]
    if name in accounts.usual and use.operator in ("eq", "ne", "in", "eq null", "ne null"):
        return (accounts.usual[name].lower() in texts) is not negative
    return negative if name in accounts.own_kind else None


def _holds_for_empty(use: Use) -> bool | None:
    match use.operator:
        case "$count eq" | "$count ne" as operator:
            return (use.values[0].text == "0") is (operator == "$count eq")
        case "eq null" | "ne":
            return True
        case "in":
            return any(value.kind == "null" for value in use.values)
    # A test of another form (... with a function, ... without a value) is not understood.
    return None if " with" in use.operator else False
