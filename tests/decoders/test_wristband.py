"""The written payload is the one that is read, and it fits where it must."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from decoders.decode import decode_payload
from decoders.families import khaen_wristband
from decoders.wristband import FALL_PORT, SOS_PORT, TELEMETRY_PORT
from khaen.reading import EventKind

ROOT = Path(khaen_wristband.__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "wristband-payload.md").read_text("utf-8")
VECTORS = json.loads(Path(khaen_wristband.__file__).with_suffix(".json").read_text("utf-8"))

FAMILY = "khaen_wristband"
# RP002-1.0.4, AS923, uplink dwell time 400 ms: 11 bytes at DR2, FOpts included.
LIMITS = {
    TELEMETRY_PORT: 11,
    SOS_PORT: 4,
    FALL_PORT: 4,
}


def test_the_examples_of_the_document_are_the_cited_vectors() -> None:
    examples = set(re.findall(r"^\| `([0-9a-f]{8,})`", DOCUMENT, re.MULTILINE))
    assert examples == {v["hex"] for v in VECTORS["vectors"] if v.get("cited")}


def test_every_frame_fits_the_slowest_data_rate() -> None:
    for vector in VECTORS["vectors"]:
        if vector.get("cited"):
            assert len(bytes.fromhex(vector["hex"])) <= LIMITS[vector["f_port"]]


@pytest.mark.parametrize("payload", [b"\x18", b"\x00", b"\xff" * 51, b"\x28\x05\x57\x00"])
def test_whatever_the_bytes_a_frame_on_the_port_of_calls_is_a_call(payload: bytes) -> None:
    (event,) = decode_payload(FAMILY, SOS_PORT, payload).events
    assert event.kind in {EventKind.SOS, EventKind.SOS_END}
    (fall,) = decode_payload(FAMILY, FALL_PORT, payload).events
    assert fall.kind in {EventKind.FALL, EventKind.FALL_CANCELLED}


def test_the_count_alone_tells_two_presses_apart() -> None:
    first, repeat, second = (
        decode_payload(FAMILY, SOS_PORT, bytes.fromhex(text)).events[0]
        for text in ("18055700", "1805570c", "18065600")
    )
    assert first.press == repeat.press != second.press
