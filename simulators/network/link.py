"""What the network believes of a device's radio, until the device or its silence says otherwise."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from khaen.lorawan.mac import Cid, Command
from khaen.lorawan.region import DEFAULT_CHANNELS, Channel

HISTORY: Final = 20
"""Uplinks that ADR looks back upon (ChirpStack, adr/default.rs)."""
_LAST_TX_POWER: Final = 7

Block = tuple[Command, ...]
"""Commands of one identifier; they go together, and so do their answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How well one uplink was heard: the best of its receptions, and the power it was sent by."""

    f_cnt: int
    snr: float
    tx_power: int


@dataclass(slots=True, kw_only=True)
class Link:
    """A session's radio: data rate, power index, repeats, channels by index.

    `enabled` is empty until the first uplink; `pending` is what was asked and not yet answered;
    `refused` counts refusals in a row.
    """

    adr: bool = False
    dr: int = 0
    tx_power: int = 0
    max_tx_power: int = _LAST_TX_POWER
    nb_trans: int = 1
    extra: dict[int, Channel] = field(default_factory=dict)
    enabled: set[int] = field(default_factory=set)
    uplink_dwell: bool = False
    downlink_dwell: bool = False
    history: deque[Sample] = field(default_factory=lambda: deque(maxlen=HISTORY))
    pending: dict[Cid, Block] = field(default_factory=dict)
    refused: dict[Cid, int] = field(default_factory=dict)
    status_asked_at: datetime | None = None

    def grant(self, channels: Mapping[int, Channel]) -> None:
        """The device joined and was told of these channels."""
        self.forget_channels()
        self.extra.update(channels)
        self.enabled.update(channels)

    def forget_channels(self) -> None:
        """Nobody knows what the device still knows: the two it was made with."""
        self.extra.clear()
        self.enabled = set(range(len(DEFAULT_CHANNELS)))

    def hear(self, *, adr: bool, adr_ack_req: bool, dr: int) -> None:
        """Take what an uplink shows; one that changed its data rate may have reset its power."""
        self.adr = adr
        if self.dr != dr:
            self.dr, self.tx_power = dr, 0
            self.history.clear()
        if adr_ack_req or not self.enabled:
            self.forget_channels()

    def note(self, f_cnt: int, snr: float) -> None:
        """Remember how well an uplink was heard; of one counter, once."""
        if not self.history or self.history[-1].f_cnt != f_cnt:
            self.history.append(Sample(f_cnt=f_cnt, snr=snr, tx_power=self.tx_power))
