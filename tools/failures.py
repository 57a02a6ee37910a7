"""What a command prints when it cannot do its work."""

from __future__ import annotations

from shared.kernel.errors import AppError


def with_remedy(exc: Exception) -> str:
    """Returns the error's sentence, followed by what to do about it where the error says so."""
    remedy = exc.members.get("remedy") if isinstance(exc, AppError) else None
    return f"{str(exc).removesuffix('.')}. {remedy}" if remedy else str(exc)
