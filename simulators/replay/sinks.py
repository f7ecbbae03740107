"""Where a replay goes: a broker, an agent, another capture, or lines of JSON."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, TextIO

from edge.version import find_version
from khaen import topics
from khaen.capture import Header, PartWriter, Record, Road
from khaen.clock import Clock, format_time
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.topics import ApplicationTopic, GatewayTopic
from simulators.frames import frames
from simulators.replay.damage import Damage
from simulators.replay.datagrams import Datagrams
from simulators.replay.publisher import Publisher
from simulators.replay.skip import NOT_OF_THE_SITE, Skip
from simulators.replay.stamp import Moved, Outgoing, Stamper

PublisherOf = Callable[[str], Publisher | None]
"""The connection of an account by its name, made anew; None where there is no such account."""
GATEWAY: Final = "gateway-"
NETWORK_SERVER: Final = "network-server"
_ACKS_S: Final = 2.0
_WINDOW: Final = 64
"""Datagrams without an answer; an agent that answers none is sent on to after 2 s for each 64."""
_DATAGRAM: Final = 2048
_TOPIC: Final = 65_535
"""Bytes that a topic may have."""
_NOT_IN_A_TOPIC: Final = re.compile("[+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Wildcards, control characters, halves of surrogates, and what Unicode calls no characters."""


def is_publishable(topic: str) -> bool:
    """Whether a broker takes a message on it: MQTT 5, sections 1.5.4 and 4.7.

    Control characters may be refused by a broker; with them it would refuse for ever. A datagram
    has no topic.
    """
    if _NOT_IN_A_TOPIC.search(topic):
        return False
    return len(topic.encode()) <= _TOPIC


class Sink(Protocol):
    """Takes records one by one. Its methods block and raise NotRunnable when it is gone."""

    def send(self, record: Record, moved: Moved) -> None:
        """Send a record whose times are `moved`. Raises Skip where it cannot be sent so."""

    def finish(self) -> Mapping[str, int]:
        """Wait until all has arrived: what a person shall know, in figures."""

    def close(self) -> None:
        """Let go of everything; may be called without `finish`."""


class Broker:
    """Publishes as the accounts of gateways and of the network server would.

    `gateways` are those that it may speak for, whatever a fault made of a frame; None for all.
    """

    def __init__(
        self,
        publisher_of: PublisherOf,
        stamper: Stamper,
        clock: Clock,
        gateways: frozenset[GatewayEui] | None = None,
        damage: Damage | None = None,
    ) -> None:
        self._gateways, self._damage = gateways, damage or Damage()
        self._publisher_of, self._stamper, self._clock = publisher_of, stamper, clock
        self._publishers: dict[str, Publisher | None] = {}

    def send(self, record: Record, moved: Moved) -> None:
        """As Sink.send."""
        for message in self._stamper.stamp(record, moved, self._clock.now()):
            publisher = self._publisher(message)
            sent = replace(record, road=Road.MQTT, topic=message.topic, payload=message.payload)
            for arriving in self._damage(sent):
                publisher.publish(replace(message, payload=arriving.payload))

    def finish(self) -> Mapping[str, int]:
        """As Sink.finish."""
        counts: Counter[str] = Counter()
        for publisher in set(filter(None, self._publishers.values())):
            publisher.drain()
            counts["messages"] += publisher.taken
            if publisher.refused:
                counts["refused by the broker"] += publisher.refused
        return counts

    def close(self) -> None:
        """As Sink.close."""
        for publisher in filter(None, self._publishers.values()):
            publisher.close()

    def _may_speak_for(self, topic: GatewayTopic | ApplicationTopic) -> bool:
        if self._gateways is None or not isinstance(topic, GatewayTopic):
            return True
        return topic.gateway in self._gateways

    def _publisher(self, message: Outgoing) -> Publisher:
        topic = topics.parse(message.topic)
        if not self._may_speak_for(topic):
            raise Skip(NOT_OF_THE_SITE)
        account = f"{GATEWAY}{topic.gateway}" if isinstance(topic, GatewayTopic) else NETWORK_SERVER
        if account not in self._publishers:
            self._publishers[account] = self._publisher_of(account)
        publisher = self._publishers[account]
        if publisher is None:
            raise Skip(f"no_account_{'gateway' if account != NETWORK_SERVER else 'network_server'}")
        return publisher


