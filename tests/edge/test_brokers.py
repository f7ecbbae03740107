"""The real agent before brokers of all kinds: without Khaen behind them, and with mutual TLS."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from chirpstack_api import gw

from khaen import status as statuses
from khaen import topics
from khaen.mqtt import Client, Handlers, Message, MqttSettings, Session
from khaen.status import GatewayStatus
from khaen.wire import parse
from tests.edge.agent import Agent, forwarding, listening, running, write_config
from tests.edge.fixtures import GATEWAY
from tests.khaen.test_mqtt import until
from tests.support.authority import Authority, Identity, listen_with_tls
from tests.support.broker import Mosquitto

pytestmark = pytest.mark.end_to_end
UP, BACKLOG = topics.up("as923", GATEWAY), topics.backlog(GATEWAY)
LIVE = topics.live(GATEWAY)
STATUS, CONN = topics.status(GATEWAY), topics.conn("as923", GATEWAY)


def payloads(messages: Sequence[Message]) -> set[bytes]:
    return {parse(GATEWAY, m.payload).payload for m in messages if m.topic in (UP, BACKLOG)}


def is_there(wanted: set[bytes], messages: Sequence[Message]) -> bool:
    return wanted <= payloads(messages)


def says(test: Callable[[GatewayStatus], bool], messages: Sequence[Message]) -> bool:
    return any(test(statuses.parse(m.payload)) for m in messages if m.topic == STATUS)


def push(agent: Agent, name: str, count: int) -> set[bytes]:
    """Frames of which the agent said that they are on disk."""
    with forwarding(agent.udp) as radio:
        for i in range(count):
            radio.push(b"\x40%s %d" % (name.encode(), i))
        while len(radio.acknowledged) < count:
            assert radio.collect(5.0)
        return set(radio.acknowledged)


def test_without_khaen_the_brokers_word_empties_the_outbox(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    config = write_config(tmp_path, broker.port, status_s=0.3)
    config.write_text(f"{config.read_text()}[forward]\npuback = true\n")
    with listening(broker.port, UP, BACKLOG, LIVE, STATUS) as listener:
        with running(config) as agent:
            first = push(agent, "first", 40)
            listener.wait_for(partial(is_there, first))
            listener.wait_for(
                partial(says, lambda s: s.backlog == 0 and s.last_seq >= 40), timeout_s=20
            )
            broker.stop()
            second = push(agent, "second", 40)
            agent.kill()
        broker.start()
        until(lambda: listener.client.connected, "the listener is back")
        with running(config) as agent:
            listener.wait_for(partial(is_there, first | second))
            emptied = partial(says, lambda s: s.backlog == 0 and s.last_seq >= 80)
            listener.wait_for(emptied, timeout_s=20)
            assert says(lambda s: "puback_is_proof" in s.warnings, listener.messages)


def test_what_the_broker_refuses_of_a_region_goes_by_the_backlog(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text("topic readwrite khaen/#\ntopic read as923/#\n")
    broker = mosquitto(settings=[f"acl_file {allowed}"])
    config = write_config(tmp_path, broker.port, status_s=0.3)
    with listening(broker.port, UP, BACKLOG, STATUS) as listener, running(config) as agent:
        frames = push(agent, "refused", 3)
        listener.wait_for(partial(is_there, frames))
        assert UP not in {message.topic for message in listener.messages}
        listener.wait_for(partial(says, lambda s: "publish_refused" in s.warnings))


class Sealed:
    """Who listens on a broker of mutual TLS."""

    def __init__(self, settings: MqttSettings, *wanted: str) -> None:
        self.messages: list[Message] = []
        self.client = Client(
            settings,
            Session(client_id="listener", subscriptions=wanted),
            Handlers(message=self._take),
        )
        self.client.start()

    def _take(self, message: Message) -> None:
        self.client.ack(message)
        self.messages.append(message)

    def states(self) -> list[int]:
        """What `state/conn` said so far."""
        found = (gw.ConnState.FromString(m.payload) for m in self.messages if m.topic == CONN)
        return [int(state.state) for state in found]


def configure(folder: Path, broker: Mosquitto, authority: Authority, own: Identity) -> Path:
    """An `edge.toml` for mutual TLS."""
    file = write_config(folder, broker.port)
    lines = f'ca_file = "{authority.ca}"\ncert_file = "{own.cert}"\nkey_file = "{own.key}"\n'
    file.write_text(file.read_text().replace("[outbox]", f"{lines}[outbox]"))
    return file


def test_mutual_tls_from_a_certificate_that_is_over_to_a_last_will(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    authority = Authority(tmp_path / "ca")
    broker = mosquitto(settings=listen_with_tls(authority.issue("broker"), authority, mutual=True))
    ours = authority.issue("listener")
    listener = Sealed(
        MqttSettings(
            port=broker.port, ca_file=authority.ca, cert_file=ours.cert, key_file=ours.key
        ),
        *(UP, BACKLOG, CONN),
    )
    online, offline = int(gw.ConnState.ONLINE), int(gw.ConnState.OFFLINE)
    day = timedelta(days=1)
    try:
        until(lambda: listener.client.connected, "the listener is there")
        own = authority.issue("gateway", begins=-2 * day, ends=-day)
        config = configure(tmp_path, broker, authority, own)
        with running(config) as agent:
            remedy = f"our certificate has expired: renew {own.cert}"
            until(lambda: remedy in "\n".join(agent.lines), "the file and the remedy are logged")
            early = push(agent, "early", 3)
            assert authority.issue("gateway") == own
            until(lambda: listener.states() == [online], "the new one is taken")
            wanted = early | push(agent, "sealed", 3)
            until(lambda: is_there(wanted, listener.messages), "all frames by TLS")
            agent.kill()
        until(lambda: listener.states() == [online, offline], "the last will")
        with running(config) as agent:
            until(lambda: listener.states()[2:] == [online], "back")
            assert agent.stop() == 0
        until(lambda: listener.states()[3:] == [offline], "a farewell")
    finally:
        listener.client.stop()
