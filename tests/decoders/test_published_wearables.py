"""Native families for people read random frames as their makers' published codecs do.

`make conformance SRC=<a folder of checkouts>`. Where a family differs on purpose, its file says so,
and the comparison leaves that out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from decoders.decode import decode_payload
from decoders.javascript.cases import LIMITS_FOR_CASES, UNDATED
from decoders.javascript.codec import Codec, Request
from decoders.javascript.engine import Engine
from khaen.reading import Decoded, EventKind

pytestmark = pytest.mark.conformance

FRAMES = 400
Seen = dict[str, float | None]
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A codec by the end of its path, frames of its device, and what its output means."""

    family: str
    path: str
    frame: Callable[[Random], tuple[int, bytes]]
    means: Callable[[Data, int], Seen]


def _flag(said: object) -> float:
    return float(bool(said))


def _browan(f_port: int, size: int) -> Callable[[Random], tuple[int, bytes]]:
    return lambda chance: (f_port, chance.randbytes(size))


def _button(data: Data, _port: int) -> Seen:
    return {
        "battery_voltage": data["battery"],
        "device_temperature": data["temperatureBoard"],
        "sos": data["status"],
    }


def _room(data: Data, _port: int) -> Seen:
    return {
        "battery_voltage": data["battery"],
        "occupancy": data["status"],
        "motion_count": data["count"],
    }


def _netvox(data: Data, _port: int) -> Seen:
    volts = str(data["Volt"])
    return {
        "battery_voltage": float(volts.removesuffix("(low battery)")),
        "battery_low": _flag("low" in volts),
        "sos": _flag(data["Alarm"]),
    }


def _moko_frame(chance: Random) -> tuple[int, bytes]:
    f_port = chance.randrange(1, 14)
    lengths = {8: 11, 9: 10, 12: 11, 13: 10}
    return f_port, chance.randbytes(lengths.get(f_port, 12))


def _moko(data: Data, f_port: int) -> Seen:
    event, state = data.get("event_type"), data.get("dev_status")
    seen: Seen = {
        "battery_level": float(data["batterylevle"].rstrip("%")),
        "charging": data["batterycharging"],
        "sos": _flag(event in ("sos_start", "alert_start") or state in ("sos", "alert")),
        "sos_end": _flag(event in ("sos_stop", "alert_stop")),
        "man_down": _flag(event == "mandown_start" or state == "mandown"),
        "man_down_end": _flag(event == "mandown_stop"),
    }
    if f_port in (6, 10):
        seen |= {"latitude": data["lat"], "longitude": data["lon"]}
    return seen


def _doctor(data: Data, _port: int) -> Seen:
    return {"battery_level": data["battery"]}


_LENGTHS = {0x06: 22, 0x07: 42, 0x08: 35, 0x09: 18, 0x0A: 38, 0x0B: 31, 0x0F: 17, 0x10: 13,
            0x11: 14, 0x1A: 28, 0x1B: 48, 0x1C: 41, 0x1D: 20}  # fmt: skip
_MEASUREMENTS = {
    "3000": "battery_level",
    "4097": "air_temperature",
    "4198": "latitude",
    "4197": "longitude",
}


def _card_frame(chance: Random) -> tuple[int, bytes]:
    kind, length = chance.choice(list(_LENGTHS.items()))
    return 5, bytes((kind,)) + chance.randbytes(length - 1)


def _card(data: Data, _port: int) -> Seen:
    seen: Seen = {}
    for said in data["messages"][0]:
        name, value = _MEASUREMENTS.get(said["measurementId"]), said["measurementValue"]
        # A battery of 128 % and more is read otherwise.
        if name is not None and not (name == "battery_level" and value < 0):
            seen[name] = value
        if said["measurementId"] == "4200":
            names = {event["id"] for event in said["measurementValue"]}
            seen |= {"sos": _flag(7 in names), "button": _flag(8 in names)}
    return seen


