"""The far side of each source, as the suite that all sources pass wants it."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from chirpstack_api import gw

from edge.source_settings import ConcentratordSettings, NetworkServerSettings, SerialSettings
from edge.sources import semtech_udp
from edge.sources.concentratord import Concentratord
from edge.sources.network_server import NetworkServer
from edge.sources.semtech_udp import SemtechUdp
from edge.sources.serial_module import SerialModule
from khaen.clock import SystemClock
from khaen.mqtt import Client, Handlers, MqttSettings, Session
from khaen.uplink import Kind
from tests.edge.fixtures import GATEWAY
from tests.edge.sources.bench import Station, eventually
from tests.support import chirpstack, concentratord
from tests.support.broker import Mosquitto
from tests.support.lora_module import LoraModule, Rui3, WioE5

DEVICE = "a81758ff00000001"
_SUBSCRIBED = "Sending SUBACK to khaen-edge-"


class Rig(Protocol):
    """A source that listens, and the far side of it."""

    kind: Kind
    acknowledges: bool
    """Whether its protocol has acknowledgements."""

    async def say(self, payload: bytes) -> None:
        """Have the far side say something good, once."""

    async def garble(self) -> None:
        """Have the far side say all sorts of nonsense."""

    async def acknowledged(self) -> int:
        """How many times the far side was told that something is safe."""

    async def leave(self) -> None:
        """Have the far side go away, at once."""

    async def come_back(self) -> None:
        """Have it come back; returns when it is heard."""


class Udp:
    """A packet forwarder."""

    kind, acknowledges = Kind.LORAWAN, True

    def __init__(self, port: int) -> None:
        self._address = "127.0.0.1", port
        self._acknowledged = 0
        self._open()

    def _open(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def _push(self, body: bytes) -> None:
        head = b"\x02\x00\x01\x00" + bytes.fromhex(GATEWAY)
        self._socket.sendto(head + body, self._address)

    async def say(self, payload: bytes) -> None:
        data = base64.b64encode(payload).decode()
        self._push(json.dumps({"rxpk": [{"stat": 1, "data": data, "freq": 923.2}]}).encode())

    async def garble(self) -> None:
        for datagram in (b"", b"\x02", b"\xff" * 500, bytes(12)):
            self._socket.sendto(datagram, self._address)
        for body in (b"{", b"\xff", b"[]", b'{"rxpk":7}', b'{"rxpk":[7,{"stat":1},{"stat":-1}]}'):
            self._push(body)

    async def acknowledged(self) -> int:
        with suppress(BlockingIOError):
            while answer := self._socket.recv(64):
                # Nonsense in which there is no frame is acknowledged, too: it is not sent again.
                self._acknowledged += answer[3] == semtech_udp.PUSH_ACK
        return self._acknowledged

    async def leave(self) -> None:
        self._socket.close()

    async def come_back(self) -> None:
        self._open()

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path, station: Station) -> AsyncIterator["Udp"]:
        del folder
        source = SemtechUdp({GATEWAY: station}, SystemClock(), station.counts)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.setblocking(False)
            bound.bind(("127.0.0.1", 0))
            async with semtech_udp.listening(source, bound):
                rig = cls(bound.getsockname()[1])
                try:
                    yield rig
                finally:
                    rig._socket.close()


class Events:
    """A network server on the gateway, and its broker."""

    kind, acknowledges = Kind.APPLICATION, True

    def __init__(self, broker: Mosquitto) -> None:
        self.broker = broker
        self._client = Client(
            MqttSettings(port=broker.port), Session(client_id="network-server"), Handlers()
        )

    async def say(self, payload: bytes) -> None:
        await eventually(lambda: self._client.connected, bool)
        self._client.publish(chirpstack.topic(DEVICE), payload)

    async def garble(self) -> None:
        for topic in (chirpstack.topic("nobody"), chirpstack.topic(DEVICE, "unheard-of")):
            self._client.publish(topic, b"{}")
        self._client.publish(chirpstack.topic(DEVICE), bytes(100_000))

    async def acknowledged(self) -> int:
        return self.broker.log.count("Received PUBACK from khaen-edge-")

    async def leave(self) -> None:
        await asyncio.to_thread(self.broker.kill)

    async def come_back(self) -> None:
        before = self.broker.log.count(_SUBSCRIBED)
        await asyncio.to_thread(self.broker.start)
        await eventually(lambda: self.broker.log.count(_SUBSCRIBED) > before, bool)

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path, station: Station) -> AsyncIterator["Events"]:
        rig = cls(Mosquitto(folder / "broker", settings=("log_type all",)))
        source = NetworkServer(NetworkServerSettings(port=rig.broker.port), station)
        await asyncio.to_thread(rig.broker.start)
        rig._client.start()
        try:
            async with source.listening():
                await eventually(lambda: rig.broker.log.count(_SUBSCRIBED), bool)
                yield rig
        finally:
            await asyncio.to_thread(rig._client.stop)
            await asyncio.to_thread(rig.broker.stop)


class Serial:
    """A LoRa module on a serial port."""

    kind, acknowledges = Kind.P2P, False
    module = Rui3

    def __init__(self, module: LoraModule) -> None:
        self._module = module

    async def say(self, payload: bytes) -> None:
        assert self._module.hear(payload)

    async def garble(self) -> None:
        self._module.say_bytes(b"\xff\x00\r\n\n\n" + b"+" * 3000 + b"\r\n")
        for line in ("+EVT:RXP2P", "+EVT:RXP2P:1:2:3", "+EVT:JOINED", '+TEST: RX "1"', "AT_ERROR"):
            self._module.say(line)

    async def acknowledged(self) -> int:
        return 0

    async def leave(self) -> None:
        self._module.unplug()

    async def come_back(self) -> None:
        self._module.plug()
        await eventually(lambda: self._module.listens, bool)

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path, station: Station) -> AsyncIterator["Serial"]:
        module = cls.module(folder / "ttyLoRa")
        settings = SerialSettings(device=module.path, dialect=cls.dialect(), sender=DEVICE)
        rig = cls(module)
        try:
            async with SerialModule(settings, station).listening():
                await rig.come_back()
                yield rig
        finally:
            module.unplug()

    @classmethod
    def dialect(cls) -> str:
        return "rui3"


class WioSerial(Serial):
    """The same in the other dialect."""

    module = WioE5  # type: ignore[assignment]

    @classmethod
    def dialect(cls) -> str:
        return "wio_e5"


class Daemon:
    """ChirpStack Concentratord."""

    kind, acknowledges = Kind.LORAWAN, False

    def __init__(self, daemon: concentratord.Concentratord) -> None:
        self._daemon = daemon

    async def say(self, payload: bytes) -> None:
        rx = gw.UplinkRxInfo(gateway_id=GATEWAY, context=b"\0\0\0\1", crc_status=gw.CRC_OK)
        self._daemon.hear(gw.UplinkFrame(phy_payload=payload, rx_info=rx))

    async def garble(self) -> None:
        for parts in ((b"\xff",), (b"",), (b"up", b"\xff"), (b"a", b"b", b"c")):
            self._daemon.publish_raw(*parts)
        self._daemon.hear(gw.UplinkFrame())

    async def acknowledged(self) -> int:
        return 0

    async def leave(self) -> None:
        await asyncio.to_thread(self._daemon.stop)

    async def come_back(self) -> None:
        self._daemon.start()
        await asyncio.to_thread(self._daemon.await_subscriber)

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path, station: Station) -> AsyncIterator["Daemon"]:
        daemon = concentratord.Concentratord(folder, GATEWAY)
        daemon.start()
        settings = ConcentratordSettings(event_url=daemon.event_url, command_url=daemon.command_url)
        try:
            async with Concentratord(settings, {GATEWAY: station}).listening():
                await asyncio.to_thread(daemon.await_subscriber)
                yield cls(daemon)
        finally:
            await asyncio.to_thread(daemon.stop)


RIGS = {
    "semtech_udp": Udp,
    "network_server": Events,
    "serial_rui3": Serial,
    "serial_wio_e5": WioSerial,
    "concentratord": Daemon,
}
