"""Vendors' own cases pass in our engine: `make conformance SRC=<checkout, or a folder of them>`."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from decoders.javascript.cases import LIMITS_FOR_CASES, UNDATED, failures, find, load
from decoders.javascript.codec import LARGEST_SOURCE, STOPPED, Codec, Fault, Request
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

pytestmark = pytest.mark.conformance

WRONG_THEMSELVES = {
    "b-meters/iwmlr3": "expects `aplication`, the codec says `application`",
    "moko/lw001-bg": "expects `battery voltage`, the codec says `battery_voltage`",
}
"""Codecs of which a case cannot pass in any engine, and why."""
RANDOM_PAYLOADS = 20
STOPS = STOPPED | {Fault.QUARANTINED}


def _checkouts() -> list[Path]:
    """SRC itself, or those of its folders that hold a catalogue."""
    source = Path(os.environ["SRC"])
    found = []
    for folder in (source, *sorted(path for path in source.iterdir() if path.is_dir())):
        try:
            find(folder)
        except SettingsError:
            continue
        found.append(folder)
    return found


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        engine.start()
        yield engine


def test_every_case_of_every_catalogue(engine: Engine) -> None:
    checkouts = _checkouts()
    assert checkouts, "SRC holds no catalogue of codecs"
    for checkout in checkouts:
        passed = 0
        failed, unread = [], []
        for path in find(checkout):
            try:
                suite = load(path, engine)
            except SettingsError as error:
                unread.append(str(error))
                continue
            wrong = list(failures(suite, engine))
            passed += len(suite.cases) - len(wrong)
            if suite.codec.id not in WRONG_THEMSELVES:
                failed += [f"{suite.codec.id}: {case.name}: {why}" for case, why in wrong]
        print(f"{checkout.name}: {passed} cases pass, {len(unread)} files cannot be read")
        print("\n".join(unread))
        assert passed
        assert not failed, "\n".join(failed)


def _scripts() -> Iterator[Codec]:
    for path in sorted(Path(os.environ["SRC"]).rglob("*.js")):
        source = path.read_text("utf-8-sig", errors="replace")
        if "decodeUplink" in source and len(source) <= LARGEST_SOURCE:
            yield Codec(id=str(path), source=source)


def test_random_payloads_give_outcomes_that_no_order_changes() -> None:
    """Every script with an entry: the same payloads forth and back, in two processes."""
    chance = random.Random(1)
    stopped, asked = set(), 0
    with Engine() as first, Engine() as second:
        for codec in _scripts():
            requests = [
                Request(
                    codec=codec,
                    payload=chance.randbytes(chance.randrange(1, 52)),
                    f_port=chance.choice((1, 2, 3, 10, 85)),
                    received_at=UNDATED,
                )
                for _ in range(RANDOM_PAYLOADS)
            ]
            forth = first.decode_batch(requests)
            back = second.decode_batch(requests[::-1])[::-1]
            asked += len(requests)
            for one, other in zip(forth, back, strict=True):
                if {one.fault, other.fault} & STOPS:
                    stopped.add(codec.id)
                else:
                    assert (one.data, one.errors) == (other.data, other.errors), codec.id
    print(f"{asked} payloads; stopped: {sorted(stopped)}")
    assert asked
