"""Every query that a dashboard asks, asked of a real InfluxDB."""

import re
from typing import Any

import httpx
import pytest

from dashboards.influx import LAST, is_state
from khaen.quantity import QUANTITIES, Quantity

AT_S = 1_760_000_040  # the start of a minute
HOME = "organisation=khonkaen,place=home-1,family=f,dev_eui=00000000000000a1,channel=2"
CITY = "organisation=chum.phae,family=f,dev_eui=00000000000000b2"  # no place, one channel
PLACES = {HOME: ("00000000000000a1", "person:R-0012", "2"), CITY: ("00000000000000b2", "d:b2", "")}


def readings(quantity: Quantity, where: str) -> tuple[float, float]:
    """Two within the same minute, other ones for each quantity and device."""
    share = (list(QUANTITIES).index(quantity.id) + (50 if where == HOME else 0)) / 100
    if is_state(quantity):
        return (0.0, 1.0) if where == HOME else (1.0, 0.0)
    first = quantity.low + share * (quantity.high - quantity.low)
    return first, first + 1.0


def expected(quantity: Quantity, where: str) -> float:
    first, second = readings(quantity, where)
    return second if is_state(quantity) or quantity.id in LAST else (first + second) / 2


@pytest.fixture(scope="module")
def filled(influxdb: httpx.Client) -> httpx.Client:
    lines = [
        f"{quantity.domain},{where},subject={subject} {quantity.id}={value!r} {AT_S + after}"
        for where, (_, subject, _) in PLACES.items()
        for quantity in QUANTITIES.values()
        for after, value in zip((5, 35), readings(quantity, where), strict=True)
    ]
    written = influxdb.post(
        "/write", params={"db": "khaen", "precision": "s"}, content="\n".join(lines)
    )
    assert written.status_code == 204, written.text
    return influxdb


def ask(client: httpx.Client, query: str, organisation: str, place: str) -> list[dict[str, Any]]:
    """The series of an answer, with Grafana's variables filled in as Grafana does."""
    filled_in = (
        query.replace("$timeFilter", f"time >= {AT_S - 600}s and time <= {AT_S + 600}s")
        .replace("$__interval", "1m")
        .replace("${organisation:regex}", organisation)
        .replace("${place:regex}", place)
    )
    assert "$" not in re.sub(r"\$/", "", filled_in)
    answer = client.get("/query", params={"db": "khaen", "q": filled_in, "epoch": "s"})
    (result,) = answer.raise_for_status().json()["results"]
    assert "error" not in result, result
    found: list[dict[str, Any]] = result.get("series", [])
    return found


@pytest.mark.parametrize(
    ("organisation", "place", "seen"),
    [
        (".*", ".*", [HOME, CITY]),
        ("khonkaen", ".*", [HOME]),
        (r"(khonkaen|chum\.phae)", "home-1", [HOME]),
        (r"chum\.phae", ".*", [CITY]),
        (r"chum\.pha", ".*", []),
    ],
)
def test_every_panel_returns_what_was_written(
    filled: httpx.Client,
    boards: dict[str, dict[str, Any]],
    organisation: str,
    place: str,
    seen: list[str],
) -> None:
    asked = 0
    for board in boards.values():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                asked += 1
                match = re.search(r'\("(\w+)"\)', target["query"])
                assert match
                quantity = QUANTITIES[match[1]]
                tag = "subject" if quantity.personal else "dev_eui"
                assert target["alias"] == f"$tag_{tag} $tag_channel"
                found = {
                    (one["tags"][tag], one["tags"]["channel"]): one["values"]
                    for one in ask(filled, target["query"], organisation, place)
                }
                assert found == {
                    (PLACES[where][quantity.personal], PLACES[where][2]): [
                        [AT_S, pytest.approx(expected(quantity, where))]
                    ]
                    for where in seen
                }, quantity.id
    assert asked == len(QUANTITIES)


@pytest.mark.parametrize(("organisation", "places"), [(".*", {"home-1"}), (r"chum\.phae", set())])
def test_places_of_the_chosen_organisations(
    filled: httpx.Client,
    boards: dict[str, dict[str, Any]],
    organisation: str,
    places: set[str],
) -> None:
    for board in boards.values():
        (variable,) = (v for v in board["templating"]["list"] if v["name"] == "place")
        found = ask(filled, variable["query"], organisation, ".*")
        assert {value for one in found for _, value in one["values"]} == places
