"""What every page is made of: texts in two languages, dates, and vendored files as written down."""

import re
import string
from datetime import UTC, date, datetime
from hashlib import sha256

import pytest

from console.dates import render, render_brief, render_date, years_since
from console.pages import HERE, STATIC
from console.text import LANGUAGES, TEXTS, say, say_best
from khaen.alarm import Change, Outcome, Priority

THAI = re.compile("[\u0e00-\u0e7f]")
SAME_IN_BOTH = frozenset({"language.other"})


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_is_there_in_both_languages(key: str) -> None:
    text = TEXTS[key]
    assert text.th.strip()
    assert text.en.strip()
    assert _fields(text.th) == _fields(text.en)
    if key not in SAME_IN_BOTH:
        assert THAI.search(text.th) or not re.search("[A-Za-z]{3}", text.th)
        assert not THAI.search(text.en)
    assert not re.search("[\u0e50-\u0e59]", text.th), "Arabic digits"


def _fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_key_that_is_used_is_there() -> None:
    sources = [*HERE.glob("*.py"), *(HERE / "templates").glob("*.html")]
    used = {
        key
        for source in sources
        for key in re.findall(r"""\bt\('([a-z_.0-9]+)'[,)]""", source.read_text())
        + re.findall(r"""say\([^"]*?"([a-z_.0-9]+)"[,)]""", source.read_text())
    }
    assert len(used) > 40
    assert used <= set(TEXTS)
    for family, members in (
        ("outcome", Outcome),
        ("change", Change),
        ("priority", [int(p) for p in Priority]),
    ):
        assert {f"{family}.{member}" for member in members} <= set(TEXTS)


def test_say() -> None:
    assert say("th", "fact.times.sos", n=3) == "กด 3 ครั้ง"
    assert (
        say_best("en", "alarm.x.y", "alarm.x", "alarm.other", who="A", rule="x") == "A: alarm (x)"
    )
    with pytest.raises(KeyError):
        say("en", "nothing")
    assert LANGUAGES == ("th", "en")


def test_dates_are_of_bangkok_and_in_thai_of_the_buddhist_era() -> None:
    new_year = datetime(2026, 12, 31, 17, 0, 5, tzinfo=UTC)
    assert render(new_year, "th") == "1 ม.ค. 2570 00:00:05"
    assert render(new_year, "en") == "1 Jan 2027 00:00:05"
    assert render_brief(new_year, "th", new_year) == "00:00:05"
    before = datetime(2026, 12, 31, 16, 59, 59, tzinfo=UTC)
    assert render_brief(before, "th", new_year) == "31 ธ.ค. 2569 23:59:59"
    assert render_date(date(2024, 2, 29), "th") == "29 ก.พ. 2567"


@pytest.mark.parametrize(
    ("born", "years"),
    [("1948", 78), ("1948-11-20", 78), ("1948-11-21", 77), ("2030", None), ("", None), ("x", None)],
)
def test_years(born: str, years: int | None) -> None:
    assert years_since(born, datetime(2026, 11, 20, 3, tzinfo=UTC)) == years


def test_vendored_files_are_those_written_down() -> None:
    folder = STATIC / "vendor"
    written = dict(
        re.findall(r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M)
    )
    kept = {file.name for file in folder.iterdir() if file.suffix in (".js", ".woff2")}
    assert set(written) == kept
    for name, digest in written.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == digest


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for template in (HERE / "templates").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), template
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), template
        assert not re.search(r"https?://", text), template
        assert "|safe" not in text.replace('class="refused"\'|safe', ""), template
    css = (STATIC / "app.css").read_text()
    for address in re.findall(r'url\("([^"?]+)', css):
        assert (STATIC / address).is_file(), address
    assert "@import" not in css
