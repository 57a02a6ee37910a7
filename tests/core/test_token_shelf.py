"""Tokens that all instances share: sealed, newest first, and never worth a failed poll."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest

from shared.presence.guest_accounts.token_cache import CLAIM, TokenShelf
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from tests.core.race import together
from tests.core.world import OLD_KEY, FakeClock

WHO = "presence1@nimbus.example"


@pytest.fixture
def table(account: StorageAccount) -> Table:
    return account.table("signins")


@pytest.fixture
def shelf(table: Table, clock: FakeClock) -> TokenShelf:
    return TokenShelf(table, SecretBox([OLD_KEY]), clock)


@pytest.fixture
def tenant_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def upn() -> str:
    """An account no other test uses."""
    return f"{uuid.uuid4()}@nimbus.example"


def test_a_token_is_found_by_another_instance_and_is_not_readable_in_the_table(
    shelf: TokenShelf, table: Table, clock: FakeClock, tenant_id: str
) -> None:
    renew_at = clock() + timedelta(minutes=55)
    shelf.keep_token(tenant_id, WHO, "a secret token", renew_at)
    assert TokenShelf(table, SecretBox([OLD_KEY]), clock).token(tenant_id, WHO) == ("a secret token", renew_at)
    (row,) = [table.get(tenant_id, one.row) for one in table.span(tenant_id, "", "~")]
    assert row is not None
    assert "a secret token" not in json.dumps(dict(row.values), default=str)
    shelf.forget_token(tenant_id, WHO)
    shelf.forget_token(tenant_id, WHO)
    assert shelf.token(tenant_id, WHO) is None


def test_a_token_opens_in_its_own_row_only(shelf: TokenShelf, table: Table, clock: FakeClock, tenant_id: str) -> None:
    another_account, other = "presence2@nimbus.example", str(uuid.uuid4())
    shelf.keep_token(tenant_id, WHO, "a token", clock())
    (row,) = table.span(tenant_id, "", "~")
    shelf.keep_token(tenant_id, another_account, "b token", clock())
    (second,) = (one for one in table.span(tenant_id, "", "~") if one.row != row.row)
    table.insert(Row(other, row.row, row.values))
    table.overwrite(Row(tenant_id, second.row, row.values))
    assert shelf.token(other, WHO) is None
    assert shelf.token(tenant_id, another_account) is None
    assert shelf.token(tenant_id, WHO) is not None
    table.remove_blindly([Row(other, row.row, {})])


def test_only_the_token_that_was_refused_is_forgotten(shelf: TokenShelf, clock: FakeClock, tenant_id: str) -> None:
    shelf.keep_token(tenant_id, WHO, "newer", clock())
    shelf.forget_token(tenant_id, WHO, "refused")
    assert shelf.token(tenant_id, WHO) == ("newer", clock())
    shelf.forget_token(tenant_id, WHO, "newer")
    assert shelf.token(tenant_id, WHO) is None


def test_of_8_instances_one_renews(shelf: TokenShelf, clock: FakeClock, tenant_id: str) -> None:
    shelf.keep_token(tenant_id, WHO, "old", clock())
    assert sorted(map(bool, together(8, lambda number: shelf.claim(tenant_id, WHO)))) == [False] * 7 + [True]
    clock.moment += CLAIM
    assert shelf.claim(tenant_id, WHO), "whoever claimed it has died"
    shelf.keep_token(tenant_id, WHO, "new", clock())
    assert shelf.claim(tenant_id, WHO), "a renewed token is claimed anew"


def test_the_app_setting_seeds_and_the_newer_token_wins_until_the_setting_changes(shelf: TokenShelf, upn: str) -> None:
    assert shelf.refresh_token(upn, None) is None
    assert shelf.refresh_token(upn, "seed") == "seed"
    shelf.keep_refresh_token(upn, "seed", "newer")
    assert shelf.refresh_token(upn.upper(), "seed") == "newer"
    assert shelf.refresh_token(upn, None) == "newer"
    assert shelf.refresh_token(upn, "another seed") == "another seed"
    shelf.keep_refresh_token(upn, "another seed", "newest")
    assert shelf.refresh_token(upn, "another seed") == "newest"


def test_a_token_sealed_with_a_lost_key_counts_as_none(table: Table, shelf: TokenShelf, clock: FakeClock) -> None:
    upn = f"{uuid.uuid4()}@nimbus.example"
    shelf.keep_refresh_token(upn, "seed", "newer")
    after_the_loss = TokenShelf(table, SecretBox([("other", bytes(range(32)))]), clock)
    assert after_the_loss.refresh_token(upn, "seed") == "seed"
    table.remove_blindly(list(table.span("accounts", "refresh:", "refresh;")))


def test_without_storage_the_shelf_is_empty_and_nothing_fails(clock: FakeClock, tenant_id: str) -> None:
    gone = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=AAAA;TableEndpoint=http://127.0.0.1:9/a;"
    shelf = TokenShelf(
        StorageAccount(gone + "QueueEndpoint=http://127.0.0.1:9/a;", None, "").table("signins"),
        SecretBox([OLD_KEY]),
        clock,
    )
    shelf.keep_token(tenant_id, WHO, "a token", clock())
    assert shelf.token(tenant_id, WHO) is None
    assert shelf.refresh_token(WHO, "seed") == "seed"
