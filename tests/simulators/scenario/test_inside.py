"""A scenario misses what does not come true, and comes out the same each time."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from simulators.scenario.inside import run
from simulators.scenario.loader import load

SCENARIO = """\
name: misses
text: {th: ไม่เป็นดังคาด, en: nothing comes true}
seed: 5
site: {elders: 2, gateways: 2, apart_km: 40}
pace: {wristband: 30s}
lasts: 4m
acts:
  - {at: 1m, act: press, resident: R-0001, name: press}
  - {at: 2m, act: cut_gateway, gateway: gw-2}
expect:
  - {see: alarm, rule: fall, resident: R-0001}
  - {see: alarm, rule: sos, resident: R-0001, after: press, within: 10ms}
  - {see: alarm, rule: sos, resident: R-0001, priority: 2, state: acknowledged, late: true}
  - {see: alarm, rule: sos, resident: R-0001, times: 2, presses: 3, gateways: 2}
  - {see: no_alarm, rule: sos}
  - {see: call, rule: sos, resident: R-0001, to: nobody}
  - {see: change, rule: sos, resident: R-0001, change: accepted}
  - {see: account, gateway: gw-1, late_at_least: 1}
  - {see: account, gateway: gw-2, gone: 3}
  - {see: uplinks, resident: R-0001, f_port: 12}
  - {see: dates, gateway: gw-1, rungs: [gps]}
  - {see: dates, gateway: gw-2, since: 130s}
  - {see: quarantine, reason: replay_suspected}
  - {see: events, resident: R-0001}
"""


def test_every_kind_of_expectation_can_be_missed(tmp_path: Path, memory_path: Path) -> None:
    file = tmp_path / "misses.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    lines = run(load(file), memory_path)
    assert [line.expectation.words() for line in lines if line.met] == []
    seen = "\n".join(line.seen for line in lines)
    assert "there are: gateway_down of" in seen
    assert "only after 0.0" in seen
    assert "rungs synced" in seen


def test_the_same_scenario_leaves_the_same_ledger(tmp_path: Path, memory_path: Path) -> None:
    file = tmp_path / "misses.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    outcomes, ledgers = [], []
    for name in ("one", "two"):
        folder = memory_path / name
        folder.mkdir()
        outcomes.append(run(load(file), folder))
        ledgers.append(read(folder / "ledger.sqlite"))
    assert outcomes[0] == outcomes[1]
    assert ledgers[0] == ledgers[1]


def read(ledger: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a run wrote, but for what is random by design: epochs and keys of notifications."""
    found = {}
    database = sqlite3.connect(ledger)
    try:
        for table, columns in TABLES.items():
            found[table] = database.execute(f"SELECT {columns} FROM {table}").fetchall()
    finally:
        database.close()
    assert all(found.values()), {name: len(rows) for name, rows in found.items()}
    return found


TABLES = {
    "uplink": "*",
    "reception": "uplink, gateway_eui, seq, way, received_at, clock, ingested_at, rssi, snr",
    "latest": "*",
    "alarm": "*",
    "alarm_event": "alarm, at, recorded_at, change, state, actor, uplink",
    "notification": "alarm, step, round, channel, address, state, created_at, sent_at",
    "gateway_number": "gateway_eui, seq, kind, digest",
    "journal": "position, kind, at",
    "subject_state": "*",
}


def test_whoever_looks_can_end_it_and_nothing_goes_on(tmp_path: Path, memory_path: Path) -> None:
    file = tmp_path / "misses.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    looked = []

    def look(now: float) -> None:
        looked.append(round(now))
        if now > 100:
            raise Enough

    with pytest.raises(Enough):
        run(load(file), memory_path, look=look)
    assert looked == [0, 60, 120]


class Enough(Exception):
    pass
