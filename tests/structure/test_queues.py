"""Queue triggers: each queue has one, its poison too, and all read messages in the same way."""

from __future__ import annotations

import json

import pytest

from tests.structure.source import ROOT, Module, modules

HOST = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]


def test_the_host_leaves_messages_as_they_lie_on_the_queue() -> None:
    assert HOST["messageEncoding"] == "none"


def test_the_host_looks_at_each_queue_every_two_seconds() -> None:
    """Left alone it waits up to a minute, and a due task would not be offered within 15 seconds."""
    assert "00:00:00" < HOST["maxPollingInterval"] <= "00:00:02"


@pytest.mark.parametrize("module", modules(ROOT, "functions"), ids=lambda module: module.name)
def test_a_trigger_reads_its_message_as_the_sender_wrote_it(module: Module) -> None:
    assert ".get_json(" not in module.path.read_text(), "use messages.read: the host does not decode base64"
