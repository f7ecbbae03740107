"""Milesight VS373: a radar in the room that sees who is there, in bed, lying, fallen.

Source: https://github.com/Milesight-IoT/SensorDecoders, vs-series/vs373 (README and decoder), and
https://www.milesight.com/products/docs/en/vs373/protocol/vs3xx/vs373-uplink.html. Where they
disagree on an alarm's codes the README is alone: 0 is a fall, 1 triggered, 2 resolved, 3 ignored.
An alarm has a number of its own, by which its end and its copies are known. It has no battery.

The room's state says a fall for as long as it lasts; it is not told beside the alarm of the same
frame. A person who is motionless or lies is man down. How long the room was used and what the
regions within it are, are left out; so are alarms about breathing, whose rate is read.
"""

from __future__ import annotations

from dataclasses import replace

from decoders import milesight
from decoders.downlink import Downlink, Encoded, Order, only, within
from decoders.family import Decoder
from decoders.milesight import Channel
from khaen.reading import Decoded, Event, EventKind, Reading

INTERVAL = bytes((0xFF, 0x8E, 0x00))
LONGEST_INTERVAL = 1440
"""Minutes."""
VACANT, IN_BED, FALLEN = 1, 2, 4
MOTIONLESS, LYING = 1, 3
FALL_ALARM, MOTIONLESS_ALARM, LYING_ALARM = 0, 1, 8
RESOLVED, IGNORED, NO_ALARM = 2, 3, 4
MEASURED = (2, 3, 4)
"""Breathing: normal, fast, slow; otherwise there is no rate."""

BEGINS = {
    FALL_ALARM: EventKind.FALL,
    MOTIONLESS_ALARM: EventKind.MAN_DOWN,
    LYING_ALARM: EventKind.MAN_DOWN,
}
ENDS = {EventKind.FALL: EventKind.FALL_END, EventKind.MAN_DOWN: EventKind.MAN_DOWN_END}


def _alarm(data: bytes) -> tuple[Event, ...]:
    """Number (2 bytes), type, status, region. A status not known is a trigger."""
    number, kind, status = int.from_bytes(data[:2], "little"), data[2], data[3]
    begins = BEGINS.get(kind)
    if begins is None or status == NO_ALARM:
        return ()
    event = begins if status not in (RESOLVED, IGNORED) else ENDS[begins]
    if event is EventKind.FALL_END and status == IGNORED:
        event = EventKind.FALL_CANCELLED
    return (Event(kind=event, press=number, detail={"code": float(kind)}),)


def _past_alarm(data: bytes) -> tuple[Event, ...]:
    """What could not be sent when it happened; the seconds since 1970 stand first."""
    at = milesight.clock(data)
    return tuple(replace(event, measured_at=at) for event in _alarm(data[4:]))


def _fallen(data: bytes) -> tuple[Event, ...]:
    return (Event(kind=EventKind.FALL),) if data[0] == FALLEN else ()


def _room(data: bytes) -> tuple[Reading, ...]:
    return (
        Reading(quantity="occupancy", value=float(data[0] != VACANT)),
        Reading(quantity="in_bed", value=float(data[0] == IN_BED)),
        Reading(quantity="lying", value=float(data[1] == LYING)),
        Reading(quantity="motion", value=float(data[0] != VACANT and data[1] != MOTIONLESS)),
    )


def _breathing(data: bytes) -> tuple[Reading, ...]:
    if data[0] not in MEASURED:
        return ()
    rate = int.from_bytes(data[1:3], "little") / 100
    return (Reading(quantity="respiratory_rate", value=rate),)


TABLE: milesight.ChannelTable = {
    **milesight.answers(
        {0x04: 1, 0x10: 1, 0x11: 4, 0x28: 1, 0x2F: 1, 0x3E: 1, 0x40: 1, 0x42: 1, 0x64: 1, 0x8E: 3}
    ),
    **milesight.ATTRIBUTES,
    (0x03, 0xF8): Channel(length=6, events=_fallen, states=_room),
    (0x07, 0xB0): Channel(length=8, events=_fallen, states=_room),
    (0x08, 0xB1): Channel(length=3, states=_breathing),
    (0x04, 0xF9): Channel(length=4),
    (0x09, 0xB2): Channel(length=6),
    (0x0A, 0xB3): Channel(length=5),
    (0x05, 0xFA): Channel(length=8),
    (0x0B, 0xB4): Channel(length=9),
    (0x0C, 0xB4): Channel(length=9),
    (0x06, 0xFB): Channel(length=5, events=_alarm),
    (0x20, 0xCE): Channel(length=9, events=_past_alarm),
}
_read = milesight.reader(TABLE, urgent=bytes((0x06, 0xFB)))


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read channel after channel; of a fall with its number and the state beside it, one event."""
    decoded = _read(f_port, payload)
    if any(event.kind is EventKind.FALL and event.press is not None for event in decoded.events):
        told = tuple(e for e in decoded.events if e != Event(kind=EventKind.FALL))
        return replace(decoded, events=told)
    return decoded


def encode(downlink: Downlink) -> Encoded:
    """The reporting interval, in minutes as the device has it."""
    only(downlink, Order.INTERVAL)
    minutes = within(downlink, 1, LONGEST_INTERVAL)
    return Encoded(f_port=milesight.F_PORT, payload=INTERVAL + minutes.to_bytes(2, "little"))


DECODER = Decoder(
    id="milesight_vs373",
    version=1,
    maker="Milesight",
    model="VS373",
    fall_capable=True,
    priority_f_ports=frozenset({milesight.F_PORT}),
    quantities=frozenset({"occupancy", "in_bed", "lying", "motion", "respiratory_rate"}),
    decode=decode,
    encode=encode,
)
