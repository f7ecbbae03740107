"""What Grafana is given is whole, stable and names nobody."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from typer.testing import CliRunner

from commands.dashboards import app
from dashboards.board import DOMAINS
from dashboards.files import render_all
from dashboards.identity import uid
from dashboards.influx import LAST
from dashboards.panel import unit
from dashboards.provisioning import Series
from khaen.errors import SettingsError
from khaen.quantity import QUANTITIES
from khaen.site.model import Site
from tests.dashboards.conftest import SERIES

Boards = dict[str, dict[str, Any]]
# Of Grafana's packages/grafana-data/src/valueFormats/categories.ts, those that do not rescale a
# length; anything else must be `suffix:`.
GRAFANA_UNITS = {"none", "percent", "celsius", "pressurehpa", "conμgm3", "velocityms", "degree"}
GRAFANA_UNITS |= {"volt", "amp", "watt", "watth"}


def panels(board: dict[str, Any], *, rows: bool = False) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if (panel["type"] == "row") is rows]


def test_same_bytes_each_time_by_the_command(files: dict[str, str], tmp_path: Path) -> None:
    site = Path(__file__).with_name("site.yaml")
    given = ["render", "--site", str(site), "--out", str(tmp_path), "--user", "grafana"]
    given += ["--password-file", "/etc/grafana/series", "--folder", "/srv/khaen"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    written = {str(f.relative_to(tmp_path)): f.read_text() for f in tmp_path.rglob("*.*")}
    assert written == files


def test_every_quantity_is_on_exactly_one_panel(boards: Boards) -> None:
    asked = {
        name: re.findall(
            r'\("(\w+)"\) FROM "(\w+)"', "\n".join(p["targets"][0]["query"] for p in panels(board))
        )
        for name, board in boards.items()
    }
    assert sorted(asked["people"] + asked["city"]) == sorted(
        (quantity.id, quantity.domain) for quantity in QUANTITIES.values()
    )
    assert {domain for _, domain in asked["people"]} == {"vitals"}
    assert set(QUANTITIES) >= LAST


def test_a_row_for_each_domain(boards: Boards) -> None:
    titles = {row["title"] for board in boards.values() for row in panels(board, rows=True)}
    domains = {quantity.domain for quantity in QUANTITIES.values()}
    assert titles == {f"{DOMAINS[domain][0]} · {DOMAINS[domain][1]}" for domain in domains}


def test_titles_and_units_are_the_catalogues(boards: Boards) -> None:
    found = {p["title"]: p for board in boards.values() for p in panels(board)}
    for quantity in QUANTITIES.values():
        panel = found[f"{quantity.th} · {quantity.en}"]
        assert panel["fieldConfig"]["defaults"]["unit"] == unit(quantity)
        assert panel["fieldConfig"]["defaults"]["decimals"] == quantity.precision
        assert unit(quantity) in GRAFANA_UNITS | {f"suffix:{quantity.symbol}"}
        assert unit(quantity) != "suffix:"


def test_panels_are_unique_and_do_not_overlap(boards: Boards) -> None:
    for board in boards.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert all(0 < i < 2**31 for i in ids)
        boxes = [panel["gridPos"] for panel in board["panels"]]
        assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for box in boxes)
        for a, b in combinations(boxes, 2):
            beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


def test_structure_is_what_the_sdk_reads(boards: Boards) -> None:
    register_default_plugins()
    for board in boards.values():
        read = Dashboard.from_json(json.loads(json.dumps(board)))
        assert json.loads(json.dumps(read, cls=JSONEncoder)) == board


def test_provisioning_and_dashboards_agree(files: dict[str, str], boards: Boards) -> None:
    (source,) = yaml.safe_load(files["provisioning/datasources/khaen.yaml"])["datasources"]
    assert source["secureJsonData"] == {"password": "$__file{/etc/grafana/series}"}
    reference = {"type": source["type"], "uid": source["uid"]}
    for board in boards.values():
        variables = [v for v in board["templating"]["list"] if v["type"] == "query"]
        assert variables
        for one in [*panels(board), *variables, *(p["targets"][0] for p in panels(board))]:
            assert one["datasource"] == reference
    providers = yaml.safe_load(files["provisioning/dashboards/khaen.yaml"])["providers"]
    assert [p["options"]["path"] for p in providers] == ["/srv/khaen/people", "/srv/khaen/city"]
    uids = [board["uid"] for board in boards.values()] + [p["folderUid"] for p in providers]
    assert len(set(uids)) == 4
    assert all(re.fullmatch(r"[\w-]{1,40}", one, re.ASCII) for one in [*uids, source["uid"]])


def test_names_nobody_and_keeps_odd_names(files: dict[str, str], boards: Boards) -> None:
    assert not any("R-0012" in text for text in files.values())
    assert boards["city"]["title"] == 'เมือง · City — ขอนแก่น "เมือง" 🌾 · Khon Kaen'
    organisations = boards["city"]["templating"]["list"][0]["query"]
    assert organisations.startswith("เทศบาลนครขอนแก่น · Khon Kaen\\, city : khonkaen, ")


def test_dollars_are_kept_from_grafana(site: Site) -> None:
    series = Series(
        url="http://s/$x", database="a$b", user="", password_file=None, folder=SERIES.folder
    )
    text = render_all(site, series)["provisioning/datasources/khaen.yaml"]
    assert yaml.safe_load(text)["datasources"][0]["jsonData"]["dbName"] == "a$$b"
    assert "http://s/$$x" in text
    assert "secureJsonData" not in text


@pytest.mark.parametrize(
    ("url", "password_file"),
    [("http://me:secret@s", None), ("http://s", Path("a")), ("http://s", Path("/a}$b"))],
)
def test_refuses_secrets_in_the_open_and_odd_paths(url: str, password_file: Path | None) -> None:
    with pytest.raises(SettingsError):
        Series(url=url, database="k", user="", password_file=password_file, folder=Path("/d"))


def test_uids_differ_where_their_sites_do() -> None:
    assert uid("a.b") != uid("a-b")
    assert uid("a" * 64) != uid("a" * 63)
