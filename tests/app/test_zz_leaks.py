"""Last of all: everything the run of these tests wrote, said or answered, searched for secrets.

Named so that it runs after the other files of this room.
"""

from __future__ import annotations

import json
import re

from tests.app.stack import AppStack
from tests.app.test_secrets import CONTOSO_KEY

TABLES = ("system", "tenants", "widgetkeys", "directory", "outbound", "journal", "presence", "sessions")
# Calls whose answer is a key or a token.
HAND_OUT = ("/widget-key", "/widget-key/refresh", "/sessions", "/events", "/token")


def test_no_key_token_or_signature_is_where_it_does_not_belong(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    tenant.set(
        interact={"acsConnectionString": f"endpoint=https://contoso.communication.azure.com/;accesskey={CONTOSO_KEY}"}
    )
    assert tenant.call("POST", f"/api/tenants/{tenant.id}/interact/acs-check").json()["ok"]
    widget_key = tenant.call("GET", f"/api/tenants/{tenant.id}/interact/widget-key").json()["widgetKey"]
    rows = json.dumps([row for table in TABLES for row in stack.table(table)], default=str)
    logs = json.dumps(stack.all_events(), default=str)
    answers = "\n".join(text for path, text in stack.answers if not path.endswith(HAND_OUT))
    assert len(stack.answers) > 5
    for place, text in (("tables", rows), ("log lines", logs), ("answers", answers)):
        assert CONTOSO_KEY not in text, f"an access key in {place}"
        assert widget_key not in text.lower(), f"a widget key in {place}"
        assert re.search(r"eyJ[\w-]{10,}\.eyJ", text) is None, f"a token in {place}"
        assert re.search(r"[?&]sig=(?!\*)", text) is None, f"a signature in {place}"
        for secret in ("local-graph-client-secret", "local-api-client-secret", "local-presence1-password"):
            assert secret not in text, f"an app secret in {place}"
