"""GlobalSat LT-360HR: a watch that knows where it is, measures the heart, and calls for help.

Source: https://github.com/tago-io/decoders, decoders/connector/globalsat/lt-360hr (places and
units); the report types are those of the maker's trackers, "LT-501 Series Development Document".
Numbers are little-endian. Byte 0 is the device type, 1–2 the command. What stands between a
report's type and its battery (12–14), the beacon heard last (20–42), and what follows the
temperature are left out.

Differs from the published codec: the heart rate is read unsigned, so that 128 and more beats are
not negative; a position without a fix is not read; the temperature is the wrist's.
"""

from __future__ import annotations

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Event, EventKind, Reading, Warn

F_PORT = 2
REPORT, BEACON_HELP = 0x0227, 0x0007
"""Commands: the watch's one report, and the help report that the maker's badges send indoors."""
REPORT_LENGTH, BEACON_HELP_LENGTH = 46, 27
HELP, LOW_BATTERY, POWER_OFF, FALL = 14, 15, 19, 24
TYPE_AT, TYPE, FIX_SHIFT = 11, 0x1F, 5

EVENTS = {
    HELP: EventKind.SOS,
    FALL: EventKind.FALL,
    LOW_BATTERY: EventKind.BATTERY_LOW,
    POWER_OFF: EventKind.BATTERY_LOW,
}

POSITION = (
    Field(quantity="latitude", at=7, form="i32", divide=1e6),
    Field(quantity="longitude", at=3, form="i32", divide=1e6),
)
BATTERY = (Field(quantity="battery_level", at=15),)
HEART_RATE_AT = 43
VITALS = (
    Field(quantity="heart_rate", at=HEART_RATE_AT, missing=frozenset({0})),
    Field(quantity="skin_temperature", at=44, form="i16", divide=100),
)
BEACON_BATTERY = (Field(quantity="battery_level", at=26),)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame, on whatever port: a call must not depend on it."""
    del f_port
    command = layout.number(payload, 1, "u16", "little")
    if command == BEACON_HELP:
        return Decoded(
            readings=tuple(layout.read(BEACON_BATTERY, payload)),
            events=(Event(kind=EventKind.SOS),),
            warnings=layout.check(payload, BEACON_HELP_LENGTH),
        )
    if command not in (REPORT, None):
        return Decoded(warnings=(Warn(text=f"unknown command {command:#06x}", offset=1),))
    return _report(payload)


def _report(payload: bytes) -> Decoded:
    kind = payload[TYPE_AT] & TYPE if len(payload) > TYPE_AT else None
    at = layout.time(payload, 16, "little")
    readings: list[Reading] = []
    if kind is not None:
        fix = payload[TYPE_AT] >> FIX_SHIFT
        readings.append(Reading(quantity="position_fix", value=float(fix > 0)))
        readings += layout.read(POSITION if fix else (), payload, "little", at=at)
    readings += layout.read((*BATTERY, *VITALS), payload, "little", at=at)
    event = EVENTS.get(kind) if kind is not None else None
    return Decoded(
        readings=tuple(readings),
        events=() if event is None else (Event(kind=event, measured_at=at),),
        warnings=layout.check(payload, REPORT_LENGTH),
    )


DECODER = Decoder(
    id="globalsat_lt360hr",
    version=1,
    maker="GlobalSat",
    model="LT-360HR",
    sos_capable=True,
    fall_capable=True,
    priority_f_ports=frozenset({F_PORT}),
    quantities=layout.quantities(POSITION, BATTERY, VITALS) | {"position_fix"},
    decode=decode,
)
