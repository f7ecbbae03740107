"""Uplinks of The Things Stack v3: what its storage integration, its web hooks or its MQTT give.

Each becomes a network server's `up` event. EUIs are upper case there, zeros are left out, the
frequency is a text, the coding rate stands in `data_rate.lora` and in older releases beside it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from chirpstack_api import gw, integration

from khaen.capture import Record, Road
from khaen.clock import parse_time
from khaen.ids import parse_dev_addr, parse_dev_eui, parse_gateway_eui
from khaen.uplink import Origin
from simulators.documents import documents
from simulators.recording import Format, Source, first_lines

_IDS, _UP = "end_device_ids", "uplink_message"
_WRAPS = ("result", "data")
_MAX_F_CNT, _MAX_PORT, _MAX_DR = 0xFFFF_FFFF, 0xFF, 0xFFFF_FFFF
_CODE_RATES = {
    "4/5": gw.CR_4_5, "4/6": gw.CR_4_6, "4/7": gw.CR_4_7, "4/8": gw.CR_4_8,
}  # fmt: skip


def _fits(head: bytes) -> bool:
    lines = first_lines(head, 3)
    return f'"{_IDS}"'.encode() in head and any(
        ("{" in line and '"tst"' not in line) or line == "[" for line in lines
    )


def _read(source: Source) -> Iterator[Record]:
    for _before, document in documents(source.file, source.skipped):
        if (record := _record(_unwrap(document), source)) is not None:
            yield record


def _unwrap(entry: Any) -> Any:
    for key in _WRAPS:
        if isinstance(entry, dict) and _IDS not in entry and isinstance(entry.get(key), dict):
            entry = entry[key]
    return entry


def _record(document: Any, source: Source) -> Record | None:
    if not isinstance(document, dict) or not isinstance(document.get(_UP), dict):
        source.skipped["no_uplink"] += 1
        return None
    try:
        return _event(document)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        source.skipped["bad_uplink"] += 1
        return None


def _event(document: dict[str, Any]) -> Record:
    ids, up = document[_IDS], document[_UP]
    at = parse_time(up.get("received_at") or document["received_at"])
    application = str(ids["application_ids"]["application_id"])
    dev_eui = parse_dev_eui(ids["dev_eui"])
    event = integration.UplinkEvent(
        dev_addr=parse_dev_addr(ids["dev_addr"]),
        f_cnt=_whole(up, "f_cnt", _MAX_F_CNT),
        f_port=_whole(up, "f_port", _MAX_PORT),
        confirmed=up.get("confirmed") is True,
        data=_bytes(up.get("frm_payload", "")),
    )
    event.device_info.dev_eui = dev_eui
    event.device_info.application_name = application
    event.time.FromDatetime(at)
    _set_radio(event.tx_info, up.get("settings") or {})
    for entry in up.get("rx_metadata") or ():
        _add_reception(event, entry, simulated=document.get("simulated") is True)
    return Record(
        at=at,
        road=Road.MQTT,
        topic=f"application/{application.replace('/', '-')}/device/{dev_eui}/event/up",
        payload=bytes(event.SerializeToString()),
    )


def _add_reception(event: integration.UplinkEvent, entry: Any, *, simulated: bool) -> None:
    """One gateway's word; one that it names without an EUI is left out."""
    try:
        gateway = parse_gateway_eui(entry["gateway_ids"]["eui"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    rx = event.rx_info.add(
        gateway_id=gateway,
        rssi=round(_number(entry, "rssi")),
        snr=_number(entry, "snr"),
        context=_whole(entry, "timestamp", 0xFFFF_FFFF).to_bytes(4, "big"),
        crc_status=gw.CRC_OK,
    )
    if "time" in entry:
        rx.gw_time.FromDatetime(parse_time(entry["time"]))
    rx.ns_time.FromDatetime(
        parse_time(entry["received_at"]) if "received_at" in entry else _at(event)
    )
    if simulated:
        rx.metadata["khaen_origin"] = Origin.SIMULATED.value


def _at(event: integration.UplinkEvent) -> Any:
    return event.time.ToDatetime()


def _set_radio(tx: gw.UplinkTxInfo, settings: dict[str, Any]) -> None:
    tx.frequency = int(settings.get("frequency", 0))
    lora = (settings.get("data_rate") or {}).get("lora")
    if isinstance(lora, dict):
        tx.modulation.lora.spreading_factor = _whole(lora, "spreading_factor", 12)
        tx.modulation.lora.bandwidth = _whole(lora, "bandwidth", 2_000_000)
        code = lora.get("coding_rate") or settings.get("coding_rate")
        tx.modulation.lora.code_rate = _CODE_RATES.get(str(code), gw.CR_UNDEFINED)


def _whole(table: dict[str, Any], key: str, most: int) -> int:
    number = int(table.get(key, 0))
    if not 0 <= number <= most:
        raise ValueError(f"{key} {number} is out of range")
    return number


def _number(table: dict[str, Any], key: str) -> float:
    number = float(table.get(key, 0))
    if not -1000 < number < 1000:
        raise ValueError(f"{key} {number} is out of range")
    return number


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("frm_payload is no base64") from error


FORMAT = Format(name="things_stack", fits=_fits, read=_read)
