"""Trials of configurations, in virtual time: crashes at every step, disks that refuse."""

import asyncio
import contextlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.remote import memory
from edge.remote.local import Local
from edge.remote.remote import Remote
from edge.settings import EdgeSettings
from khaen.clock import ManualClock
from khaen.configuration import ConfigurationState, Outcome
from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from simulators.inside.loop import VirtualLoop
from tests.edge.fixtures import GATEWAY, START

SECOND = GatewayEui("0016c001f153a14d")
CONFIRM_S = 60
LONG_S = 1000.0


class PowerCut(BaseException):
    """The process is gone."""


class FakeAgent:
    """Runs on whatever it is told; what becomes of a trial is the test's to say."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings = settings
        self.up = frozenset({GATEWAY})
        self.proves_after_s: float | None = 1.0
        self.fails: Exception | None = None
        self.dies = ""
        """`applying` or `proving`."""
        self.applied: list[EdgeSettings] = []
        self.asked: list[frozenset[GatewayEui]] = []
        self.told: list[ConfigurationState] = []

    async def apply(self, settings: EdgeSettings) -> None:
        self.applied.append(settings)
        if self.dies == "applying":
            raise PowerCut
        if self.fails is not None:
            raise self.fails
        self.settings = settings

    def connected(self) -> frozenset[GatewayEui]:
        return self.up

    async def prove(self, gateways: Collection[GatewayEui]) -> None:
        self.asked.append(frozenset(gateways))
        if self.dies == "proving":
            raise PowerCut
        await asyncio.sleep(LONG_S * 9 if self.proves_after_s is None else self.proves_after_s)

    def explain(self, _gateways: Collection[GatewayEui]) -> str:
        return "not connected: no route"

    def tell(self, state: ConfigurationState) -> None:
        assert state.configuration == self.settings.fingerprint() or state.outcome == "trying"
        self.told.append(state)


class Machine:
    """A gateway with a local file and a memory; `boot` is a start of its agent."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "edge.toml"
        self.memory = folder / "outbox-remote.json"
        self.loop = VirtualLoop()
        self.write_file('mqtt.ca_file = "/etc/khaen/ca.pem"')
        self.boot()

    def write_file(self, more: str) -> None:
        self.file.write_text(
            f'gateway_eui = "{GATEWAY}"\nsite = "kk"\n{more}\n'
            f"[remote]\nenabled = true\nconfirm_s = {CONFIRM_S}\n"
            f'[outbox]\npath = "{self.file.parent / "outbox.sqlite"}"\n'
        )

    def boot(self) -> None:
        self.remote = Remote(Local(self.file), ManualClock(START))
        self.agent = FakeAgent(self.remote.settings)

    def publish(self, *payloads: bytes, every_s: float = 0.0) -> None:
        """Documents come one after the other, then a long time passes."""
        with contextlib.suppress(PowerCut):
            self.loop.run_until_complete(self._publish(payloads, every_s))

    async def _publish(self, payloads: Collection[bytes], every_s: float) -> None:
        deciding = asyncio.create_task(self.remote.run(self.agent))
        for payload in payloads:
            self.remote.take(payload)
            await asyncio.sleep(every_s)
        await asyncio.wait([deciding], timeout=LONG_S)
        if deciding.done():
            await deciding
        deciding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await deciding

    def said(self) -> list[tuple[str | None, Outcome]]:
        return [(state.id, state.outcome) for state in self.agent.told]

    def close(self) -> None:
        self.loop.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def encode(id_: str, **settings: Any) -> bytes:
    return json.dumps({"v": 1, "id": id_, "settings": settings}).encode()


def test_it_is_kept_once_it_is_proven_and_outlives_a_restart(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=30, mqtt={"host": "b"}))
    assert machine.said() == [("a", Outcome.TRYING), ("a", Outcome.KEPT)]
    state = machine.agent.told[-1]
    assert state.changed == ("heartbeat_s", "mqtt.host")
    assert state.reason is None
    machine.boot()
    assert (machine.remote.settings.heartbeat_s, machine.remote.settings.mqtt.host) == (30, "b")
    machine.publish(encode("a", heartbeat_s=30, mqtt={"host": "b"}))
    assert machine.said() == [("a", Outcome.KEPT)], "said at each connect, not tried again"
    assert machine.agent.applied == []


def test_what_is_not_named_any_more_is_the_files_again(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=30, status_s=5))
    machine.publish(encode("b", heartbeat_s=None, status_s=5))
    assert (machine.agent.settings.heartbeat_s, machine.agent.settings.status_s) == (60, 5)
    assert machine.agent.told[-1].changed == ("heartbeat_s",)


