"""Acts: each says itself in two languages, and can be typed."""

from typing import Any

import pytest

from simulators.acts import duration, short_form
from simulators.acts.short_form import BadCommand
from simulators.acts.subjects import UnknownSubject, find_subjects
from simulators.acts.vocabulary import ACTS, KINDS, CutGateway, Fall, Press
from simulators.sites.demonstration import make_site

SUBJECTS = find_subjects(make_site(1).site)
FIELDS: dict[str, Any] = {
    "resident": "R-0012",
    "gateway": "gw-2",
    "device": "024b4b0000000041",
    "by_s": "1h",
    "value": "150",
}


@pytest.mark.parametrize("name", KINDS)
def test_every_act_says_itself_in_thai_and_english(name: str) -> None:
    kind = KINDS[name]
    required = [n for n, field in kind.model_fields.items() if field.is_required() and n != "act"]
    if name in ("accept", "close"):
        required.append("gateway")
    act = ACTS.validate_python({"act": name, **{field: FIELDS[field] for field in required}})
    text = act.text()
    assert text.th
    assert text.en
    assert text.th != text.en
    assert "{" not in text.th + text.en
    assert kind.__doc__


@pytest.mark.parametrize(
    ("line", "act"),
    [
        ("sos R-0012", Press(resident="R-0012")),
        ("SOS R-0012 2 1m", Press(resident="R-0012", again=2, every_s=60.0)),
        ("fall R-0033 moves", Fall(resident="R-0033", then="moves")),
        ("cut gw-2 black_hole", CutGateway(gateway="gw-2", how="black_hole")),
    ],
)
def test_an_act_is_typed(line: str, act: object) -> None:
    assert short_form.parse(line, SUBJECTS) == act


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sos R-0099", "near it: R-0039"),
        ("cut gw-9", "near it: gw-3"),
        ("soss R-0012", "there is no 'soss'; there is: sos"),
        ("", "there is no ''"),
        ("sos", "write sos RESIDENT"),
        ("cut gw-1 politely", "how: Input should be 'refuse' or 'black_hole'"),
        ("clock gw-1 soon", "is no span of time"),
        ("button 0000000000000001", "the site has no device"),
    ],
)
def test_what_is_no_act_is_told_with_what_would_be_one(line: str, said: str) -> None:
    with pytest.raises((BadCommand, UnknownSubject), match=said):
        short_form.parse(line, SUBJECTS)


def test_a_gateway_is_found_by_its_place_and_by_its_eui() -> None:
    eui = SUBJECTS.gateways[1]
    assert SUBJECTS.gateway("gw-2") == SUBJECTS.gateway(eui.upper()) == eui
    assert SUBJECTS.short(eui) == "gw-2"


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("90", 90.0, "1m30s"),
        ("1h30m", 5400.0, "1h30m"),
        ("10min", 600.0, "10m"),
        ("500ms", 0.5, "0.5 s"),
        ("3d", 259_200.0, "3d"),
        ("-2h", -7200.0, "-2h"),
        ("0.5s", 0.5, "0.5 s"),
    ],
)
def test_a_duration_is_read_and_shown(text: str, seconds: float, shown: str) -> None:
    assert duration.parse(text) == seconds
    assert duration.show(seconds) == shown


def test_what_is_no_duration_is_told() -> None:
    with pytest.raises(ValueError, match="such as 90s, 10min"):
        duration.parse("soon")
