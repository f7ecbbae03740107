"""Chance that depends on a key and a number alone: nothing is drawn in order, so nothing shifts.

A path's fading in its 17th frame is the same whoever else transmits, and costs a microsecond and
no state where a `random.Random` would cost 2.5 KB for each device.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist().inv_cdf
_UNIT: Final = 2.0**-53


def make_key(*words: object) -> bytes:
    """The key of a purpose: 16 bytes from words such as the seed, what it is for, and whose."""
    return blake2b("|".join(map(str, words)).encode(), digest_size=16).digest()


def uniform(key: bytes, number: int) -> float:
    """A number in [0, 1)."""
    digest = blake2b(number.to_bytes(8, "little"), key=key, digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) * _UNIT


def gauss(key: bytes, number: int) -> float:
    """A number of the standard normal distribution."""
    return _NORMAL(uniform(key, number) + _UNIT / 2)
