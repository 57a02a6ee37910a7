"""What a refusal of Azure Communication Services means to whom it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.kernel.errors import Denied, Upstream


@contextmanager
def acs_problems(*, platform: bool = False) -> Iterator[None]:
    """Raises Upstream (``AcsDenied``) with a remedy for what ACS denies; everything else passes unchanged.

    ``platform`` says that the resource is the platform's, so that an operator has to act and not the tenant.
    """
    try:
        yield
    except Denied:
        if platform:
            raise Upstream(
                "Azure Communication Services does not accept the platform's connection string",
                code="AcsDenied",
                remedy="An operator of the platform has to look at the app setting PLATFORM_ACS_CONNECTION_STRING.",
            ) from None
        raise Upstream(
            "Azure Communication Services does not accept the stored connection string",
            code="AcsDenied",
            remedy="A tenant admin can find out why with Check beside the connection string.",
        ) from None
