"""The terminal view: it fits, it says what it is, and what is wrong stands first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from simulators.terminal.picture import DeviceLine, FaultLine, GatewayLine, Happening, Picture
from simulators.terminal.view import conclude, render, summarise

NOW = datetime(2026, 3, 1, 1, 2, 3, tzinfo=UTC)


def make_picture(
    *, gateways: int = 3, devices: int = 60, faults: int = 1, recent: int = 8
) -> Picture:
    return Picture(
        site="khonkaen-demo",
        now=NOW,
        seconds=120.0,
        rate=5.25,
        frames=630,
        unheard=4,
        device_count=devices,
        silent_count=1,
        alarms_open=2,
        gateways=tuple(
            GatewayLine(
                short=f"gw-{number}",
                name="โรงพยาบาลชุมแพ Chum Phae Hospital, the roof of the second building",
                sent=10 * number,
                acked=9 * number,
                committed=8 * number,
                missing=0,
                link="cut (refuse)" if number == 2 else "",
            )
            for number in range(1, gateways + 1)
        ),
        devices=tuple(
            DeviceLine(
                name=f"R-{number:04d}",
                family="khaen_wristband",
                ago=None if number == 0 else 100.0 - number,
                silent=number == 0,
                gateways=2,
                rssi=-107,
                snr=-3.25,
            )
            for number in range(devices)
        ),
        faults=tuple(
            FaultLine(text=f"loss=0.{number}", done=f"seen 5  lost {number}")
            for number in range(faults)
        ),
        recent=tuple(
            Happening(at=NOW + timedelta(seconds=number), text=f"ผู้สูงอายุ R-{number} ล้ม · falls")
            for number in range(recent)
        ),
    )


def show(picture: Picture, *, width: int = 80, height: int = 24, typed: str = "") -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(render(picture, console, typed=typed))
    return capture.get().splitlines()


def test_of_many_gateways_those_that_are_cut_off_or_wait_are_shown_first() -> None:
    picture = make_picture(gateways=40)
    lines = tuple(
        replace(line, link="cut (refuse)" if number == 37 else "", acked=1000 * (number == 38))
        for number, line in enumerate(picture.gateways, start=1)
    )
    shown = show(replace(picture, gateways=lines))
    rows = [line.split()[0] for line in shown if line.startswith("gw-")]
    assert rows[:2] == ["gw-37", "gw-38"]


def test_the_end_says_what_faults_did_which_alarms_were_raised_and_who_did_not_answer() -> None:
    picture = make_picture(gateways=2)
    silent = (replace(picture.gateways[0], acked=0), picture.gateways[1])
    said = list(conclude(replace(picture, gateways=silent, raised=(("P1 sos", 2),))))
    assert said[0] == summarise(replace(picture, gateways=silent))
    assert said[1:3] == ["fault loss=0.0: seen 5  lost 0", "alarms raised: P1 sos × 2"]
    assert "no agent acknowledges what gw-1 sends" in said[3]


def test_it_fits_a_terminal_of_80_by_24_and_says_what_it_is() -> None:
    lines = show(make_picture(), typed="sos R-0012")
    assert len(lines) == 24
    assert all(cell_len(line) <= 80 for line in lines)
    assert "ซ้อม" in lines[0]
    assert "SIMULATED" in lines[0]
    assert "khonkaen-demo  2026-03-01 08:02:03" in lines[0]
    assert "5.2 uplinks/s" in lines[1]
    assert "alarms open 2" in lines[1]
    assert lines[-1].startswith("> sos R-0012")


def test_a_cut_gateway_a_silent_device_and_a_fault_are_shown() -> None:
    lines = show(make_picture())
    assert any(line.startswith("gw-2") and line.endswith("cut (refuse)") for line in lines)
    first = next(i for i, line in enumerate(lines) if line.startswith("device ")) + 1
    assert lines[first].split()[:2] == ["R-0000", "never"]
    assert any("loss=0.0" in line and "seen 5  lost 0" in line for line in lines)
    assert "R-7 ล้ม" in lines[-2]


def test_a_long_answer_is_shown_whole() -> None:
    words = " ".join(f"verb{number}" for number in range(60))
    picture = make_picture(recent=0)
    lines = show(replace(picture, recent=(Happening(at=NOW, text=words),)))
    shown = " ".join(lines)
    assert all(f"verb{number}" in shown for number in range(60))
    assert len(lines) <= 24


@given(
    st.integers(min_value=12, max_value=60),
    st.integers(min_value=40, max_value=200),
    st.integers(min_value=0, max_value=12),
    st.integers(min_value=0, max_value=100),
    st.integers(min_value=0, max_value=6),
    st.integers(min_value=0, max_value=20),
)
def test_it_fits_whatever_there_is(
    height: int, width: int, gateways: int, devices: int, faults: int, recent: int
) -> None:
    picture = make_picture(gateways=gateways, devices=devices, faults=faults, recent=recent)
    lines = show(picture, width=width, height=height, typed="x")
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert lines[-1].startswith("> x")


@pytest.mark.parametrize("alarms", [None, 3])
def test_one_line_tells_the_most_important(alarms: int | None) -> None:
    said = summarise(replace(make_picture(), alarms_open=alarms))
    assert "simulated: 5.2 uplinks/s" in said
    assert "silent 1/60" in said
    assert ("alarms open 3" in said) is (alarms is not None)


def test_what_an_agent_keeps_and_the_ledger_lacks_is_its_backlog() -> None:
    line = GatewayLine(short="gw-1", name="", sent=9, acked=8, committed=5)
    assert line.backlog == 3
    assert replace(line, committed=9).backlog == 0
    assert replace(line, committed=None).backlog is None
