"""Packets of MQTT 3.1.1, held against paho's reader and any bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.application import packets


def test_a_connect_is_that_of_the_standard() -> None:
    """MQTT 3.1.1, 3.1: a clean session with user name and password."""
    found = packets.connect("c", keepalive=60, username="u", password="p")
    assert found.hex(" ") == "10 13 00 04 4d 51 54 54 04 c2 00 3c 00 01 63 00 01 75 00 01 70"
    found = packets.connect("c", keepalive=60, username="", password=None)
    assert found.hex(" ") == "10 0d 00 04 4d 51 54 54 04 02 00 3c 00 01 63"


@given(st.text(min_size=1, max_size=200), st.binary(max_size=20_000), st.integers(1, 65_535))
def test_a_publication_can_be_taken_apart(topic: str, payload: bytes, packet_id: int) -> None:
    buffer = bytearray(packets.publish(topic, payload, packet_id))
    assert buffer[0] == 0x32
    assert packets.again(bytes(buffer))[0] == 0x3A
    ((kind, body),) = packets.split(buffer)
    name = topic.encode()
    assert kind == 0x30
    assert body[:2] == len(name).to_bytes(2)
    assert body[2 : 2 + len(name)] == name
    assert body[2 + len(name) : 4 + len(name)] == packet_id.to_bytes(2)
    assert body[4 + len(name) :] == payload
    assert not buffer


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_packets_come_whole_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(packets.publish("t", body, 1) for body in bodies)
    buffer, found = bytearray(), []
    while stream:
        size = data.draw(st.integers(min_value=1, max_value=len(stream)))
        buffer += stream[:size]
        stream = stream[size:]
        found += [body[5:] for _kind, body in packets.split(buffer)]
    assert found == bodies
    assert not buffer


@given(st.binary(max_size=64))
def test_any_bytes_are_packets_or_wait_or_are_refused(data: bytes) -> None:
    buffer = bytearray(data)
    with suppress(ValueError):
        for kind, body in packets.split(buffer):
            assert kind == kind & 0xF0
            assert body in data
    assert data.endswith(buffer)


def test_a_length_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        list(packets.split(bytearray(b"\x40\xff\xff\xff\xff\xff")))
