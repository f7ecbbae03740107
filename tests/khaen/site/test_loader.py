"""Site files: what is right is read as it was meant, what is wrong is named with its remedy."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from khaen.errors import SettingsError
from khaen.ids import parse_dev_eui
from khaen.site import keys, schema
from khaen.site.check import Known
from khaen.site.loader import SiteErrors, load
from khaen.site.model import Site

BASE = "site: kk\nname: {th: ขอนแก่น, en: Khon Kaen}\n"
ORGANISATIONS = "organisations: [{id: city, name: {th: เมือง, en: City}}]\n"
KNOWN = Known(
    families={"button": False, "band": True},
    rules={"sos": frozenset(), "fall": frozenset({"still_s"})},
    channels=frozenset({"line", "webhook"}),
)
CASES = yaml.safe_load((Path(__file__).with_name("broken.yaml")).read_text())


def lay_out(folder: Path, case: dict[str, Any]) -> Path:
    files = dict(case.get("files", {}))
    if "site.yaml" not in files:
        own = case["site"]
        head = "" if own.startswith("organisations") or "\norganisations" in own else ORGANISATIONS
        files["site.yaml"] = BASE + head + own
    for name, text in files.items():
        (folder / name).write_text(text)
        if name.startswith("keys"):
            (folder / name).chmod(int(str(case.get("mode", "0o600")), 8))
    for name, digits in case.get("bytes", {}).items():
        (folder / name).write_bytes(bytes.fromhex(digits))
    return folder / "site.yaml"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_problem_is_named_with_its_place_and_remedy(
    tmp_path: Path, case: dict[str, Any]
) -> None:
    file = lay_out(tmp_path, case)
    with pytest.raises(SiteErrors) as caught:
        load(file, KNOWN)
    found = caught.value.findings
    shown = "\n".join(str(finding) for finding in found)
    assert len(found) == len(case["findings"]), shown
    for finding, (where, key, text, remedy) in zip(found, case["findings"], strict=True):
        assert f"{finding.place}" == f"{tmp_path}/{where}", shown
        assert finding.problem.key == key, shown
        assert text.replace("{folder}", str(tmp_path)) in finding.problem.text, shown
        assert remedy.replace("{folder}", str(tmp_path)) in finding.problem.remedy, shown
    assert str(caught.value) == shown
    assert "0001020304" not in shown, "a key was shown"


def write(folder: Path, text: str, **lists: str) -> Path:
    for name, rows in lists.items():
        (folder / f"{name}.csv").write_text(rows, encoding="utf-8-sig")
    file = folder / "site.yaml"
    file.write_text(BASE + ORGANISATIONS + text)
    return file


def test_scalars_survive_yaml(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "lorawan: {network_server: yes, net_ids: [000013]}\n"
        "places: [{id: NO, organisation: city, name: {th: 1.0, en: 012}}]\n"
        "gateways: [{eui: 0000000000000012, name: 2026-04-01, organisation: city}]\n"
        "devices: [{dev_eui: 00000000000000E5, family: button, organisation: city, place: NO}]\n",
    )
    site = load(file, KNOWN).site
    assert site.gateways[0].eui == "0000000000000012"
    assert site.gateways[0].name == "2026-04-01"
    assert site.devices[0].dev_eui == "00000000000000e5"
    assert (site.devices[0].place, site.places[0].name.th, site.places[0].name.en) == (
        "NO",
        "1.0",
        "012",
    )
    assert site.lorawan.net_ids == ("000013",)


def test_lists_stand_inline_in_files_or_in_both(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "lorawan: {network_server: true}\n"
        "places: places.csv\n"
        "devices:\n"
        "  - one.csv\n"
        "  - {dev_eui: 0000000000000002, family: button, organisation: city}\n"
        "  - two.csv\n",
        places="id,organisation,name.th,name.en,position.latitude,position.longitude\n"
        'house,city,บ้าน,"House, east",16.4,102.8\nshed,city,โรง,Shed,,\n',
        one="dev_eui,family,organisation\n0000000000000001,button,city\n\n",
        two="dev_eui,family,organisation,counter\r\n0000000000000003,band,city,restarts\r\n",
    )
    site = load(file, KNOWN).site
    assert [int(d.dev_eui) for d in site.devices] == [1, 2, 3]
    assert [d.counter for d in site.devices] == ["continues", "continues", "restarts"]
    assert site.places[0].name.en == "House, east"
    assert site.places[0].position is not None
    assert site.places[1].position is None


def test_families_that_wait_for_an_answer_are_warned_of_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "keys_file: keys.csv\ndevices:\n"
        "  - {dev_eui: 0000000000000001, family: band, organisation: city, dev_addr: '26011001'}\n"
        "  - {dev_eui: 0000000000000002, family: band, organisation: city, dev_addr: '26011002'}\n"
        "  - {dev_eui: 0000000000000003, family: button, organisation: city}\n",
    )
    strangers = [parse_dev_eui(f"{n:016x}") for n in (1, 2, 9)]
    keys.write(tmp_path / "keys.csv", keys.generate(strangers))
    loaded = load(file, KNOWN)
    texts = [str(warning) for warning in loaded.warnings]
    texts = [text for text in texts if "escalation plan" not in text]
    assert len(texts) == 3
    assert "holds keys of 0000000000000009" in texts[0]
    assert f"{file}:6: devices[0].family: 2 device(s) of family 'band'" in texts[1]
    assert "nobody answers the wearer" in texts[1]
    assert "devices[2]: nobody can open this device's frames" in texts[2]
    assert set(loaded.keys) == set(strangers)


def test_whom_nobody_is_called_for_is_warned_of(tmp_path: Path) -> None:
    organisations = (
        "organisations:\n"
        "  - {id: city, name: {th: ก, en: C}}\n"
        "  - {id: district, parent: city, name: {th: ก, en: D}, plan: day}\n"
        "  - {id: village, parent: district, name: {th: ก, en: V}}\n"
        "  - {id: play, name: {th: ก, en: P}, simulated: 'yes'}\n"
        "plans: [{id: day, steps: [{after_s: 0, channel: webhook, to: duty}]}]\n"
        "addresses: [{id: duty, channel: webhook, url_file: duty.url}]\n"
    )
    file = tmp_path / "site.yaml"
    file.write_text(BASE + organisations)
    (warning,) = load(file, KNOWN).warnings
    assert f"{file}:4: organisations[0]: nobody is called for 1 organisation(s)" in str(warning)
    assert "(city)" in str(warning)
    assert "docs/calls.md" in str(warning)
    file.write_text(BASE + organisations.replace("en: C}}", "en: C}, plan: day}"))
    assert not load(file, KNOWN).warnings


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        "keys_file: keys.csv\naddresses: [{id: a, channel: line, url_file: secret/line}]\n",
    )
    keys.write(tmp_path / "keys.csv", {})
    monkeypatch.chdir(tmp_path)
    site = load(Path("site.yaml"), KNOWN).site
    assert site.keys_file == tmp_path / "keys.csv"
    assert site.addresses[0].url_file == tmp_path / "secret/line"


def test_the_keys_file_is_left_alone_where_nobody_asks(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "keys_file: keys.csv\n"
        "devices: [{dev_eui: 0000000000000001, family: button, organisation: city, "
        "dev_addr: '26011001'}]\n",
    )
    assert load(file, KNOWN, with_keys=False).keys == {}


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    file = tmp_path / "site.yaml"
    file.write_text("\n".join(lines))
    with pytest.raises(SiteErrors, match="refers to itself"):
        load(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SiteErrors, match=r"cannot read .*: No such file"):
        load(tmp_path / "site.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(max_size=200)
    | st.recursive(
        st.text(max_size=5) | st.sampled_from(["city", "x", "[", "0000000000000001"]),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [*Site.model_fields, "id", "organisation", "steps", "name", "agent"]
                ),
                inside,
                max_size=5,
            )
        ),
        max_leaves=20,
    ).map(json.dumps)
)
def test_whatever_is_in_the_file_ends_in_findings(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(SettingsError):
        load(file, KNOWN)


def test_the_schema_takes_what_the_loader_takes() -> None:
    document = schema.schema()
    assert document["properties"]["devices"]["anyOf"][0]["type"] == "string"
    assert document["additionalProperties"] is False
    committed = Path(__file__).parents[3] / "docs" / "site.schema.json"
    assert json.loads(committed.read_text()) == document


def test_a_file_nested_too_deeply_is_told(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("site: " + "[" * 3_000 + "]" * 3_000)
    with pytest.raises(SettingsError, match=r"site\.yaml:1: .*nested too deeply"):
        load(file)
