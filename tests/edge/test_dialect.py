"""What modules say, line by line: packets, and no exception for anything else."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.dialect import MOST_LINE, BadLine, Dialect, Hearing, Lines, Packet
from edge.source_settings import SerialSettings
from khaen import plugins

VECTORS = json.loads(Path(__file__).with_name("dialects.json").read_text())
DIALECTS = plugins.load_all("edge.modem.at", "DIALECT", Dialect, lambda found: found.name)
each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def hear(hearing: Hearing, line: str) -> Iterator[Packet | str]:
    try:
        packet = hearing.take(line)
    except BadLine:
        yield "bad"
    else:
        if packet is not None:
            yield packet


def expected(entry: Any) -> Packet | str:
    if isinstance(entry, str):
        return entry
    payload = bytes.fromhex(entry["hex"])
    return Packet(payload=payload, rssi=entry["rssi"], snr=entry["snr"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_lines_are_packets(vector: Any) -> None:
    hearing = Hearing(DIALECTS[vector["dialect"]])
    found = [packet for line in vector["lines"] for packet in hear(hearing, line)]
    assert found == [expected(entry) for entry in vector["packets"]]


def test_every_dialect_is_found_by_its_name() -> None:
    assert sorted(DIALECTS) == list(plugins.names("edge.modem.at"))


@each_dialect
@given(
    st.lists(
        st.binary(max_size=80) | st.sampled_from([b"+EVT:RXP2P:", b'+TEST: RX "']), max_size=20
    )
)
def test_any_bytes_give_packets_or_nothing(dialect: Dialect, chunks: list[bytes]) -> None:
    lines, hearing = Lines(), Hearing(dialect)
    for chunk in chunks:
        for line in lines.take(chunk + b"\r\n"):
            for packet in hear(hearing, line):
                assert packet == "bad" or (isinstance(packet, Packet) and packet.payload)


@given(st.binary(max_size=4000), st.lists(st.integers(0, 4000), max_size=10))
def test_lines_do_not_depend_on_how_bytes_come(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    whole, pieces = Lines(), Lines()
    expected_lines = list(whole.take(data))
    found = [line for start, end in pairwise(edges) for line in pieces.take(data[start:end])]
    assert found == expected_lines
    assert all(len(line) <= MOST_LINE for line in found)


def test_a_line_that_never_ends_is_dropped_and_bounded() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.take(b"x" * 500)) == []
    assert list(lines.take(b"\r\nOK\r\n")) == ["OK"]
    assert lines.too_long == 1


@each_dialect
def test_every_command_of_a_dialect_can_end(dialect: Dialect) -> None:
    radio = SerialSettings(device=Path("/dev/null"), sender="a81758ff00000001")
    texts = [command.text for command in (*dialect.listen(radio), dialect.check)]
    assert all(text.startswith("AT") and text.isascii() for text in texts)
    assert str(radio.spreading_factor) in " ".join(texts)
