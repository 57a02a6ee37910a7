"""Where a list goes on: sealed, and good for one list of one tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Invalid
from shared.storage.continuations import LONGEST, Continuations
from shared.storage.secrets import SecretBox

CONTOSO, FABRIKAM = "contoso", "fabrikam"
SERVICES, USERS = "api/services", "api/users"
ours = Continuations(SecretBox([("k", bytes(32))]))
# Of the longest user principal name, each character written as one that a key escapes.
LONGEST_KEY = "service:" + "=c3=a4" * 160


def given_out(key: str = "service:ann@contoso.example") -> str:
    return str(ours.give(key, tenant_id=CONTOSO, place=SERVICES))


def test_what_was_given_out_leads_back_and_does_not_show_where() -> None:
    for key in ("service:ann@contoso.example", LONGEST_KEY):
        assert ours.take(given_out(key), tenant_id=CONTOSO, place=SERVICES) == key
        assert len(given_out(key)) < LONGEST
    assert "ann" not in given_out()


def test_a_list_at_its_end_gives_nothing_out() -> None:
    assert ours.give(None, tenant_id=CONTOSO, place=SERVICES) is None


@pytest.mark.parametrize(("tenant_id", "place"), [(FABRIKAM, SERVICES), (CONTOSO, USERS)])
def test_it_opens_for_no_other_list_and_no_other_tenant(tenant_id: str, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        ours.take(given_out(), tenant_id=tenant_id, place=place)
    assert [finding.path for finding in refused.value.findings] == ["continuation"]


def test_a_key_that_left_the_ring_makes_it_invalid() -> None:
    later = Continuations(SecretBox([("new", bytes(32))]))
    with pytest.raises(Invalid):
        later.take(given_out(), tenant_id=CONTOSO, place=SERVICES)


@given(st.text(max_size=200) | st.builds(lambda tail: "v2.k." + tail, st.text(alphabet="ABCab01-_.", max_size=200)))
def test_no_text_is_strange_enough_for_another_error(text: str) -> None:
    with pytest.raises(Invalid):
        ours.take(text, tenant_id=CONTOSO, place=SERVICES)
