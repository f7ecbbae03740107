"""The JSON documents of Semtech's UDP protocol (packet_forwarder, PROTOCOL.TXT 1.4)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from khaen.clock import to_gps
from khaen.lorawan.frame import MAX_PHY_SIZE
from khaen.lorawan.region import CODING_RATE, DataRate, data_rate_named
from khaen.site.model import Position
from simulators.air.radio import Hearing

_FIRST_CHANNEL, _SPACING = 923_200_000, 200_000


class TxpkError(ValueError):
    """A txpk that no packet forwarder takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Txpk:
    """A packet to transmit: at a counter's value, at GPS time in ms, or (neither) at once."""

    phy: bytes
    frequency: int
    data_rate: DataRate
    power: int
    tmst: int | None = None
    tmms: int | None = None


def render_rxpk(hearing: Hearing, *, counter: int, at: datetime) -> dict[str, Any]:
    """A frame that was heard; `counter` and `at` are of its end."""
    sent = hearing.transmission
    return {
        "tmst": counter,
        "time": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "tmms": gps_milliseconds(at),
        "chan": (sent.frequency - _FIRST_CHANNEL) // _SPACING,
        "rfch": 0,
        "freq": sent.frequency / 1e6,
        "stat": 1,
        "modu": "LORA",
        "datr": sent.data_rate.name,
        "codr": CODING_RATE,
        "rssi": hearing.rssi,
        "lsnr": hearing.snr,
        "size": len(sent.phy),
        "data": base64.b64encode(sent.phy).decode("ascii"),
    }


def render_stat(
    at: datetime,
    position: Position,
    *,
    received: int,
    acknowledged: float,
    asked: int,
    transmitted: int,
) -> dict[str, Any]:
    """What a gateway did since the last statistics; `acknowledged` is a share of 0 to 1."""
    return {
        "time": at.strftime("%Y-%m-%d %H:%M:%S GMT"),
        "lati": position.latitude,
        "long": position.longitude,
        "alti": 0,
        "rxnb": received,
        "rxok": received,
        "rxfw": received,
        "ackr": round(100.0 * acknowledged, 1),
        "dwnb": asked,
        "txnb": transmitted,
    }


def parse_txpk(document: object) -> Txpk:
    """Read the object of a PULL_RESP. Raises TxpkError for what cannot be transmitted."""
    txpk = document.get("txpk") if isinstance(document, dict) else None
    if not isinstance(txpk, dict):
        raise TxpkError("no txpk")
    if txpk.get("modu", "LORA") != "LORA" or txpk.get("codr", CODING_RATE) != CODING_RATE:
        raise TxpkError("only LoRa at 4/5 is transmitted")
    data_rate = data_rate_named(str(txpk.get("datr")))
    if data_rate is None:
        raise TxpkError("unknown datr")
    try:
        phy = base64.b64decode(str(txpk.get("data")), validate=True)
        frequency = round(float(txpk["freq"]) * 1e6)
        power = int(txpk.get("powe", 14))
        tmst, tmms = (None if txpk.get(key) is None else int(txpk[key]) for key in ("tmst", "tmms"))
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise TxpkError("a field is missing or is no number") from error
    if not 0 < len(phy) <= MAX_PHY_SIZE or not 0 <= (tmst or 0) < 1 << 32:
        raise TxpkError("a field is out of range")
    at_once = bool(txpk.get("imme"))
    return Txpk(
        phy=phy,
        frequency=frequency,
        data_rate=data_rate,
        power=power,
        tmst=None if at_once else tmst,
        tmms=None if at_once or tmst is not None else tmms,
    )


def gps_milliseconds(at: datetime) -> int:
    """GPS time of a moment, in whole milliseconds."""
    return to_gps(at) // timedelta(milliseconds=1)
