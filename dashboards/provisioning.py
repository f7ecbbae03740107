"""What tells Grafana where the series and the dashboards are (its `provisioning/` folder).

Grafana expands `$NAME` and `$__file{…}` in these files; a `$` that is meant is written `$$`
(pkg/services/provisioning/values). It expands what it read from a file once more, so that a
password must be without `$`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from dashboards.board import BOARDS
from dashboards.identity import uid
from dashboards.panel import bilingual
from khaen.errors import SettingsError
from khaen.site.model import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """An InfluxDB as Grafana reaches it, and the folder in which Grafana finds the dashboards.

    `password_file` is read by Grafana, never here. Raises SettingsError for a secret in the
    address, a path that is not absolute, or one that Grafana would expand.
    """

    url: str
    database: str
    user: str
    password_file: Path | None
    folder: Path

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            raise SettingsError("url: holds a user or password; give --user and --password-file")
        for key, path in (("password-file", self.password_file), ("folder", self.folder)):
            if path and (not path.is_absolute() or set("${}") & set(str(path))):
                raise SettingsError(f"{key}: {path}: give an absolute path without $, {{ and }}")


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def data_sources(site: Site, series: Series) -> str:
    """`provisioning/datasources/*.yaml`."""
    source: dict[str, object] = {
        "name": f"Khaen {site.site}",
        "uid": uid(site.site),
        "type": "influxdb",
        "access": "proxy",
        "url": _literal(series.url),
        "editable": False,
        "database": _literal(series.database),  # where Grafana before 9.5 looks for it
        "jsonData": {"dbName": _literal(series.database), "httpMode": "POST"},
    }
    if series.user:
        source["user"] = _literal(series.user)
    if series.password_file:
        source["secureJsonData"] = {"password": f"$__file{{{series.password_file}}}"}
    return _dump({"apiVersion": 1, "datasources": [source]})


def providers(site: Site, series: Series) -> str:
    """`provisioning/dashboards/*.yaml`: a folder each, so that health data has its own readers."""
    name = bilingual(site.name.th, site.name.en)
    listed = [
        {
            "name": uid(site.site, board.name),
            "orgId": 1,
            "folder": _literal(f"{board.title} — {name}"),
            "folderUid": uid(site.site, "folder", board.name),
            "type": "file",
            "disableDeletion": False,
            "allowUiUpdates": False,
            "updateIntervalSeconds": 60,
            "options": {"path": str(series.folder / board.name)},
        }
        for board in BOARDS
    ]
    return _dump({"apiVersion": 1, "providers": listed})


def _dump(document: dict[str, object]) -> str:
    dumped: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=1000)
    return dumped