class Agent:
    """Speaks to one agent as its packet forwarder. `gateways` are those that it may speak for."""

    def __init__(
        self,
        address: tuple[str, int],
        gateways: frozenset[GatewayEui],
        damage: Damage | None = None,
    ) -> None:
        self._gateways, self._address, self._damage = gateways, address, damage or Damage()
        self._datagrams = Datagrams()
        self._waiting: set[int] = set()
        self._acked = self._sent = 0
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise NotRunnable(f"udp {address[0]}:{address[1]}: {error}") from error

    def send(self, record: Record, moved: Moved) -> None:
        """As Sink.send; the agent dates what it hears, so `moved` does not matter."""
        del moved
        for gateway, token, datagram in self._datagrams.make(record):
            if gateway not in self._gateways:
                raise Skip("not_a_simulated_gateway")
            while len(self._waiting) >= _WINDOW:
                if not self._listen(_ACKS_S):
                    self._waiting.clear()
            sent = replace(record, road=Road.UDP_UP, topic="", payload=datagram)
            for arriving in self._damage(sent):
                with suppress(ConnectionRefusedError):  # what the kernel says of an earlier one
                    self._socket.send(arriving.payload)
                self._waiting.add(token)
                self._sent += 1
        self._listen(0.0)

    def finish(self) -> Mapping[str, int]:
        """As Sink.finish; what is not acknowledged in time is counted."""
        while self._waiting and self._listen(_ACKS_S):
            pass
        return {"datagrams": self._sent, "acknowledged": self._acked}

    def close(self) -> None:
        """As Sink.close."""
        self._socket.close()

    def _listen(self, timeout_s: float) -> bool:
        """Take what answers there are; False where none came in time."""
        came = False
        while True:
            self._socket.settimeout(timeout_s)
            try:
                answer = self._socket.recv(_DATAGRAM)
            except (TimeoutError, BlockingIOError):
                return came
            except ConnectionRefusedError:
                return False
            came, timeout_s = True, 0.0
            token = int.from_bytes(answer[1:3], "little")
            if answer[3:4] == b"\x01" and token in self._waiting:  # PUSH_ACK
                self._waiting.discard(token)
                self._acked += 1


class Capture:
    """Writes another capture. Times are moved; nothing is stamped, for nothing is sent."""

    def __init__(self, path: Path, clock: Clock, *, simulated: bool, site: str | None) -> None:
        about = Header(
            tool=f"khaen {find_version()}",
            began=clock.now(),
            recorded=("a replay",),
            simulated=simulated,
            site=site,
        )
        self._writer = PartWriter(path, about, monotonic=clock.monotonic)

    def send(self, record: Record, moved: Moved) -> None:
        """As Sink.send."""
        at = moved(record.at)
        self._writer.write(record if at == record.at else replace(record, at=at))

    def finish(self) -> Mapping[str, int]:
        """As Sink.finish."""
        self._writer.flush()
        return {"records": self._writer.records, "bytes": self._writer.size}

    def close(self) -> None:
        """As Sink.close."""
        self._writer.close()


class Lines:
    """Writes a line of JSON for each record: payloads in hexadecimal, and what is in them."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._count = out, 0

    def send(self, record: Record, moved: Moved) -> None:
        """As Sink.send."""
        found = [
            {
                "gateway": frame.gateway_eui,
                "dev_eui": frame.dev_eui,
                "dev_addr": frame.dev_addr,
                "f_cnt": frame.f_cnt,
                "f_port": frame.f_port,
                "rssi": frame.rssi,
                "snr": frame.snr,
            }
            for frame in frames(record)
        ]
        line = {
            "at": format_time(moved(record.at)),
            "road": record.road.value,
            "topic": record.topic,
            "frames": found,
            "payload": record.payload.hex(),
        }
        self._out.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")
        self._count += 1

    def finish(self) -> Mapping[str, int]:
        """As Sink.finish."""
        self._out.flush()
        return {"lines": self._count}

    def close(self) -> None:
        """As Sink.close: the lines are another's."""


class Nothing:
    """Goes nowhere: for a look at what would be sent."""

    def send(self, record: Record, moved: Moved) -> None:
        """As Sink.send."""

    def finish(self) -> Mapping[str, int]:
        """As Sink.finish."""
        return {}

    def close(self) -> None:
        """As Sink.close."""
