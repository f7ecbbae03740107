"""`khaen simulate`: a site without hardware, as radio into agents or as events of its uplinks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.simulated_events import Application
from khaen.errors import SettingsError

if TYPE_CHECKING:
    from deploy.local import Options
    from khaen.ids import GatewayEui
    from khaen.mqtt import MqttSettings
    from khaen.site.model import Site

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def simulate(
    site: Annotated[
        Path | None, typer.Argument(help="The site file; without one a site is made up.")
    ] = None,
    elders: Annotated[int | None, typer.Option(min=0, help="Elders of a made-up site …")] = None,
    gateways: Annotated[int | None, typer.Option(min=1, help="… its gateways …")] = None,
    sensors: Annotated[int | None, typer.Option(min=0, help="… and sensors of the city.")] = None,
    as_simulated: Annotated[
        bool,
        typer.Option("--as-simulated", help="A real site's twin, with other EUIs and keys."),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="With the same --from, the same frames to the byte.")
    ] = 1,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="The simulated date, 2026-03-01, or time; now without it."),
    ] = None,
    span: Annotated[
        str | None, typer.Option("--for", help="How long, such as 90s, 10min or 24h.")
    ] = None,
    each: Annotated[
        str | None, typer.Option(help="How often every device reports, such as 5min.")
    ] = None,
    life: Annotated[
        float,
        typer.Option(min=0, max=100, help="What befalls elders by chance: times the usual."),
    ] = 0.0,
    faults: Annotated[
        list[str] | None, typer.Option("--fault", help="On the way to agents, such as loss=0.1.")
    ] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(help="Only the radio, into an agent that runs: EUI=HOST:PORT."),
    ] = None,
    udp: Annotated[
        str | None,
        typer.Option(
            help="The same for all gateways: HOST:PORT, or HOST with the site file's ports."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep all that the site writes in this new folder.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The console's port; 0 takes any free one.")
    ] = 0,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or amqtt.")] = "auto",
    plain: Annotated[bool, typer.Option("--plain", help="Lines, also on a terminal.")] = False,
    inside: Annotated[
        bool,
        typer.Option("--inside", help="All in this process, at any speed, into a ledger."),
    ] = False,
    network_server: Annotated[
        bool,
        typer.Option(
            "--network-server",
            help="Devices join: at a stand-in for ChirpStack, or at what is behind --agents.",
        ),
    ] = False,
    memory: Annotated[
        Path | None, typer.Option(help="Devices go on counting where this file says they were.")
    ] = None,
    join_keys: Annotated[
        Path | None, typer.Option(help="Write what devices join with, for a network server: CSV.")
    ] = None,
    application: Annotated[
        Application | None, typer.Option(help="No radio: events of uplinks, in this form.")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Simulated seconds a second, or max: as fast as it goes.")
    ] = "1",
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="So many uplinks a second instead.")
    ] = None,
    mqtt: Annotated[
        str | None, typer.Option(help="To this broker, HOST:PORT, not to standard output.")
    ] = None,
    user: Annotated[
        str, typer.Option("--username", "--user", help="The account at that broker.")
    ] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its password, one line.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Whom to trust; turns TLS on.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="To the broker of a running site, by its settings.")
    ] = None,
) -> None:
    """Simulate a site: nobody in it is real, and all that it says says so. Ctrl-C ends it."""
    from commands import simulated_events, simulated_inside, simulation
    from commands.imitated import Choice, check_faults, choose
    from commands.premises import until_stopped
    from khaen import log
    from simulators.application.stream import Tempo
    from simulators.faults.catalogue import parse_all
    from simulators.traffic import Pace

    log.configure(level="WARNING", program="simulate")
    choice = Choice(
        file=site,
        sizes={"elders": elders, "gateways": gateways, "sensors": sensors},
        seed=seed,
        as_simulated=as_simulated,
        otaa=network_server,
        elsewhere=bool(agents or udp),
    )
    interval = None if each is None else parse_span("--each", each)
    pace = Pace() if interval is None else Pace(wristband=interval, sensor=interval)
    first = None if begin is None else parse_begin(begin)
    seconds = float("inf") if span is None else parse_span("--for", span)
    if inside or application is not None:
        _check_kept(memory, join_keys)
    if application is not None:
        _check_events(faults, application, inside=inside)
        befalling = tuple(parse_all(faults or ()))
        chosen = choose(choice)
        check_faults(befalling, chosen)
        events = simulated_events.Events(
            form=application,
            broker=_broker(mqtt, user, password_file, ca_file, config),
            tempo=Tempo(speed=parse_speed(speed), rate=rate),
            begin=first,
            seconds=seconds,
            pace=pace,
            seed=seed,
            life=life,
            faults=befalling,
        )
        asyncio.run(until_stopped(simulated_events.run(chosen, events)))
        return
    _check_radio(rate, mqtt, config)
    parsed = parse_all(faults or ())
    if inside:
        from khaen.clock import SystemClock

        wanted = simulated_inside.Inside(
            folder=data,
            begin=first or SystemClock().now(),
            seconds=seconds,
            speed=parse_speed(speed),
            pace=pace,
            seed=seed,
            life=life,
            faults=parsed,
            network_server=network_server,
        )
        chosen = choose(choice)
        check_faults(parsed, chosen)
        simulated_inside.run(chosen, wanted)
        return
    if parse_speed(speed) != 1.0:
        raise SettingsError(
            "--speed: agents live in real time; --inside or --application can be faster"
        )
    chosen = choose(choice)
    check_faults(parsed, chosen)
    play = simulation.Play(
        agents=_agents(chosen.site, agents or [], udp),
        folder=data,
        options=_options(port, broker),
        begin=first,
        seconds=seconds,
        pace=pace,
        seed=seed,
        life=life,
        faults=tuple(faults or ()),
        network_server=network_server,
        memory=memory,
        join_keys=join_keys,
        plain=plain,
    )
    asyncio.run(until_stopped(simulation.run(chosen, play)))


def _check_radio(rate: float | None, mqtt: str | None, config: Path | None) -> None:
    """Raise SettingsError for what only events can be given."""
    for name, value in (("--rate", rate), ("--mqtt", mqtt), ("--config", config)):
        if value is not None:
            raise SettingsError(f"{name} goes with --application; radio goes to agents, by UDP")


def _check_events(faults: Sequence[str] | None, form: Application, *, inside: bool) -> None:
    """Raise SettingsError for what events have no use for."""
    if inside:
        raise SettingsError("--inside and --application are two ways; say one of them")
    if faults and form.startswith("raw"):
        raise SettingsError("--fault befalls messages, which raw uplinks are not: choose a form")


def _check_kept(memory: Path | None, join_keys: Path | None) -> None:
    """Raise SettingsError for what only real agents' network server has a use for."""
    for name, value in (("--memory", memory), ("--join-keys", join_keys)):
        if value is not None:
            raise SettingsError(f"{name} goes with radio, not with --inside or --application")


