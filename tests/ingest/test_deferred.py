"""Vendors' codecs in the pipeline: receipted at once, read outside any transaction, once."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from decoders.collection import Collection
from decoders.javascript import family
from decoders.javascript.codec import Outcome, Request
from decoders.javascript.engine import Engine
from decoders.javascript.family import Family
from ingest import deferred
from ingest.deferred import Decoding, Deferred
from ingest.in_process import InProcess, Sent
from ingest.judgement import judgement_of
from ingest.pipeline import DEFERRED
from khaen.clock import ManualClock
from khaen.errors import NotRunnable, StoreUnavailable
from khaen.ids import DevEui
from khaen.uplink import Uplink
from store import migrate, pending
from store.database import Database
from tests.support.traffic import KEY, START, Device, Gateway, apply_site, dev_addr, make_site

CODECS = Path(__file__).parents[1] / "decoders" / "javascript" / "codecs"
HANGS = "function Decoder(bytes) { if (bytes[0] === 255) for (;;) {} return {n: bytes[0]}; }"
MAPPING = """maker = "Khaen"
model = "One that hangs"
source = "here"
version = 1
readings = [{path = "n", quantity = "steps"}]
"""
PENDANT, POST, HANGING, THERMOMETER = (DevEui(f"a1b2c3d4e5f6000{i}") for i in range(1, 5))
FAMILIES = {
    PENDANT: "khaen_pendant",
    POST: "khaen_weather_post",
    HANGING: "hanging",
    THERMOMETER: "milesight_em300_th",
}
SOS = b"\x01\xd5\x07\x19"
IDLE = b"\x00\x55\x00\x00"
WARM = bytes.fromhex("0367f600")


class World:
    """A site with devices of three codecs and a native one; everybody in this process."""

    def __init__(self, folder: Path) -> None:
        self.codecs = shutil.copytree(CODECS, folder / "codecs")
        (self.codecs / "hanging.js").write_text(HANGS)
        (self.codecs / "hanging.toml").write_text(MAPPING)
        self.clock = ManualClock(START)
        self.database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=self.clock)
        migrate.upgrade(self.database)
        devices = [
            {
                "dev_eui": dev_eui,
                "family": family,
                "organisation": "ward",
                "dev_addr": dev_addr(dev_eui),
            }
            for dev_eui, family in FAMILIES.items()
        ]
        apply_site(self.database, make_site(devices=devices))
        self.families = Collection(self.codecs, clock=self.clock)
        self.ingest = InProcess(self.database, KEY, self.clock, families=self.families)
        self.devices = {dev_eui: Device(dev_eui) for dev_eui in FAMILIES}
        self.gateway = Gateway()

    def frame(self, dev_eui: DevEui, payload: bytes, f_port: int = 4) -> Sent:
        """The device's next frame, as its gateway sends it."""
        phy = self.devices[dev_eui].say(payload, f_port)
        return Sent(topic=self.gateway.up, payload=self.gateway.hear(phy, self.clock.now()))

    def admit(self, *sent: Sent) -> Counter[str]:
        """Commit frames without decoding any: as before the other thread has come to it."""
        turn, self.ingest.deferred.turn = self.ingest.deferred.turn, lambda: False  # type: ignore[method-assign]
        try:
            return self.ingest.take(*sent)
        finally:
            self.ingest.deferred.turn = turn  # type: ignore[method-assign]

    def another(self, families: Collection | None = None) -> Deferred:
        """Another process' hand in the same ledger."""
        families = families or self.families
        return Deferred(
            self.database,
            families,
            judgement_of(families),
            lambda: self.ingest.knowledge.registry,
            self.clock,
            self.ingest.counts.update,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the ledger says."""
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    @property
    def pending(self) -> int:
        """How many uplinks wait."""
        ((count,),) = self.rows("SELECT count(*) FROM decode_pending")
        return int(count)

    def alarms(self) -> list[str]:
        """The rules of all alarms."""
        return [rule for (rule,) in self.rows("SELECT rule FROM alarm ORDER BY rule")]

    def steps(self) -> list[tuple[Any, ...]]:
        """What became of the frames of the device that may hang."""
        return self.rows(
            f"SELECT decoded, decode_error FROM uplink WHERE dev_eui = '{HANGING}' ORDER BY seq"
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.families.close()
    found.database.close()


def test_a_call_is_admitted_then_read_then_evaluated(world: World) -> None:
    counts = world.admit(world.frame(PENDANT, SOS))
    assert (counts["admitted"], counts[DEFERRED]) == (1, 1)
    assert world.rows("SELECT decoded, decode_error, decoder_version FROM uplink") == [
        (None, None, None)
    ]
    assert (world.pending, world.alarms()) == (1, [])
    assert world.ingest.deferred.turn()
    assert not world.ingest.deferred.turn()
    assert (world.pending, world.alarms()) == (0, ["sos"])
    assert world.rows("SELECT decoder_version, decode_error FROM uplink") == [(1, None)]
    assert world.rows("SELECT value FROM latest WHERE quantity = 'battery_level'") == [(85.0,)]
    kinds = [kind for (kind,) in world.rows("SELECT kind FROM journal ORDER BY position")]
    assert kinds.index("admitted") < kinds.index("decoded")


def test_codecs_warnings_are_kept(world: World) -> None:
    world.ingest.take(world.frame(POST, bytes.fromhex("010123 99"), 7))
    ((decoded,),) = world.rows("SELECT decoded FROM uplink")
    assert '"unknown tag"' in decoded
    assert '"key":"temp"' in decoded
    assert world.ingest.counts["decoded"] == 1


def test_a_copy_merges_while_the_first_waits(world: World) -> None:
    frame = world.frame(PENDANT, SOS)
    world.admit(frame)
    other = Gateway(eui=world.gateway.eui, epoch=world.gateway.epoch)
    other.seqs = iter(range(50, 60))
    phy = world.devices[PENDANT].say(SOS, 4, f_cnt=0)
    copy = Sent(topic=other.up, payload=other.hear(phy, world.clock.now(), context=b"next"))
    assert world.admit(copy)["merged"] == 1
    world.ingest.deferred.turn()
    assert world.alarms() == ["sos"]


def test_what_a_process_left_is_found_again_and_read_once(world: World) -> None:
    world.admit(world.frame(PENDANT, SOS))
    dead = world.another()
    dead._decode(dead._claim())
    assert not world.ingest.deferred.turn()  # leased
    world.ingest.deferred.begin()
    assert world.ingest.deferred.turn()
    assert world.alarms() == ["sos"]
    dead.turn()  # it was not dead, only slow
    assert world.rows("SELECT count(*) FROM journal WHERE kind = 'decoded'") == [(1,)]
    assert world.alarms() == ["sos"]


def test_a_lease_ends(world: World) -> None:
    world.admit(world.frame(PENDANT, SOS))
    world.another()._claim()
    world.clock.advance(deferred.LEASE_S + 1)
    assert world.ingest.deferred.turn()
    assert world.alarms() == ["sos"]


def test_an_unread_call_is_told_once(world: World) -> None:
    world.admit(world.frame(PENDANT, SOS), world.frame(POST, b"\x02\x07", 7))
    world.ingest.deferred.tell()
    assert world.alarms() == []
    world.clock.advance(deferred.READ_WITHIN_S)
    for _ in range(2):
        world.ingest.deferred.tell()
    assert world.rows("SELECT rule, priority, presses, subject FROM alarm") == [
        ("unreadable_call", 2, 1, f"device:{PENDANT}")
    ]
    world.ingest.deferred.turn()
    assert world.alarms() == ["sos", "unreadable_call"]


def test_a_call_that_cannot_be_read_is_told_at_once(world: World) -> None:
    (world.codecs / "khaen_pendant.js").write_text("function Decoder() { throw new Error('x'); }")
    world.clock.advance(1)
    world.ingest.take(world.frame(PENDANT, SOS))
    assert world.rows("SELECT decode_error, decoded FROM uplink") == [("thrown: Error: x", None)]
    assert world.alarms() == ["pipeline", "unreadable_call"]


@pytest.mark.parametrize(("f_port", "alarms"), [(4, ["pipeline", "unreadable_call"]), (5, [])])
def test_errors_alone_are_no_answer_where_calls_come(
    world: World, f_port: int, alarms: list[str]
) -> None:
    says = "function decodeUplink() { return {errors: ['bad length']}; }"
    (world.codecs / "khaen_pendant.js").write_text(says)
    world.clock.advance(1)
    world.ingest.take(world.frame(PENDANT, SOS, f_port))
    assert world.alarms() == alarms
    ((decoded, error),) = world.rows("SELECT decoded, decode_error FROM uplink")
    assert "bad length" in (error if alarms else decoded)


def test_a_broken_codec_keeps_its_uplinks_until_it_is_mended(world: World, tmp_path: Path) -> None:
    table = world.codecs / "khaen_pendant.toml"
    right = table.read_text()
    table.write_text("maker = 1")
    families = Collection(world.codecs, clock=world.clock)
    ingest = InProcess(world.database, KEY, world.clock, families=families)
    try:
        ingest.take(world.frame(PENDANT, SOS))
        assert (world.pending, world.alarms()) == (1, [])
        table.write_text(right)
        families.refresh()
        assert not ingest.deferred.turn()  # put off
        world.clock.advance(deferred.AGAIN_S)
        assert ingest.deferred.turn()
        assert (world.pending, world.alarms()) == (0, ["sos"])
    finally:
        families.close()


def test_a_counter_that_was_used_before(world: World) -> None:
    for _ in range(3):
        world.ingest.take(world.frame(PENDANT, IDLE))
        world.clock.advance(3600)
    phy = world.devices[PENDANT].say(SOS, 4, f_cnt=0)
    replayed = Sent(topic=world.gateway.up, payload=world.gateway.hear(phy, world.clock.now()))
    assert world.ingest.take(replayed)["refused:replay_suspected"] == 1
    assert world.alarms() == ["replay", "unreadable_call"]


def test_a_codec_in_quarantine_holds_back_its_own_device_only(world: World) -> None:
    frames = [world.frame(HANGING, bytes([n])) for n in (1, 255, 255, 255, 2)]
    world.ingest.take(*frames, world.frame(PENDANT, SOS), world.frame(THERMOMETER, WARM, 85))
    assert world.alarms() == ["pipeline", "sos"]
    said = world.steps()
    assert '"value":1' in said[0][0].replace(".0", "")
    assert [str(error).partition(":")[0] for _, error in said[1:4]] == ["time"] * 3
    assert (said[4], world.pending) == ((None, None), 1)
    world.clock.advance(deferred.AGAIN_S)  # due, and still in quarantine
    world.ingest.take(world.frame(HANGING, b"\x03"))
    assert world.pending == 2
    world.clock.advance(120)
    while world.ingest.deferred.turn():
        pass
    assert world.pending == 0
    journal = world.rows(
        "SELECT u.seq FROM journal j JOIN uplink u ON lower(hex(u.id)) = replace(j.ref, '-', '')"
        f" WHERE j.kind = 'decoded' AND u.dev_eui = '{HANGING}' ORDER BY j.position"
    )
    assert journal == sorted(journal)


def test_an_answer_that_cannot_be_taken_costs_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode_many(engine: Engine, uplinks: Sequence[tuple[Family, Uplink]]) -> list[Any]:
        if any(uplink.payload == b"\x02" for _, uplink in uplinks):
            raise ZeroDivisionError
        return family.decode_many(engine, uplinks)

    monkeypatch.setattr(deferred, "decode_many", decode_many)
    world.ingest.take(*(world.frame(HANGING, bytes([n])) for n in (1, 2, 3)))
    assert [error for _, error in world.steps()] == [None, "ZeroDivisionError", None]
    assert (world.pending, world.alarms()) == (0, ["pipeline"])


@pytest.mark.parametrize("when", ["claiming", "committing"])
def test_a_store_that_is_away_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    world.admit(world.frame(PENDANT, SOS), world.frame(HANGING, b"\x01"))
    verb = {"claiming": "claim", "committing": "take"}[when]
    with monkeypatch.context() as away:

        def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        away.setattr(pending, verb, fail)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                world.ingest.deferred.turn()
    assert world.pending == 2
    assert world.ingest.deferred.turn()
    assert (world.pending, world.alarms()) == (0, ["sos"])


def test_without_an_engine_uplinks_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode_batch(_engine: Engine, _requests: object) -> None:
        raise NotRunnable("no memory")

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "decode_batch", decode_batch)
        world.ingest.take(world.frame(PENDANT, SOS))
    assert (world.pending, world.alarms()) == (1, [])
    world.clock.advance(deferred.AGAIN_S)
    assert world.ingest.deferred.turn()
    assert (world.pending, world.alarms()) == (0, ["sos"])


class Slow(Engine):
    """An engine that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.free = threading.Event(), threading.Event()

    def decode_batch(self, requests: Sequence[Request]) -> list[Outcome]:
        """Wait."""
        if requests:
            self.asked.set()
            assert self.free.wait(60)
        return super().decode_batch(requests)


def test_who_waits_for_a_codec_delays_no_native_device(world: World) -> None:
    """A hundred native uplinks come and are committed while a codec has not answered."""
    engine = Slow()
    with Collection(world.codecs, engine=engine) as families:
        decoding = Decoding(world.another(families))
        decoding.start()
        try:
            world.admit(world.frame(HANGING, b"\x05"))
            decoding.wake()
            assert engine.asked.wait(60)
            for _ in range(100):
                world.ingest.take(world.frame(THERMOMETER, WARM, 85))
            assert world.rows("SELECT count(*) FROM uplink WHERE decoded IS NOT NULL") == [(100,)]
            assert world.pending == 1
            engine.free.set()
        finally:
            engine.free.set()
            decoding.stop()
    assert decoding.error is None
    assert world.pending == 0
