"""Whatever comes in is kept with its reason, costs itself only, and is accounted for."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from khaen import topics
from khaen.ids import Epoch, GatewayEui
from simulators.payloads import wristband
from tests.support import chirpstack
from tests.support.chirpstack import HeardBy
from tests.support.programs import wait_for
from tests.support.site import GATEWAYS, OURS, Band, RunningSite, make_bands
from tests.support.wire import envelope

pytestmark = pytest.mark.end_to_end

GATEWAY, SILENT = GATEWAYS[:2]
"""The second one's agent does not run: what it sends is published here, as an agent would."""
EPOCH = Epoch("e0e0e0e0e0e0e0e0")
SEMTECH = Path(__file__).parents[1] / "edge" / "semtech.json"


@dataclass
class Abuse:
    """A site and a band whose frames must come through after each thing that is wrong."""

    site: RunningSite
    band: Band
    wrong: Band
    expected: dict[str, int] = field(default_factory=dict)
    seq: int = 0

    def radio(self, *frames: bytes, **facts: Any) -> None:
        self.site.forwarders[GATEWAY].hear(*frames, **facts)

    def datagram(self, body: bytes, head: bytes = b"\x02\x00\x01\x00", eui: str = GATEWAY) -> None:
        self.site.forwarders[GATEWAY].send_raw(head + bytes.fromhex(eui) + body)

    def publish(self, where: str, payload: bytes) -> None:
        chirpstack.publish(self.site.broker.port, where, payload)

    def number(self) -> int:
        self.seq += 1
        return self.seq

    def is_refused(self, reason: str, how: Callable[[], None], copies: int = 1) -> None:
        """Do it, see it in the quarantine with its reason, and a good frame after it."""
        how()
        self.expected[reason] = self.expected.get(reason, 0) + copies
        wait_for(
            lambda: self.site.quarantined() == self.expected,
            lambda: f"quarantine {self.expected}, is {self.site.quarantined()}",
            timeout_s=10,
        )
        self.goes_on()

    def goes_on(self) -> None:
        """A good frame is committed."""
        self.radio(self.band.telemetry())
        self.site.await_counter(self.band, self.band.f_cnt - 1, timeout_s=10)


@contextmanager
def abused(folder: Path) -> Iterator[Abuse]:
    band, wrong = make_bands(2)
    with RunningSite(folder=folder, bands=[band, wrong], gateways=(GATEWAY, SILENT)) as site:
        site.start(people=False, agents=(GATEWAY,))
        abuse = Abuse(site, band, wrong)
        abuse.goes_on()
        yield abuse
        good = band.f_cnt
        accounts = {row.gateway_eui: row for row in site.await_whole()}
        assert site.counters(band) == list(range(good)), "every good frame, once"
        for account in accounts.values():
            assert account.heard == account.committed
            assert (account.gone, account.conflict) == (0, False)
        if abuse.seq:
            assert accounts[SILENT].heard == abuse.seq, "a refused number is settled all the same"


def test_the_radio_brings_anything(tmp_path: Path) -> None:
    with abused(tmp_path) as abuse:
        band, wrong = abuse.band, abuse.wrong
        good = wrong.telemetry()

        abuse.is_refused("bad_mic", lambda: abuse.radio(good[:-1] + bytes((good[-1] ^ 1,))))
        abuse.is_refused("not_lorawan", lambda: abuse.radio(good[:7]))
        proprietary = b"\xff" * 12
        abuse.is_refused("other_frame", lambda: abuse.radio(proprietary))
        stranger = Band(0x0999)
        assert stranger.dev_addr.startswith(OURS[:2])
        abuse.is_refused("unknown_address", lambda: abuse.radio(stranger.telemetry()))

        # The same frame once more is one more reception of the same uplink.
        abuse.radio(good, tmst=1)
        abuse.site.await_counter(wrong, 0)
        abuse.radio(good, tmst=2)
        heard = "SELECT receptions FROM uplink WHERE dev_eui = ?"
        wait_for(lambda: abuse.site.value(heard, wrong.dev_eui) == 2, "the copy merged")
        abuse.goes_on()

        # Another network's frame is theirs: kept for a while, counted, and not in the quarantine.
        foreign = bytearray(good)
        foreign[1:5] = bytes.fromhex("260b1234")[::-1]
        abuse.radio(bytes(foreign))
        ring = "SELECT dev_addr FROM foreign_frame"
        wait_for(lambda: abuse.site.rows(ring) == [("260b1234",)], "the frame in the ring")
        abuse.goes_on()
        assert abuse.site.value("SELECT frames FROM foreign_count") == 1
        assert abuse.site.counters(wrong) == [0]
        assert band.f_cnt > 5