def _options(port: int, broker: str) -> Options:
    from dataclasses import replace

    from deploy.local import Options
    from deploy.ports import ANY

    return Options(ports=replace(ANY, console=port), broker=broker, log_level="WARNING")


def _agents(
    site: Site, named: Sequence[str], udp: str | None
) -> dict[GatewayEui, tuple[str, int]] | None:
    """Where the agent of each gateway listens; None when none was named."""
    from khaen.ids import parse_gateway_eui

    found: dict[GatewayEui, tuple[str, int]] = {}
    known = {gateway.eui: gateway for gateway in site.gateways}
    for eui, gateway in known.items() if udp is not None else ():
        usual = 1700 if gateway.agent is None else gateway.agent.udp_port
        found[eui] = parse_address("--udp", udp or "", usual)
    for text in named:
        name, _, address = text.partition("=")
        try:
            eui = parse_gateway_eui(name)
        except ValueError as error:
            raise SettingsError(f"--agents {text!r}: {error}; write EUI=HOST:PORT") from error
        if eui not in known:
            names = ", ".join(known)
            raise SettingsError(f"--agents {text!r}: the site has no such gateway; it has {names}")
        found[eui] = parse_address("--agents", address, 1700)
    return found or None


def parse_address(option: str, text: str, usual: int) -> tuple[str, int]:
    """HOST:PORT, or HOST with the usual port. Raises SettingsError."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(usual)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"{option} {text!r}: write HOST:PORT")
    return host.strip("[]"), int(port)


def parse_begin(text: str) -> datetime:
    """A time with its zone, or the first moment of a date in Thailand. Raises SettingsError."""
    from datetime import UTC

    from khaen.clock import parse_time
    from simulators.people import BANGKOK

    try:
        if len(text) == len("2026-03-01"):
            return datetime.fromisoformat(text).replace(tzinfo=BANGKOK).astimezone(UTC)
        return parse_time(text)
    except ValueError as error:
        raise SettingsError(
            f"--from {text!r}: write a date, 2026-03-01, or a time, 2026-03-01T06:00:00+07:00"
        ) from error


def parse_span(option: str, text: str) -> float:
    """Seconds, more than 0. Raises SettingsError."""
    from simulators.acts import duration

    try:
        seconds = duration.parse(text)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error
    if not isinstance(seconds, float) or seconds <= 0:
        raise SettingsError(f"{option} {text!r}: write a span above 0, such as 90s or 24h")
    return seconds


def parse_speed(text: str) -> float:
    """Simulated seconds a second; infinity for `max`. Raises SettingsError."""
    try:
        speed = float("inf") if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise SettingsError(f"--speed {text!r}: write a number above 0, or max")
    return speed


def _broker(
    mqtt: str | None,
    user: str,
    password_file: Path | None,
    ca_file: Path | None,
    config: Path | None,
) -> MqttSettings | None:
    from commands.record import broker_of, named_broker

    if mqtt is not None and config is not None:
        raise SettingsError("--mqtt and --config name two brokers; say one of them")
    if mqtt is not None:
        return named_broker(mqtt, user, password_file, ca_file)
    return None if config is None else broker_of(config, "network-server")
