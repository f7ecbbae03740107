"""RAKwireless RUI3: RAK3172, RAK4631-R, RAK11720 and kin.

RUI3 AT Command Manual (docs.rakwireless.com), sections P2P and Command Format; firmware 1.0.x tells
a packet in two lines, later ones in one. A module that is receiving refuses to be set up
(AT_BUSY_ERROR), and one that changes its network mode begins anew. What it was set up with outlives
its power. Whether it receives cannot be asked of every firmware (AT+PRECV=? came with RUI3 4.0.6),
but it can be told again: one that does says that it is busy.
"""

from __future__ import annotations

import re

from edge.modem.dialect import Command, Dialect
from edge.source_settings import SerialSettings

_OK = re.compile(r"^OK$")
_P2P = re.compile(r"^OK$|Current Work Mode: LoRa P2P")
_RECEIVING = re.compile(r"^OK$|^AT_BUSY_ERROR$")
_ANY_LENGTH = 65_534
"""AT+PRECV in milliseconds; this value is "until told to stop"."""
_POWER_DBM = 14
"""AT+P2P asks for it; nothing is transmitted."""
_CODING_RATES = {"4/5": 0, "4/6": 1, "4/7": 2, "4/8": 3}
_PUBLIC, _PRIVATE = "3444", "1424"  # SX126x data sheet, table 12-1, LoRa sync word


def _listen(radio: SerialSettings) -> tuple[Command, ...]:
    facts = (
        radio.frequency,
        radio.spreading_factor,
        radio.bandwidth,
        _CODING_RATES[radio.coding_rate],
        radio.preamble,
        _POWER_DBM,
    )
    sync = _PUBLIC if radio.public else _PRIVATE
    return (
        Command(text="AT", done=_OK),
        Command(text="AT+PRECV=0", done=_OK, needed=False),
        Command(text="AT+NWM=0", done=_P2P),
        Command(text="AT+PRECV=0", done=_OK, needed=False),
        Command(text="AT+P2P=" + ":".join(map(str, facts)), done=_OK),
        Command(text=f"AT+SYNCWORD={sync}", done=_OK, needed=False),
        Command(text=f"AT+PRECV={_ANY_LENGTH}", done=_OK),
    )


DIALECT = Dialect(
    name="rui3",
    baud=115_200,
    listen=_listen,
    check=Command(text=f"AT+PRECV={_ANY_LENGTH}", done=_RECEIVING),
    failed=re.compile(r"^AT_[A-Z_]+$"),
    restarted=re.compile(r"Current Work Mode:"),
    signal=re.compile(r"\+EVT:RXP2P, RSSI (?P<rssi>-?\d{1,4}), SNR (?P<snr>-?\d{1,3})$"),
    packet=re.compile(
        r"\+EVT:(?:RXP2P:(?P<rssi>-?\d{1,4}):(?P<snr>-?\d{1,3}):)?"
        r"(?P<payload>(?:[0-9A-Fa-f]{2}){1,255})$"
    ),
    heard="+EVT:RXP2P",
)
