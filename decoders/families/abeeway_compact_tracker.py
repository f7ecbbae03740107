"""Abeeway Compact Tracker: to clip on, with a button for SOS. Its bytes: decoders/abeeway.py."""

from __future__ import annotations

from decoders import abeeway
from decoders.family import Decoder

DECODER = Decoder(
    id="abeeway_compact_tracker",
    version=1,
    maker="Abeeway",
    model="Compact Tracker",
    sos_capable=True,
    priority_f_ports=frozenset({abeeway.F_PORT}),
    quantities=abeeway.QUANTITIES,
    decode=abeeway.decode,
)
