"""`khaen simulate --application`: a site's uplinks as events, to a broker or to standard output."""

from __future__ import annotations

import asyncio
import enum
import math
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer

from khaen.errors import SettingsError

if TYPE_CHECKING:
    from khaen.mqtt import MqttSettings
    from khaen.site.model import Site
    from simulators.application.form import Form, Sink
    from simulators.application.stream import Stream, Tempo
    from simulators.faults.fault import Fault
    from simulators.faults.faults import Faults
    from simulators.sites.twin import Simulated
    from simulators.traffic import Pace, Traffic

_TELL_S: Final = 5.0


class Application(enum.StrEnum):
    """The forms of events."""

    CHIRPSTACK = "chirpstack"
    CHIRPSTACK_PROTOBUF = "chirpstack-protobuf"
    TTS = "tts"
    RAW = "raw"
    RAW_BYTES = "raw-bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What was asked for: `broker` None is standard output, `begin` None now, `seconds` of time."""

    form: Application
    broker: MqttSettings | None
    tempo: Tempo
    begin: datetime | None
    seconds: float
    pace: Pace
    seed: int
    life: float
    faults: tuple[Fault, ...] = ()


async def run(simulated: Simulated, events: Events) -> None:
    """Hand over events until their time is over. Raises NotRunnable where no broker takes them."""
    from commands.imitated import spread, tell_silent
    from khaen.clock import SystemClock
    from simulators.acts import life
    from simulators.application.faulty import FaultySink
    from simulators.application.plain import PlainMac
    from simulators.application.stream import Stream
    from simulators.application.uplinks import Uplinks
    from simulators.sites.twin import join_all
    from simulators.terminal.warning import warn_of_crowd
    from simulators.traffic import Traffic

    if events.broker is not None and events.form in {Application.RAW, Application.RAW_BYTES}:
        raise SettingsError("--mqtt: raw uplinks have no topic; they go to standard output")
    simulated = join_all(simulated, seed=events.seed)
    faults = _faults(events, simulated)
    clock = SystemClock()
    traffic = Traffic(
        simulated.site,
        simulated.keys,
        seed=events.seed,
        start=events.begin or clock.now(),
        pace=spread(events.pace, simulated.site),
        make_mac=PlainMac,
    )
    if events.life:
        life.begin(traffic, simulated.site, seed=events.seed, often=events.life)
    tell_silent(simulated.site, traffic)
    stream = Stream(
        traffic,
        Uplinks(simulated.site, simulated.keys, otaa=simulated.joined, plain=True),
        _form(events.form, simulated.site, events.seed),
        clock,
        dated=_dated(events, clock.now()),
    )
    telling = asyncio.create_task(_tell(stream, traffic, events.tempo), name="progress")
    try:
        async with _sink(events) as sink:
            faulty = FaultySink(sink, faults)
            await stream.run(
                faulty if events.faults else sink, events.tempo, seconds=events.seconds
            )
            await faulty.finish()
    except BrokenPipeError:
        # Nobody reads any more, which is an end like any other; Python shall not say so again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        telling.cancel()
        await asyncio.wait({telling})
        typer.echo(_say(stream), err=True)
        for fault, did in faults.tallies:
            typer.echo(f"  fault {fault.fault}: {did}", err=True)
        if crowd := warn_of_crowd(stream.uplinks + stream.unheard, stream.unheard):
            typer.echo(crowd, err=True)


def _faults(events: Events, simulated: Simulated) -> Faults:
    """The faults by the site's names; events have their counters openly and need no keys."""
    from simulators.acts.subjects import find_subjects
    from simulators.faults.faults import Faults

    names = find_subjects(simulated.site).names()
    begin = events.begin or datetime.now(UTC)
    return Faults(events.faults, events.seed, begin, names=names, ciphers={})


def _dated(events: Events, now: datetime) -> datetime | None:
    """The time of the first second; None dates uplinks as they go, where a rate sets the pace."""
    if events.begin is None and events.tempo.rate is not None:
        return None
    return events.begin or now


def _form(form: Application, site: Site, seed: int) -> Form:
    match form:
        case Application.CHIRPSTACK:
            from simulators.application.chirpstack_json import ChirpStackJson

            return ChirpStackJson(site, seed=seed)
        case Application.CHIRPSTACK_PROTOBUF:
            from simulators.application.chirpstack import ChirpStack

            return ChirpStack(site, seed=seed)
        case Application.TTS:
            from simulators.application.the_things_stack import TheThingsStack

            return TheThingsStack(site, seed=seed)
        case Application.RAW:
            from simulators.application.raw import RawLines

            return RawLines()
        case Application.RAW_BYTES:
            from simulators.application.raw import RawBytes

            return RawBytes()


@asynccontextmanager
async def _sink(events: Events) -> AsyncIterator[Sink]:
    from simulators.application import output
    from simulators.application.publisher import Publisher
    from simulators.application.raw import MAGIC

    if events.broker is not None:
        async with Publisher(events.broker, client_id=f"khaen-simulate-{os.getpid()}") as publisher:
            yield publisher
        return
    file = sys.stdout.buffer
    match events.form:
        case Application.RAW:
            yield output.Output(file, output.render_payload_line)
        case Application.RAW_BYTES:
            yield output.Output(file, output.render_payload, head=MAGIC)
        case Application.CHIRPSTACK_PROTOBUF:
            yield output.Output(file, output.render_hex_line)
        case _:
            yield output.Output(file, output.render_line)


async def _tell(stream: Stream, traffic: Traffic, tempo: Tempo) -> None:
    """Say now and then how far it is, on standard error; once what is wrong with it."""
    from simulators.terminal.warning import warn_of_crowd, warn_of_delay

    told: set[str] = set()
    begun = time.monotonic()
    while True:
        before, at = stream.uplinks, time.monotonic()
        await asyncio.sleep(_TELL_S)
        rate = (stream.uplinks - before) / (time.monotonic() - at)
        typer.echo(f"{_say(stream)}  {rate:,.0f} uplinks/s", err=True)
        due = traffic.next_at / tempo.speed if tempo.rate is None else stream.uplinks / tempo.rate
        behind = 0.0 if math.isinf(tempo.speed) else time.monotonic() - begun - due
        for topic, text in (
            ("crowd", warn_of_crowd(stream.uplinks + stream.unheard, stream.unheard)),
            ("delay", warn_of_delay(behind)),
        ):
            if text and topic not in told:
                told.add(topic)
                typer.echo(text, err=True)


def _say(stream: Stream) -> str:
    return (
        f"simulated: {stream.uplinks:,} uplinks, {stream.events:,} events, "
        f"{stream.unheard:,} frames heard by nobody"
    )
