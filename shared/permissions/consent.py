"""The link with which a tenant administrator grants an app all that its registration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from shared.kernel.components import CONSENT_CALLBACK


@dataclass(frozen=True, slots=True)
class ConsentLinks:
    """``login`` and ``graph`` are those of the cloud, ``base_url`` is where this app is reached."""

    login: str
    graph: str
    base_url: str

    def of(self, tenant_id: str, client_id: str) -> str:
        """Entra's v2 admin consent. ``.default`` alone covers application permissions as well."""
        query = {
            "client_id": client_id,
            "scope": f"{self.graph}/.default",
            "redirect_uri": f"{self.base_url}/{CONSENT_CALLBACK}",
        }
        return f"{self.login}/{tenant_id}/v2.0/adminconsent?{urlencode(query, quote_via=quote)}"
