"""What a family of devices is to Khaen: who made it, what it can say, how its bytes are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from decoders.downlink import EncodeDownlink
from khaen.ids import DevEui
from khaen.reading import Decoded

DecodePayload = Callable[[int, bytes], Decoded]
"""`(f_port, payload)` to what could be read. Never raises, whatever the bytes."""


Piece = tuple[DevEui, bytes]
"""A wearer's part of a relay's frame: whose it is, and the payload as the wearer's family reads it.
"""
SplitPayload = Callable[[int, bytes], tuple[Piece, ...]]
"""`(f_port, payload)` to its wearers' parts. Never raises, whatever the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One family. `id` is its module's name; `version` rises with every change of its outcome.

    `priority_f_ports` are the ports a gateway sends before all others. `expects_answer` says that
    the wearer waits for the network's acknowledgement, which only a network server gives.
    `quantities` are the ids of all that it can emit. A `deferred` one may take long: its frames are
    admitted first and decoded later, outside any transaction. `encode` is there where the maker
    documents downlinks that care has use for, `split` where a device speaks for many wearers.
    """

    id: str
    version: int
    maker: str
    model: str
    sos_capable: bool = False
    fall_capable: bool = False
    priority_f_ports: frozenset[int] = frozenset()
    expects_answer: bool = False
    quantities: frozenset[str] = frozenset()
    deferred: bool = False
    decode: DecodePayload
    encode: EncodeDownlink | None = None
    split: SplitPayload | None = None
