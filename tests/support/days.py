"""A small site over days, in virtual time: what its broker was given, and what must hold of it.

The agents, ingest and rules are the real ones; gateways lose their network, their power, the time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from chirpstack_api import gw

from edge.dating import FLOOR
from khaen.clock import to_micros
from khaen.lorawan.frame import DataFrame, parse
from khaen.mqtt import Handlers, Message, MqttSettings, Session
from khaen.uplink import Kind
from simulators.acts.vocabulary import CutGateway, RebootGateway, RestoreGateway
from simulators.inside.client import VirtualClient
from simulators.inside.link import VirtualLink
from simulators.inside.world import Cadence, World
from simulators.payloads.wristband import SOS_PORT
from simulators.sites.demonstration import make_site
from simulators.traffic import Pace
from store.accounts import AccountRow, audit

START: Final = datetime(2026, 3, 14, 1, 0, tzinfo=UTC)
HOUR: Final = 3600.0
LIVE_S: Final = 2.0
"""docs/wire.md: an older frame goes by the backlog."""
_OFF_S: Final = 60.0
_EXACT_US: Final = 50_000
"""From the end of a frame on the air until the agent has it."""
_RARE: Final = Cadence(heartbeat_s=3600.0, status_s=3600.0, look_s=1e9, rarer=360.0)
"""Of what is not asked about, as little as may be: days must pass in seconds. Nobody looks whether
gateways are silent, which would raise an alarm that is repeated each minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A numbered frame as the broker gave it to somebody who only listens."""

    at: datetime
    topic: str
    frame: gw.UplinkFrame

    @property
    def facts(self) -> Mapping[str, str]:
        """What the agent says of it."""
        return dict(self.frame.rx_info.metadata)

    @property
    def late(self) -> bool:
        """Whether it came by the backlog."""
        return self.topic.endswith("/backlog")


class Days(World):
    """A world of the demonstration's first gateways and some of its wristbands."""

    def __init__(self, folder: Path, *, gateways: int, devices: slice, every_s: float) -> None:
        made = make_site(1)
        site = made.site.model_copy(
            update={
                "gateways": made.site.gateways[:gateways],
                "devices": made.site.devices[devices],
            }
        )
        pace = Pace(wristband=every_s, sensor=every_s)
        super().__init__(
            site, made.keys, seed=1, start=START, folder=folder, pace=pace, cadence=_RARE
        )
        self.messages: list[Heard] = []
        self._ear = VirtualClient(
            MqttSettings(),
            Session(client_id="ear", subscriptions=("#",), window=1000),
            Handlers(message=self._hear),
            broker=self.broker,
            link=VirtualLink(),
            loop=self.loop,
            rng=Random(1),
        )
        self._ear.start()

    def _hear(self, message: Message) -> None:
        self._ear.ack(message)
        if message.topic.endswith(("/event/up", "/live", "/backlog")):
            frame = gw.UplinkFrame.FromString(message.payload)
            self.messages.append(Heard(at=self.clock.now(), topic=message.topic, frame=frame))

    # -- what happens -------------------------------------------------------

    def cut(self) -> None:
        """All gateways lose their network."""
        for gateway in self.gateways.values():
            self.perform(CutGateway(gateway=gateway.eui))

    def restore(self) -> None:
        """They have it again; returns when the first of what they kept has come."""
        for gateway in self.gateways.values():
            self.perform(RestoreGateway(gateway=gateway.eui))
        before = len(self.messages)
        while len(self.messages) == before:
            self.advance(self.now + 0.05)

    def reboot(self, clock: datetime | None) -> None:
        """The first gateway is off for a minute; then it takes this for the time, or knows it."""
        gateway = self.gateway("gw-1")
        self.perform(RebootGateway(gateway=gateway.eui, off_s=_OFF_S, clock=clock is None))
        if clock is not None:
            gateway.clock.ahead = clock - self.clock.now()
        self.advance(self.now + _OFF_S + 1)

    # -- what is seen -------------------------------------------------------

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger answers."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def received(self) -> int:
        """Receptions in the ledger."""
        return int(self.rows("SELECT count(*) FROM reception")[0][0])

    def acked(self) -> int:
        """Frames that the agents have acknowledged to their packet forwarders."""
        return sum(tally.acked for tally in self.twin.tallies().values())

    def check_whole(self) -> list[AccountRow]:
        """After a drain nothing is missing or under way, and each frame is there once."""
        with self.database.read() as connection:
            accounts = audit(connection, self.clock.now())
        for row in accounts:
            assert (row.missing, row.in_flight, row.conflict) == (0, 0, False), row
            assert row.heard == row.committed + row.gone > 0, row
        assert self.received() == self.acked(), "all that was acknowledged, each once"
        return accounts

    def check_live(self) -> None:
        """What went to the network server was heard just now, whatever came in between."""
        ages = [
            message.at - START - timedelta(seconds=sent)
            for message in self.messages
            if not message.late and (sent := self.sent_at(message.frame.phy_payload)) is not None
        ]
        assert max(ages) <= timedelta(seconds=LIVE_S + 0.1)

    def check_order(self) -> None:
        """By each gateway's backlog every device's frames come in the order heard; calls before."""
        last: dict[tuple[str, str], int] = {}
        seen: set[tuple[str, ...]] = set()
        for message in self.messages:
            number = message.topic, message.facts["khaen_epoch"], message.facts["khaen_seq"]
            first, kind = number not in seen, message.facts["khaen_kind"]
            seen.add(number)
            if not (message.late and first and kind == Kind.LORAWAN):
                continue
            frame = parse(message.frame.phy_payload)
            assert isinstance(frame, DataFrame)
            if frame.f_port != SOS_PORT:
                device = message.topic, frame.dev_addr
                assert last.get(device, -1) < frame.f_cnt16
                last[device] = frame.f_cnt16
        assert last, "some came by the backlog"

    def check_dates(self) -> Counter[str]:
        """No date is before anybody could have heard anything, or after the arrival; exact ones are
        right, and spans hold the true time. How many there are of each rung.
        """
        rungs: Counter[str] = Counter()
        sql = (
            "SELECT phy_payload, r.received_at, r.received_until, r.clock, r.ingested_at"
            " FROM reception r JOIN uplink u ON u.seq = r.uplink"
        )
        for phy, at, until, rung, came in self.rows(sql):
            sent = self.sent_at(phy)
            assert sent is not None
            true = to_micros(START) + round(sent * 1e6)
            assert to_micros(FLOOR) <= at <= came
            if until is None:
                assert abs(at - true) <= _EXACT_US, rung
            else:
                assert at - _EXACT_US <= true <= until + _EXACT_US, rung
            rungs[rung] += 1
        return rungs


@contextmanager
def days(
    folder: Path, *, gateways: int = 1, devices: slice = slice(10, 13), every_s: float = 900.0
) -> Iterator[Days]:
    """A world whose devices speak each `every_s` seconds."""
    with Days(folder, gateways=gateways, devices=devices, every_s=every_s) as world:
        yield world
