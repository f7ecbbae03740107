"""The dashboards of a site: people (health data, by opaque id) and the city (all the rest)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    Dashboard,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models import dashboard as model

from dashboards.identity import panel_id, uid
from dashboards.influx import ALL, data_source, places, series
from dashboards.panel import bilingual, panel
from khaen.quantity import QUANTITIES, Quantity
from khaen.site.model import Site

DOMAINS = {
    "vitals": ("สัญญาณชีพ", "Vital signs"),
    "air": ("อากาศ", "Air"),
    "weather": ("ลมฟ้าอากาศ", "Weather"),
    "soil": ("ดิน", "Soil"),
    "water": ("น้ำ", "Water"),
    "level": ("ระดับ", "Levels"),
    "waste": ("ขยะ", "Waste"),
    "energy": ("พลังงาน", "Energy"),
    "metering": ("มาตรวัด", "Meters and pumps"),
    "light": ("ไฟถนน", "Street lights"),
    "presence": ("ผู้คนและที่จอด", "People and places"),
    "position": ("ตำแหน่งรถ", "Vehicles"),
    "device": ("อุปกรณ์", "Devices"),
}
"""Rows in their order; domains of the catalogue that are not here come last, by their id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What one dashboard is about."""

    name: str
    th: str
    en: str
    personal: bool
    by: str
    """The tag that tells its lines apart."""

    @property
    def title(self) -> str:
        """Thai first."""
        return bilingual(self.th, self.en)

    def rows(self) -> dict[str, list[Quantity]]:
        """Its quantities by domain."""
        found: dict[str, list[Quantity]] = {domain: [] for domain in DOMAINS}
        for quantity in QUANTITIES.values():
            if quantity.personal == self.personal:
                found.setdefault(quantity.domain, []).append(quantity)
        return {domain: quantities for domain, quantities in found.items() if quantities}


BOARDS = (
    Board(name="people", th="ผู้คน", en="People", personal=True, by="subject"),
    Board(name="city", th="เมือง", en="City", personal=False, by="dev_eui"),
)


def render(board: Board, site: Site) -> model.Dashboard:
    """The dashboard of one site. It names nobody: people stand there by their opaque ids."""
    source = uid(site.site)
    rows = board.rows()
    made = (
        Dashboard(f"{board.title} — {bilingual(site.name.th, site.name.en)}")
        .uid(uid(site.site, board.name))
        .tags(["khaen", board.name])
        .timezone("Asia/Bangkok")
        .time("now-24h", "now")
        .refresh("1m")
        .readonly()
        .with_variable(_organisations(site))
        .with_variable(_places(rows, source))
    )
    for domain, quantities in rows.items():
        title = bilingual(*DOMAINS.get(domain, (domain, domain)))
        made = made.with_row(Row(title).id(panel_id(f"row {domain}")))
        for quantity in quantities:
            made = made.with_panel(panel(quantity, series(quantity, by=board.by, source=source)))
    return made.build()


def _everything() -> model.VariableOption:
    return model.VariableOption(selected=True, text=["All"], value=["$__all"])


def _organisations(site: Site) -> CustomVariable:
    """By name, with the id as the value: Grafana reads `text : value`, parted by commas."""
    listed = []
    for organisation in site.organisations:
        name = bilingual(organisation.name.th, organisation.name.en)
        listed.append(f"{' '.join(name.split())} : {organisation.id}".replace(",", "\\,"))
    return (
        CustomVariable("organisation")
        .label(bilingual("หน่วยงาน", "Organisation"))
        .values(", ".join(listed))
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(_everything())
    )


def _places(domains: Iterable[str], source: str) -> QueryVariable:
    return (
        QueryVariable("place")
        .label(bilingual("สถานที่", "Place"))
        .datasource(data_source(source))
        .query(places(domains))
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(_everything())
    )
