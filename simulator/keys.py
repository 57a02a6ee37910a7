"""The signing keys of the simulated Entra, kept on disk so that tokens outlive a restart."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.wire import read_json

# A token is verified once and then found by its text; the bound only keeps a long bench from growing for ever.
VERIFIED_AT_MOST: Final = 20_000

Claims = dict[str, Any]


def b64url(data: bytes) -> str:
    """Base64url without padding, as JWTs write it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def un_b64url(text: str) -> bytes:
    """The bytes behind base64url text; ValueError if it is none."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _segment(part: dict[str, Any]) -> str:
    return b64url(json.dumps(part, separators=(",", ":")).encode())


def _as_signed(header: dict[str, Any]) -> dict[str, Any]:
    """The header with the hash of its nonce, if it has one, in the nonce's place."""
    if "nonce" not in header:
        return header
    return {**header, "nonce": b64url(hashlib.sha256(str(header["nonce"]).encode()).digest())}


@dataclass(frozen=True)
class SigningKey:
    """One RSA key with the id under which it is published."""

    kid: str
    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls) -> SigningKey:
        """A new 2048-bit key."""
        return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def of(cls, private: rsa.RSAPrivateKey) -> SigningKey:
        """The key under an id made from its public half."""
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(b64url(hashlib.sha256(public).digest()[:20]), private)

    def pem(self) -> str:
        """The private key as text."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def jwk(self, issuer: str) -> dict[str, str]:
        """The public half as Entra publishes it: without `alg`, with the issuer it signs for."""
        numbers = self.private.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": b64url(modulus),
            "e": b64url(numbers.e.to_bytes(3, "big")),
            "issuer": issuer,
        }


class KeysLost(Exception):
    """The file of the keys cannot be used. One sentence names it and the remedy."""


class KeyRing:
    """Signs and verifies RS256 tokens, and seals the strings that must outlive a restart."""

    def __init__(self, folder: Path) -> None:
        """Keys of `folder`, made there if it has none. Raises KeysLost."""
        self._file = folder / "keys.json"
        self._keys: list[SigningKey] = []
        self._seal_key = b""
        self._unpublished: SigningKey | None = None
        self._verified: dict[str, Claims | None] = {}
        self._load()

    def sign(self, claims: Claims, *, unpublished: bool = False, nonce: bool = False) -> str:
        """A JWT of `claims` by the newest key, or by one that nobody can look up.

        With a nonce, as tokens for Graph have one, the signature is that of a header with the nonce's hash in its
        place, and whoever verifies the token as it stands finds it wrong.
        """
        key = self._stranger() if unpublished else self._keys[-1]
        header = {"typ": "JWT", **({"nonce": b64url(secrets.token_bytes(32))} if nonce else {}), "alg": "RS256"}
        header |= {"x5t": key.kid, "kid": key.kid}
        payload = _segment(claims)
        signed = f"{_segment(_as_signed(header))}.{payload}"
        signature = key.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{_segment(header)}.{payload}.{b64url(signature)}"

    def verify(self, token: str) -> Claims | None:
        """The claims of a token signed by a published key, else None. Lifetime is the caller's question."""
        if token in self._verified:
            return self._verified[token]
        if len(self._verified) >= VERIFIED_AT_MOST:
            self._verified.clear()
        claims = self._verified[token] = self._verify(token)
        return claims

    def rotate(self, *, drop: bool) -> str:
        """Sign with a new key from now on; `drop` withdraws the old ones. Answers the new key id."""
        key = SigningKey.make()
        self._keys = [key] if drop else [*self._keys, key]
        self._verified.clear()
        self._save()
        return key.kid

    def jwks(self, issuer: str) -> dict[str, list[dict[str, str]]]:
        """The published keys, newest first."""
        return {"keys": [key.jwk(issuer) for key in reversed(self._keys)]}

    def seal(self, content: dict[str, Any]) -> str:
        """`content` as a string that only this ring can have made."""
        text = b64url(json.dumps(content, separators=(",", ":")).encode())
        return f"{text}.{b64url(self._mac(text))}"

    def unseal(self, sealed: str) -> dict[str, Any] | None:
        """What `seal` was given, or None for a string it never made."""
        text, _, mac = sealed.partition(".")
        try:
            if not hmac.compare_digest(self._mac(text), un_b64url(mac)):
                return None
            content = json.loads(un_b64url(text))
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._seal_key, text.encode(), hashlib.sha256)

    def _stranger(self) -> SigningKey:
        if self._unpublished is None:
            self._unpublished = SigningKey.make()
        return self._unpublished

    def _verify(self, token: str) -> Claims | None:
        text, _, signature = token.rpartition(".")
        try:
            header, claims = (read_json(un_b64url(part)) for part in text.split("."))
            raw = un_b64url(signature)
        except ValueError:
            return None
        if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "RS256":
            return None
        for key in self._keys:
            if key.kid == header.get("kid"):
                signed = f"{_segment(_as_signed(header))}.{text.partition('.')[2]}" if "nonce" in header else text
                try:
                    key.private.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
                except InvalidSignature:
                    return None
                return claims
        return None

    def _load(self) -> None:
        if not self._file.exists():
            self._keys = [SigningKey.make()]
            self._seal_key = secrets.token_bytes(32)
            self._save()
            return
        try:
            self._read()
        except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm) as exc:
            raise KeysLost(
                f"{self._file} holds no signing keys that can be read; delete it, and new ones are made "
                "(tokens signed so far are then worth nothing)"
            ) from exc

    def _read(self) -> None:
        stored = json.loads(self._file.read_text())
        self._seal_key = base64.b64decode(stored["seal"])
        for pem in stored["keys"]:
            private = serialization.load_pem_private_key(pem.encode(), password=None)
            if not isinstance(private, rsa.RSAPrivateKey):
                raise TypeError(f"{self._file} holds a key that is not RSA")
            self._keys.append(SigningKey.of(private))
        if not self._keys:
            raise ValueError(f"{self._file} holds no key")

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = {"seal": base64.b64encode(self._seal_key).decode(), "keys": [key.pem() for key in self._keys]}
        # Written beside and moved over, so that a kill in between leaves the old file.
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(content))
        os.replace(fresh, self._file)
