"""The wires between packet forwarders and agents: what the satellites say, and faults."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from simulators.inside.gateway import VirtualGateway
from simulators.inside.loop import Address

_HEADER = 12
_PUSH_DATA = 0


class Wire:
    """Carries datagrams to the agents of `gateways`, by address."""

    def __init__(self, gateways: Mapping[Address, VirtualGateway]) -> None:
        self._gateways = gateways

    def carry(self, _source: Address, to: Address, data: bytes) -> Iterable[bytes]:
        """What arrives of a datagram."""
        gateway = self._gateways.get(to)
        if gateway is not None and not gateway.satellite and data[3] == _PUSH_DATA:
            return (_without_satellites(data),)
        return (data,)


def _without_satellites(data: bytes) -> bytes:
    """The datagram of a forwarder whose receiver has no fix: it writes no time (PROTOCOL.TXT)."""
    document = json.loads(data[_HEADER:])
    for entry in document.get("rxpk", ()):
        for key in ("time", "tmms"):
            entry.pop(key, None)
    return data[:_HEADER] + json.dumps(document, separators=(",", ":")).encode()
