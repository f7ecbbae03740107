"""The packet forwarder's JSON to `gw.UplinkFrame` and `gw.GatewayStats`.

Fields and meanings: Semtech packet_forwarder, PROTOCOL.TXT 1.4; the mapping is that of
chirpstack-gateway-bridge 4 (packets/push_data.go), so that a network server sees no difference.
Where the bridge would refuse a whole datagram for one odd field, the frame is taken without it:
what was heard with a good CRC is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from chirpstack_api import gw
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from khaen.clock import from_gps, parse_time
from khaen.ids import GatewayEui
from khaen.lorawan.frame import MAX_PHY_SIZE

CRC_OK, CRC_BAD = 1, -1
_LORA = re.compile(r"SF(\d{1,2})BW(\d{1,4})")
_LR_FHSS = re.compile(r"M0CW(\d{1,4})")
_URL_SAFE = str.maketrans("-_", "+/")
_MAX_TMMS = 2**45
_MOST_ANTENNAS = 16
"""A `rsig` that lists more is not a concentrator's; each entry is a frame of its own."""
_MOST_META_BYTES = 2048
"""Of one frame's `meta`; what does not fit is left out, for each antenna's frame keeps it."""
_CODE_RATES = {
    "4/5": gw.CR_4_5,
    "4/6": gw.CR_4_6,
    "4/7": gw.CR_4_7,
    "4/8": gw.CR_4_8,
    "3/8": gw.CR_3_8,
    "1/3": gw.CR_2_6,
    "2/6": gw.CR_2_6,
    "1/4": gw.CR_1_4,
    "1/6": gw.CR_1_6,
    "5/6": gw.CR_5_6,
    "4/5LI": gw.CR_LI_4_5,
    "4/6LI": gw.CR_LI_4_6,
    "4/8LI": gw.CR_LI_4_8,
}


class RxpkError(ValueError):
    """Something that cannot be taken; `reason` is counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """One frame as one antenna heard it, with a receiver's time where it gave one."""

    frame: gw.UplinkFrame
    satellite: datetime | None


def load(body: bytes) -> dict[str, Any]:
    """The JSON object of a datagram. Raises RxpkError `not_json` or `not_object`."""
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RxpkError("not_json") from error
    if not isinstance(document, dict):
        raise RxpkError("not_object")
    return document


def parse(
    rxpk: object, *, gateway: GatewayEui, token: int, stat: object = None
) -> tuple[Reception, ...]:
    """The frames of one `rxpk`: one, or one for each of the first 16 antennas where it lists them.

    Raises RxpkError: `not_object`, `crc_bad`, `crc_absent`, `no_data`, `bad_base64`, `too_long`.
    """
    if not isinstance(rxpk, dict):
        raise RxpkError("not_object")
    crc = rxpk.get("stat")
    if crc != CRC_OK or isinstance(crc, bool):
        raise RxpkError("crc_bad" if crc == CRC_BAD else "crc_absent")
    data = _payload(rxpk.get("data"))
    antennas = rxpk.get("rsig")
    signals = [s for s in antennas if isinstance(s, dict)] if isinstance(antennas, list) else []
    satellite = _satellite(rxpk)
    receptions = []
    heard: list[dict[str, Any] | None] = [*signals[:_MOST_ANTENNAS]] or [None]
    for signal in heard:
        frame = _frame(rxpk, data, gateway, token)
        _locate(frame.rx_info.location, stat)
        if signal is not None:
            frame.rx_info.antenna = _whole(signal.get("ant"), 0, 2**32 - 1)
            frame.rx_info.channel = _whole(signal.get("chan"), 0, 2**32 - 1)
            frame.rx_info.rssi = _whole(signal.get("rssic"), -(2**31), 2**31 - 1)
            frame.rx_info.snr = _real(signal.get("lsnr"))
        receptions.append(Reception(frame=frame, satellite=satellite))
    return tuple(receptions)


def parse_stat(stat: object, *, gateway: GatewayEui) -> gw.GatewayStats:
    """The forwarder's own counts. Raises RxpkError `not_object`."""
    if not isinstance(stat, dict):
        raise RxpkError("not_object")
    stats = gw.GatewayStats(
        gateway_id=gateway,
        rx_packets_received=_whole(stat.get("rxnb"), 0, 2**32 - 1),
        rx_packets_received_ok=_whole(stat.get("rxok"), 0, 2**32 - 1),
        tx_packets_received=_whole(stat.get("dwnb"), 0, 2**32 - 1),
        tx_packets_emitted=_whole(stat.get("txnb"), 0, 2**32 - 1),
    )
    try:
        at = datetime.strptime(f"{stat.get('time')} +0000", "%Y-%m-%d %H:%M:%S GMT %z")
        stats.time.FromDatetime(at)
    except ValueError:
        stats.ClearField("time")
    _locate(stats.location, stat)
    _copy_meta(stat.get("meta"), stats.metadata)
    return stats


