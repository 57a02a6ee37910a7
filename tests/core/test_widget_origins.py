"""On which pages a tenant's widget may be."""

from __future__ import annotations

import pytest

from shared.interact.widget.widget import check_origin
from shared.kernel.errors import NotAllowed
from shared.tenants.tenants import Head
from tests.core.world import World


def may(head: Head, origin: str | None) -> bool:
    try:
        check_origin(head, origin)
    except NotAllowed:
        return False
    return True


@pytest.fixture
def strict(world: World) -> Head:
    world.set(
        interact={"restrictOrigins": True, "allowedOrigins": ["https://shop.example", "https://dev.example:8443"]}
    )
    return world.head


def test_listed_origins_may_however_they_are_spelled_and_so_may_calls_of_no_page(strict: Head) -> None:
    for origin in ("https://shop.example", "https://SHOP.example:443", "https://dev.example:8443", None):
        assert may(strict, origin), origin


def test_what_only_looks_like_a_listed_origin_may_not(strict: Head) -> None:
    for origin in (
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "https://www.shop.example",
        "https://shop.example:8443",
        "https://dev.example",
        "https://dev.example:84430",
        "http://shop.example",
        "https://shop.example/",
        "https://shop.example@evil.example",
        "null",
        "",
    ):
        assert not may(strict, origin), origin


def test_without_restriction_every_origin_may(world: World) -> None:
    world.set(interact={"allowedOrigins": ["https://shop.example"]})
    assert may(world.head, "https://evil.example")
    assert may(world.head, "null")
