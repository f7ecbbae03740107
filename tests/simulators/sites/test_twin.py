"""A site's twin: nobody's identity, nobody paged, the same for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from commands.site import load_site
from khaen.errors import SettingsError
from khaen.priority import parse_prefix
from khaen.site.model import Site
from simulators.sites.demonstration import make_site
from simulators.sites.twin import (
    PREFIX,
    Simulated,
    check_simulated,
    give_agents,
    join_all,
    settle,
    twin_of,
)
from simulators.traffic import Traffic

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "site" / "site.yaml"


@pytest.fixture(scope="module")
def real() -> Site:
    return load_site(EXAMPLE, with_keys=False).site


def test_a_real_site_is_not_imitated_under_its_own_names(real: Site) -> None:
    with pytest.raises(SettingsError, match=r"is real.*--as-simulated") as caught:
        check_simulated(real)
    assert "\n" not in str(caught.value)
    check_simulated(twin_of(real, seed=1).site)


def test_a_twin_has_nothing_that_names_the_real_ones(real: Site) -> None:
    twin = twin_of(real, seed=1)
    text = twin.site.model_dump_json()
    for identity in (
        *(device.dev_eui for device in real.devices),
        *(device.dev_addr for device in real.devices if device.dev_addr),
        *(gateway.eui for gateway in real.gateways),
    ):
        assert identity not in text
    assert twin.site.site == f"{real.site}-twin"
    assert twin.site.plans == ()
    assert twin.site.addresses == ()
    assert all(o.simulated and o.plan is None for o in twin.site.organisations)
    assert all(g.simulated and g.agent is not None for g in twin.site.gateways)


def test_a_twin_has_the_same_places_and_people(real: Site) -> None:
    twin = twin_of(real, seed=1).site
    assert [d.resident for d in twin.devices] == [d.resident for d in real.devices]
    assert [d.family for d in twin.devices] == [d.family for d in real.devices]
    assert [d.position for d in twin.devices] == [d.position for d in real.devices]
    assert twin.places == real.places


def test_a_twins_devices_have_sessions_within_its_own_prefix(real: Site) -> None:
    twin = twin_of(real, seed=1)
    start, mask = parse_prefix(PREFIX)
    assert twin.keys.keys() == {device.dev_eui for device in twin.site.devices}
    assert all(int(d.dev_addr or "0", 16) & mask == start for d in twin.site.devices)
    assert len({d.dev_addr for d in twin.site.devices}) == len(twin.site.devices)
    assert twin.joined == {
        made.dev_eui
        for made, device in zip(twin.site.devices, real.devices, strict=True)
        if device.dev_addr is None
    }


def test_the_seed_makes_the_twin(real: Site) -> None:
    assert twin_of(real, seed=1) == twin_of(real, seed=1)
    one, other = twin_of(real, seed=1), twin_of(real, seed=2)
    assert not one.keys.keys() & other.keys.keys()


def test_keys_are_not_shown(real: Site) -> None:
    twin = twin_of(real, seed=1)
    secret = next(iter(twin.keys.values())).app_s_key
    assert secret.hex() not in repr(twin)
    assert repr(secret) not in repr(twin)


def test_devices_without_a_session_join_and_the_others_keep_theirs() -> None:
    made = make_site(1)
    devices = tuple(
        device.model_copy(update={"dev_addr": None}) if number % 2 else device
        for number, device in enumerate(made.site.devices)
    )
    site = made.site.model_copy(update={"devices": devices})
    keys = {d.dev_eui: made.keys[d.dev_eui] for d in devices if d.dev_addr is not None}
    joined = join_all(Simulated(site=site, keys=keys), seed=1)
    assert joined.joined == {d.dev_eui for d in devices if d.dev_addr is None}
    assert all(joined.keys[eui] == pair for eui, pair in keys.items())
    assert len({d.dev_addr for d in joined.site.devices}) == len(devices)
    traffic = Traffic(joined.site, joined.keys, seed=1, start=datetime(2026, 3, 1, tzinfo=UTC))
    assert traffic.silent == set()
    assert all(traffic.node(device.dev_eui) for device in devices)


def test_what_has_no_position_stands_where_its_place_is(real: Site) -> None:
    settled = settle(real)
    places = {place.id: place.position for place in real.places}
    assert any(device.position is None for device in real.devices)
    for before, after in zip(real.devices, settled.devices, strict=True):
        assert after.position == (before.position or places[before.place or ""])
    twin = twin_of(settled, seed=1)
    traffic = Traffic(twin.site, twin.keys, seed=1, start=datetime(2026, 3, 1, tzinfo=UTC))
    assert traffic.silent == set()


def test_every_gateway_can_be_given_an_agent() -> None:
    made = make_site(1)
    bare = made.site.model_copy(
        update={"gateways": tuple(g.model_copy(update={"agent": None}) for g in made.site.gateways)}
    )
    given = give_agents(Simulated(site=bare, keys=made.keys))
    assert all(g.agent is not None and g.agent.udp_port == 0 for g in given.site.gateways)
