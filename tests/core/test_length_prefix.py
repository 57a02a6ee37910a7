"""Texts that stand together in a key or under a hash stay apart."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.length_prefix import length_prefixed
from shared.outbound.tasks.entities import partition_of
from shared.storage.keys import key

PARTS = st.lists(st.text("a|:1\n\ud800é", max_size=4), max_size=4)


@given(one=PARTS, other=PARTS)
def test_different_lists_of_texts_are_different_as_one(one: list[str], other: list[str]) -> None:
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


@given(text=st.text())
def test_what_people_type_brings_no_bar_or_colon_into_a_key(text: str) -> None:
    """Keys of rows are joined with these. A tenant id is a GUID; all else passes through ``key`` or a hash."""
    assert not set(key(text)) & set("|:\t\n")


@given(service=st.text())
def test_the_partition_of_a_service_names_its_tenant_before_the_only_bar(service: str) -> None:
    tenant_id = str(uuid.uuid4())
    assert partition_of(tenant_id, service).split("|")[0] == tenant_id
    assert partition_of(tenant_id, service).count("|") == 1