def test_datagrams_that_are_none(tmp_path: Path) -> None:
    with abused(tmp_path) as abuse:
        site, good = abuse.site, abuse.wrong.telemetry()
        before = site.gauge(GATEWAY, "refused")
        datagrams: tuple[Callable[[], None], ...] = (
            lambda: site.forwarders[GATEWAY].send_raw(b"\x02"),
            lambda: site.forwarders[GATEWAY].send_raw(b"\x00" * 2000),
            lambda: abuse.datagram(b"{}", head=b"\x07\x00\x01\x00"),
            lambda: abuse.datagram(b"{}", head=b"\x02\x00\x01\x09"),
            lambda: abuse.datagram(b"{}", eui="0000000000000001"),
            lambda: abuse.datagram(b'{"rxpk":'),
            lambda: abuse.datagram(b"\xff\xfe\xfd"),
            lambda: abuse.datagram(b'{"rxpk": 7}'),
            lambda: abuse.datagram(b'{"rxpk": ["x"]}'),
            lambda: abuse.datagram(b'{"rxpk": [{"stat": 1, "data": "!"}]}'),
            lambda: abuse.radio(good, stat=-1),
        )
        for number, send in enumerate(datagrams, 1):
            send()
            site.await_gauge(GATEWAY, "refused", before + number)
            abuse.goes_on()
        assert site.quarantined() == {}
        assert site.counters(abuse.wrong) == []


def test_messages_that_are_none(tmp_path: Path) -> None:
    with abused(tmp_path) as abuse:
        band, wrong, publish = abuse.band, abuse.wrong, abuse.publish
        backlog, live = topics.backlog(SILENT), topics.up("as923", SILENT)
        frame = wrong.telemetry()

        def numbered(**changes: Any) -> bytes:
            return envelope(SILENT, frame, epoch=EPOCH, seq=abuse.number(), **changes)

        abuse.is_refused("not_protobuf", lambda: publish(live, b"\xff" * 40))
        abuse.is_refused("not_json", lambda: publish(live, b'{"phyPayload": '))
        huge = b"\xff" * (1 << 20) + b"end"
        abuse.is_refused("not_protobuf", lambda: publish(backlog, huge))
        kept = "SELECT length(content), detail FROM quarantine ORDER BY seq DESC LIMIT 1"
        ((size, detail),) = abuse.site.rows(kept)
        assert size == 1 << 20
        assert detail.startswith(f"cut from {len(huge)} bytes")

        other = topics.backlog(GatewayEui("ac1f09fffe0a0bff"))
        loose = envelope(SILENT, frame, epoch=EPOCH, seq=10**6)
        abuse.is_refused("gateway_mismatch", lambda: publish(other, loose))
        abuse.is_refused("bad_eui", lambda: publish("as923/gateway/attic/event/up", loose))
        abuse.is_refused("bad_status", lambda: publish(topics.status(SILENT), b"I am well"))
        newer = {"khaen_v": "2"}
        abuse.is_refused("newer_version", lambda: publish(backlog, numbered(metadata=newer)))
        kind = {"khaen_kind": "dream"}
        abuse.is_refused("bad_envelope", lambda: publish(backlog, numbered(metadata=kind)))

        event, up = make_event(wrong), chirpstack.topic(wrong.dev_eui)
        abuse.is_refused("not_json", lambda: publish(up, b'{"devAddr": "no end'))
        abuse.is_refused("not_protobuf", lambda: publish(up, b"\x0a\xffgarbage"))
        mismatch = chirpstack.topic(band.dev_eui)
        rendered = chirpstack.as_json(event)
        abuse.is_refused("device_mismatch", lambda: publish(mismatch, rendered))
        unknown = Band(0x0999)
        lost = chirpstack.as_protobuf(make_event(unknown))
        known_to_nobody = chirpstack.topic(unknown.dev_eui)
        abuse.is_refused("unknown_device", lambda: publish(known_to_nobody, lost))
        assert abuse.site.counters(wrong) == []

        # And the bytes that were refused for their envelope come through in a good one.
        publish(backlog, numbered())
        abuse.site.await_counter(wrong, 0)


