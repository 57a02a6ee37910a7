"""What tables can refuse, and vendor exceptions turned into our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableTransactionError

from shared.kernel.errors import AppError, Conflict, NotFound, Stale, StorageDown


class Exists(Conflict):
    """A row with this key is there already. ``index`` is its place in a transaction, else 0."""

    def __init__(self, detail: str, index: int = 0) -> None:
        super().__init__(detail)
        self.index = index


class TooBig(AppError):
    """The row would pass what Azure stores; nothing was sent."""

    code = "TooBig"


@contextmanager
def ours(name: str) -> Iterator[None]:
    """Vendor exceptions become ours. The order matters: a transaction error is also an HTTP error."""
    try:
        yield
    except TableTransactionError as exc:
        raise _of_status(exc.status_code, f"transaction on {name} failed at operation {exc.index}", exc.index) from exc
    except ResourceExistsError as exc:
        raise Exists(f"the row is in {name} already") from exc
    except ResourceModifiedError as exc:
        raise Stale(f"the row in {name} was changed meanwhile") from exc
    except ResourceNotFoundError as exc:
        raise NotFound(f"the row is not in {name}") from exc
    except HttpResponseError as exc:
        raise _of_status(exc.status_code, f"{name} answered {exc.status_code}", 0) from exc
    except (AzureError, DecodeError, OSError) as exc:
        raise StorageDown(f"Azure Storage does not answer (table {name})") from exc


def _of_status(status: int | None, detail: str, index: int) -> AppError:
    match status:
        case 409:
            return Exists(detail, index)
        case 412:
            return Stale(detail)
        case 404:
            return NotFound(detail)
        case _:
            return StorageDown(detail)
