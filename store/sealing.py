"""Secrets at rest: sealed with AES-256-GCM, and told apart by digests that reveal nothing.

Both come from the 32 bytes of `ledger.key_file`, by different derived keys, so that one use of the
key says nothing about the other.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretBytes

from khaen.errors import SettingsError

_FORMAT = b"\x01"
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random nonces have 96 bits
_KEY_BYTES = 32


def seal(key: SecretBytes, plain: bytes, *, context: bytes = b"") -> bytes:
    """Encrypt `plain`; opens again only with the same key and the same `context`."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(_derive(key, b"seal")).encrypt(nonce, plain, context)


def unseal(key: SecretBytes, sealed: bytes, *, context: bytes = b"") -> bytes:
    """Decrypt what `seal` made. Raises SettingsError where it was made with another key."""
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if sealed[:1] != _FORMAT:
        raise SettingsError("what the ledger keeps sealed was written by a newer Khaen: upgrade")
    try:
        return AESGCM(_derive(key, b"seal")).decrypt(nonce, body, context)
    except (InvalidTag, ValueError) as error:
        raise SettingsError(
            "ledger.key_file: this key does not open what the ledger keeps sealed; "
            "bring back the key file that was made with this ledger"
        ) from error


def digest(key: SecretBytes, plain: bytes) -> bytes:
    """HMAC-SHA256 of `plain`, 32 bytes: equal for equal secrets, and useless without the key."""
    return hmac.digest(_derive(key, b"digest"), plain, "sha256")


def _derive(key: SecretBytes, use: bytes) -> bytes:
    secret = key.get_secret_value()
    if len(secret) != _KEY_BYTES:
        raise SettingsError(f"ledger.key_file: a key has {_KEY_BYTES} bytes")
    return hmac.digest(secret, b"khaen " + use, sha256)
