"""Frames as they were heard, read from an outbox's file beside its agent; never their payloads."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from edge.outbox import schema
from khaen.clock import format_time, from_micros
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest, parse
from khaen.uplink import Kind, Origin

_PAGE: Final = 500
_SELECT: Final = (
    "SELECT r.id, e.epoch, r.seq, r.kind, r.origin, r.priority, r.device, r.heard_at, r.settled_at,"
    " r.frame FROM record r JOIN epoch e ON e.id = r.epoch"
)
_NEWEST: Final = f"{_SELECT} ORDER BY r.id DESC LIMIT ?"
_NEXT: Final = f"{_SELECT} WHERE r.id > ? ORDER BY r.id LIMIT {_PAGE}"
_KINDS: Final = {Kind.APPLICATION: "event", Kind.HEARTBEAT: "beat"}
TITLE: Final = (
    f"{'TIME (UTC)':12} {'KIND':5} {'DEVICE':16} {'COUNT':>5} {'PORT':>5} {'SIZE':>4} {'SF':4}"
    f" {'RSSI':>4} {'SNR':>5}   STATE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One record. `rssi` in dBm, `snr` in dB, `frequency` in Hz, `size` of the radio's bytes.

    `what` is `data`, `down`, `join`, `other`, or the record's kind; `device` a DevAddr, a join's
    DevEUI, or whom a source named. `at` is None while the record is not dated.
    """

    gateway: GatewayEui
    position: int
    epoch: str
    seq: int
    at: datetime | None
    what: str
    origin: Origin
    device: str
    f_cnt: int | None
    f_port: int | None
    size: int
    spreading_factor: int | None
    frequency: int
    rssi: int
    snr: float
    priority: bool
    receipted: bool

    def to_json(self) -> str:
        """As one line of JSON."""
        document = dataclasses.asdict(self)
        return json.dumps(document | {"at": self.at and format_time(self.at)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lines are wanted; empty fields want all."""

    kinds: frozenset[str] = frozenset()
    device: str = ""
    """The beginning of a DevAddr or DevEUI."""
    waiting: bool = False
    """Only what has no receipt."""

    def takes(self, line: Line) -> bool:
        """Whether a line is wanted."""
        return (
            (not self.kinds or line.what in self.kinds)
            and line.device.startswith(self.device.lower())
            and not (self.waiting and line.receipted)
        )


def read_newest(gateway: GatewayEui, path: Path, count: int) -> list[Line]:
    """The last `count` records, oldest first. Raises NotRunnable."""
    return list(_read(gateway, path, _NEWEST, count))[::-1]


def read_next(gateway: GatewayEui, path: Path, after: int) -> list[Line]:
    """Some records behind a position, in order. Raises NotRunnable."""
    return list(_read(gateway, path, _NEXT, after))


def _read(gateway: GatewayEui, path: Path, statement: str, argument: int) -> Iterator[Line]:
    try:
        with closing(schema.connect(path, read_only=True)) as db:
            for row in db.execute(statement, (argument,)):
                yield _make_line(gateway, *row)
    except (sqlite3.Error, DecodeError) as error:
        raise NotRunnable(f"{path}: {error}; is it this gateway's outbox, and may you?") from error


def _make_line(
    gateway: GatewayEui,
    position: int,
    epoch: str,
    seq: int,
    kind: str,
    origin: str,
    priority: int,
    device: str | None,
    heard_at: int | None,
    settled_at: int | None,
    body: bytes,
) -> Line:
    frame = gw.UplinkFrame.FromString(body)
    lora = frame.tx_info.modulation.lora
    return Line(
        gateway=gateway,
        position=position,
        epoch=epoch,
        seq=seq,
        at=None if heard_at is None else from_micros(heard_at),
        origin=Origin(origin),
        size=len(frame.phy_payload),
        spreading_factor=lora.spreading_factor or None,
        frequency=frame.tx_info.frequency,
        rssi=frame.rx_info.rssi,
        snr=frame.rx_info.snr,
        priority=bool(priority),
        receipted=settled_at is not None,
        **_read_header(Kind(kind), frame.phy_payload, device or ""),
    )


def _read_header(kind: Kind, phy: bytes, device: str) -> dict[str, Any]:
    """What a frame says in clear."""
    facts: dict[str, Any] = {"device": device, "f_cnt": None, "f_port": None}
    if kind is not Kind.LORAWAN:
        return facts | {"what": _KINDS.get(kind, kind.value)}
    try:
        frame = parse(phy)
    except FrameError:
        return facts | {"what": "other"}
    if isinstance(frame, JoinRequest):
        return facts | {"what": "join", "device": str(frame.dev_eui)}
    if isinstance(frame, DataFrame):
        what = "data" if frame.uplink else "down"
        header = {"device": str(frame.dev_addr), "f_cnt": frame.f_cnt16, "f_port": frame.f_port}
        return facts | header | {"what": what}
    return facts | {"what": "other"}


def render(line: Line, *, several: bool = False) -> str:
    """A line of 80 columns, more where it is not real; with `several` gateways the end of its EUI
    stands beside the time.
    """
    at = "undated" if line.at is None else line.at.strftime("%H:%M:%S.%f")[:12]
    if several:
        at = f"{at[:8]} {line.gateway[-3:]}"
    radio = f"{line.rssi:>4} {line.snr:>5.1f}" if line.rssi else " " * 10
    real = line.origin in (Origin.RADIO, Origin.HEARTBEAT)
    spread = f"SF{line.spreading_factor}" if line.spreading_factor else ""
    return (
        f"{at[:12]:12} {line.what:5} {line.device[:16]:16} {_or_blank(line.f_cnt):>5} "
        f"{_or_blank(line.f_port):>5} {line.size:>4} {spread:4} {radio} "
        f"{'!' if line.priority else ' '} {'receipted' if line.receipted else 'waiting'}"
        f"{'' if real else f' {line.origin}'}"
    )


def _or_blank(number: int | None) -> str:
    return "" if number is None else str(number)


def count_span(lines: list[Line]) -> tuple[int, int] | None:
    """The lowest and the highest frequency in Hz; None where no radio told any."""
    heard = [line.frequency for line in lines if line.frequency]
    return (min(heard), max(heard)) if heard else None
