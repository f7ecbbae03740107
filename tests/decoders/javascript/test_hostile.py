"""Hostile and broken codecs: each is stopped within its limit while the others go on decoding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from decoders.javascript.codec import LARGEST_SOURCE, Codec, Fault, Limits, Outcome, Request
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

FOLDER = Path(__file__).parent / "hostile"
AT = datetime(2026, 4, 13, 5, 30, tzinfo=UTC)
GOOD = Codec(id="good", source="function Decoder(bytes, port) { return { first: bytes[0] }; }")


def a_request(codec: Codec, payload: bytes = b"\x07") -> Request:
    return Request(codec=codec, payload=payload, f_port=2, received_at=AT)


def a_codec(source: str, name: str = "tried") -> Codec:
    return Codec(id=name, source=source)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def ask(engine: Engine, source: str, payload: bytes = b"\x07") -> Outcome:
    (outcome,) = engine.decode_batch([a_request(a_codec(source), payload)])
    return outcome


def _hostile() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.js"))]


@pytest.mark.parametrize("path", _hostile())
def test_it_has_its_fault_and_nobody_else_has_one(path: Path, engine: Engine) -> None:
    source = path.read_text("utf-8")
    expected = Fault(source.removeprefix("// ").partition(":")[0])
    bad = Codec(id=path.stem, source=source)
    before, found, after = engine.decode_batch(
        [a_request(GOOD, b"\x01"), a_request(bad), a_request(GOOD, b"\x02")]
    )
    assert found.fault is expected
    assert found.data is None
    assert found.errors
    assert (before.data, after.data) == ({"first": 1}, {"first": 2})


def test_a_stopped_codec_delays_the_others_once(engine: Engine) -> None:
    bad = Codec(id="hangs", source="function Decoder() { for (;;); }")
    batch = [a_request(bad), a_request(GOOD)] * 16
    order: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        settle = Engine._settle

        def watch(self: Engine, kept: Any, index: int, outcome: Outcome) -> None:
            order.append(batch[index].codec.id)
            settle(self, kept, index, outcome)

        patch.setattr(Engine, "_settle", watch)
        outcomes = engine.decode_batch(batch)
    assert order[:17] == ["hangs", *["good"] * 16]
    assert [each.data for each in outcomes[1::2]] == [{"first": 7}] * 16
    faults = [each.fault for each in outcomes[::2]]
    assert faults == [Fault.TIME] * 3 + [Fault.QUARANTINED] * 13
    assert "hangs" in engine.quarantined()


def test_a_codec_that_hangs_while_loading_does_so_once_in_a_batch(engine: Engine) -> None:
    bad = Codec(id="hangs", source="for (;;);")
    outcomes = engine.decode_batch([a_request(bad), a_request(bad), a_request(GOOD)])
    assert [each.fault for each in outcomes] == [Fault.TIME, Fault.TIME, None]
    assert all(each.elapsed_us > 50_000 for each in outcomes[:2]), "both were tried"


def test_a_killed_worker_is_another_process_and_the_codecs_come_back(engine: Engine) -> None:
    assert ask(engine, GOOD.source).data == {"first": 7}
    first = engine.pid
    assert ask(engine, (FOLDER / "join.js").read_text("utf-8")).fault is Fault.KILLED
    assert engine.pid is None
    assert ask(engine, GOOD.source).data == {"first": 7}
    assert engine.pid != first


def test_a_worker_killed_from_outside_costs_one_request_at_most(engine: Engine) -> None:
    assert ask(engine, GOOD.source).data == {"first": 7}
    assert engine.pid is not None
    os.kill(engine.pid, 9)
    outcomes = engine.decode_batch([a_request(GOOD)] * 4)
    assert [each.fault for each in outcomes[1:]] == [None] * 3


def test_a_worker_that_gets_no_time_is_ended() -> None:
    with Engine(limits=Limits(wall_s=0.3)) as engine:
        assert ask(engine, GOOD.source).data == {"first": 7}
        assert engine.pid is not None
        os.kill(engine.pid, 19)
        assert ask(engine, GOOD.source).fault is Fault.KILLED
        assert ask(engine, GOOD.source).data == {"first": 7}


def test_the_kernel_stops_what_takes_all_memory() -> None:
    small = Limits(context_bytes=1 << 30, process_bytes=160 << 20, call_s=5, kill_s=5)
    with Engine(limits=small) as engine:
        taken = ask(engine, (FOLDER / "grows.js").read_text("utf-8"))
        assert taken.fault in {Fault.MEMORY, Fault.KILLED}
        assert ask(engine, GOOD.source).data == {"first": 7}


def test_a_source_beyond_measure_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="codec big"):
        Codec(id="big", source="/" * (LARGEST_SOURCE + 1))


def test_the_largest_source_is_read(engine: Engine) -> None:
    table = ",".join(["1"] * (LARGEST_SOURCE // 2 - 200))
    source = f"const T = [{table}];\nfunction Decoder(bytes) {{ return {{ n: T.length }}; }}"
    assert len(source) <= LARGEST_SOURCE
    assert ask(engine, source).data == {"n": LARGEST_SOURCE // 2 - 200}


REACH = """
function Decoder(bytes, port) {
  var names = ["require", "process", "std", "os", "print", "load", "loadScript", "read", "fetch",
    "XMLHttpRequest", "WebSocket", "Deno", "Bun", "global", "window", "self", "call_python",
    "performance", "setTimeout", "Atomics", "SharedArrayBuffer", "WebAssembly", "__khaen",
    "scriptArgs", "__loadScript"];
  var found = [];
  for (var i = 0; i < names.length; i++)
    try { if (eval("typeof " + names[i]) !== "undefined") found.push(names[i]); } catch (e) {}
  try { eval("import('os')").then; found.push("import"); } catch (e) {}
  return { found: found };
}
"""


def test_nothing_of_the_host_is_reachable(engine: Engine) -> None:
    found = ask(engine, REACH).data
    assert found is not None
    assert set(found["found"]) <= {"import"}


@pytest.mark.parametrize("name", ["os", "std", "fs", "/etc/passwd", "./codec.py"])
def test_no_module_is_found(name: str, engine: Engine) -> None:
    outcome = ask(
        engine,
        f"let got = 0; import('{name}').then(() => {{ got = 1 }});"
        "function Decoder(bytes) { return { got }; }",
    )
    assert outcome.data in ({"got": 0}, None)


def test_the_process_has_no_environment_and_no_open_file(engine: Engine) -> None:
    assert ask(engine, GOOD.source).data == {"first": 7}
    proc = Path(f"/proc/{engine.pid}")
    names = {line.split(b"=")[0] for line in (proc / "environ").read_bytes().split(b"\0") if line}
    assert names <= {b"TZ", b"MALLOC_ARENA_MAX", b"LC_CTYPE"}
    assert {path.name for path in (proc / "fd").iterdir()} == {"0", "1", "2"}
    limits = (proc / "limits").read_text()
    assert any(line.split()[:4] == ["Max", "open", "files", "3"] for line in limits.splitlines())
