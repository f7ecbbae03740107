"""The ids and names that a network server gives: made from the site's own, always the same."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID, uuid5

from khaen.ids import DevEui

_NAMESPACE: Final = UUID("6b6861656e3a4e1d8a2c6e616d65730a")
_VARIANT: Final = "89ab"


@lru_cache(maxsize=4096)
def identify(site: str, kind: str, name: str) -> str:
    """The UUID of a tenant, an application or a profile of a site."""
    return str(uuid5(_NAMESPACE, f"{site}|{kind}|{name}"))


def name_device(dev_eui: DevEui) -> str:
    """A device's id, as The Things Stack names one that nobody named."""
    return f"eui-{dev_eui}"


def draw(seed: int, purpose: str, dev_eui: DevEui, number: int) -> bytes:
    """20 bytes by chance, the same for the same seed, purpose, device and number.

    A digest, for it costs a tenth of seeding a generator.
    """
    return blake2b(f"{seed}|{purpose}|{dev_eui}|{number}".encode(), digest_size=20).digest()


def write_uuid(chance: bytes) -> str:
    """A UUID of version 4 out of 16 bytes or more (RFC 9562, 5.4)."""
    digits = chance[:16].hex()
    variant = _VARIANT[chance[8] & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
