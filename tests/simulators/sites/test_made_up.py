"""Sites of any size: covered, unique, simulated, and in order by the site check."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from commands.main import app
from decoders import catalogue
from khaen.errors import SettingsError
from khaen.priority import parse_prefix
from khaen.site.loader import load
from simulators.air.propagation import distance_km
from simulators.city import SENSORS
from simulators.sites.demonstration import WRISTBAND, eirp_of, make_radio, make_site, write_site
from simulators.sites.districts import DISTRICTS
from simulators.sites.made_up import make_up


@settings(max_examples=25)
@given(
    seed=st.integers(0, 9),
    elders=st.integers(0, 60),
    gateways=st.integers(1, 60),
    sensors=st.integers(0, 60),
    otaa=st.booleans(),
)
def test_any_size_is_made_as_asked(
    seed: int, elders: int, gateways: int, sensors: int, otaa: bool
) -> None:
    made = make_up(seed, elders=elders, gateways=gateways, sensors=sensors, otaa=otaa)
    site = made.site
    bands = [device for device in site.devices if device.family == WRISTBAND]
    assert (len(bands), len(site.gateways)) == (elders, gateways)
    assert len(site.devices) == elders + sensors
    assert len({device.resident for device in bands}) == elders
    assert all(organisation.simulated for organisation in site.organisations)
    assert all(gateway.simulated for gateway in site.gateways)
    assert {device.family for device in site.devices} <= {WRISTBAND, *SENSORS}
    addresses = [device.dev_addr for device in site.devices]
    if otaa:
        assert not any(addresses)
        assert site.lorawan.network_server
        assert made.keys == {}
        assert made.join_keys.keys() == {device.dev_eui for device in site.devices}
    else:
        assert made.join_keys == {}
        assert len(set(addresses)) == len(addresses)
        assert made.keys.keys() == {device.dev_eui for device in site.devices}
        start, mask = parse_prefix(site.lorawan.prefixes[0])
        assert all(int(a, 16) & mask == start for a in addresses if a is not None)


def test_a_made_up_site_is_apart_from_the_demonstration() -> None:
    demonstration = make_site(1).site
    made = make_up(1, elders=60, gateways=8, sensors=40).site
    for name in ("dev_eui", "dev_addr"):
        ours, theirs = (
            {getattr(device, name) for device in site.devices} for site in (made, demonstration)
        )
        assert not ours & theirs
    assert not {g.eui for g in made.gateways} & {g.eui for g in demonstration.gateways}


def test_devices_are_heard_where_they_stand() -> None:
    site = make_up(3, elders=500, gateways=8, sensors=200).site
    radio = make_radio(site.gateways, 3)
    towers = {gateway.organisation for gateway in site.gateways}
    uncovered = 0
    for device in site.devices:
        assert device.position is not None
        assert device.organisation in towers
        radio.place(device.dev_eui, device.position)
        rate = radio.choose_data_rate(device.dev_eui, eirp_of(device))
        heard_by = radio.covering(device.dev_eui, eirp_of(device), rate, margin=4.0)
        uncovered += not heard_by or rate.index < (2 if device.family == WRISTBAND else 3)
    assert uncovered <= 3


def test_gateways_stand_where_people_are_and_apart() -> None:
    site = make_up(1, elders=0, gateways=60, sensors=0).site
    counts = Counter(gateway.organisation for gateway in site.gateways)
    assert counts.most_common(1)[0][0] == "mueang"
    assert set(counts) == {district.id for district in DISTRICTS if counts[district.id]}
    assert len(counts) > 20
    where = [gateway.position for gateway in site.gateways if gateway.position]
    assert len(where) == 60
    nearest = [min(distance_km(a, b) for b in where if b is not a) for a in where]
    assert min(nearest) > 0.4
    assert all(18 <= position.height <= 50 for position in where)


def test_families_are_mixed_and_known() -> None:
    site = make_up(1, elders=0, gateways=4, sensors=100).site
    counts = Counter(device.family for device in site.devices)
    assert counts.keys() == SENSORS.keys()
    assert counts.keys() <= set(catalogue.names())
    assert counts["milesight_em400_mud"] == 22
    assert counts["digital_matter_g62"] == 4
    few = Counter(d.family for d in make_up(1, elders=0, gateways=1, sensors=20).site.devices)
    assert len(few) >= 8


@pytest.mark.parametrize("otaa", [False, True])
def test_files_load_again_and_the_site_check_passes(tmp_path: Path, otaa: bool) -> None:
    made = make_up(1, elders=300, gateways=12, sensors=100, otaa=otaa)
    file = write_site(made, tmp_path)
    result = CliRunner().invoke(app, ["site", "check", str(file)])
    assert result.exit_code == 0, result.output
    loaded = load(file)
    assert loaded.site.devices == made.site.devices
    assert loaded.site.gateways == made.site.gateways


def test_a_hundred_thousand_devices_are_made_and_no_more() -> None:
    site = make_up(1, elders=90_000, gateways=150, sensors=10_000).site
    assert len(site.devices) == 100_000
    assert len({device.dev_eui for device in site.devices}) == 100_000
    assert len({device.dev_addr for device in site.devices}) == 100_000
    for elders, gateways, sensors in ((90_000, 5, 10_001), (1, 0, 1), (-1, 1, 1)):
        with pytest.raises(SettingsError, match="cannot be made up"):
            make_up(1, elders=elders, gateways=gateways, sensors=sensors)


def test_same_seed_gives_the_same_site() -> None:
    assert make_up(5, elders=30, gateways=4, sensors=10) == make_up(
        5, elders=30, gateways=4, sensors=10
    )
    assert make_up(5, elders=30, gateways=4, sensors=10) != make_up(
        6, elders=30, gateways=4, sensors=10
    )
