"""Yobiiq EM2101: a meter of one phase, counting what is drawn and what a roof feeds back.

Source: https://github.com/chirpstack/chirpstack-device-profiles,
vendors/yobiiq/codecs/em2101.js. Measurements come on ports 1 to 10, the relay and the input on port
11, answers and its own log on others. Energy has the tariff for its channel. Left out are reactive
energy, totals whose unit the codec and its table give differently, and dates of the meter itself.

The published codec rounds reactive and apparent power to tens.

Time (01) is the meter's own, at sending; only with what it kept (03) is it the readings'.
"""

from __future__ import annotations

from decoders import tagged
from decoders.family import Decoder
from decoders.tagged import Field, one
from khaen.reading import Decoded

MEASURED = range(1, 11)
STATES = 11
_PASSED_OVER = (
    0x00, 0x01, 0x08, 0x09, 0x0A, 0x0B, 0x24, 0x25, 0x26, 0x27, 0x2B,
)  # fmt: skip

MEASUREMENTS: tagged.FieldTable = {
    **{kind: Field(form="4s") for kind in _PASSED_OVER},
    **{kind: Field(form="2s") for kind in (0x20, 0xF0, 0xF1, 0xF2)},
    0x0B0A: Field(form="B"),  # the bus to the meter failed
    0x03: Field(form="I", dates=True),
    0x04: one("I", "energy_import", channel="1"),
    0x05: one("I", "energy_import", channel="2"),
    0x06: one("I", "energy_export", channel="1"),
    0x07: one("I", "energy_export", channel="2"),
    0x0C: one("i", "voltage", divide=10),
    0x10: one("i", "current", divide=1000),
    0x14: one("i", "power_active"),
    0x17: one("i", "power_reactive"),  # thousandths of a kvar
    0x1A: one("i", "power_apparent"),  # thousandths of a kVA
    0x1D: one("b", "power_factor", divide=100),
    0x23: one("h", "frequency", divide=100),
    0x2A: one("i", "power_active", channel="mean"),
}
SWITCHES: tagged.FieldTable = {
    0x01: one("B", "digital_output"),
    0x02: one("B", "digital_input"),
}


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read by the port; what is only between the meter and an engineer says nothing."""
    if f_port in MEASURED and len(payload) > 1:
        return tagged.read(MEASUREMENTS, payload, head=2)
    if f_port == STATES:
        return tagged.read(SWITCHES, payload, head=2)
    return Decoded()


DECODER = Decoder(
    id="yobiiq_em2101",
    version=1,
    maker="Yobiiq",
    model="EM2101",
    quantities=tagged.quantities(MEASUREMENTS) | tagged.quantities(SWITCHES),
    decode=decode,
)
