"""ChirpStack itself in the stand-in's place, where it is installed.

Its SQLite build is meant: the other one wants a PostgreSQL server. Either wants Redis, so
`redis-server` (or `valkey-server`) must be on PATH too. Everything listens on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from khaen.errors import NotRunnable
from khaen.lorawan.region import DEFAULT_CHANNELS, RX2_DATA_RATE, RX2_FREQUENCY
from khaen.mqtt import MqttSettings
from simulators.network.plan import Network

HOST: Final = "127.0.0.1"
_PROGRAMS: Final = ("chirpstack", "chirpstack-sqlite")
_STORES: Final = ("redis-server", "valkey-server")
_TOKEN: Final = re.compile(r"^token: (\S+)$", re.MULTILINE)
_START_S: Final = 30.0
_STOP_S: Final = 10.0
_POLL_S: Final = 0.05
_CLIENT_ID_BYTES: Final = 6


def find() -> tuple[Path, Path] | None:
    """ChirpStack and the store that it needs, if both are on PATH."""
    program, store = (_first(names) for names in (_PROGRAMS, _STORES))
    return None if program is None or store is None else (program, store)


def _first(names: Sequence[str]) -> Path | None:
    found = (shutil.which(name) for name in names)
    return next((Path(path) for path in found if path), None)


class ChirpStack:
    """One ChirpStack with its store. Create, `await start()`, `await stop()`; then it is gone.

    `folder` takes configuration, database and logs; it should be empty.
    """

    def __init__(
        self,
        mqtt: MqttSettings,
        folder: Path,
        *,
        programs: tuple[Path, Path],
        network: Network | None = None,
        json: bool = True,
    ) -> None:
        self._mqtt, self._folder, self._json = mqtt, folder.absolute(), json
        self._program, self._store = programs
        self.network = network or Network()
        self.api_token = ""
        self._port, self._store_port = _free_port(), _free_port()
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def api_address(self) -> str:
        """Where gRPC listens."""
        return f"{HOST}:{self._port}"

    async def start(self) -> None:
        """Write the configuration, run, and make an API key.

        Raises NotRunnable, with the end of its log, when it does not come up within 30 s.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write("chirpstack.toml", self._main())
        self._write(f"region_{self.network.region}.toml", self._region())
        try:
            await self._run("store", self._store, "--port", str(self._store_port), "--bind", HOST,
                            "--save", "", "--appendonly", "no")  # fmt: skip
            await self._wait_for(self._store_port, "store")
            await self._run("chirpstack", self._program, "--config", str(self._folder))
            await self._wait_for(self._port, "chirpstack")
            self.api_token = await self._make_key()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End both, ChirpStack first."""
        while self._processes:
            process = self._processes.pop()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    # -- processes ------------------------------------------------------------

    async def _run(self, name: str, *command: str | Path) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self._folder, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )
        self._processes.append(process)

    async def _wait_for(self, port: int, name: str) -> None:
        """Until somebody listens there. Raises NotRunnable."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                while self._processes[-1].returncode is None:
                    if _listens(port):
                        return
                    await asyncio.sleep(_POLL_S)
        raise NotRunnable(f"{name} did not start: {self._tail(name)}")

    async def _make_key(self) -> str:
        """A token of an administrator. Raises NotRunnable."""
        process = await asyncio.create_subprocess_exec(
            self._program, "--config", str(self._folder), "create-api-key", "--name", "khaen",
            cwd=self._folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_START_S):
                output, _ = await process.communicate()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise NotRunnable("chirpstack create-api-key did not end") from error
        token = _TOKEN.search(output.decode(errors="replace"))
        if token is None:
            raise NotRunnable("chirpstack create-api-key printed no token")
        return token.group(1)

    def _tail(self, name: str) -> str:
        text = (self._folder / f"{name}.log").read_text(errors="replace")
        return text[-1000:].strip() or "it wrote nothing"

    # -- configuration ----------------------------------------------------------

    def _write(self, name: str, text: str) -> None:
        """A file that only we can read: it has the broker's password in it."""
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    def _main(self) -> str:
        return f"""\
[logging]
level = "info"

[sqlite]
path = {_quoted(f"sqlite://{self._folder}/chirpstack.sqlite")}

[redis]
servers = ["redis://{HOST}:{self._store_port}"]

[network]
net_id = "{self.network.net_id}"
enabled_regions = ["{self.network.region}"]
mac_commands_disabled = {_flag(not self.network.mac_commands)}

[api]
bind = "{self.api_address}"
secret = "{secrets.token_urlsafe(32)}"

[integration]
enabled = ["mqtt"]

[integration.mqtt]
json = {_flag(self._json)}
{self._broker("events")}"""

    def _region(self) -> str:
        extra = "\n".join(
            f"""
[[regions.network.extra_channels]]
frequency = {channel.frequency}
data_rates = {list(range(channel.min_dr, channel.max_dr + 1))}"""
            for channel in self.network.channels[len(DEFAULT_CHANNELS) :]
        )
        return f"""\
[[regions]]
id = "{self.network.region}"
description = "AS923-1 as Thailand uses it"
common_name = "{self.network.common_name}"

[regions.gateway.backend]
enabled = "mqtt"

[regions.gateway.backend.mqtt]
topic_prefix = "{self.network.region}"
{self._broker("frames")}

[regions.network]
installation_margin = {self.network.margin}
rx1_delay = 1
rx2_dr = {RX2_DATA_RATE}
rx2_frequency = {RX2_FREQUENCY}
min_dr = 0
max_dr = {self.network.max_dr}
adr_disabled = {_flag(not self.network.adr)}
uplink_dwell_time_400ms = {_flag(self.network.uplink_dwell)}
downlink_dwell_time_400ms = {_flag(self.network.downlink_dwell)}
{extra}
"""

    def _broker(self, name: str) -> str:
        """The lines of one connection; ChirpStack takes 23 characters of client id."""
        scheme = "ssl" if self._mqtt.ca_file is not None else "tcp"
        lines = {
            "server": f"{scheme}://{self._mqtt.host}:{self._mqtt.port}",
            "username": self._mqtt.username,
            "password": self._mqtt.password() or "",
            "client_id": f"cs-{name}-{secrets.token_hex(_CLIENT_ID_BYTES)}",
            "ca_cert": self._mqtt.ca_file or "",
            "tls_cert": self._mqtt.cert_file or "",
            "tls_key": self._mqtt.key_file or "",
        }
        text = "".join(f"{key} = {_quoted(str(value))}\n" for key, value in lines.items())
        return f"{text}qos = 1\nclean_session = false\n"


def _quoted(text: str) -> str:
    """A basic string of TOML (toml.io, v1.0.0)."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " else f"\\u{ord(c):04x}" for c in plain) + '"'


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
