import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from decoders import catalogue
from khaen.site.loader import load
from simulators.air.propagation import distance_km
from simulators.sites.demonstration import (
    CALLER,
    FALLER,
    WRISTBAND,
    eirp_of,
    make_radio,
    make_site,
    nickname,
    write_site,
)


def test_site_is_what_the_demonstration_promises() -> None:
    site = make_site(1).site
    assert len(site.gateways) == 3
    bands = [device for device in site.devices if device.family == WRISTBAND]
    sensors = [device for device in site.devices if device.family != WRISTBAND]
    assert (len(bands), len(sensors)) == (40, 20)
    assert len({device.family for device in sensors}) >= 5
    assert {device.family for device in site.devices} <= set(catalogue.names())
    assert all(organisation.simulated for organisation in site.organisations)
    assert all(gateway.simulated for gateway in site.gateways)
    assert len({device.resident for device in bands}) == 40
    parents = {organisation.id: organisation.parent for organisation in site.organisations}
    assert parents["chumphae-town"] == "chumphae"
    assert parents["chumphae"] == "khonkaen"


@pytest.mark.parametrize("seed", range(25))
def test_every_device_is_covered_and_the_caller_twice(seed: int) -> None:
    site = make_site(seed).site
    radio = make_radio(site.gateways, seed)
    places = {place.id: place.position for place in site.places}
    for device in site.devices:
        assert device.position is not None
        assert device.place is not None
        middle = places[device.place]
        assert middle is not None
        assert distance_km(device.position, middle) < 3.0
        radio.place(device.dev_eui, device.position)
        rate = radio.choose_data_rate(device.dev_eui, eirp_of(device))
        heard_by = radio.covering(device.dev_eui, eirp_of(device), rate, margin=4.0)
        assert len(heard_by) >= (2 if device.resident == CALLER else 1)
        assert rate.index >= (2 if device.family == WRISTBAND else 3)


def test_same_seed_gives_the_same_site_and_keys() -> None:
    assert make_site(5) == make_site(5)
    assert make_site(5).keys != make_site(6).keys


def test_files_load_again_as_the_same_site(tmp_path: Path) -> None:
    made = make_site(1)
    loaded = load(write_site(made, tmp_path))
    assert loaded.warnings == ()
    assert loaded.keys == made.keys
    assert loaded.site.model_copy(update={"keys_file": made.site.keys_file}) == made.site
    assert stat.S_IMODE((tmp_path / "keys.csv").stat().st_mode) == 0o600


def test_site_check_passes(tmp_path: Path) -> None:
    file = write_site(make_site(1), tmp_path)
    result = CliRunner().invoke(app, ["site", "check", str(file)])
    assert result.exit_code == 0, result.output


def test_no_name_of_a_person_stands_in_the_files(tmp_path: Path) -> None:
    made = make_site(1)
    write_site(made, tmp_path)
    text = "".join(file.read_text() for file in tmp_path.iterdir())
    residents = [device.resident for device in made.site.devices if device.resident]
    assert {CALLER, FALLER} <= set(residents)
    for resident in residents:
        called = nickname(resident)
        assert called.endswith("(จำลอง)")
        assert called not in text