def _payload(text: object) -> bytes:
    if not isinstance(text, str) or not text:
        raise RxpkError("no_data")
    # PROTOCOL.TXT's own first sample is unpadded and mixes both alphabets.
    bare = text.rstrip("=").translate(_URL_SAFE)
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RxpkError("bad_base64") from error
    if not data:
        raise RxpkError("no_data")
    if len(data) > MAX_PHY_SIZE:
        raise RxpkError("too_long")
    return data


def _frame(rxpk: dict[str, Any], data: bytes, gateway: GatewayEui, token: int) -> gw.UplinkFrame:
    frame = gw.UplinkFrame(
        phy_payload=data,
        # Truncated, not rounded, as the bridge does.
        tx_info=gw.UplinkTxInfo(
            frequency=_whole(_real(rxpk.get("freq")) * 1_000_000, 0, 2**32 - 1, cut=True)
        ),
        rx_info=gw.UplinkRxInfo(
            gateway_id=gateway,
            uplink_id=token,
            rssi=_whole(rxpk.get("rssi"), -(2**31), 2**31 - 1),
            snr=_real(rxpk.get("lsnr")),
            channel=_whole(rxpk.get("chan"), 0, 2**32 - 1),
            rf_chain=_whole(rxpk.get("rfch"), 0, 2**32 - 1),
            board=_whole(rxpk.get("brd"), 0, 2**32 - 1),
            context=_whole(rxpk.get("tmst"), 0, 2**32 - 1).to_bytes(4, "big"),
            crc_status=gw.CRC_OK,
        ),
    )
    _set_times(frame.rx_info, rxpk)
    _set_modulation(frame.tx_info, rxpk)
    _copy_meta(rxpk.get("meta"), frame.rx_info.metadata)
    return frame


def _set_times(rx: gw.UplinkRxInfo, rxpk: dict[str, Any]) -> None:
    text, tmms, fine = rxpk.get("time"), rxpk.get("tmms"), rxpk.get("ftime")
    if isinstance(text, str) and text:
        at = Timestamp()
        try:
            at.FromJsonString(text)
            rx.gw_time.CopyFrom(at)
        except (ValueError, OverflowError):
            rx.ClearField("gw_time")
    if _is_count(tmms):
        since = Duration()
        since.FromMilliseconds(tmms)
        rx.time_since_gps_epoch.CopyFrom(since)
        if _is_count(fine) and fine < 1_000_000_000:
            rx.fine_time_since_gps_epoch.CopyFrom(Duration(seconds=tmms // 1000, nanos=fine))


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TMMS


def _satellite(rxpk: dict[str, Any]) -> datetime | None:
    """A receiver's time: forwarders write `tmms` and `time` only while they have a fix."""
    tmms, text = rxpk.get("tmms"), rxpk.get("time")
    if _is_count(tmms):
        return from_gps(timedelta(milliseconds=tmms))
    if not isinstance(text, str):
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def _set_modulation(tx: gw.UplinkTxInfo, rxpk: dict[str, Any]) -> None:
    rate, code = rxpk.get("datr"), _CODE_RATES.get(str(rxpk.get("codr")), gw.CR_UNDEFINED)
    if isinstance(rate, int) and not isinstance(rate, bool):
        tx.modulation.fsk.datarate = _whole(rate, 0, 2**32 - 1)
    elif not isinstance(rate, str):
        return
    elif lora := _LORA.fullmatch(rate):
        tx.modulation.lora.spreading_factor = int(lora[1])
        tx.modulation.lora.bandwidth = int(lora[2]) * 1000
        tx.modulation.lora.code_rate = code
    elif fhss := _LR_FHSS.fullmatch(rate):
        tx.modulation.lr_fhss.operating_channel_width = int(fhss[1]) * 1000
        tx.modulation.lr_fhss.code_rate = code
        tx.modulation.lr_fhss.grid_steps = _whole(rxpk.get("hpw"), 0, 255)


def _locate(location: Any, stat: object) -> None:
    if not isinstance(stat, dict):
        return
    latitude, longitude = _real(stat.get("lati")), _real(stat.get("long"))
    altitude = _real(stat.get("alti"))
    if latitude or longitude or altitude:
        location.latitude, location.longitude, location.altitude = latitude, longitude, altitude
        location.source = 1  # common.LocationSource.GPS


def _copy_meta(meta: object, into: Any) -> None:
    """Custom facts of the forwarder, but for those that would pass for the agent's own."""
    if not isinstance(meta, dict):
        return
    room = _MOST_META_BYTES
    for key, value in meta.items():
        if not isinstance(value, str) or key.startswith("khaen_") or "gatewayId" in key + value:
            continue
        if not (key + value).isprintable():
            continue
        size = len((key + value).encode())
        if size <= room:
            into[key] = value
            room -= size


def _whole(value: object, low: int, high: int, *, cut: bool = False) -> int:
    """`value` as a whole number, 0 where it is none or out of range."""
    number = _real(value)
    whole = int(number) if cut else round(number)
    return whole if low <= whole <= high else 0


def _real(value: object) -> float:
    """`value` as a finite number, 0 where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) else 0.0