def make_event(band: Band) -> Any:
    return chirpstack.up(
        dev_eui=band.dev_eui,
        dev_addr=band.dev_addr,
        f_cnt=7,
        f_port=wristband.SOS_PORT,
        data=wristband.encode_sos(press=1, battery=80, age=0),
        heard_by=[HeardBy(gateway=GATEWAY, context=b"\x00\x00\x00\x07")],
    )


def test_a_counter_that_was_used_before(tmp_path: Path) -> None:
    """Heard long after its time it may be a replay: set aside; yet a call for help is heard."""
    with abused(tmp_path) as abuse:
        site, wrong = abuse.site, abuse.wrong
        wrong.f_cnt = 40
        old = wrong.telemetry()
        at = datetime.now(UTC) - timedelta(minutes=15)
        payload = envelope(SILENT, old, epoch=EPOCH, seq=abuse.number(), at=at)
        abuse.publish(topics.backlog(SILENT), payload)
        site.await_counter(wrong, 40)

        abuse.is_refused("replay_suspected", lambda: abuse.radio(old))
        wrong.f_cnt = 39
        abuse.is_refused("replay_suspected", lambda: abuse.radio(wrong.telemetry()))
        calls = "SELECT reason, priority FROM alarm WHERE rule = 'sos'"
        assert site.rows(calls) == []
        wrong.f_cnt = 38
        abuse.is_refused("replay_suspected", lambda: abuse.radio(wrong.sos()))
        assert site.rows(calls) == [("press_counter_not_fresh", 1)]
        technical = "SELECT reason, priority FROM alarm WHERE rule = 'replay'"
        assert site.rows(technical) == [("counter_not_fresh", 2)]
        assert site.counters(wrong) == [40]


def test_what_semtech_and_chirpstack_publish_as_examples_is_accounted_for(tmp_path: Path) -> None:
    """tests/edge/semtech.json: Semtech packet_forwarder, PROTOCOL.TXT section 4, and the vectors of
    chirpstack-gateway-bridge. None is of a device of ours, none is lost.
    """
    vectors = json.loads(SEMTECH.read_text())
    assert sum("PROTOCOL.TXT" in vector["source"] for vector in vectors) == 2
    with abused(tmp_path) as abuse:
        site = abuse.site
        forwarder, heard = site.forwarders[GATEWAY], 0
        for vector in vectors:
            assert forwarder.is_acked(forwarder.send(vector["body"])), vector["name"]
            heard += len(vector["frames"])
            abuse.goes_on()
        assert heard == 10
        (account,) = site.await_whole()
        # Each of its frames, the good ones between them, and a heartbeat.
        assert account.heard == account.committed == heard + abuse.band.f_cnt + 1
        aside = site.value("SELECT count(*) FROM foreign_frame")
        aside += sum(site.quarantined().values())
        aside += site.value("SELECT count(*) FROM device_event")
        assert aside == heard
        numbered = site.value("SELECT count(*) FROM gateway_number WHERE kind = 'lorawan'")
        assert numbered == heard + abuse.band.f_cnt


def test_a_gateway_of_another_make(tmp_path: Path) -> None:
    """Its frames carry no number: they are live, in protobuf or JSON, and nobody owes them."""
    with abused(tmp_path) as abuse:
        for render in (as_protobuf, as_json):
            payload = render(abuse.wrong.telemetry())
            abuse.publish(topics.up("as923", SILENT), payload)
            abuse.site.await_counter(abuse.wrong, abuse.wrong.f_cnt - 1)
            abuse.goes_on()
        assert [row.gateway_eui for row in abuse.site.audit()] == [GATEWAY]


def as_protobuf(frame: bytes) -> bytes:
    message = gw.UplinkFrame(phy_payload=frame, rx_info=gw.UplinkRxInfo(gateway_id=SILENT))
    return bytes(message.SerializeToString())


def as_json(frame: bytes) -> bytes:
    rx = {"gatewayId": SILENT, "rssi": -80}
    return json.dumps({"phyPayload": b64encode(frame).decode(), "rxInfo": rx}).encode()
