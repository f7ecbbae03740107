"""Abeeway Smart Badge: to wear, with a button for SOS. Its bytes: decoders/abeeway.py."""

from __future__ import annotations

from decoders import abeeway
from decoders.family import Decoder

DECODER = Decoder(
    id="abeeway_smart_badge",
    version=1,
    maker="Abeeway",
    model="Smart Badge",
    sos_capable=True,
    priority_f_ports=frozenset({abeeway.F_PORT}),
    quantities=abeeway.QUANTITIES,
    decode=abeeway.decode,
)
