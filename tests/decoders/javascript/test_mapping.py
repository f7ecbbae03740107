"""A mapping file says everything or is refused, with the key and the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from decoders.javascript import path as paths
from decoders.javascript.mapping import load, parse
from khaen.errors import SettingsError
from khaen.reading import EventKind

HEAD = 'maker = "A"\nmodel = "B"\nsource = "https://example.org"\nversion = 1\n'


def a_reading(rest: str) -> str:
    return f"{HEAD}[[readings]]\npath = 't'\n{rest}\n"


def test_a_whole_file() -> None:
    mapping = load(Path(__file__).parent / "codecs" / "khaen_pendant.toml")
    assert mapping.quantities == {"battery_level", "charging"}
    assert EventKind.SOS in mapping.kinds
    assert mapping.priority_f_ports == {4}
    assert mapping.events[0].press == ("presses",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maker = ", "no TOML"),
        ("", "maker: Field required"),
        (HEAD.replace("1", "0"), "version"),
        (HEAD + "colour = 'red'", "colour: Extra inputs"),
        (HEAD + "priority_f_ports = [256]", "priority_f_ports"),
        (a_reading("quantity = 'temperature'"), "near it are .*air_temperature"),
        (a_reading("quantity = 'xyzzy'"), "khaen/quantity.py"),
        (a_reading("quantity = 'pressure'\nfactor = 0.01"), "in which unit .* hPa"),
        (a_reading("quantity = 'pressure'\nunit = 'Pa'"), "add the factor"),
        (a_reading("quantity = 'pressure'\nfactor = '0.01'"), "readings.0.factor"),
        (a_reading("quantity = 'pressure'\nfaktor = 2"), "readings.0.faktor: Extra"),
        (a_reading("quantity = 'pressure'").replace("'t'", "'a..b'"), "readings.0.path: .*no path"),
        (HEAD + "[[events]]\npath = 'b'\nkinds = {a = 'help'}", "events.0.kinds.a"),
        (HEAD + "[[events]]\npath = 'b'\nkinds = {}", "events.0.kinds"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(text)


def test_the_example_of_the_page_is_one() -> None:
    page = Path(__file__).parents[3] / "docs" / "codecs.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    mapping = parse(example)
    assert (len(mapping.readings), len(mapping.events)) == (2, 1)


def test_a_unit_may_be_said_again() -> None:
    mapping = parse(a_reading("quantity = 'pressure'\nunit = 'hPa'"))
    assert mapping.readings[0].factor == 1


def test_a_draft_is_refused_until_somebody_looked(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(HEAD + "draft = true\n")
    with pytest.raises(SettingsError, match=r"x\.toml: it is a draft; look through"):
        load(file)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"x\.toml: cannot be read"):
        load(file)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("battery voltage", ("battery voltage",)),
        ("list[*].v", ("list", "*", "v")),
        ("list[2][0]", ("list", 2, 0)),
        ("['a.b'].c", ("a.b", "c")),
        ("a['[x]']", ("a", "[x]")),
    ],
)
def test_paths_are_read_and_written_alike(text: str, steps: paths.Path) -> None:
    assert paths.parse(text) == steps
    assert paths.render(steps) == text


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a[", "a[]", "a[-1]", "a]b", "a['']"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        paths.parse(text)
