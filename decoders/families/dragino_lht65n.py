"""Dragino LHT65N: air temperature and humidity, and whatever is plugged into it.

Source: https://github.com/chirpstack/chirpstack-device-profiles, vendors/dragino/codecs/lht65n.js,
and the maker's manual of it, "Uplink Payload" and "Datalog Uplink payload". Port 2 has a record of
eleven bytes (fifteen for a counted contact); its seventh says what is plugged in, and whether the
record is one of the device's log: then there may be several, each with its own time and no battery.
Eleven zeros say that the log is empty.

A temperature of 7FFF, 327.67 degrees in the published codec, is a probe that is not there. That
codec takes a count of four bytes for signed, and makes of the log but texts, in the time zone of
whoever runs it.
"""

from __future__ import annotations

from collections.abc import Mapping

from decoders import layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Reading, Warn

F_PORT = 2
RECORD_LENGTH = 11
_FLAGS_AT, _REST_AT = 6, 7
_LOGGED = 0xC0
"""A record that was asked for, or that was sent without being acknowledged."""
_KINDS = 0x0F
DS18B20, TMP117, CONTACT, LIGHT, VOLTAGE, COUNT, LONG_COUNT, DATED, SHT31, PRESENCE = (
    1, 2, 4, 5, 6, 7, 8, 9, 11, 14,
)  # fmt: skip
IDENTITY = 15
"""The number of the probe stands where the air would."""
_NO_PROBE = frozenset({0x7FFF})
_BATTERY = (Field(quantity="battery_voltage", at=0, form="u16", mask=0x3FFF, divide=1000),)
_AIR = (
    Field(quantity="air_temperature", at=2, form="i16", divide=100, missing=_NO_PROBE),
    Field(quantity="relative_humidity", at=4, form="u16", mask=0x0FFF, divide=10),
)


def _probe(at: int) -> Field:
    return Field(quantity="probe_temperature", at=at, form="i16", divide=100, missing=_NO_PROBE)


def _light(at: int) -> Field:
    return Field(quantity="illuminance", at=at, form="u16")


def _voltage(at: int) -> Field:
    return Field(quantity="voltage", at=at, form="u16", divide=1000)


_PLUGGED: Mapping[int, tuple[Field, ...]] = {
    DS18B20: (_probe(_REST_AT),),
    TMP117: (_probe(_REST_AT),),
    CONTACT: (
        Field(quantity="digital_input", at=_REST_AT),
        Field(quantity="pulses", at=9, form="u24"),
    ),
    LIGHT: (_light(_REST_AT),),
    VOLTAGE: (_voltage(_REST_AT),),
    COUNT: (Field(quantity="pulses", at=_REST_AT, form="u16"),),
    LONG_COUNT: (Field(quantity="pulses", at=_REST_AT, form="u32"),),
    DATED: (_probe(0),),
    SHT31: (
        _probe(_REST_AT),
        Field(
            quantity="relative_humidity",
            at=9,
            form="u16",
            mask=0x0FFF,
            divide=10,
            channel="probe",
        ),
    ),
    PRESENCE: (
        Field(quantity="occupancy", at=_REST_AT, mask=1),
        Field(quantity="motion_count", at=8, form="u24"),
    ),
}
_KEPT: Mapping[int, tuple[Field, ...]] = {
    DS18B20: (_probe(0),),
    TMP117: (_probe(0),),
    LIGHT: (_light(0),),
    VOLTAGE: (_voltage(0),),
    DATED: (_probe(0),),
    SHT31: (_probe(0),),
}
"""What a record of the log has in its first two bytes."""


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read one frame; a port that is another gives a warning."""
    if f_port != F_PORT:
        return Decoded(warnings=(Warn(text=f"nothing is read on port {f_port}", offset=0),))
    if len(payload) < RECORD_LENGTH:
        return Decoded(warnings=layout.check(payload, RECORD_LENGTH))
    if not any(payload):
        return Decoded()
    if payload[_FLAGS_AT] & _LOGGED and not _unplugged(payload):
        return _read_log(payload)
    return _read_now(payload)


def _unplugged(payload: bytes) -> bool:
    """Whether there is no probe where it would stand; then the flag of the log says only that."""
    return layout.number(payload, _REST_AT, "i16") in _NO_PROBE


def _read_now(payload: bytes) -> Decoded:
    kind = payload[_FLAGS_AT] & _KINDS
    fields = (
        *(() if kind == DATED else _BATTERY),
        *(() if kind == IDENTITY else _AIR),
        *_PLUGGED.get(kind, ()),
    )
    at = layout.time(payload, _REST_AT) if kind == DATED else None
    absent = kind in (DS18B20, TMP117, SHT31) and _unplugged(payload)
    return Decoded(
        readings=tuple(layout.read(fields, payload, at=at)),
        warnings=(Warn(text="no probe", offset=_REST_AT),) if absent else (),
    )


def _read_log(payload: bytes) -> Decoded:
    readings: list[Reading] = []
    warnings: list[Warn] = []
    for start in range(0, len(payload), RECORD_LENGTH):
        record = payload[start : start + RECORD_LENGTH]
        at = layout.time(record, _REST_AT)
        if len(record) < RECORD_LENGTH:
            warnings.append(Warn(text="the record is cut short", offset=start))
        elif at is not None:
            fields = (*_KEPT.get(record[_FLAGS_AT] & _KINDS, ()), *_AIR)
            readings += layout.read(fields, record, at=at)
        elif any(record[:_FLAGS_AT]):
            warnings.append(Warn(text="history of a clock that was not set", offset=start))
    return Decoded(readings=tuple(readings), warnings=tuple(warnings))


DECODER = Decoder(
    id="dragino_lht65n",
    version=1,
    maker="Dragino",
    model="LHT65N",
    quantities=layout.quantities(_BATTERY, _AIR, *_PLUGGED.values(), *_KEPT.values()),
    decode=decode,
)
