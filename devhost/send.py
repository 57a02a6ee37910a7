"""Puts a message on a queue of the local storage: `python -m devhost.send QUEUE TEXT`."""

import os
import sys

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from devhost.settings import storage_connection


def main(arguments: list[str]) -> int:
    """0 when the message is there; 2 with a sentence when it is not."""
    if len(arguments) != 2:
        print("usage: python -m devhost.send QUEUE TEXT", file=sys.stderr)
        return 2
    name, text = arguments
    port = int(os.environ.get("STORAGE_PORT", "10000"))
    connection, encode = storage_connection(port), TextBase64EncodePolicy()
    try:
        with QueueClient.from_connection_string(
            connection, name, message_encode_policy=encode, retry_total=0, connection_timeout=3
        ) as queue:
            queue.send_message(text)
    except AzureError as exc:
        reason = str(exc).split("\n")[0]
        print(f"no message was sent to {name} at storage port {port}: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
