"""One logger, one way to say which tenant, service, entry or account a line is about.

``extra`` of the standard library becomes a custom dimension in Application Insights. What is logged is a
change, not a state; never a token, key, connection string, widget key or callback URL.
"""

from __future__ import annotations

import logging

_logger = logging.getLogger("nimbus")

# At INFO these say every request they make, several lines each.
for _chatty in ("azure", "msal", "urllib3"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


def info(message: str, **facts: object) -> None:
    _logger.info(_line(message, facts), extra=_dimensions(facts))


def warning(message: str, **facts: object) -> None:
    _logger.warning(_line(message, facts), extra=_dimensions(facts))


def error(message: str, *, exc_info: BaseException | None = None, **facts: object) -> None:
    _logger.error(_line(message, facts), exc_info=exc_info, extra=_dimensions(facts))


def _line(message: str, facts: dict[str, object]) -> str:
    said = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
    return f"{message} {said}" if said else message


def _dimensions(facts: dict[str, object]) -> dict[str, object]:
    """Prefixed, since a LogRecord has attributes of its own (name, args, ...) that may not be overwritten."""
    return {f"nimbus_{name}": str(value) for name, value in facts.items() if value is not None}
