"""What is wrong with a scenario is said with its file, line, key and remedy."""

from pathlib import Path
from typing import Any

import pytest

from simulators.acts.vocabulary import Fall, Press
from simulators.scenario.loader import ScenarioErrors, load
from simulators.scenario.schema import render, schema

GOOD = """\
name: small
text: {th: เล็ก, en: small}
site: {elders: 2, gateways: 2}
lasts: 5m
acts:
  - {at: 1m, act: press, resident: R-0001, again: 2, name: press}
  - {at: 90s, act: fall, resident: R-0002}
expect:
  - {see: alarm, rule: sos, resident: R-0001, after: press, within: 2s, priority: 1}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "small.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_scenario_is_read_with_its_site(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, GOOD))
    press, fall = loaded.scenario.acts
    assert press == Press(at=60, resident="R-0001", again=2, name="press")
    assert fall == Fall(at=90, resident="R-0002")
    assert loaded.scenario.lasts == 300
    assert [g.simulated for g in loaded.site.gateways] == [True, True]
    assert all(organisation.simulated for organisation in loaded.site.organisations)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("R-0001, again", "R-0009, again", ":6: acts[0].resident: the site has no resident"),
        (
            "act: press",
            "act: pres",
            ":6: acts[0].act: there is no act 'pres' (did you mean",
        ),
        ("act: press, ", "", ":6: acts[0]: says no `act`"),
        ("at: 1m", "at: soon", ":6: acts[0].at: 'soon' is no span of time"),
        ("at: 1m", "at: 6m", ":6: acts[0].at: 360 s is after the end, which is at 300 s"),
        ("at: 1m, ", "", ":6: acts[0].at: is missing (say when: `at: 1m`)"),
        ("again: 2", "agian: 2", ":6: acts[0].agian: there is no key 'agian' here (did you mean"),
        ("again: 2", "again: 99", ":6: acts[0].again: input should be less than or equal to 20"),
        ("after: press", "after: pres", ":9: expect[0].after: no act is named 'pres'"),
        ("see: alarm", "see: alram", ":9: expect[0].see: there is no see 'alram'"),
        ("priority: 1", "priority: 4", ":9: expect[0].priority: input should be less"),
        ("rule: sos, ", "", ":9: expect[0].rule: is missing"),
        ("lasts: 5m\n", "", ": lasts: is missing"),
        (
            "lasts: 5m",
            "lasts: 5m\ncalmly: true",
            "there is no key 'calmly' here (did you",
        ),
        ("gateways: 2}", "gateways: 0}", ":3: site.gateways: input should be greater"),
        ("lasts: 5m", "lasts: 5m\nruns: [real]", "a real run lasts 60 s at most"),
        ("gateways: 2}", "file: gone.yaml}", "cannot read"),
        (GOOD, "[]", "begin with `name: name-of-the-scenario`"),
        (GOOD, "name: {", "is not YAML"),
        (GOOD, "", "begin with `name"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the type is asked below
        load(file)
    assert isinstance(raised.value, ScenarioErrors) or "gone.yaml" in str(raised.value)
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("R-0001, again", "R-0009, again").replace("after: press", "after: pres")
    with pytest.raises(ScenarioErrors) as raised:
        load(write(tmp_path, text))
    assert [finding.place.line for finding in raised.value.findings] == [6, 9]


def test_a_fault_of_a_gateway_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = GOOD + "faults:\n  - {fault: loss, share: 0.1, gateways: [gw-7]}\n"
    with pytest.raises(ScenarioErrors, match=r":11: faults\[0\].gateways: the site has no gateway"):
        load(write(tmp_path, text))


def test_the_schema_names_every_act_and_expectation() -> None:
    found: dict[str, Any] = schema()
    tags = found["properties"]["acts"]["items"]["discriminator"]["mapping"]
    assert {"press", "fall", "cut_gateway", "replay_frame"} <= set(tags)
    assert render().endswith("}\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{see: no_alarm, rule: soss}", ":10: expect[1].rule: there is no rule 'soss' (did you"),
        ("{see: change, rule: clok, change: closed}", "no rule 'clok' (did you mean 'clock'?)"),
        ("{see: quarantine, reason: bad_mik}", "no reason 'bad_mik' (did you mean 'bad_mic'?)"),
        ("{see: alarm, rule: sos, organisation: stret}", "(did you mean 'street'?)"),
        ("{see: alarm, rule: sos, of_band: true}", ":10: expect[1]: of_band is about a resident"),
        ("{see: uplinks}", ":10: expect[1]: name the resident, or the device"),
        ("{see: no_alarm, resident: R-0009}", "no resident with a wristband 'R-0009'"),
        ("{see: dates, gateway: gw-9}", "no gateway 'gw-9'"),
    ],
)
def test_what_can_never_come_is_not_expected(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ScenarioErrors) as raised:
        load(write(tmp_path, f"{GOOD}  - {line}\n"))
    assert said in str(raised.value)


def test_parameters_are_of_rules_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors, match=r"rules.fal: there is no rule 'fal'"):
        load(write(tmp_path, f"{GOOD}rules: {{fal: {{cancel_s: 5}}}}\n"))
