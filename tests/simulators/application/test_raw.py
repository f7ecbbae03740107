"""What devices said, as lines and as bytes; both can be read back."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from khaen.clock import from_micros, parse_time
from simulators.application.form import Uplink
from simulators.application.output import Output, render_hex_line, render_line, render_payload
from simulators.application.raw import HEAD, LENGTH, MAGIC, RawBytes, RawLines
from tests.support.uplinks import ANY_UPLINK, make_uplink


@given(ANY_UPLINK)
def test_a_line_has_all_of_it(uplink: Uplink) -> None:
    (event,) = RawLines().write(uplink)
    line = json.loads(event.payload)
    assert parse_time(line["at"]) == uplink.at
    assert (line["dev_eui"], line["f_cnt"]) == (uplink.subject.dev_eui, uplink.f_cnt)
    assert (line["f_port"], bytes.fromhex(line["payload"])) == (uplink.f_port, uplink.payload)
    heard = [(g["eui"], g["rssi"], g["snr"]) for g in line["gateways"]]
    assert heard == [(h.gateway_eui, h.rssi, h.snr) for h in uplink.hearings]
    assert line["origin"] == "simulated"


@given(st.lists(ANY_UPLINK, max_size=5))
async def test_bytes_can_be_taken_apart_again(uplinks: list[Uplink]) -> None:
    file = io.BytesIO()
    output, form = Output(file, render_payload, head=MAGIC), RawBytes()
    for uplink in uplinks:
        for event in form.write(uplink):
            await output.publish(event)
    await output.drain()
    file.seek(0)
    assert file.read(len(MAGIC)) == MAGIC
    for uplink in uplinks:
        (length,) = LENGTH.unpack(file.read(LENGTH.size))
        body = file.read(length)
        dev_eui, micros, f_cnt, f_port = HEAD.unpack(body[: HEAD.size])
        assert (dev_eui.hex(), f_cnt, f_port) == (
            uplink.subject.dev_eui,
            uplink.f_cnt,
            uplink.f_port,
        )
        assert from_micros(micros) == uplink.at
        assert body[HEAD.size :] == uplink.payload
    assert file.read() == b""


def test_lines_are_those_of_mosquitto_sub() -> None:
    (event,) = RawLines().write(make_uplink())
    event = type(event)(event.at, "a/b", b'{"x":1}')
    assert render_line(event) == b'2026-07-23T01:02:03+0000 a/b {"x":1}\n'
    assert render_hex_line(event) == b"2026-07-23T01:02:03+0000 a/b 7b2278223a317d\n"
