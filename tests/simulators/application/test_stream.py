"""The pace of events, and that one seed gives the same bytes."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from khaen.clock import ManualClock, parse_time
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, parse
from khaen.site.model import Site
from simulators.air.radio import Hearing
from simulators.application.chirpstack import ChirpStack
from simulators.application.chirpstack_json import ChirpStackJson
from simulators.application.form import Event, Form
from simulators.application.output import Output, render_line
from simulators.application.raw import RawBytes, RawLines
from simulators.application.stream import Stream, Tempo
from simulators.application.the_things_stack import TheThingsStack
from simulators.application.uplinks import Uplinks
from simulators.devices.device import Transmission
from simulators.sites.demonstration import make_site
from simulators.traffic import Traffic

START = datetime(2026, 3, 1, tzinfo=UTC)
FAST = Tempo(speed=math.inf)
FORMS: dict[str, Callable[[Site], Form]] = {
    "chirpstack-protobuf": lambda site: ChirpStack(site, seed=1),
    "chirpstack": lambda site: ChirpStackJson(site, seed=1),
    "tts": lambda site: TheThingsStack(site, seed=1),
    "raw": lambda _site: RawLines(),
    "raw-bytes": lambda _site: RawBytes(),
}


class Trial:
    """A stream of the demonstration site under a clock that its waits move."""

    def __init__(self, form: str = "raw", *, seed: int = 1, dated: bool = True) -> None:
        made = make_site(seed)
        self.clock = ManualClock(START + timedelta(days=1))
        self.waits: list[float] = []
        self.file = io.BytesIO()
        self.traffic = Traffic(made.site, made.keys, seed=seed, start=START)
        self.uplinks = Uplinks(made.site, made.keys)
        self.keys, self.site = made.keys, made.site
        self.stream = Stream(
            self.traffic,
            self.uplinks,
            FORMS[form](made.site),
            self.clock,
            dated=START if dated else None,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(max(0.0, seconds))

    async def run(self, tempo: Tempo, seconds: float) -> bytes:
        await self.stream.run(Output(self.file, render_line), tempo, seconds=seconds)
        return self.file.getvalue()


def times(output: bytes) -> list[datetime]:
    return [parse_time(json.loads(line.split(b" ", 2)[2])["at"]) for line in output.splitlines()]


@pytest.mark.parametrize("form", list(FORMS))
async def test_the_same_seed_gives_the_same_bytes(form: str) -> None:
    once = await Trial(form).run(FAST, 60)
    assert once == await Trial(form).run(FAST, 60)
    assert once != await Trial(form, seed=2).run(FAST, 60)


async def test_an_uplink_is_what_the_frame_says() -> None:
    trial = Trial()
    frames: list[tuple[Transmission, tuple[Hearing, ...]]] = []
    trial.traffic.listen(lambda sent, hearings: frames.append((sent, hearings)))
    await trial.run(FAST, 30)
    addresses = {device.dev_eui: device.dev_addr for device in trial.site.devices}
    uplinks = Uplinks(trial.site, trial.keys)
    for sent, hearings in frames:
        uplink = uplinks.open(sent, hearings, START)
        if not hearings:
            assert uplink is None
            continue
        assert uplink is not None
        frame, keys = parse(sent.phy), trial.keys[sent.dev_eui]
        address = addresses[sent.dev_eui]
        assert isinstance(frame, DataFrame)
        assert address is not None
        assert sent.f_cnt is not None
        cipher = SessionCipher(dev_addr=address, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key)
        assert uplink.payload == cipher.open(frame, sent.f_cnt)
        assert (uplink.f_port, uplink.confirmed) == (frame.f_port, frame.confirmed)
        assert (uplink.adr, uplink.hearings) == (frame.adr, hearings)
        assert uplinks.open(sent, hearings, START) is None  # a repetition
    assert len(frames) > 60


async def test_as_fast_as_it_goes_waits_for_nothing() -> None:
    trial = Trial()
    output = await trial.run(FAST, 60)
    assert set(trial.waits) == {0}
    assert START + timedelta(seconds=50) < max(times(output)) < START + timedelta(seconds=61)


async def test_ten_times_real_time_takes_a_tenth_of_it() -> None:
    trial = Trial()
    await trial.run(Tempo(speed=10.0), 60)
    assert 5.5 < trial.clock.monotonic() <= 6.0


async def test_a_rate_is_kept_and_uplinks_are_dated_as_they_go() -> None:
    trial = Trial(dated=False)
    found = times(await trial.run(Tempo(rate=50.0), 20))
    assert len(found) == pytest.approx(1000, abs=10)
    assert all(later >= earlier for earlier, later in pairwise(found))
    assert found[0] >= START + timedelta(days=1)
    assert found[-1] <= START + timedelta(days=1, seconds=20)


async def test_what_nobody_heard_is_counted_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial()
    monkeypatch.setattr(trial.traffic.radio, "end", lambda _flight: ())
    assert await trial.run(FAST, 20) == b""
    assert trial.stream.unheard > 40
    assert trial.stream.uplinks == trial.stream.events == 0


async def test_every_event_of_an_uplink_is_handed_over() -> None:
    trial = Trial("chirpstack")
    handed: list[Event] = []

    class Sink:
        async def publish(self, event: Event) -> None:
            handed.append(event)

        async def drain(self) -> None:
            handed.append(Event(START, "drained", b""))

    await trial.stream.run(Sink(), FAST, seconds=30)
    assert handed.pop().topic == "drained"
    assert len(handed) == trial.stream.events > trial.stream.uplinks > 0
