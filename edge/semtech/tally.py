"""What a gateway heard and sent since its last statistics, by channel and modulation.

ChirpStack draws a gateway's page from these counts; a packet forwarder does not tell them, and
chirpstack-gateway-bridge 4 adds them (backend/stats/stats.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from chirpstack_api import gw

_MOST = 256
"""Channels and modulations that are told apart: a forwarder's figures are not to be trusted."""


class Tally:
    """Counts until `fill`, which begins anew."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._heard: Counter[tuple[int, bytes]] = Counter()
        self._sent: Counter[tuple[int, bytes]] = Counter()
        self._statuses: Counter[str] = Counter()

    def hear(self, frame: gw.UplinkFrame) -> None:
        """A frame with a good CRC."""
        _count(self._heard, frame.tx_info.frequency, frame.tx_info.modulation)

    def send(self, frame: gw.DownlinkFrame, ack: gw.DownlinkTxAck) -> None:
        """What became of a downlink."""
        for item, said in zip(frame.items, ack.items, strict=False):
            if said.status != gw.IGNORED:
                self._statuses[gw.TxAckStatus.Name(said.status)] += 1
            if said.status == gw.OK:
                _count(self._sent, item.tx_info.frequency, item.tx_info.modulation)

    def fill(self, stats: gw.GatewayStats) -> None:
        """Write the counts into statistics."""
        stats.rx_packets_received_ok = self._heard.total()
        stats.tx_packets_emitted = self._sent.total()
        _write(self._heard, stats.rx_packets_per_frequency, stats.rx_packets_per_modulation)
        _write(self._sent, stats.tx_packets_per_frequency, stats.tx_packets_per_modulation)
        for status, count in self._statuses.items():
            stats.tx_packets_per_status[status] = count
        self._begin()


def _count(counter: Counter[tuple[int, bytes]], frequency: int, modulation: gw.Modulation) -> None:
    key = frequency, modulation.SerializeToString(deterministic=True)
    if key in counter or len(counter) < _MOST:
        counter[key] += 1


def _write(
    counter: Counter[tuple[int, bytes]],
    frequencies: MutableMapping[int, int],
    modulations: Any,
) -> None:
    by_modulation: Counter[bytes] = Counter()
    for (frequency, modulation), count in counter.items():
        frequencies[frequency] += count
        by_modulation[modulation] += count
    for modulation, count in by_modulation.items():
        modulations.add(modulation=gw.Modulation.FromString(modulation), count=count)
