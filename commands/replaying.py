"""What `khaen replay` puts together from its options, runs, and says in the end."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from commands import replay_people as people_of
from commands.replay_roads import goes_out, make_sink
from commands.replay_wishes import Wishes
from khaen import log
from khaen.capture import Record
from khaen.clock import SystemClock, format_time, parse_time
from khaen.errors import SettingsError
from khaen.ids import parse_gateway_eui
from simulators.faults import catalogue
from simulators.faults.fault import Fault
from simulators.faults.faults import Faults
from simulators.recording import Recording
from simulators.replay.choice import Choice
from simulators.replay.damage import Damage, FaultsFrom
from simulators.replay.identities import Anonymous
from simulators.replay.members import Members
from simulators.replay.recount import Recount
from simulators.replay.replay import Replay, Tally
from simulators.replay.skip import FAMILY_UNKNOWN, NOT_OF_THE_SITE
from simulators.replay.timeline import Shift, Timeline

_SHOW_S = 0.2
_REMEDIES = {
    FAMILY_UNKNOWN: " (name the site file that has the device: --site)",
    NOT_OF_THE_SITE: " (not in the site file that takes the replay)",
}


def play(wishes: Wishes) -> bool:
    """Replay; False where somebody ended it. Raises KhaenError."""
    log.configure(level="WARNING", program="replay")
    people = people_of.read_people(wishes)
    recording = open_recording(wishes)
    speed, shift = _pace(wishes)
    clock, stop = SystemClock(), threading.Event()
    remap = people_of.make_remap(people)
    members = Members(people.taker) if people.taker and goes_out(wishes.to) else None
    choice = _choice(wishes, people)
    wanted = catalogue.parse_all(wishes.faults)
    # What is sent is stamped, for which it must be whole: only then is it broken.
    breaking = [fault for fault in wanted if fault.breaks_messages and goes_out(wishes.to)]
    faults = _faults(wishes, people, [fault for fault in wanted if fault not in breaking])
    damage = Damage(_faults(wishes, people, breaking))
    sink = make_sink(wishes, people, clock, shift, damage)
    try:
        replay = Replay(
            recording,
            sink,
            Timeline(clock, speed=speed, shift=shift),
            clock,
            choice=choice,
            remap=remap,
            members=members,
            faults=faults,
            passes=wishes.loop,
            recount=Recount(people_of.sessions(people) or {}) if wishes.count_on else None,
            stop=stop,
        )
        _end_by_signal(stop)
        with _progress(recording, replay) as look:
            tally = replay.run(look)
        tally.faults = (*tally.faults, *damage.tallies)
        figures = sink.finish()
    finally:
        sink.close()
    if wishes.site_out is not None and isinstance(people.identities, Anonymous):
        people_of.write_site(people, wishes.site_out)
    out = sys.stderr if wishes.to == "-" else sys.stdout
    for line in _summary(tally, figures, recording):
        typer.echo(line, file=out)
    return not stop.is_set()


def _end_by_signal(stop: threading.Event) -> None:
    """Let a signal end the replay in order, and a second one the process at once."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(*_: object) -> None:
        stop.set()
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        signal.signal(number, end)


def compare(wishes: Wishes, folder: Path) -> None:
    """Print what another version of families and rules would make of it. Raises KhaenError."""
    from decoders.collection import Collection, beside
    from ingest import whatif
    from ingest.version import Version

    if wishes.site is None:
        raise SettingsError("--diff: name the site that was recorded: --site FILE")
    log.configure(level="ERROR", program="replay")
    people = people_of.read_people(wishes)
    assert people.source is not None
    recording, choice = open_recording(wishes), _choice(wishes, people)
    records = people_of.as_messages(_chosen(recording, choice), people.region)
    today = Version(codecs=(Collection(beside(wishes.site)),))
    version = whatif.load(folder, today)
    site, keys = people.source.site, people.keys
    found = whatif.compare(records, site, keys, version, today=today)
    for line in whatif.render(found):
        typer.echo(line)
    for line in _left_out(recording):
        typer.echo(line)


