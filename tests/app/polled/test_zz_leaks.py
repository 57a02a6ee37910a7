"""The calls that deal in secrets, made once more so that there is something to find; searched by tests/leaks.py.

Named so that it runs after the other files of this room.
"""

from __future__ import annotations

from tests.app.calm.test_secrets import CONTOSO_STRING
from tests.app.stack import AppStack
from tests.leaks import WATCH


def test_no_key_token_or_signature_is_where_it_does_not_belong(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    tenant.set(interact={"acsConnectionString": CONTOSO_STRING})
    assert tenant.call("POST", f"/api/tenants/{tenant.id}/interact/acs-check").json()["ok"]
    assert tenant.call("POST", f"/api/tenants/{tenant.id}/interact/widget-key/refresh").ok
    assert WATCH.found() == []
    assert {"answers", "log lines", "rows of tenants", "rows of widgetkeys"} <= set(WATCH.looked_at)