def _radar_frame(chance: Random) -> tuple[int, bytes]:
    frame = b"".join(
        (
            bytes((0x03, 0xF8, chance.randrange(5), chance.randrange(4))) + chance.randbytes(4),
            bytes((0x08, 0xB1, chance.randrange(1, 6))) + chance.randbytes(2),
            bytes((0x06, 0xFB)) + chance.randbytes(2)
            + bytes((chance.randrange(9), chance.randrange(1, 5), 0)),
        )
    )  # fmt: skip
    return 85, frame


def _radar(data: Data, _port: int) -> Seen:
    alarm = data["events"][0]
    kind, status = alarm["alarm_type"], alarm["alarm_status"]
    down = kind in ("motionless", "lying_down")
    over = status in ("alarm_deactivated", "alarm_ignored")
    fallen = data["detection_status"] == "fall"
    rated = data["respiratory_status"] in ("normal", "tachypnea", "bradypnea")
    return {
        "occupancy": _flag(data["detection_status"] != "vacant"),
        "in_bed": _flag(data["detection_status"] == "in_bed"),
        "lying": _flag(data["target_status"] == "lying_down"),
        "fall": _flag(fallen or (kind == "fall" and status == "alarm_triggered")),
        "fall_end": _flag(kind == "fall" and status == "alarm_deactivated"),
        "fall_cancelled": _flag(kind == "fall" and status == "alarm_ignored"),
        "man_down": _flag(down and status == "alarm_triggered"),
        "man_down_end": _flag(down and over),
        "respiratory_rate": data["respiratory_rate"] if rated else None,
    }


PUBLISHED = (
    Published(
        family="browan_tbpb100",
        path="vendor/browan/tbpb100.js",
        frame=_browan(147, 8),
        means=_button,
    ),
    Published(
        family="browan_tbms100", path="vendor/browan/tbms100.js", frame=_browan(102, 8), means=_room
    ),
    Published(
        family="netvox_r312a",
        path="vendor/netvox/payload/rb02i_r718t_r312a_r312.js",
        frame=lambda chance: (6, bytes((1, 0x4D, 1)) + chance.randbytes(8)),
        means=_netvox,
    ),
    Published(family="moko_lw004_pb", path="vendor/moko/lw004.js", frame=_moko_frame, means=_moko),
    Published(
        family="tektelic_edoctor",
        path="vendor/tektelic/decoder_edoctor.js",
        frame=lambda chance: (10, chance.randbytes(1)),
        means=_doctor,
    ),
    Published(
        family="seeed_t1000",
        path="vendors/seeed-technology-co-ltd/codecs/SenseCAP-T1000-AB.js",
        frame=_card_frame,
        means=_card,
    ),
    Published(
        family="milesight_vs373",
        path="vs-series/vs373/vs373-decoder.js",
        frame=_radar_frame,
        means=_radar,
    ),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        engine.start()
        yield engine


def _source(path: str) -> str:
    for found in Path(os.environ["SRC"]).rglob(Path(path).name):
        if found.as_posix().endswith(path):
            return found.read_text("utf-8-sig", errors="replace")
    pytest.skip(f"SRC has no {path}")


def _ours(decoded: Decoded) -> Seen:
    seen: Seen = {kind.value: 0.0 for kind in EventKind}
    seen |= {reading.quantity: reading.value for reading in decoded.readings}
    seen |= {event.kind.value: 1.0 for event in decoded.events}
    return seen


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.family)
def test_agrees_with_the_published_codec(published: Published, engine: Engine) -> None:
    codec = Codec(id=published.family, source=_source(published.path))
    chance = Random(published.family)
    frames = [published.frame(chance) for _ in range(FRAMES)]
    outcomes = engine.decode_batch(
        [Request(codec=codec, payload=p, f_port=f, received_at=UNDATED) for f, p in frames]
    )
    for (f_port, payload), outcome in zip(frames, outcomes, strict=True):
        assert isinstance(outcome.data, Mapping), (payload.hex(), outcome.errors)
        ours = _ours(decode_payload(published.family, f_port, payload))
        for name, value in published.means(outcome.data, f_port).items():
            where = f"{name} of {payload.hex()} on port {f_port}"
            if value is None:
                assert name not in ours, where
            else:
                assert ours[name] == pytest.approx(value, abs=0.01), where
