"""What codecs are given, what they may leave behind (nothing), and how their answers come back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.javascript import pipe
from decoders.javascript.codec import Codec, Fault, Limits, Outcome, Request
from decoders.javascript.context import Context
from decoders.javascript.engine import Engine, read
from khaen.errors import NotRunnable

AT = datetime(2026, 4, 13, 5, 30, 0, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        engine.start()
        yield engine


def a_request(source: str, payload: bytes = b"\x07", f_port: int = 2, **more: str) -> Request:
    codec = Codec(id="tried", source=source)
    return Request(codec=codec, payload=payload, f_port=f_port, received_at=AT, variables=more)


def ask(engine: Engine, source: str, payload: bytes = b"\x07", **more: str) -> Outcome:
    (outcome,) = engine.decode_batch([a_request(source, payload, 2, **more)])
    return outcome


def test_the_input_is_as_the_standard_has_it(engine: Engine) -> None:
    outcome = ask(
        engine,
        """function decodeUplink(input) {
          return { data: { bytes: input.bytes, array: Array.isArray(input.bytes),
            fPort: input.fPort, at: input.recvTime, date: input.recvTime instanceof Date,
            hour: input.recvTime.getHours(), site: input.variables.site } };
        }""",
        b"\x00\x7f\x80\xff",
        site="a",
    )
    assert outcome.data == {
        "bytes": [0, 127, 128, 255],
        "array": True,
        "fPort": 2,
        "at": "2026-04-13T05:30:00.250Z",
        "date": True,
        "hour": 5,
        "site": "a",
    }
    assert (outcome.errors, outcome.warnings, outcome.fault) == ((), (), None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("function decodeUplink(i) { return { data: { way: 'TS013', n: i.bytes[0] } }; }", "TS013"),
        ("const decodeUplink = (i) => ({ data: { way: 'arrow' } });", "arrow"),
        (
            "function Decoder(bytes, port) { return { way: 'Decoder' + bytes[0] + port }; }",
            "Decoder72",
        ),
        (
            "function Decode(port, bytes) { return { way: 'Decode' + port + bytes[0] }; }",
            "Decode27",
        ),
        ("function Decode() { return { way: 1 } } function Decoder() { return { way: 2 } }", 2),
        (
            "function Decoder() {} function decodeUplink() { return { data: { way: 2 } } }",
            2,
        ),
        ("exports.decodeUplink = function () { return { data: { way: 'exports' } } }", "exports"),
        ("module.exports = { decodeUplink: () => ({ data: { way: 'module' } }) };", "module"),
        ("export function decodeUplink() { return { data: { way: 'export' } } }", "export"),
        ("'use strict'; function Decoder() { return { way: String(this) } }", "undefined"),
        ("function Decoder() { undeclared = 5; return { way: undeclared } }", 5),
        ("decodeUplink = function () { return { data: { way: 'assigned' } } }", "assigned"),
        ("\ufefffunction Decoder() { return { way: 'mark' } } // no line end", "mark"),
    ],
)
def test_every_way_in_is_found(engine: Engine, source: str, expected: object) -> None:
    outcome = ask(engine, source)
    assert outcome.data is not None, outcome
    assert outcome.data["way"] == expected


def test_strict_codecs_are_strict(engine: Engine) -> None:
    outcome = ask(engine, "'use strict'; function Decoder() { undeclared = 5; return {} }")
    assert outcome.fault is Fault.THROWN
    assert outcome.errors[0].startswith("ReferenceError: undeclared")


LEAVES = {
    "a variable": "let n = 0; function Decoder() { return { n: ++n } }",
    "a list": "const seen = []; function Decoder(b) { seen.push(1); return { n: seen.length } }",
    "a closure": "const f = (() => { let n = 0; return () => ++n })();"
    "function Decoder() { return { n: f() } }",
    "a function": "function Decoder() {Decoder.n = (Decoder.n || 0) + 1; return { n: Decoder.n } }",
    "no declaration": "function Decoder() {"
    "if (typeof n === 'undefined') n = 0; return { n: ++n } }",
    "globalThis": "function Decoder() { globalThis.n = (globalThis.n || 0) + 1;"
    "return { n: globalThis.n } }",
    "this": "function Decoder() { this.n = (this.n || 0) + 1; return { n: this.n } }",
    "what it hid": "function Decoder() { const n = (globalThis.n || 0) + 1;"
    "Object.defineProperty(globalThis, 'n', { value: n, configurable: true }); return { n } }",
    "a symbol": "function Decoder() { const k = Symbol.for('n');"
    "return { n: (globalThis[k] = (globalThis[k] || 0) + 1) } }",
    "an old word": "function Decoder() { const was = parseInt('1'); parseInt = () => was + 1;"
    "return { n: was } }",
    "a prototype": "function Decoder() { Array.prototype.n = ([].n || 0) + 1;"
    "return { n: [].n || 1 } }",
    "a replaced method": "function Decoder() { const was = Math.round(1.4);"
    "Math.round = () => 9; return { n: was } }",
    "a replaced prototype": "function Decoder() { const was = 'a'.concat('').length;"
    "String.prototype.concat = () => 'long'; return { n: was } }",
    "an object's prototype": "function Decoder() { const was = {}.n || 1;"
    "Object.prototype.n = 2; return { n: was } }",
    "the buffer": "function Decoder() { const was = Buffer.n || 1; Buffer.n = 2;"
    "Buffer.prototype.n = 2; return { n: Buffer.from([1]).n || was } }",
    "the console": "function Decoder() { console.n = (console.n || 0) + 1;"
    "return { n: console.n || 1 } }",
    "a strict polyfill": "'use strict';"
    "String.prototype.twice = function () { return this + this };"
    "let n = 0; function Decoder() { n += 1; return { n: 'a'.twice().length - 2 + n } }",
}


@pytest.mark.parametrize("source", [pytest.param(s, id=name) for name, s in LEAVES.items()])
def test_a_frame_leaves_nothing_to_the_next(engine: Engine, source: str) -> None:
    outcomes = engine.decode_batch([a_request(source)] * 4)
    assert [each.data for each in outcomes] == [{"n": 1}] * 4, outcomes[0]


def test_a_codec_leaves_nothing_to_another(engine: Engine) -> None:
    spoils = """Object.prototype.toJSON = () => 1; JSON.stringify = () => "{}"; parseInt = null;
      Array.prototype.push = null; function Decoder() { return { a: 1 } }"""
    engine.decode_batch([a_request(spoils)])
    good = "function Decoder(b) { const l = []; l.push(parseInt('7')); return { l } }"
    assert ask(engine, good).data == {"l": [7]}


def test_a_polyfill_does_not_cost_a_context_per_frame(engine: Engine) -> None:
    source = """Object.defineProperty(Object, "assign", { writable: true, configurable: true,
        value: (to, from) => { for (const k in from) to[k] = from[k]; to.own = 1; return to; } });
      if (!Array.prototype.last)
        Array.prototype.last = function () { return this[this.length - 1]; };
      function Decoder(b) { return Object.assign({ last: b.last() }, {}) }"""
    outcomes = engine.decode_batch([a_request(source, b"\x05\x06")] * 9)
    assert [each.data for each in outcomes] == [{"last": 6, "own": 1}] * 9
    assert Context(source, Limits()).reusable


def test_own_words_of_an_object_are_its_own(engine: Engine) -> None:
    source = """class Odd extends Error { constructor(m) { super(m); this.name = "Odd"; } }
      function Decoder() {
        const o = {}; o.toString = () => "mine"; o.constructor = 5;
        try { throw new Odd("x") } catch (e) { return { o: `${o}`, c: o.constructor, e: `${e}` } }
      }"""
    expected = {"o": "mine", "c": 5, "e": "Odd: x"}
    outcomes = engine.decode_batch([a_request(source)] * 2)
    assert [each.data for each in outcomes] == [expected, expected]


def test_time_stands_still_and_chance_repeats(engine: Engine) -> None:
    source = """function Decoder() {
      return { now: Date.now(), made: new Date(), typed: typeof Date(), was: new Date(0),
        utc: Date.UTC(1970, 0, 2), is: new Date() instanceof Date,
        other: new (new Date().constructor)().getTime(),
        chance: [Math.random(), Math.random()] } }"""
    first, again, other = (
        ask(engine, source, payload).data for payload in (b"\x01", b"\x01", b"\x02")
    )
    assert first is not None
    assert other is not None
    assert first == again
    assert first["now"] == first["other"] == int(AT.timestamp() * 1000)
    assert first["made"] == "2026-04-13T05:30:00.250Z"
    assert (first["was"], first["utc"]) == ("1970-01-01T00:00:00.000Z", 86_400_000)
    assert (first["typed"], first["is"]) == ("string", True)
    assert len({*first["chance"], *other["chance"]}) == 4
    assert all(0 <= value < 1 for value in first["chance"])


def test_what_is_no_json_is_told_as_far_as_it_goes(engine: Engine) -> None:
    source = """function Decoder() { return { nan: NaN, inf: -Infinity, small: 5n, big: 2n ** 70n,
      date: new Date(), nothing: undefined, call() {}, sign: Symbol("a"), half: "\\ud800x" } }"""
    assert ask(engine, source).data == {
        "nan": None,
        "inf": None,
        "small": 5,
        "big": "1180591620717411303424",
        "date": "2026-04-13T05:30:00.250Z",
        "half": "?x",
    }


def test_errors_and_warnings_are_kept(engine: Engine) -> None:
    outcome = ask(
        engine,
        """function decodeUplink() { return { data: { a: 1 }, warnings: "alone",
             errors: ["bad", 5, null, { code: 3 }, "x".repeat(9999)] } }""",
    )
    assert outcome.data == {"a": 1}
    assert outcome.warnings == ("alone",)
    assert outcome.errors[:4] == ("bad", "5", "null", '{"code":3}')
    assert len(outcome.errors[4]) == 300
    assert outcome.fault is None


def test_errors_alone_are_an_answer(engine: Engine) -> None:
    outcome = ask(engine, "function decodeUplink() { return { errors: ['unknown port'] } }")
    assert (outcome.data, outcome.errors, outcome.fault) == (None, ("unknown port",), None)


def test_answers_come_in_the_order_of_the_requests(engine: Engine) -> None:
    sources = [f"function Decoder(b) {{ return {{ n: b[0], who: {i} }} }}" for i in range(7)]
    requests = [a_request(sources[i % 7], bytes([i % 256])) for i in range(700)]
    found = [outcome.data for outcome in engine.decode_batch(requests)]
    assert found == [{"n": i % 256, "who": i % 7} for i in range(700)]
    assert engine.decode_batch([]) == []


def test_any_thread_may_ask(engine: Engine) -> None:
    source = "function Decoder(b) { return { n: b[0] } }"
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda i: ask(engine, source, bytes([i])).data, range(64))
        assert list(found) == [{"n": i} for i in range(64)]


def test_a_codec_that_made_room_comes_back() -> None:
    with Engine(limits=Limits(contexts=2)) as engine:
        sources = [f"function Decoder() {{ return {{ n: {i} }} }}" for i in range(5)]
        for _ in range(2):
            found = [
                outcome.data for outcome in engine.decode_batch([a_request(s) for s in sources])
            ]
            assert found == [{"n": i} for i in range(5)]


def test_answers_that_nobody_took_are_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    # More than is read from the pipe at once.
    source = "function Decoder(b) { return { n: b[0], text: b[0] ? 'x'.repeat(5000) : '' } }"
    with Engine() as engine:
        requests = [a_request(source, bytes([i])) for i in range(1, 100)]
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "_settle", interrupt)
            with pytest.raises(KeyboardInterrupt):
                engine.decode_batch(requests)
        assert ask(engine, source, b"\x00").data == {"n": 0, "text": ""}


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_who_asks_does_not_load_the_engine_itself() -> None:
    script = "import sys, decoders.javascript.family; print(sorted(sys.modules))"
    ran = subprocess.run(
        (sys.executable, "-P", "-c", script), capture_output=True, text=True, check=True, timeout=60
    )
    assert "decoders.javascript.engine" in ran.stdout
    assert "quickjs" not in ran.stdout


def test_a_process_that_cannot_start_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Engine() as engine, pytest.raises(NotRunnable, match="exit status 1; is quickjs-ng"):
        engine.start()


@settings(max_examples=50)
@given(payload=st.binary(max_size=242), f_port=st.integers(0, 255))
def test_any_bytes_come_as_they_are(engine: Engine, payload: bytes, f_port: int) -> None:
    source = "function Decoder(bytes, port) { return { bytes, port } }"
    (outcome,) = engine.decode_batch([a_request(source, payload, f_port)])
    assert outcome.data == {"bytes": list(payload), "port": f_port}


@given(text=st.text(), elapsed=st.integers(0, 2**32 - 1), at=st.integers(0, 99))
def test_messages_survive_being_cut_anywhere(text: str, elapsed: int, at: int) -> None:
    message = pipe.pack(text, elapsed) + pipe.pack("end")
    splitter = pipe.Splitter()
    found = [*splitter.split(message[:at]), *splitter.split(message[at:])]
    assert found == [(text.encode("utf-8", "replace").decode(), elapsed), ("end", 0)]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_any_answer_can_be_read(value: object) -> None:
    outcome = read(json.dumps({"data": {"v": value}, "errors": [], "warnings": []}), 5)
    assert outcome.data is not None
    json.dumps(outcome.data, ensure_ascii=False).encode()
