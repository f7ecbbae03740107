"""`khaen record`: what passes by on a site's broker, into a capture."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.configured import CONFIG, Config
from khaen.errors import NotRunnable, SettingsError, StoreUnavailable

if TYPE_CHECKING:
    from khaen.mqtt import MqttSettings
    from simulators.recorder import Recorder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MEGABYTE = 1_000_000
_LOOK_S = 0.2


@app.command()
def record(
    out: Annotated[Path, typer.Argument(help="The capture to write: a new file, NAME.khcap.")],
    config: Config = CONFIG,
    mqtt: Annotated[
        str | None,
        typer.Option(help="Another broker than that of the settings: HOST or HOST:PORT."),
    ] = None,
    username: Annotated[str, typer.Option(help="The account at that broker.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its password, one line.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Whom to trust; turns TLS on.")] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.1, help="Record for so many seconds.")
    ] = None,
    part_mb: Annotated[
        float | None, typer.Option(min=0.1, help="Begin a new file after so many megabytes …")
    ] = None,
    part_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="… and after so many minutes.")
    ] = None,
    cap_mb: Annotated[
        float | None, typer.Option(min=0.1, help="End when all files have so many megabytes.")
    ] = None,
    drop_oldest: Annotated[
        bool, typer.Option("--drop-oldest", help="At the cap, remove the oldest file instead.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Write down that nobody in it is real.")
    ] = False,
) -> None:
    """Record all messages of a site's broker until Ctrl-C, with an account that only reads."""
    from khaen import log
    from khaen.capture import Limits, megabytes
    from khaen.clock import SystemClock
    from simulators.recorder import Recorder

    limits = Limits(
        part_bytes=megabytes(part_mb),
        part_s=None if part_minutes is None else part_minutes * 60,
        cap_bytes=megabytes(cap_mb),
        drop_oldest=drop_oldest,
    )
    settings = (
        named_broker(mqtt, username, password_file, ca_file)
        if mqtt is not None
        else broker_of(config, "recorder")
    )
    log.configure(level="WARNING", program="record")
    stop = _stopped()
    site, unreal = (None, False) if mqtt is not None else site_of(config)
    recorder = Recorder(
        settings, out, SystemClock(), limits=limits, site=site, simulated=simulated or unreal
    )
    with recorder:
        recorder.await_connected()
        _watch(recorder, stop, seconds)
    _tell(recorder, out)
    if recorder.error is not None:
        raise recorder.error


def site_of(config: Path) -> tuple[str | None, bool]:
    """The site of the ledger beside the broker, and whether nobody in it is real; where it cannot
    be read, nothing is said.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from commands.configured import ledger, read
    from store.registry import Registry

    try:
        with ledger(read(config)) as database, database.read() as connection:
            registry = Registry.load(connection)
    except (NotRunnable, StoreUnavailable, SQLAlchemyError):
        return None, False
    organisations = registry.organisations.values()
    return registry.site or None, bool(organisations) and all(o.simulated for o in organisations)


def named_broker(
    address: str, username: str, password_file: Path | None, ca_file: Path | None
) -> MqttSettings:
    """The broker at HOST or HOST:PORT. Raises SettingsError."""
    from pydantic import ValidationError

    from khaen.mqtt import MqttSettings

    host, colon, port = address.rpartition(":")
    if not colon or "]" in port:
        host, port = address, "8883" if ca_file else "1883"
    try:
        return MqttSettings.model_validate(
            {
                "host": host.strip("[]"),
                "port": port,
                "username": username,
                "password_file": password_file,
                "ca_file": ca_file,
            }
        )
    except ValidationError as error:
        raise SettingsError(f"{address!r} is no broker's address: HOST or HOST:PORT") from error


def broker_of(config: Path, account: str) -> MqttSettings:
    """The broker of the settings, by an account of its clients' folder. Raises SettingsError."""
    from commands.configured import read

    settings = read(config).mqtt
    if not settings.username:
        return settings
    file = config.absolute().parent / "clients" / account / "password"
    if not file.is_file():
        raise SettingsError(
            f"{file}: there is no account {account!r}; start `khaen up` once more to have it made, "
            "or name a broker and an account: --mqtt, --username, --password-file"
        )
    return settings.model_copy(update={"username": account, "password_file": file})


def _stopped() -> threading.Event:
    """Set by Ctrl-C and its like."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _watch(recorder: Recorder, stop: threading.Event, seconds: float | None) -> None:
    """Flush each second and show how far it is, until somebody or something ends it."""
    from simulators.recorder import FLUSH_S

    began = flushed = time.monotonic()
    with _shown(recorder, began) as show:
        while not stop.wait(_LOOK_S) and not recorder.ended.is_set():
            now = time.monotonic()
            if now - flushed >= FLUSH_S:
                flushed = now
                recorder.flush()
                show()
            if seconds is not None and now - began >= seconds:
                return


@contextmanager
def _shown(recorder: Recorder, began: float) -> Iterator[Callable[[], None]]:
    """What renews a line of figures on a terminal; elsewhere it does nothing."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    at, taken = began, 0

    def show() -> None:
        nonlocal at, taken
        now, before = time.monotonic(), taken
        taken = recorder.taken
        rate, at = (taken - before) / max(0.001, now - at), now
        minutes, left = divmod(int(now - began), 60)
        size = recorder.size / _MEGABYTE
        live.update(
            Text(f"● {taken:,} records  {rate:,.0f}/s  {size:,.1f} MB  {minutes}:{left:02}"),
            refresh=True,
        )

    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield show


def _tell(recorder: Recorder, out: Path) -> None:
    """What was recorded, in a line or two."""
    size, files = recorder.size / _MEGABYTE, recorder.files
    where = f"{out}" if files == 1 else f"{files} files of {out}"
    typer.echo(f"{recorder.written} records, {size:.2f} MB, in {where}")
    if recorder.gaps:
        typer.echo(f"the broker was away {recorder.gaps} time(s): what passed then is not in it")
    if recorder.removed:
        typer.echo(f"{recorder.removed} oldest file(s) made room for newer ones")
    if recorder.refused:
        typer.echo(f"{recorder.refused} message(s) were too long for a capture")
