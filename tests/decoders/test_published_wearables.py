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
    within: str = "%s"
    """What a source without an entry of its own stands in."""


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


# A TagoIO decoder changes a list of variables, where the others are called.
TAGO = """
function decodeUplink(input) {
  const hex = input.bytes.map((b) => b.toString(16).padStart(2, "0")).join("");
  const device = { params: [] };
  let payload = [{ variable: "payload", value: hex }, { variable: "port", value: input.fPort }];
  {
    %s
  }
  const found = {};
  for (const one of payload) found[one.variable] = one.location || one.value;
  return { data: found };
}
"""


def _watch_frame(chance: Random) -> tuple[int, bytes]:
    time = chance.randrange(1 << 31).to_bytes(4, "little")
    return 2, bytes((0x0C, 0x27, 0x02)) + chance.randbytes(13) + time + chance.randbytes(30)


def _watch(data: Data, _port: int) -> Seen:
    seen: Seen = {
        "skin_temperature": data["temperature"],
        "heart_rate": data["heart_rate"],
        "battery_level": data["battery_capacity"],
    }
    # Numbers above 127 are read unsigned; 0 beats are none.
    seen = {name: value for name, value in seen.items() if name[0] == "s" or (value or 0) > 0}
    if abs(data["gps_fix"]) >= 1:
        seen |= {"latitude": data["location"]["lat"], "longitude": data["location"]["lng"]}
    return seen


_BADGE_FIELDS = {"00d3": 1, "0088": 8, "0092": 1, "0074": 2, "0071": 6, "0067": 2, "0295": 1}


def _badge_frame(chance: Random) -> tuple[int, bytes]:
    fields = [bytes.fromhex(key) + chance.randbytes(n) for key, n in _BADGE_FIELDS.items()]
    chance.shuffle(fields)
    return 10, b"".join(fields)


def _badge(data: Data, _port: int) -> Seen:
    return {
        "battery_level": data["battery_lifetime_pct"],
        "latitude": float(data["coordinates_latitude"]),
        "longitude": float(data["coordinates_longitude"]),
        "altitude": float(data["coordinates_altitude"]),
        "speed": float(data["ground_speed"]),
        "device_temperature": float(data["temperature"]),
        "acceleration_y": float(data["acceleration_vector_acceleration_y"]),
        "sos": _flag(data["safety_status_safety_status_eb"] == "Active"),
        "fall": _flag(data["safety_status_safety_status_fall"] == "Active"),
    }


def _tracker_frame(chance: Random) -> tuple[int, bytes]:
    return 18, bytes((3,)) + chance.randbytes(3) + b"\x00" + chance.randbytes(8)


def _degrees(raw: int) -> float:
    """The upper 24 bits of a position, which this decoder gives as they are."""
    return (raw - (1 << 24) if raw >= 1 << 23 else raw) * 256 / 1e7


def _tracker(data: Data, _port: int) -> Seen:
    return {
        "device_temperature": data["temperature"],
        "latitude": _degrees(data["latitude"]),
        "longitude": _degrees(data["longitude"]),
        "sos": _flag(data["status"] & 0x10),
    }


_TAGO = "decoders/connector/{}/v1.0.0/payload.js"

PUBLISHED = (
    Published(
        family="globalsat_lt360hr",
        path=_TAGO.format("globalsat/lt-360hr"),
        frame=_watch_frame,
        means=_watch,
        within=TAGO,
    ),
    Published(
        family="tektelic_seal",
        path=_TAGO.format("tektelic/seal"),
        frame=_badge_frame,
        means=_badge,
        within=TAGO,
    ),
    Published(
        family="abeeway_compact_tracker",
        path=_TAGO.format("abeeway/compact-tracker"),
        frame=_tracker_frame,
        means=_tracker,
        within=TAGO,
    ),
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
    codec = Codec(
        id=published.family, source=published.within.replace("%s", _source(published.path))
    )
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
