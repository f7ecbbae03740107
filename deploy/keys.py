"""The ledger's key: made once, with the ledger."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import SecretBytes

from deploy.files import read_or_make
from khaen.errors import NotRunnable
from khaen.settings import KEY_BYTES


def ledger_key(file: Path, ledger: Path) -> SecretBytes:
    """The key of the ledger; a new one where neither is there yet. Raises NotRunnable."""
    if not file.exists() and ledger.exists():
        raise NotRunnable(
            f"ledger.key_file: {file} is missing, and without it the sessions in {ledger} cannot "
            "be opened; bring it back from where keys are kept"
        )
    key = read_or_make(file, lambda: secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise NotRunnable(f"ledger.key_file: {file} is not {KEY_BYTES} bytes long")
    return SecretBytes(key)
