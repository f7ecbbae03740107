"""The panel of a quantity: its name, unit, decimals and range, all from the catalogue."""

from __future__ import annotations

from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from dashboards.identity import panel_id
from dashboards.influx import InfluxQuery, data_source, is_state
from khaen.quantity import Quantity

WIDTH, HEIGHT = 8, 8
"""On Grafana's grid of 24 columns: three in a line."""

Panel = timeseries.Panel | statetimeline.Panel

# UCUM to Grafana (packages/grafana-data/src/valueFormats/categories.ts). Lengths are not here:
# Grafana would turn 1200 mm of rain into 1.2 m.
_UNITS = {
    "1": "none",
    "%": "percent",
    "Cel": "celsius",
    "hPa": "pressurehpa",
    "ug/m3": "conμgm3",
    "m/s": "velocityms",
    "deg": "degree",
    "V": "volt",
    "A": "amp",
    "W": "watt",
    "W.h": "watth",
}
_NO_YES = ValueMap(
    {
        "0": ValueMappingResult(text="ไม่ · No", color="text", index=0),
        "1": ValueMappingResult(text="ใช่ · Yes", color="blue", index=1),
    }
)


def unit(quantity: Quantity) -> str:
    """Grafana's unit, else the catalogue's symbol as a suffix."""
    return _UNITS.get(quantity.unit) or f"suffix:{quantity.symbol}"


def bilingual(th: str, en: str) -> str:
    """Thai first, English beside it."""
    return f"{th} · {en}"


def panel(quantity: Quantity, query: InfluxQuery) -> Panel:
    """States as bands in time, all else as lines. A percentage shows its whole range; what lies
    outside it is still drawn.
    """
    made: Panel
    if is_state(quantity):
        made = statetimeline.Panel().mappings([_NO_YES])
    else:
        made = timeseries.Panel()
        if quantity.unit == "%":
            made = made.axis_soft_min(quantity.low).axis_soft_max(quantity.high)
    described = f"{quantity.id} [{quantity.unit}] {quantity.low:g}…{quantity.high:g}"
    return (
        made.id(panel_id(quantity.id))
        .title(bilingual(quantity.th, quantity.en))
        .description(f"{described}\n\n{quantity.reference}")
        .datasource(data_source(query.source))
        .with_target(query)
        .unit(unit(quantity))
        .decimals(quantity.precision)
        .legend(VizLegendOptions().show_legend(True))
        .interval("1m")
        .span(WIDTH)
        .height(HEIGHT)
    )
