"""InfluxQL as Grafana's panels and variables ask it, in what InfluxDB 1.x, 2 and 3 have in common.

Measurement is a quantity's domain, field its id. Variables stand in regular expressions with
Grafana's `:regex` format, so that dots of ids are dots; "all" is `.*`, which also finds points
without that tag.
"""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from khaen.quantity import Quantity

ALL = ".*"
_CHOSEN_ORGANISATION = '"organisation" =~ /^${organisation:regex}$/'
_CHOSEN_PLACE = '"place" =~ /^${place:regex}$/'
# An average of these means nothing: counters that only grow, and an angle that wraps.
LAST = frozenset(
    {
        "steps", "rain_cumulative", "energy_import", "wind_direction",
        "heading", "latitude", "longitude",
    }
)  # fmt: skip


def is_state(quantity: Quantity) -> bool:
    """Whether its values are only 0 and 1."""
    return (quantity.unit, quantity.low, quantity.high, quantity.precision) == ("1", 0, 1, 0)


def data_source(uid: str) -> DataSourceRef:
    """Grafana's reference to the series."""
    return DataSourceRef(type_val="influxdb", uid=uid)


class InfluxQuery(Builder[Dataquery], Dataquery):
    """A panel's query in InfluxQL; the SDK has none for InfluxDB."""

    def __init__(self, query: str, *, alias: str, source: str) -> None:
        self.query = query
        self.alias = alias
        self.source = source

    def build(self) -> InfluxQuery:
        """Itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana's InfluxDB plugin stores it."""
        return {
            "refId": "A",
            "datasource": data_source(self.source),
            "query": self.query,
            "rawQuery": True,
            "resultFormat": "time_series",
            "alias": self.alias,
        }


def series(quantity: Quantity, *, by: str, source: str) -> InfluxQuery:
    """One line per value of the tag `by` and channel, in the chosen organisations and places."""
    function = "last" if is_state(quantity) or quantity.id in LAST else "mean"
    query = (
        f'SELECT {function}("{quantity.id}")',
        f'FROM "{quantity.domain}"',
        f"WHERE {_CHOSEN_ORGANISATION} AND {_CHOSEN_PLACE} AND $timeFilter",
        f'GROUP BY time($__interval), "{by}", "channel" fill(none)',
    )
    return InfluxQuery(" ".join(query), alias=f"$tag_{by} $tag_channel", source=source)


def places(domains: Iterable[str]) -> str:
    """The query behind the variable `place`: those of the chosen organisations."""
    measurements = f"/^({'|'.join(domains)})$/"
    return f'SHOW TAG VALUES FROM {measurements} WITH KEY = "place" WHERE {_CHOSEN_ORGANISATION}'
