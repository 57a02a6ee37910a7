"""Puts a message on a queue of the local storage: `python -m devhost.send QUEUE TEXT`."""

import os
import sys

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from devhost.errors import CannotStart
from devhost.options import storage_port
from devhost.settings import storage_connection

USAGE = "usage: python -m devhost.send QUEUE TEXT   (STORAGE_PORT, 10000 without it, says where the storage is)"


def main(arguments: list[str]) -> int:
    """0 when the message is there; 2 with a sentence when it is not."""
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if len(arguments) != 2:
        return _refuse(USAGE)
    name, text = arguments
    if not name:
        return _refuse(f"the name of the queue is empty; {USAGE}")
    if any("\ud800" <= mark <= "\udfff" for mark in name + text):  # so Python shows bytes that are not UTF-8
        return _refuse("no message was sent: queue and text must be UTF-8")
    try:
        port = storage_port(os.environ)
    except CannotStart as exc:
        return _refuse(str(exc))
    connection, encode = storage_connection(port), TextBase64EncodePolicy()
    try:
        with QueueClient.from_connection_string(
            connection, name, message_encode_policy=encode, retry_total=0, connection_timeout=3
        ) as queue:
            queue.send_message(text)
    except AzureError as exc:
        reason = str(exc).split("\n")[0]
        return _refuse(f"no message was sent to {name} at storage port {port}: {reason}")
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
