"""Kinds of jobs in the job schedule. They stand in stored rows, so their texts never change.

The subject of the first two is a service's UPN, that of a batch its id, that of a delivery the id of a webhook.
"""

from __future__ import annotations

from typing import Final

DISTRIBUTE: Final = "task"
REMOVE_OLD: Final = "tidy"
SEND_BATCH: Final = "batch"
DELIVER: Final = "webhook"
