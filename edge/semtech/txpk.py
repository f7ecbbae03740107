"""`gw.DownlinkFrameItem` to the packet forwarder's `txpk`, and its TX_ACK back.

Fields and meanings: Semtech packet_forwarder, PROTOCOL.TXT 1.6, sections 5.5 and 6; the mapping is
that of chirpstack-gateway-bridge 4 (packets/pull_resp.go). What the bridge does not know of
`gw.LoraModulationInfo`, `preamble` and `no_crc`, is written only where it is set.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from chirpstack_api import gw
from google.protobuf.duration_pb2 import Duration

from edge.semtech.rxpk import RxpkError, load
from khaen.lorawan.frame import MAX_PHY_SIZE

Status = int
"""One of `gw.TxAckStatus`."""
MAX_DELAY_S: Final = 20.0
"""No window opens later after an uplink: RXTimingSetupReq's 15 s and RX2's 1 s (LoRaWAN L2 1.0.4,
section 5.7), and some."""
_TURN: Final = 1 << 32
_MAX_POWER: Final = 127
_MAX_PREAMBLE: Final = 0xFFFF
_NOTHING_WRONG: Final = ("", "NONE")
_CODE_RATES: Final = {
    gw.CR_4_5: "4/5",
    gw.CR_4_6: "4/6",
    gw.CR_4_7: "4/7",
    gw.CR_4_8: "4/8",
    gw.CR_LI_4_5: "4/5LI",
    gw.CR_LI_4_6: "4/6LI",
    gw.CR_LI_4_8: "4/8LI",
}
_ERRORS: Final[dict[str, Status]] = {
    name: number for name, number in gw.TxAckStatus.items() if number not in (gw.OK, gw.IGNORED)
}


class TxpkError(ValueError):
    """An item that no packet forwarder could be told to transmit."""


def render(item: gw.DownlinkFrameItem) -> dict[str, Any]:
    """The `txpk` of an item: MHz, dBm. Raises TxpkError."""
    info = item.tx_info
    if not 0 < len(item.phy_payload) <= MAX_PHY_SIZE:
        raise TxpkError("no PHYPayload, or a longer one than any frame")
    if abs(info.power) > _MAX_POWER:
        raise TxpkError("power out of range")
    return {
        "imme": info.timing.HasField("immediately"),
        **_time(info),
        "freq": info.frequency / 1_000_000,
        "rfch": 0,
        "powe": info.power,
        "ant": info.antenna,
        "brd": info.board,
        **_modulation(info.modulation),
        "size": len(item.phy_payload),
        "data": base64.b64encode(item.phy_payload).decode("ascii"),
    }


def delay_of(info: gw.DownlinkTxInfo) -> float | None:
    """Seconds from the uplink's end, where the item is timed so."""
    if not info.timing.HasField("delay"):
        return None
    return _micros(info.timing.delay.delay) / 1e6


def _time(info: gw.DownlinkTxInfo) -> dict[str, int]:
    match info.timing.WhichOneof("parameters"):
        case "immediately":
            return {}
        case "delay":
            if len(info.context) < 4:
                raise TxpkError("the context is no counter")
            micros = _micros(info.timing.delay.delay)
            if not 0 <= micros <= MAX_DELAY_S * 1e6:
                raise TxpkError("delay out of range")
            return {"tmst": (int.from_bytes(info.context[:4], "big") + micros) % _TURN}
        case "gps_epoch":
            micros = _micros(info.timing.gps_epoch.time_since_gps_epoch)
            if micros < 0:
                raise TxpkError("a time before GPS")
            return {"tmms": micros // 1000}
        case _:
            raise TxpkError("no timing")


def _micros(span: Duration) -> int:
    return span.seconds * 1_000_000 + span.nanos // 1000


def _modulation(modulation: gw.Modulation) -> dict[str, Any]:
    match modulation.WhichOneof("parameters"):
        case "lora":
            return _lora(modulation.lora)
        case "fsk":
            fsk = modulation.fsk
            return {
                "modu": "FSK",
                "datr": fsk.datarate,
                "fdev": fsk.frequency_deviation,
                "ipol": False,
            }
        case _:
            raise TxpkError("no modulation that a packet forwarder transmits")


def _lora(lora: gw.LoraModulationInfo) -> dict[str, Any]:
    code_rate = _CODE_RATES.get(lora.code_rate)
    if code_rate is None or lora.preamble > _MAX_PREAMBLE:
        raise TxpkError("no code rate of downlinks, or a preamble out of range")
    found: dict[str, Any] = {
        "modu": "LORA",
        "datr": f"SF{lora.spreading_factor}BW{lora.bandwidth // 1000}",
        "codr": code_rate,
        "ipol": lora.polarization_inversion,
    }
    if lora.preamble:
        found["prea"] = lora.preamble
    if lora.no_crc:
        found["ncrc"] = True
    return found


def parse_ack(body: bytes) -> Status:
    """What a TX_ACK says: OK unless it names an error (a warning is none).

    An error that `gw.TxAckStatus` has no name for is INTERNAL_ERROR. Raises RxpkError for what is
    no acknowledgement.
    """
    if not body.strip(b"\0 \r\n\t"):
        return int(gw.OK)
    ack = load(body).get("txpk_ack", {})
    error = ack.get("error", "") if isinstance(ack, dict) else None
    if not isinstance(error, str):
        raise RxpkError("no_txpk_ack")
    return int(gw.OK) if error in _NOTHING_WRONG else _ERRORS.get(error, gw.INTERNAL_ERROR)