def test_without_proof_it_is_rolled_back_with_the_reason(machine: Machine) -> None:
    machine.publish(encode("good", heartbeat_s=30))
    machine.agent.proves_after_s = None
    machine.publish(encode("bad", mqtt={"host": "nowhere"}))
    state = machine.agent.told[-1]
    assert (state.id, state.outcome) == ("bad", Outcome.ROLLED_BACK)
    assert state.reason == "after 60 s: not connected: no route"
    assert machine.agent.settings.heartbeat_s == 30
    assert machine.agent.settings.mqtt.host == "127.0.0.1"
    applied = len(machine.agent.applied)
    machine.publish(encode("bad", mqtt={"host": "nowhere"}))
    machine.boot()
    machine.publish(encode("bad", mqtt={"host": "nowhere"}))
    assert machine.remote.settings.heartbeat_s == 30
    assert (applied, machine.agent.applied) == (3, [])


def test_who_was_in_touch_before_must_be_so_afterwards(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=30))
    machine.agent.up = frozenset({SECOND})
    machine.publish(encode("b", heartbeat_s=31))
    assert machine.agent.asked == [{GATEWAY}, {GATEWAY, SECOND}]


def test_settings_that_cannot_be_run_on_are_rolled_back(machine: Machine) -> None:
    machine.agent.fails = NotRunnable("udp 127.0.0.1:1700: Address already in use")
    machine.publish(encode("a", heartbeat_s=30))
    assert machine.said() == [("a", Outcome.TRYING), ("a", Outcome.ROLLED_BACK)]
    assert machine.agent.told[-1].reason == "udp 127.0.0.1:1700: Address already in use"
    assert len(machine.agent.applied) == 1, "an agent that cannot stays as it was by itself"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "bad_configuration"),
        (b'{"v":2}', "newer_version"),
        (encode("a", heartbeat_s=-1), "heartbeat_s: Input should be greater than 0"),
        (encode("a", site="another"), "site: not from afar"),
    ],
)
def test_a_bad_document_changes_nothing_and_says_why(
    machine: Machine, payload: bytes, reason: str
) -> None:
    machine.publish(payload)
    assert machine.agent.told[-1].outcome is Outcome.REFUSED
    assert reason in (machine.agent.told[-1].reason or "")
    assert machine.agent.applied == []


def test_what_changes_nothing_is_kept_without_a_trial(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=60))
    assert machine.said() == [("a", Outcome.UNCHANGED)]
    machine.write_file("heartbeat_s = 10")
    machine.boot()
    assert machine.remote.settings.heartbeat_s == 60, "it says so whatever the file says"


def test_an_id_has_one_turn(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=30))
    machine.publish(encode("b", heartbeat_s=31))
    machine.publish(encode("a", heartbeat_s=30))
    machine.publish(encode("b", heartbeat_s=32))
    for state in machine.agent.told[-2:]:
        assert state.outcome is Outcome.REFUSED
        assert "this id had its turn (kept): give the document another" in (state.reason or "")
    assert machine.agent.settings.heartbeat_s == 31


def test_what_comes_during_a_trial_waits_and_only_the_last(machine: Machine) -> None:
    machine.agent.proves_after_s = 30.0
    documents = [encode(f"{n}", heartbeat_s=n) for n in (1, 2, 3)]
    machine.publish(*documents, every_s=5.0)
    assert machine.said() == [
        ("1", Outcome.TRYING),
        ("1", Outcome.KEPT),
        ("3", Outcome.TRYING),
        ("3", Outcome.KEPT),
    ]


def test_a_document_that_is_taken_away_changes_nothing(machine: Machine) -> None:
    machine.publish(encode("a", heartbeat_s=30))
    machine.publish(b"")
    assert machine.said()[-1] == ("a", Outcome.KEPT)
    assert machine.agent.settings.heartbeat_s == 30


def test_a_trial_that_the_disk_would_not_remember_does_not_begin(machine: Machine) -> None:
    machine.memory.mkdir()
    machine.publish(encode("a", heartbeat_s=30))
    (state,) = machine.agent.told
    assert state.outcome is Outcome.REFUSED
    assert "outbox-remote.json: cannot be written" in (state.reason or "")
    assert machine.agent.applied == []
    machine.memory.rmdir()
    machine.publish(encode("a", heartbeat_s=30))
    assert machine.said()[-1] == ("a", Outcome.KEPT), "it was no fault of the document's"


