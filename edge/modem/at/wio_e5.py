"""Seeed Wio-E5 (LoRa-E5), in its test mode.

LoRa-E5 AT Command Specification V1.0 (files.seeedstudio.com), TEST: RFCFG, RXLRPKT. A
packet is two lines. It is told no coding rate: a receiver reads that in each frame's header.
"""

from __future__ import annotations

import re

from edge.modem.dialect import Command, Dialect
from edge.source_settings import SerialSettings

_POWER_DBM = 14
"""RFCFG asks for it; nothing is transmitted."""


def _listen(radio: SerialSettings) -> tuple[Command, ...]:
    facts = (
        f"{radio.frequency / 1_000_000:.6f}".rstrip("0").rstrip("."),
        f"SF{radio.spreading_factor}",
        str(radio.bandwidth),
        str(radio.preamble),
        str(radio.preamble),
        str(_POWER_DBM),
        "ON",  # CRC
        "OFF",  # inverted IQ
        "ON" if radio.public else "OFF",
    )
    return (
        Command(text="AT", done=re.compile(r"^\+AT: OK$")),
        Command(text="AT+MODE=TEST", done=re.compile(r"^\+MODE: TEST$")),
        Command(text="AT+TEST=RFCFG," + ",".join(facts), done=re.compile(r"^\+TEST: RFCFG\b")),
        _RECEIVE,
    )


_RECEIVE = Command(text="AT+TEST=RXLRPKT", done=re.compile(r"^\+TEST: RXLRPKT$"))
"""Refused outside of the test mode: so it also tells whether the module began anew unheard."""

DIALECT = Dialect(
    name="wio_e5",
    baud=9600,
    listen=_listen,
    check=_RECEIVE,
    failed=re.compile(r"^\+[A-Z]+: ERROR\(-?\d+\)$"),
    restarted=re.compile(r"^\+RESET: OK$"),
    signal=re.compile(
        r"\+TEST: LEN:(?P<size>\d{1,3}), RSSI:(?P<rssi>-?\d{1,4}), SNR:(?P<snr>-?\d{1,3})$"
    ),
    packet=re.compile(r'\+TEST: RX "(?P<payload>(?:[0-9A-Fa-f]{2}){1,255})"$'),
    heard='+TEST: RX "',
)
