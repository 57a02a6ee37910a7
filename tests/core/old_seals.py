"""Sealed texts in the form of earlier releases, ``v1``: bound to tenant and field joined by a bar."""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def v1_seal(key: tuple[str, bytes], plain: str, *, tenant: str, field: str) -> str:
    place = f"v1|{tenant.casefold()}|{field}".encode()
    data_key = AESGCM.generate_key(256)
    return f"v1.{key[0]}.{_part(key[1], data_key, place)}.{_part(data_key, plain.encode(), place)}"


def _part(key: bytes, plain: bytes, place: bytes) -> str:
    nonce = os.urandom(12)
    return base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, plain, place)).decode().rstrip("=")
