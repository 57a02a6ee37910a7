"""Secrets at rest: envelope encryption with AES-256-GCM.

Each secret gets a data key of its own; the data key is wrapped by a key of the ring. Both are bound to the
tenant and the field, so that a row copied to another tenant does not open. Form:
``v2.<key id>.<wrapped data key>.<ciphertext>``, base64url, each behind its 12-byte nonce. ``v1`` is the same, bound to
tenant and field joined by a bar: it is opened still and never written.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.kernel.errors import Unavailable
from shared.kernel.length_prefix import length_prefixed

_VERSION: Final = "v2"
_NONCE: Final = 12  # bytes, NIST SP 800-38D


class Unreadable(Unavailable):
    """The secret was sealed with a key that is not on the ring, for another place, or was damaged."""

    code = "SecretUnreadable"


class SecretBox:
    """Seals and opens secrets. The first key of the ring writes, all of them read."""

    def __init__(self, ring: Sequence[tuple[str, bytes]]) -> None:
        self._newest = ring[0][0]
        self._ring = dict(ring)

    def seal(self, plain: str, *, tenant: str, field: str) -> str:
        place = _place(_VERSION, tenant, field)
        data_key = AESGCM.generate_key(256)
        wrapped = _encrypt(self._ring[self._newest], data_key, place)
        return f"{_VERSION}.{self._newest}.{_text(wrapped)}.{_text(_encrypt(data_key, plain.encode(), place))}"

    def open(self, sealed: str, *, tenant: str, field: str) -> str:
        """Raises Unreadable."""
        try:
            version, key_id, wrapped, body = sealed.split(".")
            place = _place(version, tenant, field)
            data_key = _decrypt(self._ring[key_id], _bytes(wrapped), place)
            return _decrypt(data_key, _bytes(body), place).decode()
        except (ValueError, KeyError, InvalidTag, binascii.Error) as exc:
            raise Unreadable(
                f"the stored {field} cannot be opened with the keys in SECRET_KEYS: write it anew, "
                "or have the key put back that it was sealed with"
            ) from exc

    def is_current(self, sealed: str) -> bool:
        """Whether it has the newest form and was sealed with the newest key; if not, it is to be sealed again."""
        return sealed.split(".")[:2] == [_VERSION, self._newest]

    def renewed(self, sealed: str, *, tenant: str, field: str) -> str:
        """Returns the secret in the newest form under the newest key: the text itself if it has both already.

        Whoever copies a sealed text from row to row copies this, so that no old one outlives a key rotation.
        Raises Unreadable.
        """
        if self.is_current(sealed):
            return sealed
        return self.seal(self.open(sealed, tenant=tenant, field=field), tenant=tenant, field=field)


def _place(version: str, tenant: str, field: str) -> bytes:
    """What a ciphertext is bound to: its version, tenant and field. Raises Unreadable."""
    if version == "v1":
        return f"v1|{tenant.casefold()}|{field}".encode()
    if version == _VERSION:
        return length_prefixed(_VERSION, tenant.casefold(), field)
    raise Unreadable(f"a secret of {field} has a form this release does not know")


def _encrypt(key: bytes, plain: bytes, place: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, place)


def _decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], place)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
