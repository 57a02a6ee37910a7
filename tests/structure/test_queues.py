"""Queue triggers: each queue has one, its poison too, and all read messages in the same way."""

from __future__ import annotations

import json

import pytest

from tests.structure.source import ROOT, Module, modules


def test_the_host_leaves_messages_as_they_lie_on_the_queue() -> None:
    assert json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]["messageEncoding"] == "none"


@pytest.mark.parametrize("module", modules(ROOT, "functions"), ids=lambda module: module.name)
def test_a_trigger_reads_its_message_as_the_sender_wrote_it(module: Module) -> None:
    assert ".get_json(" not in module.path.read_text(), "use messages.read: the host does not decode base64"
