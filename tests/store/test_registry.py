"""The registry: what the site file puts there, since when, and what it leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretBytes
from sqlalchemy import insert, select, update

from khaen.clock import ManualClock, to_micros
from khaen.errors import SettingsError, UnknownDevice
from khaen.ids import DevEui, GatewayEui, OrganisationId, parse_dev_eui, parse_gateway_eui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Site
from store import inventory, journal, sessions
from store.database import Database, Transaction
from store.migrate import upgrade
from store.registry import Registry, apply, diff, flip, generation
from store.schema.registry import assignment, person

KEY = SecretBytes(b"k" * 32)
START = datetime(2026, 4, 1, tzinfo=UTC)
BAND, BUTTON = parse_dev_eui("a81758fffe000001"), parse_dev_eui("24e124535b000001")
GATEWAY = parse_gateway_eui("ac1f09fffe000001")
KEYS = {BAND: SessionKeys(nwk_s_key=b"n" * 16, app_s_key=b"a" * 16)}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "site": "kk",
        "name": {"th": "ขอนแก่น", "en": "Khon Kaen"},
        "lorawan": {"net_ids": ["000013"], "prefixes": ["26011000/20"]},
        "organisations": [
            {"id": "city", "name": {"th": "เมือง", "en": "City"}, "plan": "night"},
            {"id": "east", "name": {"th": "ตะวันออก", "en": "East"}, "parent": "city"},
            {"id": "drill", "name": {"th": "ซ้อม", "en": "Drill"}, "simulated": True},
        ],
        "places": [
            {
                "id": "house",
                "organisation": "east",
                "name": {"th": "บ้าน", "en": "House"},
                "position": {"latitude": 16.4, "longitude": 102.8},
            }
        ],
        "gateways": [
            {"eui": GATEWAY, "name": "roof", "organisation": "city", "place": "house"},
        ],
        "devices": [
            {
                "dev_eui": BAND,
                "family": "band",
                "organisation": "east",
                "place": "house",
                "resident": "R-1",
                "dev_addr": "26011001",
                "counter": "restarts",
            },
            {"dev_eui": BUTTON, "family": "button", "organisation": "city"},
        ],
        "plans": [{"id": "night", "steps": [{"after_s": 60, "channel": "line", "to": "nurse"}]}],
        "addresses": [{"id": "nurse", "channel": "line", "url_file": "/secret/nurse"}],
        "rules": {"fall": {"still_s": 45.5}},
        "keys_file": "/secret/keys.csv",
    } | changes


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite", clock=clock)
    upgrade(database)
    yield database
    database.close()


def apply_site(ledger: Database, **changes: Any) -> list[tuple[str, str, str]]:
    site = Site.model_validate(document(**changes))
    return [(d.kind, d.id, d.change) for d in apply(ledger, site, KEYS, KEY)]


def load(ledger: Database) -> Registry:
    with ledger.read() as connection:
        return Registry.load(connection)


def devices_without(dev_eui: DevEui) -> list[Any]:
    return [d for d in document()["devices"] if d["dev_eui"] != dev_eui]


def test_everything_of_the_file_is_found_again(ledger: Database) -> None:
    apply_site(ledger)
    registry = load(ledger)
    assert (registry.site, registry.generation) == ("kk", 1)
    assert registry.prefixes == ("26000000/7", "26011000/20", "26011001/32")
    assert registry.parameters == {"fall": {"still_s": 45.5}}
    assert registry.addresses["nurse"].url_file == "/secret/nurse"
    gateway = registry.gateway(GATEWAY)
    assert gateway is not None
    assert (gateway.name, gateway.latitude, gateway.retired) == ("roof", 16.4, False)
    assert [d.dev_eui for d in registry.devices] == [BUTTON, BAND]
    band = registry.device(BAND, START)
    assert (band.family, band.counter_restarts, band.longitude) == ("band", True, 102.8)
    assert registry.organisations[OrganisationId("east")].name_th == "ตะวันออก"


def test_a_plan_is_inherited_from_above(ledger: Database) -> None:
    apply_site(ledger)
    registry = load(ledger)
    plan = registry.plan(OrganisationId("east"))
    assert plan is not None
    assert (plan.id, plan.steps[0].after, plan.repeat) == (
        "night",
        timedelta(seconds=60),
        timedelta(seconds=300),
    )
    assert registry.plan(OrganisationId("drill")) is None
    assert registry.below(OrganisationId("city")) == {"city", "east"}


def test_applying_twice_changes_nothing(ledger: Database) -> None:
    assert apply_site(ledger)
    site = Site.model_validate(document())
    with ledger.read() as connection:
        assert diff(connection, site, KEYS, KEY) == []
        before = journal.head(connection), generation(connection)
    assert apply_site(ledger) == []
    with ledger.read() as connection:
        assert (journal.head(connection), generation(connection)) == before


def test_the_difference_names_what_changes_and_no_keys(ledger: Database) -> None:
    apply_site(ledger)
    changed = document()
    changed["devices"][1]["organisation"] = "east"
    changed["gateways"][0]["name"] = "tower"
    site = Site.model_validate(changed)
    rolled = {BAND: SessionKeys(nwk_s_key=b"N" * 16, app_s_key=b"A" * 16)}
    with ledger.read() as connection:
        found = diff(connection, site, rolled, KEY)
    assert [(d.kind, d.id, d.change, d.fields) for d in found] == [
        ("gateway", GATEWAY, "changed", (("name", "roof", "tower"),)),
        ("device", BUTTON, "changed", (("organisation", "city", "east"),)),
        ("session", BAND, "added", ()),
    ]


def test_a_device_is_what_it_was_when_it_spoke(ledger: Database, clock: ManualClock) -> None:
    apply_site(ledger)
    clock.advance(3600)
    moved = document()["devices"]
    moved[1]["organisation"] = "drill"
    apply_site(ledger, devices=moved)
    clock.advance(3600)
    registry = load(ledger)
    earlier, later = START + timedelta(minutes=30), START + timedelta(minutes=90)
    assert registry.device(BUTTON, earlier).organisation == "city"
    assert registry.device(BUTTON, later).organisation == "drill"
    assert registry.subject(BUTTON, earlier).simulated is False
    assert registry.subject(BUTTON, later).simulated is True
    assert registry.subject(BUTTON, later).id == f"device:{BUTTON}"


def test_what_was_heard_before_a_device_was_entered_is_its_own(ledger: Database) -> None:
    apply_site(ledger)
    registry = load(ledger)
    before = START - timedelta(days=3)
    assert registry.device(BAND, before).family == "band"
    assert registry.subject(BAND, before).id == "person:R-1"


def test_what_leaves_the_file_is_retired_and_may_return(
    ledger: Database, clock: ManualClock
) -> None:
    apply_site(ledger)
    clock.advance(60)
    done = apply_site(ledger, devices=devices_without(BUTTON), gateways=[])
    assert set(done) == {("device", BUTTON, "retired"), ("gateway", GATEWAY, "retired")}
    registry = load(ledger)
    assert [d.dev_eui for d in registry.devices] == [BAND]
    assert registry.gateways == {}
    gateway = registry.gateway(GATEWAY)
    assert gateway is not None
    assert gateway.retired
    assert registry.device(BUTTON, START + timedelta(seconds=30)).family == "button"
    with pytest.raises(UnknownDevice):
        registry.device(BUTTON, START + timedelta(seconds=61))
    clock.advance(60)
    assert set(apply_site(ledger)) == {
        ("device", BUTTON, "returned"),
        ("gateway", GATEWAY, "returned"),
    }
    assert load(ledger).device(BUTTON, clock.now()).valid_until is None


def test_plans_rules_and_prefixes_that_leave_are_removed(ledger: Database) -> None:
    apply_site(ledger)
    organisations = document()["organisations"]
    del organisations[0]["plan"]
    done = apply_site(
        ledger, plans=[], addresses=[], rules={}, organisations=organisations, lorawan={}
    )
    assert {(kind, change) for kind, _, change in done} == {
        ("site", "changed"),
        ("organisation", "changed"),
        ("plan", "removed"),
        ("address", "removed"),
        ("rule", "removed"),
        ("prefix", "removed"),
    } - {("site", "changed")}
    registry = load(ledger)
    assert (registry.plans, registry.addresses, registry.parameters) == ({}, {}, {})
    assert registry.prefixes == ("26011001/32",)


def test_a_resident_is_seeded_once_and_then_the_consoles(
    ledger: Database, clock: ManualClock
) -> None:
    apply_site(ledger)
    registry = load(ledger)
    assert registry.subject(BAND, clock.now()).id == "person:R-1"
    assert registry.subject(BAND, clock.now()).organisation == "east"
    clock.advance(60)
    with ledger.write() as tx:  # the console gives the band to somebody else
        give(tx, BAND, "P-9")
    clock.advance(60)
    assert apply_site(ledger) == []
    moved = document()["devices"]
    moved[0]["resident"] = "R-2"
    assert apply_site(ledger, devices=moved) == []
    registry = load(ledger)
    assert registry.subject(BAND, clock.now()).id == "person:P-9"
    assert registry.subject(BAND, START).id == "person:R-1"
    assert set(registry.persons) == {"R-1", "P-9"}


def give(tx: Transaction, dev_eui: DevEui, to: str) -> None:
    run = tx.connection.execute
    run(insert(person).values(id=to, organisation="city", place=None, seeded=False))
    run(
        update(assignment)
        .where(assignment.c.dev_eui == dev_eui, assignment.c.valid_until.is_(None))
        .values(valid_until=tx.now)
    )
    run(insert(assignment).values(dev_eui=dev_eui, person=to, valid_from=tx.now, seeded=False))
    flip(tx)


def test_a_taken_off_band_speaks_for_itself(ledger: Database, clock: ManualClock) -> None:
    apply_site(ledger)
    clock.advance(60)
    with ledger.write() as tx:
        tx.connection.execute(update(assignment).values(valid_until=tx.now))
    registry = load(ledger)
    assert registry.subject(BAND, clock.now()).id == f"device:{BAND}"
    assert registry.subject(BAND, clock.now() - timedelta(seconds=1)).id == "person:R-1"


def test_each_apply_and_each_flip_turns_the_generation_and_tells_followers(
    ledger: Database,
) -> None:
    apply_site(ledger)
    with ledger.write() as tx:
        assert flip(tx) == 2
    with ledger.read() as connection:
        entries = journal.read(connection, 0)
        assert [(e.kind, e.ref) for e in entries] == [("registry", "1"), ("registry", "2")]
        assert generation(connection) == 2


def test_sessions_are_sealed_and_kept_when_keys_roll(ledger: Database, clock: ManualClock) -> None:
    apply_site(ledger)
    clock.advance(60)
    site = Site.model_validate(document())
    rolled = {BAND: SessionKeys(nwk_s_key=b"N" * 16, app_s_key=b"A" * 16)}
    apply(ledger, site, rolled, KEY)
    with ledger.read() as connection:
        found = sessions.load(connection, KEY)
        raw = connection.exec_driver_sql("SELECT keys FROM session").scalars().all()
    assert [(s.nwk_s_key[:1], s.app_s_key[:1], s.source) for s in found] == [
        (b"n", b"a", "site"),
        (b"N", b"A", "site"),
    ]
    assert found[1].valid_from == clock.now()
    assert not any(b"nnnn" in sealed for sealed in raw)
    assert "nnnn" not in repr(found)


def test_a_session_is_put_once(ledger: Database) -> None:
    record = sessions.SessionRecord(
        dev_eui=BAND,
        dev_addr=Site.model_validate(document()).devices[0].dev_addr or pytest.fail("no address"),
        nwk_s_key=b"n" * 16,
        app_s_key=b"a" * 16,
        source="join",
        valid_from=START,
    )
    for _ in range(2):
        with ledger.write() as tx:
            sessions.put(tx, KEY, record)
    with ledger.read() as connection:
        assert sessions.load(connection, KEY) == [record]
        with pytest.raises(SettingsError, match="key_file"):
            sessions.load(connection, SecretBytes(b"x" * 32))


def test_a_ledger_serves_one_site(ledger: Database) -> None:
    apply_site(ledger)
    with pytest.raises(SettingsError, match="belongs to the site 'kk'"):
        apply_site(ledger, site="other")


def test_what_a_crash_left_half_done_is_finished(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, count = Database.write, 0

    @contextmanager
    def dying(self: Database) -> Iterator[Transaction]:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        with write(self) as tx:
            yield tx

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            apply_site(ledger)
    assert load(ledger).generation == 0
    apply_site(ledger)
    registry = load(ledger)
    assert registry.generation == 1
    assert len(registry.devices) == 2


def test_thousands_of_devices_hold_nobody_back(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [
        {"dev_eui": f"{n:016x}", "family": "band", "organisation": "city", "resident": f"R-{n}"}
        for n in range(2_000)
    ]
    step_s, now, held = 0.003, 0.0, []
    write = Database.write

    def slow() -> (
        float
    ):  # the registry looks once after each step: a machine on which one takes 3 ms
        nonlocal now
        now += step_s
        return now

    @contextmanager
    def timed(self: Database) -> Iterator[Transaction]:
        with write(self) as tx:
            began = now
            yield tx
        held.append(now - began)

    monkeypatch.setattr(Database, "write", timed)
    monkeypatch.setattr(inventory, "time", SimpleNamespace(monotonic=slow))
    apply_site(ledger, devices=many)
    assert len(load(ledger).devices) == 2_000
    assert max(held) < 0.05
    assert sum(held) > 2_000 * step_s  # every step was timed


def test_rows_have_micros(ledger: Database) -> None:
    apply_site(ledger)
    with ledger.read() as connection:
        row = connection.execute(select(assignment)).one()
    assert (row.valid_from, row.valid_until, row.seeded) == (to_micros(START), None, True)


def test_a_gateway_that_was_never_ours_is_unknown(ledger: Database) -> None:
    apply_site(ledger)
    assert load(ledger).gateway(GatewayEui("0" * 16)) is None
