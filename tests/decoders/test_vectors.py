"""Every family reads its vectors as its maker publishes them; whole, cut short, and odd."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from decoders import catalogue
from decoders.decode import decode_payload
from khaen.clock import parse_time
from khaen.reading import Decoded, EventKind, Quality

FOLDER = Path(catalogue.__file__).parent / "families"
CALLS = {EventKind.SOS, EventKind.FALL, EventKind.MAN_DOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    family: str
    body: dict[str, Any]

    @property
    def payload(self) -> bytes:
        return bytes.fromhex(self.body["hex"])


def _vectors() -> list[Any]:
    found = []
    for name in catalogue.names():
        body = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        found += [
            pytest.param(Vector(family=name, body=vector), id=f"{name}-{vector['name']}")
            for vector in body["vectors"]
        ]
    return found


def _read(vector: Vector) -> Decoded:
    return decode_payload(vector.family, vector.body["f_port"], vector.payload)


@pytest.mark.parametrize("vector", _vectors())
def test_reads_as_published(vector: Vector) -> None:
    decoded = _read(vector)
    wanted = vector.body.get("readings", [])
    assert [r.quantity for r in decoded.readings] == [w["quantity"] for w in wanted]
    for reading, want in zip(decoded.readings, wanted, strict=True):
        assert reading.value == pytest.approx(want["value"], abs=1e-4)
        assert reading.quality == Quality(want.get("quality", "good"))
        assert reading.channel == want.get("channel", "")
        at = want.get("measured_at")
        assert reading.measured_at == (parse_time(at) if at else None)
    events = [
        {"kind": str(e.kind), "press": e.press, "detail": dict(e.detail)} for e in decoded.events
    ]
    assert events == [{"press": None, "detail": {}} | e for e in vector.body.get("events", [])]
    assert [w.offset for w in decoded.warnings] == vector.body.get("warnings", [])


@pytest.mark.parametrize("vector", _vectors())
def test_any_cut_is_read_as_far_as_it_goes(vector: Vector) -> None:
    whole = _read(vector)
    for length in range(len(vector.payload)):
        cut = decode_payload(vector.family, vector.body["f_port"], vector.payload[:length])
        assert len(cut.readings) <= len(whole.readings)
        assert all(math.isfinite(r.value) for r in cut.readings)


@pytest.mark.parametrize("name", catalogue.names())
def test_each_family_has_a_cited_vector_and_one_cut_short(name: str) -> None:
    body = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert body["source"].startswith(("https://", "docs/"))
    assert any(vector.get("cited") for vector in body["vectors"])
    assert any(vector.get("cut") and vector["warnings"] for vector in body["vectors"])


@pytest.mark.parametrize("name", catalogue.names())
def test_a_family_emits_only_what_it_declares(name: str) -> None:
    body = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    shown = {r["quantity"] for v in body["vectors"] for r in v.get("readings", [])}
    assert shown == catalogue.family(name).quantities


def _calls() -> list[Any]:
    """The vectors in which somebody calls, fell, or is down."""
    return [
        param
        for param in _vectors()
        if CALLS & {event["kind"] for event in param.values[0].body.get("events", [])}
    ]


@pytest.mark.parametrize("vector", _calls())
def test_a_call_is_declared_and_no_bytes_behind_it_take_it_away(vector: Vector) -> None:
    decoder = catalogue.family(vector.family)
    said = [event.kind for event in _read(vector).events if event.kind in CALLS]
    assert decoder.sos_capable or EventKind.SOS not in said
    assert decoder.fall_capable or said == [EventKind.SOS] * len(said)
    for junk in (b"\x00", b"\xff\xff\xff", b"\x01\x75\x64"):
        longer = decode_payload(vector.family, vector.body["f_port"], vector.payload + junk)
        assert [event.kind for event in longer.events if event.kind in CALLS][: len(said)] == said
