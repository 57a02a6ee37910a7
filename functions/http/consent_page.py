"""The page an admin sees who comes back from granting permissions: plain HTML, no script."""

from __future__ import annotations

import math
from html import escape

from shared.kernel.errors import AppError, RateLimited
from shared.presence.guest_accounts.consent import Consent

_STYLE = (
    'body{font:16px/1.5 "Segoe UI",Helvetica,Arial,sans-serif;color:#20304d;margin:12vh auto;max-width:34rem;'
    "padding:0 1rem}h1{font-size:1.5rem}li{font-family:Consolas,Menlo,monospace}"
)


def page(consent: Consent) -> str:
    """What the tenant's grants say, not what the browser says."""
    title, text = _said(consent)
    listed = "".join(f"<li>{escape(scope)}</li>" for scope in consent.missing or ())
    return _page(title, text, (f"<ul>{listed}</ul>" if listed else "") + "<p>You can close this page.</p>")


def neutral_page() -> str:
    """For who comes back from a link that carries no state: nobody knows who it is, or what was decided."""
    return _page("Back from Microsoft", "You may close this page; permissions are checked in the portal.", "")


def refusal(refused: AppError) -> str:
    """For an administrator whose return is not judged now, or whose link cannot be used."""
    if isinstance(refused, RateLimited):
        seconds = math.ceil(refused.retry_after)
        text = f"Permissions were checked very often just now. Reload this page in {seconds} s; the link is still good."
        return _page("Please wait", text, "")
    return _page("This link cannot be used", f"{refused.detail[:1].upper()}{refused.detail[1:]}.", "")


def _page(title: str, text: str, rest: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1><p>{escape(text)}</p>{rest}</html>"
    )


def _said(consent: Consent) -> tuple[str, str]:
    name = consent.tenant_name
    if consent.missing is None:
        return "Not known yet", f"The permissions of {name} cannot be read now. Run a test of the presence accounts."
    if consent.missing:
        text = (
            f"{name} has not granted all that presence needs. A grant made just now may take some minutes to show; the "
            "permission check in the portal has it then. Still missing:"
        )
        return "Permissions are missing", text
    return "Permissions granted", f"{name} has granted what presence needs. The next poll uses it."
