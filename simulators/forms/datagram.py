"""PUSH_DATA of Semtech's UDP protocol (PROTOCOL.TXT): a gateway's frames in one JSON object.

`data`, `size`, `time`, `tmms`, `tmst`, `rssi` and `lsnr` are written where a frame changed, and a
time only where there was one; every other key stays as it was.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from khaen.capture import Record
from khaen.clock import format_time
from khaen.ids import GatewayEui
from simulators.forms.frame import Frame, said_by, time_of

PUSH_DATA: Final = 0
TYPES_WITH_EUI: Final = frozenset({0, 2, 5})
"""PUSH_DATA, PULL_DATA and TX_ACK name their gateway after the header of 4 bytes."""
HEADER: Final = 12
_ABSURD_DB = 1000
_URL_SAFE = str.maketrans("-_", "+/")


def gateway_of(datagram: bytes) -> GatewayEui | None:
    """The gateway that a datagram names, if it is of a kind that does."""
    if len(datagram) < HEADER or datagram[3] not in TYPES_WITH_EUI:
        return None
    return GatewayEui(datagram[4:HEADER].hex())


class Datagram:
    """A PUSH_DATA taken apart. Raises ValueError or RecursionError for what is none."""

    def __init__(self, record: Record) -> None:
        self._record = record
        gateway = gateway_of(record.payload)
        if gateway is None or record.payload[3] != PUSH_DATA:
            raise ValueError("no PUSH_DATA")
        self._document = json.loads(record.payload[HEADER:].decode())
        entries = self._document.get("rxpk") if isinstance(self._document, dict) else None
        self._entries: list[Any] = entries if isinstance(entries, list) else []
        self._heard = [
            (entry, frame)
            for entry in self._entries
            if isinstance(entry, dict) and (frame := _frame(entry, gateway)) is not None
        ]
        self.frames = tuple(frame for _, frame in self._heard)

    def write(self, changed: tuple[Frame | None, ...]) -> Record:
        """The datagram; it can name one gateway only, that of the first frame."""
        dropped = set()
        for (entry, frame), after in zip(self._heard, changed, strict=True):
            if after is None:
                dropped.add(id(entry))
            else:
                _write(entry, frame, after)
        self._document["rxpk"] = [entry for entry in self._entries if id(entry) not in dropped]
        gateway = next(after.gateway_eui for after in changed if after is not None)
        head = self._record.payload[:4] + bytes.fromhex(gateway or "")
        body = json.dumps(self._document, separators=(",", ":")).encode()
        return replace(self._record, payload=head + body)


def _frame(entry: dict[str, Any], gateway: GatewayEui) -> Frame | None:
    text = entry.get("data")
    if not isinstance(text, str) or not text:
        return None
    bare = text.rstrip("=").translate(_URL_SAFE)
    try:
        phy = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    tmst, rssi, snr = entry.get("tmst"), entry.get("rssi"), entry.get("lsnr")
    return Frame(
        gateway_eui=gateway,
        phy=phy,
        at=time_of(entry.get("time")),
        tmst=tmst if type(tmst) is int else None,
        rssi=rssi if type(rssi) is int else None,
        snr=float(snr) if isinstance(snr, int | float) and abs(snr) < _ABSURD_DB else None,
        **said_by(phy),
    )


def _write(entry: dict[str, Any], before: Frame, after: Frame) -> None:
    if after.phy != before.phy and after.phy is not None:
        entry["data"], entry["size"] = base64.b64encode(after.phy).decode(), len(after.phy)
    if before.at is not None and after.at is not None and after.at != before.at:
        _shift(entry, after.at, after.at - before.at)
    if after.tmst != before.tmst and after.tmst is not None:
        entry["tmst"] = after.tmst
    if after.rssi != before.rssi and after.rssi is not None:
        entry["rssi"] = after.rssi
    if after.snr != before.snr and after.snr is not None:
        entry["lsnr"] = after.snr


def _shift(entry: dict[str, Any], at: datetime, by: timedelta) -> None:
    entry["time"] = format_time(at)
    since_gps_epoch = entry.get("tmms")
    if type(since_gps_epoch) is int:
        entry["tmms"] = max(0, since_gps_epoch + round(by / timedelta(milliseconds=1)))
