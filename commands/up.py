"""`khaen up`: a whole site on this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.configured import DATA, read

if TYPE_CHECKING:
    from deploy.local import LocalSite


def up(
    site: Annotated[Path, typer.Option(help="The site file.")],
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = DATA,
    host: Annotated[str, typer.Option(help="Where the broker listens.")] = "127.0.0.1",
    mqtt_port: Annotated[int, typer.Option(help="The broker's port; 0 takes any.")] = 1883,
    console_host: Annotated[str, typer.Option(help="Where the console listens.")] = "127.0.0.1",
    console_port: Annotated[int, typer.Option(help="The console's port; 0 takes any.")] = 8080,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or amqtt.")] = "auto",
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Run a site on this machine: broker, agents, ingest, alarms and console.

    Applies the site file first, after showing what differs. Ctrl-C stops everything.
    """
    from commands.site import load_site
    from decoders.collection import beside
    from deploy.local import LocalSite, Options
    from deploy.ports import Wanted

    loaded = load_site(site)
    options = Options(
        host=host,
        console_host=console_host,
        ports=Wanted(mqtt=mqtt_port, console=console_port),
        broker=broker,
        log_level=log_level,
        server={"decoders": {"codecs": str(beside(site))}},
    )
    local = LocalSite(loaded.site, loaded.keys, data, options, say=typer.echo)
    asyncio.run(_run(local))


async def _run(local: LocalSite) -> None:
    from commands.site import print_differences

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        await asyncio.to_thread(local.prepare)
        print_differences(await asyncio.to_thread(local.differences))
        await asyncio.to_thread(local.apply)
        if await _start(local, stop):
            await asyncio.to_thread(_welcome, local)
            await stop.wait()
            typer.echo("stopping")
    finally:
        await local.stop()


async def _start(local: LocalSite, stop: asyncio.Event) -> bool:
    """Start everything; False where somebody wanted it to stop meanwhile."""
    starting = asyncio.create_task(local.start(), name="start")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
    await asyncio.wait({starting, stopping})
    if starting.cancelled():
        return False
    starting.result()
    return not stop.is_set()


def _welcome(local: LocalSite) -> None:
    """Say where the console is, and where nobody has signed in yet, how to."""
    typer.echo(f"console {local.console_url}")
    if local.site.lorawan.network_server:
        host, port = local.broker_address
        folder = local.credentials.folder / "network-server"
        typer.echo(f"network server: MQTT {host}:{port}, account and password in {folder}")
    typer.echo(_sign_in(local))


def _sign_in(local: LocalSite) -> str:
    """How to sign in: a link where there is no user yet. It is a secret, for a terminal only."""
    from commands.configured import ledger
    from commands.programs import sign_in_url
    from store import users

    settings = read(local.settings_file)
    with ledger(settings) as database, database.write() as tx:
        if users.exist(tx.connection):
            return f"another sign-in link: khaen console link --config {local.settings_file}"
        if not sys.stdout.isatty():
            return f"sign in: khaen console link --config {local.settings_file}"
        token = users.make_sign_in_link(tx, users.administrator(tx).id)
    return f"sign in once, within 15 minutes: {sign_in_url(settings, token)}"
