"""Buffer does what Node's documentation says of it, as far as codecs use it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.javascript.codec import Codec, Request
from decoders.javascript.engine import Engine

FORMATS = {
    "Int8": "b", "UInt8": "B",
    "Int16LE": "<h", "Int16BE": ">h", "UInt16LE": "<H", "UInt16BE": ">H",
    "Int32LE": "<i", "Int32BE": ">i", "UInt32LE": "<I", "UInt32BE": ">I",
    "FloatLE": "<f", "FloatBE": ">f", "DoubleLE": "<d", "DoubleBE": ">d",
    "BigUInt64LE": "<Q", "BigUInt64BE": ">Q", "BigInt64LE": "<q", "BigInt64BE": ">q",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        engine.start()
        yield engine


def run(engine: Engine, expression: str, payload: bytes = b"") -> Any:
    source = (
        f"function Decoder(bytes) {{ const b = Buffer.from(bytes); return {{ r: {expression} }} }}"
    )
    codec = Codec(id="buffer", source=source)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    (outcome,) = engine.decode_batch(
        [Request(codec=codec, payload=payload, f_port=1, received_at=at)]
    )
    return outcome.errors if outcome.data is None else outcome.data["r"]


@settings(max_examples=20)
@given(payload=st.binary(min_size=9, max_size=9))
def test_numbers_are_read_as_struct_reads_them(engine: Engine, payload: bytes) -> None:
    reads = ",".join(f"String(b.read{name}(1))" for name in FORMATS)
    found = run(engine, f"[{reads}]", payload)
    for (name, form), text in zip(FORMATS.items(), found, strict=True):
        (expected,) = struct.unpack_from(form, payload, 1)
        got = int(text) if name.startswith("Big") else float(text)
        assert got == expected or (got != got and expected != expected), name


@settings(max_examples=20)
@given(payload=st.binary(min_size=8, max_size=8))
def test_what_is_written_is_read_again(engine: Engine, payload: bytes) -> None:
    writes = ",".join(
        f"(() => {{ const c = Buffer.alloc(8); c.write{n}(b.read{n}(0), 0);"
        f" return c.toString('hex', 0, {struct.calcsize(form)}) }})()"
        for n, form in FORMATS.items()
        if n[:5] not in {"Float", "Doubl"}
    )
    sizes = [struct.calcsize(f) for n, f in FORMATS.items() if n[:5] not in {"Float", "Doubl"}]
    assert run(engine, f"[{writes}]", payload) == [payload[:size].hex() for size in sizes]


@pytest.mark.parametrize("size", range(1, 7))
def test_odd_sizes(engine: Engine, size: int) -> None:
    payload = bytes.fromhex("f1e2d3c4b5a6")[:size]
    found = run(
        engine,
        f"[b.readUIntBE(0,{size}), b.readUIntLE(0,{size}), b.readIntBE(0,{size}),"
        f" b.readIntLE(0,{size})]",
        payload,
    )
    assert found == [
        int.from_bytes(payload, order, signed=signed)
        for signed in (False, True)
        for order in ("big", "little")
    ]


@settings(max_examples=20)
@given(payload=st.binary(max_size=20))
def test_text_in_every_encoding(engine: Engine, payload: bytes) -> None:
    encoded = base64.b64encode(payload).decode()
    found = run(
        engine,
        "[b.toString('hex'), b.toString('base64'), b.toString('latin1'),"
        f" Buffer.from('{encoded}', 'base64').toString('hex'),"
        f" Buffer.from('{payload.hex()}', 'hex').equals(b)]",
        payload,
    )
    assert found == [payload.hex(), encoded, payload.decode("latin-1"), payload.hex(), True]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("b.slice(1).readUInt8()", 2),
        ("b.subarray(1, 2).length", 1),
        ("Buffer.concat([b, b]).length", 6),
        ("Buffer.isBuffer(b) && !Buffer.isBuffer([1])", True),
        ("b", {"type": "Buffer", "data": [1, 2, 3]}),
        ("Buffer.from(b.toJSON()).equals(b)", True),
        ("b.readUint8(2)", 3),
        ("Buffer.from('สวัสดี').toString()", "สวัสดี"),
        ("Buffer.from([0xc3]).toString()", "\ufffd"),
        ("Buffer.alloc(2, 7).toString('hex')", "0707"),
        ("Buffer.from(new Uint8Array([5, 6]).buffer, 1).toString('hex')", "06"),
        ("b.readUInt16BE(2)", ('RangeError: The value of "offset" is out of range: 2',)),
        ("b.toString('utf9')", ("TypeError: Unknown encoding: utf9",)),
    ],
)
def test_what_codecs_use(engine: Engine, expression: str, expected: object) -> None:
    assert run(engine, expression, b"\x01\x02\x03") == expected
