"""Where a replay goes, and whether it may go there."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import typer

from commands.record import broker_of, named_broker
from commands.replay_people import People
from commands.replay_wishes import Wishes
from khaen.clock import Clock
from khaen.errors import NotRunnable, SettingsError
from khaen.ids import GatewayEui
from khaen.site.model import Site
from simulators.replay import sinks
from simulators.replay.damage import Damage
from simulators.replay.publisher import Publisher
from simulators.replay.stamp import Stamper
from simulators.replay.timeline import Shift

_MQTT, _UDP = "mqtt", "udp:"
_MAX_PORT = 65_535


def goes_out(to: str) -> bool:
    """Whether somebody hears it: a broker or an agent, not a file."""
    return to == _MQTT or to.startswith((f"{_MQTT}:", _UDP))


def make_sink(
    wishes: Wishes, people: People, clock: Clock, shift: Shift, damage: Damage
) -> sinks.Sink:
    """Where it goes. Raises SettingsError where it may not, NotRunnable or CaptureError."""
    to = wishes.to
    if to == "null":
        return sinks.Nothing()
    if to == "-":
        return sinks.Lines(sys.stdout)
    if to.startswith(_UDP):
        return _agent(to, people, shift, damage)
    if goes_out(to):
        return _broker(wishes, people, clock, damage)
    anonymous = people.identities is not None and people.identities.anonymous
    return sinks.Capture(
        Path(to), clock, simulated=anonymous, site=None if anonymous else _site_id(people)
    )


def _site_id(people: People) -> str | None:
    site = people.into or people.source
    return site.site.site if site else None


def _broker(wishes: Wishes, people: People, clock: Clock, damage: Damage) -> sinks.Broker:
    run = f"{time.time_ns()}"
    stamper = Stamper(run, region=people.region)
    if wishes.to != _MQTT:
        address = wishes.to.partition(":")[2]
        mqtt = named_broker(address, wishes.username, wishes.password_file, wishes.ca_file)
        gateways = _gateways(check_organisations(people))
        _say_unchecked()
        one = Publisher(mqtt, "all")
        return sinks.Broker(lambda _account: one, stamper, clock, gateways, damage)
    _check_ledger(wishes.config)
    gateways = _gateways(check_organisations(people))

    def publisher_of(account: str) -> Publisher | None:
        try:
            return Publisher(broker_of(wishes.config, account), account)
        except SettingsError:
            return None

    return sinks.Broker(publisher_of, stamper, clock, gateways, damage)


def _gateways(site: Site) -> frozenset[GatewayEui]:
    return frozenset(gateway.eui for gateway in site.gateways)


def check_organisations(people: People) -> Site:
    """The simulated site that takes a replay. Raises SettingsError where none does."""
    if people.taker is None:
        raise SettingsError(
            "--to a broker or an agent: name the simulated site file that takes the replay: "
            "--into FILE; whoever is not in it is left out"
        )
    site = people.taker.site
    real = real_organisations(site)
    if real:
        raise SettingsError(
            f"site {site.site}: organisation {real[0]} is real, and ingest refuses what is "
            "replayed for it (quarantine, `origin_refused`); replay into a simulated site: "
            "--anonymise, or --map and --into"
        )
    return site


def real_organisations(site: Site) -> list[str]:
    """The organisations with devices or gateways that are not simulated."""
    simulated = {o.id for o in site.organisations if o.simulated}
    owners = {device.organisation for device in site.devices}
    owners |= {gateway.organisation for gateway in site.gateways}
    return sorted(owners - simulated)


def _check_ledger(config: Path) -> None:
    """Warn where the ledger beside the broker knows real organisations."""
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from commands.configured import ledger, read
    from store.schema.registry import organisation

    try:
        with ledger(read(config)) as database, database.read() as connection:
            rows = connection.execute(select(organisation.c.id, organisation.c.simulated)).all()
    except (NotRunnable, SQLAlchemyError):
        _say_unchecked()
        return
    real = [row.id for row in rows if not row.simulated]
    if rows and len(real) == len(rows):
        raise SettingsError(
            f"this site's organisations are real ({', '.join(real[:3])}), and ingest refuses what "
            "is replayed for them (quarantine, `origin_refused`); replay into a simulated site"
        )
    if real:
        typer.echo(
            f"warning: what is for {', '.join(real[:3])} will be refused: a real organisation",
            err=True,
        )


def _say_unchecked() -> None:
    typer.echo(
        "warning: the ledger behind this broker cannot be read here: whether its organisations "
        "are simulated is known from the site file alone",
        err=True,
    )


def _agent(to: str, people: People, shift: Shift, damage: Damage) -> sinks.Agent:
    host, _, port = to[len(_UDP) :].rpartition(":")
    if not port.isdigit() or int(port) > _MAX_PORT:
        raise SettingsError(f"--to {to}: write udp:HOST:PORT")
    if shift is Shift.KEEP:
        raise SettingsError("--to udp: an agent dates what it hears itself; write --shift now")
    if people.into is None:
        raise SettingsError(
            "--to udp: an agent says itself what it hears, not the replay; name the site file in "
            "which its gateway is simulated: --into FILE"
        )
    allowed = frozenset(gateway.eui for gateway in people.into.site.gateways if gateway.simulated)
    if not allowed:
        raise SettingsError(
            f"site {people.into.site.site}: none of its gateways is simulated, so that what is "
            "replayed would count as real"
        )
    check_organisations(people)
    return sinks.Agent((host.strip("[]") or "127.0.0.1", int(port)), allowed, damage)