def _chosen(recording: Recording, choice: Choice) -> Iterator[Record]:
    return (chosen for record in recording if (chosen := choice(record)) is not None)


def open_recording(wishes: Wishes) -> Recording:
    """The recording. Raises CaptureError or SettingsError."""
    try:
        zone = ZoneInfo(wishes.zone)
        gateway = parse_gateway_eui(wishes.as_gateway) if wishes.as_gateway else None
    except (ValueError, OSError, KeyError) as error:
        raise SettingsError(f"--zone or --as-gateway: {error}") from error
    return Recording(wishes.capture, format_name=wishes.format_name, zone=zone, gateway=gateway)


def _pace(wishes: Wishes) -> tuple[float, Shift]:
    text = wishes.speed or ("1" if goes_out(wishes.to) else "max")
    try:
        speed = math.inf if text == "max" else float(text)
        if not speed > 0:
            raise ValueError("must be above 0")
    except ValueError as error:
        raise SettingsError(f"--speed {text}: write 1, a number, or max") from error
    if wishes.shift is None:
        return speed, Shift.KEEP if math.isinf(speed) else Shift.NOW
    try:
        return speed, Shift(wishes.shift)
    except ValueError as error:
        raise SettingsError(f"--shift {wishes.shift}: write now or keep") from error


def _choice(wishes: Wishes, people: people_of.People) -> Choice:
    if wishes.families and people.source is None:
        raise SettingsError("--family: name the site that was recorded: --site FILE")
    return people_of.make_choice(
        wishes, people, _moment("--from", wishes.since), _moment("--until", wishes.until)
    )


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}; write 2026-03-01T08:00:00Z") from error


def _faults(wishes: Wishes, people: people_of.People, faults: Sequence[Fault]) -> FaultsFrom | None:
    if not faults:
        return None
    make = partial(
        Faults,
        faults,
        wishes.seed,
        ciphers=people_of.sessions(people),
        names=people_of.names(people),
    )
    make(datetime.fromtimestamp(0, UTC))  # what is wrong with them is said before anything is sent
    return make


@contextmanager
def _progress(recording: Recording, replay: Replay) -> Iterator[Callable[[], None]]:
    """What renews the bar on a terminal; elsewhere it does nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("{task.percentage:>3.0f} %"),
        BarColumn(),
        TextColumn("{task.description}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    shown, began = 0.0, time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def look() -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown < _SHOW_S:
                return
            shown, tally = now, replay.tally
            rate = tally.sent / max(0.001, now - began)
            at = format_time(tally.at)[:19] if tally.at else ""
            bar.update(
                task,
                completed=recording.share,
                description=f"{tally.sent:,} sent  {rate:,.0f}/s  {at}",
            )

        yield look


def _summary(tally: Tally, figures: Mapping[str, int], recording: Recording) -> Iterator[str]:
    """What was done, in lines."""
    yield f"{tally.read} records read, {tally.sent} sent"
    if tally.first is not None and tally.last is not None:
        yield f"  recorded from {format_time(tally.first)} to {format_time(tally.last)}"
    for name, count in figures.items():
        yield f"  {count} {name}"
    for reason, count in sorted(tally.skipped.items()):
        yield f"  {count} left out: {reason.replace('_', ' ')}{_REMEDIES.get(reason, '')}"
    if tally.backwards:
        yield f"  times run backwards {tally.backwards} time(s): sent in their order"
    for fault, did in tally.faults:
        done = ", ".join(f"{count} {what}" for what, count in asdict(did).items() if count)
        yield f"  fault {fault.fault}: {done or 'nothing'}"
    yield from _left_out(recording)


def _left_out(recording: Recording) -> Iterator[str]:
    """What the recording could not give."""
    for reason, count in sorted(recording.skipped.items()):
        yield f"  {count} could not be read: {reason.replace('_', ' ')}"
    for told in recording.told:
        yield f"  {told}"