def test_what_cannot_be_kept_is_rolled_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = memory.save

    def refuse(path: Path, known: memory.Memory) -> None:
        if known.trial is None:
            raise NotRunnable("no space left")
        write(path, known)

    monkeypatch.setattr(memory, "save", refuse)
    machine.publish(encode("a", heartbeat_s=30))
    assert machine.said()[-1] == ("a", Outcome.ROLLED_BACK)
    assert machine.agent.told[-1].reason == "no space left"
    assert machine.agent.settings.heartbeat_s == 60
    monkeypatch.undo()
    machine.boot()
    assert machine.remote.settings.heartbeat_s == 60


def test_a_file_that_does_not_take_it_any_more_sets_it_aside(machine: Machine) -> None:
    machine.publish(encode("a", mqtt={"host": "b"}))
    machine.write_file('mqtt.password_file = "/etc/khaen/password"')
    machine.boot()
    assert machine.remote.settings.mqtt.host == "127.0.0.1"
    machine.publish(b"")
    (state,) = machine.agent.told
    assert (state.id, state.outcome) == ("a", Outcome.REFUSED)
    assert "set aside" in (state.reason or "")
    machine.boot()
    assert machine.remote.settings.mqtt.host == "127.0.0.1"


class Trials(RuleBasedStateMachine):
    """What an agent runs on is what was kept last, whenever the power is cut."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.machine = Machine(Path(self._folder.name))
        self.count = 0
        self.kept = 60.0
        self.tried: list[str] = []
        self.write = memory.save
        self.cut = 0
        """With so many writes more the power is cut, `before` or `after` the last of them."""
        memory.save = self._save

    def teardown(self) -> None:
        memory.save = self.write
        self.machine.close()
        self._folder.cleanup()

    def _save(self, path: Path, known: memory.Memory) -> None:
        self.cut -= 1
        if self.cut == 0 and self.cutting == "before":
            raise PowerCut
        self.write(path, known)
        if self.cut == 0 and self.cutting == "after":
            raise PowerCut

    cutting = ""

    @rule(
        proven=st.booleans(),
        runnable=st.booleans(),
        dies=st.sampled_from(["", "", "applying", "proving"]),
    )
    def try_one(self, proven: bool, runnable: bool, dies: str) -> None:
        self._publish(proven=proven, runnable=runnable, dies=dies)
        if dies == "" and proven and runnable:
            self.kept = float(self.count)
        elif dies and (runnable or dies == "applying"):
            self.machine.boot()

    @rule(when=st.sampled_from(["before", "after"]), writes=st.integers(1, 2), proven=st.booleans())
    def cut_the_power(self, when: str, writes: int, proven: bool) -> None:
        self.cutting, self.cut = when, writes
        self._publish(proven=proven, runnable=True, dies="")
        self.cutting, self.cut = "", 0
        if proven and (when, writes) == ("after", 2):
            self.kept = float(self.count)
        self.machine.boot()

    @rule()
    def restart(self) -> None:
        self.machine.boot()

    @precondition(lambda self: self.tried)
    @rule(data=st.data())
    def hear_an_old_one(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.tried))
        before = len(self.machine.agent.applied)
        self.machine.publish(encode(old, heartbeat_s=int(old)))
        assert len(self.machine.agent.applied) == before

    @rule(payload=st.binary(max_size=30) | st.just(encode("x", site="another")))
    def hear_rubbish(self, payload: bytes) -> None:
        before = len(self.machine.agent.applied)
        self.machine.publish(payload)
        assert len(self.machine.agent.applied) == before

    def _publish(self, *, proven: bool, runnable: bool, dies: str) -> None:
        self.count += 1
        agent = self.machine.agent
        agent.proves_after_s = 1.0 if proven else None
        agent.fails = None if runnable else NotRunnable("no")
        agent.dies = dies
        if not (self.cutting == "before" and self.cut == 1):  # else nobody knows that it came
            self.tried.append(str(self.count))
        self.machine.publish(encode(str(self.count), heartbeat_s=self.count))
        agent.fails, agent.dies = None, ""

    @invariant()
    def it_runs_on_what_was_kept(self) -> None:
        assert self.machine.agent.settings.heartbeat_s == self.kept
        assert self.machine.remote.settings.heartbeat_s == self.kept
        assert memory.load(self.machine.memory).trial is None


Trials.TestCase.settings = effort(max_examples=25, stateful_step_count=12, deadline=None)
TestTrials = Trials.TestCase
