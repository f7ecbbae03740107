"""`khaen replay`: recorded traffic, sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.configured import CONFIG, Config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_INTERRUPTED = 130


@app.command()
def replay(
    capture: Annotated[Path, typer.Argument(help="A capture, or what else was recorded.")],
    to: Annotated[
        str,
        typer.Option(
            help="mqtt (the broker of the settings), mqtt:HOST:PORT, udp:HOST:PORT (an agent), "
            "FILE.khcap, - (lines of JSON), or null (only count)."
        ),
    ] = "mqtt",
    config: Config = CONFIG,
    username: Annotated[str, typer.Option(help="With mqtt:HOST:PORT, the account …")] = "",
    password_file: Annotated[Path | None, typer.Option(help="… its password, one line …")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="… and whom to trust.")] = None,
    speed: Annotated[
        str | None,
        typer.Option(help="1, N times real time, or max; 1 to a broker or an agent, else max."),
    ] = None,
    shift: Annotated[
        str | None,
        typer.Option(help="now: as if it happened while it is sent; keep: its own times."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="From this time on, 2026-03-01T08:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only this DevEUI; may repeat.")] = None,
    gateway: Annotated[
        list[str] | None, typer.Option(help="Only this gateway's EUI; may repeat.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Only devices of this family; needs --site.")
    ] = None,
    road: Annotated[list[str] | None, typer.Option(help="Only mqtt, udp_up or udp_down.")] = None,
    site: Annotated[
        Path | None, typer.Option(help="The site file that was recorded: families and keys.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Its keys alone: dev_eui,nwk_s_key,app_s_key.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="The simulated site file that takes the replay.")
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="CSV of EUIs `from,to`: devices and gateways.")
    ] = None,
    anonymise: Annotated[
        Path | None,
        typer.Option(help="Replace all identities, by the secret in this file of mode 0600."),
    ] = None,
    site_out: Annotated[
        Path | None,
        typer.Option(
            help="With --anonymise and --site: write the site file of the replayed here, into a "
            "new folder."
        ),
    ] = None,
    loop: Annotated[int, typer.Option(min=1, help="So many times over.")] = 1,
    count_on: Annotated[
        bool, typer.Option("--count-on", help="With --loop: let counters go on; needs the keys.")
    ] = False,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault, such as loss=0.1 (docs/faults.md).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the faults.")] = 1,
    format_name: Annotated[
        str | None, typer.Option("--format", help="The format, where it is not seen by itself.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Of times that name none: Asia/Bangkok.")] = "UTC",
    as_gateway: Annotated[
        str | None, typer.Option(help="The gateway of a log that names none.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Send nothing; say what --with …")] = False,
    with_: Annotated[
        Path | None,
        typer.Option("--with", help="… a folder of other families and rules would change."),
    ] = None,
) -> None:
    """Send recorded traffic again, stamped as a replay, to a simulated organisation."""
    from commands import replaying
    from commands.replay_wishes import Wishes
    from khaen.errors import SettingsError

    wishes = Wishes(
        capture=capture,
        to=to,
        config=config,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
        speed=speed,
        shift=shift,
        since=since,
        until=until,
        devices=tuple(device or ()),
        gateways=tuple(gateway or ()),
        families=tuple(family or ()),
        roads=tuple(road or ()),
        site=site,
        keys=keys,
        into=into,
        map_file=map_file,
        anonymise=anonymise,
        site_out=site_out,
        loop=loop,
        count_on=count_on,
        faults=tuple(fault or ()),
        seed=seed,
        format_name=format_name,
        zone=zone,
        as_gateway=as_gateway,
    )
    if diff or with_ is not None:
        if with_ is None:
            raise SettingsError("--diff: name the folder to compare with: --with DIR")
        replaying.compare(wishes, with_)
    elif not replaying.play(wishes):
        raise typer.Exit(_INTERRUPTED)
