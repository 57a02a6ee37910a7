"""When a widget is on: the tenant has switched it on, and has the product."""

from __future__ import annotations

import pytest

from shared.interact.widget.widget import check_on, is_on
from shared.kernel.errors import NotAllowed
from shared.tenants.models import Product, TenantWrite
from tests.core.world import CONTOSO_STRING, World


def give(world: World, *products: Product) -> None:
    tenant = TenantWrite(display_name="Shop", products=list(products))
    versions = frozenset({world.head.tenant.revision})
    world.tenants.put(world.tenant_id, lambda: tenant, versions=versions, by=world.by)


@pytest.mark.parametrize("on", [True, False])
def test_a_widget_is_on_for_a_tenant_that_switched_it_on_and_has_the_product(world: World, on: bool) -> None:
    world.set(interact={"enabled": on, "acsConnectionString": CONTOSO_STRING})
    give(world, "ContactCenter")
    assert not is_on(world.head)
    with pytest.raises(NotAllowed) as refused:
        check_on(world.head)
    assert refused.value.code == "InteractDisabled"
    give(world, "ContactCenter", "Interact")
    assert is_on(world.head) == on
