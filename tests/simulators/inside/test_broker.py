"""The broker of a virtual world keeps, gives, forgets and dies as real ones do."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from khaen.mqtt import Handlers, Message, MqttSettings, Session, Will
from simulators.inside.broker import Broker, covers, split
from simulators.inside.client import VirtualClient
from simulators.inside.link import VirtualLink
from simulators.inside.loop import Stalled, VirtualLoop
from simulators.link import Fault


@dataclass
class Party:
    """A client with its link, and what it saw."""

    link: VirtualLink = field(default_factory=VirtualLink)
    got: list[Message] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.got]


class House:
    """A broker with a publisher, and a subscriber whose session is kept."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop, self.broker = loop, Broker(loop)
        self.sender, self.receiver = Party(), Party()
        will = Will(topic="state", payload=b"gone")
        self.publisher = self.client(self.sender, Session(client_id="p", will=will))
        kept = Session(client_id="s", subscriptions=("a/+", "state"), expiry=60, window=2)
        self.subscriber = self.client(self.receiver, kept)
        self.publisher.start()
        self.subscriber.start()
        self.wait(0.1)

    def client(self, party: Party, session: Session) -> VirtualClient:
        handlers = Handlers(
            message=party.got.append,
            published=lambda _connection, mid, _taken: party.taken.append(mid),
            disconnected=party.ended.append,
        )
        return VirtualClient(
            MqttSettings(),
            session,
            handlers,
            broker=self.broker,
            link=party.link,
            loop=self.loop,
            rng=Random(1),
        )

    def say(self, *payloads: bytes, retain: bool = False) -> None:
        for payload in payloads:
            assert self.publisher.publish("a/b", payload, retain=retain) is not None

    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    found = VirtualLoop()
    yield found
    found.close()


@pytest.fixture
def house(loop: VirtualLoop) -> House:
    return House(loop)


@pytest.mark.parametrize(
    ("wanted", "topic", "yes"),
    [
        ("+/gateway/+/event/up", "as923/gateway/01/event/up", True),
        ("+/gateway/+/event/up", "as923/gateway/01/event/stats", False),
        ("a/#", "a/b/c", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a", False),
    ],
)
def test_subscriptions_cover_topics(wanted: str, topic: str, yes: bool) -> None:
    assert covers(split(wanted), split(topic)) is yes


def test_a_message_is_kept_until_it_is_acknowledged(house: House) -> None:
    house.say(b"1", b"2", b"3")
    house.wait(0.1)
    assert len(house.sender.taken) == 3
    assert house.receiver.payloads() == [b"1", b"2"], "no more than the window"
    house.subscriber.ack(house.receiver.got[0])
    house.wait(0.1)
    house.subscriber.drop()
    stale = house.receiver.got[1]
    house.wait(5)
    assert not house.subscriber.ack(stale), "it belongs to a connection that is over"
    assert house.receiver.payloads() == [b"1", b"2", b"3", b"2", b"3"]


def test_a_broker_that_forgets_gives_nothing(house: House) -> None:
    house.receiver.link.cut()
    house.say(b"1", retain=True)
    house.wait(0.1)
    house.broker.die(forgetting=True)
    assert house.publisher.publish("a/b", b"2") is None
    house.receiver.link.restore()
    house.broker.rise()
    house.wait(5)
    house.say(b"3")
    house.wait(0.1)
    assert house.receiver.payloads() == [b"3"]


def test_a_broker_that_remembers_gives_what_waited(house: House) -> None:
    house.receiver.link.cut()
    house.say(b"1")
    house.wait(0.1)
    house.broker.die(forgetting=False)
    house.receiver.link.restore()
    house.broker.rise()
    house.wait(5)
    assert house.receiver.payloads() == [b"1"]


def test_the_worst_moment_is_after_the_acknowledgement(house: House) -> None:
    house.broker.die_after(lambda publication: publication.payload == b"2", forgetting=True)
    house.say(b"1")
    house.wait(0.1)
    house.say(b"2")
    house.wait(0.1)
    assert not house.broker.up
    assert len(house.sender.taken) == 2
    assert house.receiver.payloads() == [b"1"]
    house.broker.rise()
    house.wait(5)
    assert house.receiver.payloads() == [b"1"], "nobody has it but its sender"


def test_a_black_hole_holds_what_comes_for_five_seconds(house: House) -> None:
    house.sender.link.cut(Fault.BLACK_HOLE)
    house.say(b"1")
    house.wait(3)
    assert house.receiver.got == []
    house.sender.link.restore()
    house.wait(0.1)
    assert house.receiver.payloads() == [b"1"]
    house.sender.link.cut(Fault.BLACK_HOLE)
    house.say(b"2")
    house.wait(6)
    assert house.sender.ended == ["timed out"]
    assert house.publisher.publish("a/b", b"3") is None


def test_a_lost_client_leaves_its_will_and_a_parting_one_does_not(house: House) -> None:
    house.publisher.stop()
    house.wait(0.1)
    assert house.receiver.got == []
    house.publisher.start()
    house.wait(0.1)
    house.sender.link.cut()
    house.wait(0.1)
    assert house.receiver.payloads() == [b"gone"]


def test_time_is_what_is_waited_for(loop: VirtualLoop) -> None:
    async def work() -> float:
        await asyncio.to_thread(lambda: None)
        async with asyncio.TaskGroup() as tasks:
            for hours in (1, 72):
                tasks.create_task(asyncio.sleep(hours * 3600))
        return loop.time()

    assert loop.run_until_complete(work()) == pytest.approx(72 * 3600)


def test_what_will_never_be_is_no_wait_for_ever(loop: VirtualLoop) -> None:
    waiting = loop.create_task(asyncio.Event().wait())
    with pytest.raises(Stalled):
        loop.run_until_complete(waiting)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waiting)
