"""What becomes of messages, good and bad: committed, merged, or set aside with the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf import json_format

from ingest.judgement import Judgement
from khaen import topics
from khaen.clock import Rung, to_micros
from khaen.ids import DevEui, GatewayEui
from khaen.reading import Decoded
from khaen.status import DiskStatus, GatewayStatus
from khaen.uplink import Kind, Origin, Uplink
from store import accounts
from tests.support.in_process import InProcess, Sent, late
from tests.support.traffic import (
    GATEWAYS,
    REAL,
    THERMOMETER,
    WRISTBAND,
    Device,
    Gateway,
    event,
    event_topic,
    gone,
    radio_frame,
    telemetry,
)

SOS = bytes((0x10, 1, 90, 0))


def live(gateway: Gateway, payload: bytes) -> Sent:
    return Sent(topic=gateway.up, payload=payload)


def other(gateway: Gateway, payload: bytes) -> Sent:
    return Sent(topic=topics.live(gateway.eui), payload=payload)


class TestOneUplink:
    """The same uplink by every way is one row with all its receptions."""

    def test_two_gateways_and_the_network_server(self, ingest: InProcess) -> None:
        device, one, two = Device(WRISTBAND), Gateway(), Gateway(GATEWAYS[1])
        phy = device.say(telemetry())
        first, second = one.hear(phy, ingest.now()), two.hear(phy, ingest.now())
        up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0, heard_by=(first, second))
        ingest.take(live(one, first))
        ingest.take(Sent(topic=event_topic(WRISTBAND), payload=up.SerializeToString()))
        ingest.take(late(two.eui, second), live(one, first))
        assert ingest.rows("SELECT receptions FROM uplink") == [(2,)]
        assert ingest.rows("SELECT gateway_eui, seq FROM reception ORDER BY 1") == [
            (GATEWAYS[0], 1),
            (GATEWAYS[1], 1),
        ]

    @pytest.mark.parametrize("json", [False, True])
    def test_event_alone_then_the_frame_brings_its_bytes(
        self, ingest: InProcess, json: bool
    ) -> None:
        device, gateway = Device(THERMOMETER), Gateway()
        phy = device.say(bytes.fromhex("0367ee00046871"), 85)
        envelope = gateway.hear(phy, ingest.now())
        up = event(
            THERMOMETER,
            bytes.fromhex("0367ee00046871"),
            ingest.now(),
            f_cnt=0,
            f_port=85,
            heard_by=(envelope,),
        )
        payload = (
            json_format.MessageToJson(up).replace("{", '{"newField":[{"a":1}],', 1).encode()
            if json
            else up.SerializeToString()
        )
        ingest.take(Sent(topic=event_topic(THERMOMETER), payload=payload))
        assert ingest.rows("SELECT phy_payload FROM uplink") == [(None,)]
        ingest.take(live(gateway, envelope))
        assert ingest.rows("SELECT phy_payload, receptions FROM uplink") == [(phy, 1)]
        assert ingest.rows("SELECT way FROM reception") == [("live",)]
        assert ingest.rows("SELECT quantity, value FROM latest ORDER BY 1") == [
            ("air_temperature", 23.8),
            ("relative_humidity", 56.5),
        ]

    @pytest.mark.parametrize(("f_port", "payload"), [(None, b""), (0, b"\x02"), (226, b"relay")])
    def test_what_only_the_network_reads_is_one_uplink_too(
        self, ingest: InProcess, f_port: int | None, payload: bytes
    ) -> None:
        device, gateway = Device(WRISTBAND), Gateway()
        envelope = gateway.hear(device.say(payload, f_port), ingest.now())
        up = event(WRISTBAND, b"", ingest.now(), f_cnt=0, f_port=f_port or 0, heard_by=(envelope,))
        ingest.take(live(gateway, envelope))
        ingest.take(Sent(topic=event_topic(WRISTBAND), payload=up.SerializeToString()))
        assert ingest.rows("SELECT f_port, payload, receptions FROM uplink") == [
            (f_port or 0, b"", 1)
        ]

    def test_32_receptions_are_kept_and_all_counted(self, ingest: InProcess) -> None:
        device, gateway = Device(WRISTBAND), Gateway()
        phy = device.say(telemetry())
        for i in range(40):
            context = i.to_bytes(4, "big")
            ingest.take(live(gateway, gateway.hear(phy, ingest.now(), context=context)))
        assert ingest.rows("SELECT receptions FROM uplink") == [(40,)]
        assert ingest.rows("SELECT count(*) FROM reception") == [(32,)]

    def test_an_event_without_a_gateway_is_an_uplink(self, ingest: InProcess) -> None:
        up = event(WRISTBAND, SOS, ingest.now(), f_cnt=3, f_port=11)
        ingest.take(Sent(topic=event_topic(WRISTBAND), payload=up.SerializeToString()))
        assert ingest.rows("SELECT origin, clock FROM uplink") == [("radio", "network")]
        assert ingest.rows("SELECT rule FROM alarm") == [("sos",)]

    def test_a_late_copy_rings_nothing(self, ingest: InProcess) -> None:
        device, one, two = Device(WRISTBAND), Gateway(), Gateway(GATEWAYS[1])
        phy, at = device.say(SOS, 11), ingest.now()
        ingest.take(live(one, one.hear(phy, at)))
        events = ingest.rows("SELECT * FROM alarm_event")
        ingest.clock.advance(3600)
        ingest.take(late(two.eui, two.hear(phy, at)))
        assert ingest.rows("SELECT * FROM alarm_event") == events
        assert ingest.rows("SELECT receptions FROM uplink") == [(2,)]


class TestTime:
    def test_what_comes_late_keeps_its_own_time_and_moves_no_latest_back(
        self, ingest: InProcess
    ) -> None:
        device, gateway = Device(WRISTBAND), Gateway()
        early = gateway.hear(device.say(telemetry(60)), ingest.now())
        heard = to_micros(ingest.now())
        ingest.clock.advance(3600)
        ingest.take(live(gateway, gateway.hear(device.say(telemetry(80)), ingest.now())))
        ingest.take(late(gateway.eui, early))
        assert ingest.rows("SELECT received_at, late FROM uplink ORDER BY f_cnt")[0] == (heard, 1)
        assert ingest.rows("SELECT value FROM latest WHERE quantity = 'heart_rate'") == [(80,)]

    def test_a_wrong_clock_is_an_alarm_and_the_frame_is_dated_by_its_arrival(
        self, ingest: InProcess
    ) -> None:
        device, gateway = Device(WRISTBAND), Gateway()
        wrong = ingest.now() + timedelta(days=400)
        ingest.take(live(gateway, gateway.hear(device.say(telemetry()), wrong)))
        assert ingest.rows("SELECT clock, received_at FROM uplink") == [
            (Rung.ARRIVAL, to_micros(ingest.now()))
        ]
        assert ingest.rows("SELECT rule, subject FROM alarm") == [
            ("clock", f"gateway:{gateway.eui}")
        ]


def _unknown_device(ingest: InProcess, gateway: Gateway) -> Sent:
    up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0)
    up.device_info.dev_eui = "ffffffffffffffff"
    return Sent(topic=event_topic(up.device_info.dev_eui), payload=up.SerializeToString())


def _wrong_mic(ingest: InProcess, gateway: Gateway) -> Sent:
    phy = bytearray(Device(WRISTBAND).say(telemetry()))
    phy[-1] ^= 1
    return live(gateway, gateway.hear(bytes(phy), ingest.now()))


def _unknown_address(ingest: InProcess, gateway: Gateway) -> Sent:
    phy = bytearray(Device(WRISTBAND).say(telemetry()))
    phy[1:5] = bytes.fromhex("26017777")[::-1]
    return live(gateway, gateway.hear(bytes(phy), ingest.now()))


def _truncated(ingest: InProcess, gateway: Gateway) -> Sent:
    return live(gateway, gateway.hear(Device(WRISTBAND).say(telemetry())[:9], ingest.now()))


def _not_json(ingest: InProcess, gateway: Gateway) -> Sent:
    return Sent(topic=event_topic(WRISTBAND), payload=b'{"devAddr": ')


def _deep_json(ingest: InProcess, gateway: Gateway) -> Sent:
    return Sent(topic=event_topic(WRISTBAND), payload=b'{"a":' * 100_000)


def _newer(ingest: InProcess, gateway: Gateway) -> Sent:
    frame = radio_frame(gateway.eui, b"whatever it means then")
    for key, value in {"v": "2", "epoch": gateway.epoch, "seq": "1", "kind": "smell"}.items():
        frame.rx_info.metadata[f"khaen_{key}"] = value
    return live(gateway, frame.SerializeToString())


def _garbage(ingest: InProcess, gateway: Gateway) -> Sent:
    return live(gateway, b"\xff" * (1 << 20))


def _nul_topic(ingest: InProcess, gateway: Gateway) -> Sent:
    return Sent(topic="as923/gateway/\x00\ufffd/event/up", payload=b"")


def _other_gateway(ingest: InProcess, gateway: Gateway) -> Sent:
    envelope = Gateway(GATEWAYS[1]).hear(Device(WRISTBAND).say(telemetry()), ingest.now())
    return live(gateway, envelope)


def _other_device(ingest: InProcess, gateway: Gateway) -> Sent:
    up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0)
    return Sent(topic=event_topic(THERMOMETER), payload=up.SerializeToString())


def _unreal(ingest: InProcess, gateway: Gateway) -> Sent:
    phy = Device(REAL).say(SOS, 11)
    return live(gateway, gateway.hear(phy, ingest.now(), origin=Origin.DRILL))


def _unknown_event(ingest: InProcess, gateway: Gateway) -> Sent:
    return Sent(topic=event_topic(WRISTBAND, "shout"), payload=b"{}")


@dataclass(frozen=True, slots=True)
class Bad:
    make: Callable[[InProcess, Gateway], Sent]
    reason: str
    settled: bool
    """Whether it carries a number, which is then settled."""


BAD = [
    Bad(_unknown_device, "unknown_device", False),
    Bad(_wrong_mic, "bad_mic", True),
    Bad(_unknown_address, "unknown_address", True),
    Bad(_truncated, "not_lorawan", True),
    Bad(_not_json, "not_json", False),
    Bad(_deep_json, "not_json", False),
    Bad(_newer, "newer_version", True),
    Bad(_garbage, "not_protobuf", False),
    Bad(_nul_topic, "bad_eui", False),
    Bad(_other_gateway, "gateway_mismatch", False),
    Bad(_other_device, "device_mismatch", False),
    Bad(_unreal, "origin_refused", True),
    Bad(_unknown_event, "unknown_event", False),
]


class TestBadInput:
    @pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.make.__name__.strip("_"))
    def test_is_set_aside_with_its_reason_counted_and_settled(
        self, ingest: InProcess, bad: Bad
    ) -> None:
        gateway, good = Gateway(), Gateway(GATEWAYS[2])
        sent = bad.make(ingest, gateway)
        well = live(good, good.hear(Device(THERMOMETER).say(b"", 85), ingest.now()))
        counts = ingest.take(sent, well)
        assert counts[f"refused:{bad.reason}"] == 1
        assert counts["admitted"] == 1
        rows = ingest.rows("SELECT reason, copies, content FROM quarantine")
        assert rows == [(bad.reason, 1, sent.payload)]
        with ingest.database.read() as connection:
            accounts_ = {row.gateway_eui: row for row in accounts.audit(connection)}
        assert (gateway.eui in accounts_) == bad.settled
        if bad.settled:
            assert accounts_[gateway.eui].committed == 1
            assert accounts_[gateway.eui].missing == 0

    def test_a_copy_is_counted_not_kept(self, ingest: InProcess) -> None:
        sent = _garbage(ingest, Gateway())
        ingest.take(sent, sent)
        ingest.take(sent)
        assert ingest.rows("SELECT copies FROM quarantine") == [(3,)]

    def test_other_peoples_frames_go_to_the_ring(self, ingest: InProcess) -> None:
        gateway = Gateway()
        phy = bytearray(Device(WRISTBAND).say(telemetry()))
        phy[1:5] = bytes.fromhex("11223344")[::-1]
        sent = live(gateway, gateway.hear(bytes(phy), ingest.now()))
        ingest.take(sent)
        ingest.take(sent)
        assert ingest.rows("SELECT dev_addr, content FROM foreign_frame") == [
            ("11223344", sent.payload)
        ]
        assert ingest.rows("SELECT frames, bytes FROM foreign_count") == [(1, len(sent.payload))]

    def test_a_replayed_counter_is_set_aside_and_a_call_is_heard(self, ingest: InProcess) -> None:
        device, gateway = Device(WRISTBAND), Gateway()
        call = device.say(SOS, 11)
        ingest.take(live(gateway, gateway.hear(call, ingest.now())))
        for _ in range(3):
            ingest.clock.advance(600)
            ingest.take(live(gateway, gateway.hear(device.say(telemetry()), ingest.now())))
        ingest.clock.advance(120)
        replayed = live(gateway, gateway.hear(call, ingest.now()))
        counts = ingest.take(replayed)
        assert counts["refused:replay_suspected"] == 1
        assert ingest.rows("SELECT count(*) FROM uplink") == [(4,)]
        assert ("replay",) in ingest.rows("SELECT rule FROM alarm")
        assert ingest.rows(
            "SELECT count(*) FROM alarm_event e JOIN alarm a ON a.id = e.alarm WHERE a.rule = 'sos'"
        ) > [(1,)]

    def test_a_late_frame_below_the_counter_is_no_replay(self, ingest: InProcess) -> None:
        device, one, two = Device(WRISTBAND), Gateway(), Gateway(GATEWAYS[1])
        early = two.hear(device.say(telemetry(61)), ingest.now())
        ingest.clock.advance(7200)
        ingest.take(live(one, one.hear(device.say(telemetry()), ingest.now())))
        assert ingest.take(late(two.eui, early))["admitted"] == 1


class TestPoison:
    """Decoders and rules that throw cost their own frame only."""

    def test_a_decoder_that_throws(self, tmp_path: Path) -> None:
        def decoder(family: str, uplink: Uplink) -> Decoded:
            raise ZeroDivisionError

        ingest = InProcess(tmp_path, Judgement(decoder=decoder))
        device, gateway = Device(WRISTBAND), Gateway()
        ingest.take(live(gateway, gateway.hear(device.say(telemetry()), ingest.now())))
        assert ingest.rows("SELECT decode_error, decoded, payload FROM uplink") == [
            ("ZeroDivisionError", None, telemetry())
        ]
        assert ingest.rows("SELECT rule, alarm_class FROM alarm") == [("pipeline", "technical")]
        ingest.close()

    def test_rules_that_throw(self, tmp_path: Path) -> None:
        def evaluator(*_: object) -> None:
            raise LookupError

        judgement = Judgement(evaluator=evaluator)  # type: ignore[arg-type]
        ingest = InProcess(tmp_path, judgement)
        device, gateway = Device(WRISTBAND), Gateway()
        ingest.take(
            live(gateway, gateway.hear(device.say(telemetry()), ingest.now())),
            live(gateway, gateway.hear(device.say(SOS, 11), ingest.now())),
        )
        assert ingest.rows("SELECT rule_error FROM uplink WHERE f_port = 11") == [
            ("engine:LookupError",)
        ]
        assert ingest.rows("SELECT count(*) FROM latest") > [(5,)]
        ingest.close()


class TestRecords:
    def test_heartbeats(self, ingest: InProcess) -> None:
        gateway = Gateway()
        old = ingest.now() - timedelta(seconds=90)
        beats = [
            gateway.hear(b"", at, kind=Kind.HEARTBEAT, origin=Origin.HEARTBEAT)
            for at in (old, ingest.now())
        ]
        ingest.take(late(gateway.eui, beats[0]))
        assert ingest.rows("SELECT heartbeat_seen_at FROM gateway_state") == [(None,)]
        ingest.take(other(gateway, beats[1]))
        now = to_micros(ingest.now())
        assert ingest.rows("SELECT heartbeat_at, heartbeat_seen_at FROM gateway_state") == [
            (now, now)
        ]
        assert ingest.rows("SELECT ref FROM journal WHERE kind = 'heartbeat'") == [(gateway.eui,)]

    def test_a_status_goes_into_the_account(self, ingest: InProcess) -> None:
        gateway, device = Gateway(), Device(WRISTBAND)
        ingest.take(live(gateway, gateway.hear(device.say(telemetry()), ingest.now())))
        said = GatewayStatus(
            at=ingest.now(),
            version="1",
            configuration="",
            epoch=gateway.epoch,
            last_seq=5,
            backlog=2,
            held=2,
            waiting=((4, 5),),
            disk=DiskStatus(free=0, used=1, quota=1),
            volatile=True,
            clock=Rung.SYNCED,
            broker="",
        )
        sent = Sent(topic=topics.status(gateway.eui), payload=said.model_dump_json().encode())
        ingest.take(sent)
        ingest.take(sent, Sent(topic=topics.status(gateway.eui), payload=b"{}"))
        with ingest.database.read() as connection:
            (row,) = accounts.audit(connection)
        assert (row.heard, row.committed, row.in_flight, row.missing) == (5, 1, 2, 2)
        assert ingest.rows("SELECT rule, reason FROM alarm") == [("outbox", "volatile")]
        assert ingest.rows("SELECT reason FROM quarantine") == [("bad_status",)]
        (document,) = ingest.rows("SELECT status FROM gateway_state")
        assert GatewayStatus.model_validate_json(document[0]) == said

    def test_what_an_agent_warns_of_is_an_alarm_where_somebody_must_act(
        self, ingest: InProcess
    ) -> None:
        gateway = Gateway()
        said = GatewayStatus(
            at=ingest.now(),
            version="1",
            configuration="",
            epoch=gateway.epoch,
            last_seq=0,
            backlog=0,
            held=0,
            disk=DiskStatus(free=0, used=1, quota=1),
            clock=Rung.ARRIVAL,
            broker="",
            warnings=("clock_untrue", "hot", "of_a_newer_agent", "publish_refused", "twin_agent"),
        )
        ingest.take(Sent(topic=topics.status(gateway.eui), payload=said.model_dump_json().encode()))
        assert ingest.rows("SELECT rule, reason FROM alarm ORDER BY rule") == [
            ("clock", "clock_untrue"),
            ("conflict", "twin_agent"),
            ("gateway", "publish_refused"),
        ]

    def test_gone_numbers_are_settled(self, ingest: InProcess) -> None:
        gateway, device = Gateway(), Device(WRISTBAND)
        ingest.take(live(gateway, gateway.hear(device.say(telemetry()), ingest.now(), seq=1)))
        record = gateway.hear(gone([(2, 40), (60, 999)]), ingest.now(), kind=Kind.GONE, seq=50)
        ingest.take(late(gateway.eui, record))
        with ingest.database.read() as connection:
            (row,) = accounts.audit(connection)
        assert (row.heard, row.committed, row.gone, row.missing) == (50, 2, 39, 9)

    def test_an_event_that_a_gateway_carried(self, ingest: InProcess) -> None:
        gateway = Gateway()
        up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0).SerializeToString()
        record = gateway.hear(up, ingest.now(), kind=Kind.APPLICATION, topic=event_topic(WRISTBAND))
        ingest.take(other(gateway, record), Sent(topic=event_topic(WRISTBAND), payload=up))
        assert ingest.rows("SELECT count(*) FROM uplink") == [(1,)]
        assert ingest.rows("SELECT kind FROM gateway_number") == [("application",)]

    def test_an_event_has_the_origin_that_its_carrier_says(self, ingest: InProcess) -> None:
        gateway = Gateway()
        up = event(WRISTBAND, telemetry(), ingest.now(), f_cnt=0).SerializeToString()
        topic = event_topic(WRISTBAND)
        record = gateway.hear(
            up, ingest.now(), kind=Kind.APPLICATION, topic=topic, origin=Origin.SIMULATED
        )
        ingest.take(other(gateway, record))
        assert ingest.rows("SELECT origin FROM uplink") == [("simulated",)]

    @pytest.mark.parametrize(
        ("clock", "said", "dated"),
        [
            # Host and network server have one clock: what is true of it is true of both.
            (Rung.SYNCED, -10, (-10, "network")),
            (Rung.BOOT, -10, (-3, "boot")),
            (Rung.BOOT, -30 * 86_400, (-3, "boot")),
            (Rung.BETWEEN, -10, (-3, "between")),
            (Rung.SYNCED, 60, (-3, "synced")),
        ],
    )
    def test_an_event_is_dated_by_a_clock_that_was_true(
        self, ingest: InProcess, clock: Rung, said: float, dated: tuple[float, str]
    ) -> None:
        gateway, now = Gateway(), ingest.now()
        up = event(WRISTBAND, telemetry(), now + timedelta(seconds=said), f_cnt=0)
        heard = now - timedelta(seconds=3)
        record = gateway.hear(
            up.SerializeToString(),
            heard,
            until=now if clock is Rung.BETWEEN else None,
            kind=Kind.APPLICATION,
            topic=event_topic(WRISTBAND),
            clock=clock,
        )
        ingest.take(late(gateway.eui, record))
        at, rung = dated
        expected = (to_micros(now + timedelta(seconds=at)), rung)
        assert ingest.rows("SELECT received_at, clock FROM reception") == [expected]

    def test_point_to_point(self, ingest: InProcess) -> None:
        one, two = Gateway(), Gateway(GATEWAYS[1])
        payload = bytes.fromhex("0367ee00046871")

        def say(gateway: Gateway, device: str | None) -> Sent:
            record = gateway.hear(payload, ingest.now(), kind=Kind.P2P, device=device)
            return other(gateway, record)

        ingest.take(say(one, THERMOMETER))
        ingest.take(say(two, THERMOMETER))
        assert ingest.rows("SELECT receptions FROM uplink") == [(2,)]
        ingest.clock.advance(60)
        counts = ingest.take(say(one, THERMOMETER), say(one, None), say(one, "f" * 16))
        assert counts["admitted"] == 1
        assert counts["refused:unknown_sender"] == 1
        assert counts["refused:unknown_device"] == 1

    @pytest.mark.parametrize("kind", [Kind.APPLICATION, Kind.P2P])
    def test_a_gateway_speaks_for_its_own_organisation_only(
        self, ingest: InProcess, kind: Kind
    ) -> None:
        def forged(gateway: Gateway, dev_eui: DevEui) -> Sent:
            up = event(dev_eui, SOS, ingest.now(), f_cnt=2**32 - 1, f_port=11).SerializeToString()
            payload = up if kind is Kind.APPLICATION else SOS
            record = gateway.hear(
                payload,
                ingest.now(),
                kind=kind,
                origin=Origin.RADIO,
                topic=event_topic(dev_eui),
                device=dev_eui,
            )
            return other(gateway, record)

        counts = ingest.take(forged(Gateway(), REAL))
        assert counts["refused:not_its_device"] == 1
        assert ingest.rows("SELECT rule, organisation FROM alarm") == [("vouching", "ward")]
        assert ingest.rows("SELECT count(*) FROM counter_mark") == [(0,)]
        counts = ingest.take(forged(Gateway(GatewayEui("00000000000000ff")), WRISTBAND))
        assert counts["refused:not_its_device"] == 1
        counts = ingest.take(Sent(topic=event_topic(REAL), payload=b"{"))  # and the stream goes on
        assert counts["refused:not_json"] == 1

    @pytest.mark.parametrize(
        "payload",
        [
            b'{"reason":"shed","ranges":[[1e999,2]]}',
            b'{"reason":"shed","ranges":[[NaN,2]]}',
            b'{"reason":"shed","ranges":[[1,%s]]}' % (b"9" * 5000),
            b'{"reason":"shed","ranges":' + b"[" * 100_000,
            b"\xff\xfe",
            b"[]",
        ],
    )
    def test_a_hostile_gone_record_is_refused(self, ingest: InProcess, payload: bytes) -> None:
        gateway = Gateway()
        record = gateway.hear(payload, ingest.now(), kind=Kind.GONE, seq=50)
        assert ingest.take(late(gateway.eui, record))["refused:bad_gone"] == 1

    def test_a_reason_that_is_no_text_harms_nobody(self, ingest: InProcess) -> None:
        gateway, payload = Gateway(), b'{"reason":"\\ud800","ranges":[[1,5]]}'
        record = gateway.hear(payload, ingest.now(), kind=Kind.GONE, seq=50)
        ingest.take(late(gateway.eui, record))
        assert ingest.rows("SELECT reason, first, last FROM gateway_gone") == [("?", 1, 5)]

    def test_a_call_of_an_epoch_too_many_is_heard(
        self, ingest: InProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accounts, "MAX_EPOCHS", 0)
        gateway, device = Gateway(), Device(WRISTBAND)
        counts = ingest.take(live(gateway, gateway.hear(device.say(SOS, 11), ingest.now())))
        assert (counts["surplus_epoch"], counts["admitted"]) == (1, 1)
        assert ingest.rows("SELECT rule FROM alarm") == [("sos",)]
        assert ingest.rows("SELECT epoch, seq FROM reception") == [(None, None)]
        assert ingest.rows("SELECT * FROM gateway_epoch") == []

    def test_an_event_says_what_a_frame_can_say(self, ingest: InProcess) -> None:
        port = event(WRISTBAND, SOS, ingest.now(), f_cnt=1, f_port=256).SerializeToString()
        long = event(WRISTBAND, bytes(256), ingest.now(), f_cnt=1, f_port=11).SerializeToString()
        for payload in (port, long):
            counts = ingest.take(Sent(topic=event_topic(WRISTBAND), payload=payload))
            assert counts["refused:bad_event"] == 1

    def test_other_events_are_kept(self, ingest: InProcess) -> None:
        payload = b'{"deviceInfo":{"devEui":"%s"},"devAddr":"26010001"}' % WRISTBAND.encode()
        sent = Sent(topic=event_topic(WRISTBAND, "join"), payload=payload)
        ingest.take(sent, sent)
        assert ingest.rows("SELECT dev_eui, kind FROM device_event") == [(WRISTBAND, "join")]

    def test_a_cloned_card_is_a_conflict_and_its_frame_is_kept(self, ingest: InProcess) -> None:
        gateway, device = Gateway(), Device(WRISTBAND)
        ingest.take(live(gateway, gateway.hear(device.say(telemetry()), ingest.now(), seq=1)))
        other_frame = gateway.hear(device.say(SOS, 11), ingest.now(), seq=1, context=b"else")
        counts = ingest.take(live(gateway, other_frame))
        assert counts["conflict"] == 1
        assert ingest.rows("SELECT conflict, committed FROM gateway_epoch") == [(1, 1)]
        assert ingest.rows("SELECT epoch FROM reception ORDER BY uplink") == [
            (gateway.epoch,),
            (None,),
        ]
        assert ingest.rows("SELECT rule, subject FROM alarm WHERE rule <> 'sos'") == [
            ("conflict", f"gateway:{gateway.eui}")
        ]
        assert ingest.rows("SELECT count(*) FROM alarm WHERE rule = 'sos'") == [(1,)]
