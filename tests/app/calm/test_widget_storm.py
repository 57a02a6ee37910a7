"""Strangers with a copied widget key storm the app; visitors of the website notice nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.app.interact_world import InteractTenant
from tests.app.stack import AppStack
from tests.app.widget_storm import Storm, Visitor

STORM = Storm(addresses=20, per_second=200, seconds=5)


def test_two_hundred_hostile_calls_a_second_from_twenty_addresses_lock_no_visitor_out(stack: AppStack) -> None:
    shop = InteractTenant(stack)
    victim = shop.start()
    visitors = [Visitor(shop, number) for number in range(10)]
    going_on = threading.Event()
    going_on.set()
    with ThreadPoolExecutor(len(visitors)) as pool:
        conversing = [pool.submit(visitor.converse, going_on, every=1.5) for visitor in visitors]
        try:
            statuses = STORM.pass_over(shop, victim)
        finally:
            going_on.clear()
        for one in conversing:
            one.result()
    assert [line for visitor in visitors for line in visitor.refused] == []
    assert min(visitor.served for visitor in visitors) >= 7
    assert victim.read()["state"] == "Open"
    assert statuses.total() == STORM.calls
    assert max(statuses) < 500, statuses
    assert statuses[429] > STORM.calls / 4, statuses
