"""All that Grafana is given for a site, as files; the same site gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.board import BOARDS, render
from dashboards.provisioning import Series, data_sources, providers
from khaen.site.model import Site


def render_all(site: Site, series: Series) -> dict[str, str]:
    """Text by relative path: `provisioning/…` and `dashboards/…`, each for its place in Grafana."""
    files = {
        "provisioning/datasources/khaen.yaml": data_sources(site, series),
        "provisioning/dashboards/khaen.yaml": providers(site, series),
    }
    for board in BOARDS:
        text = json.dumps(
            render(board, site), cls=JSONEncoder, ensure_ascii=False, indent=1, sort_keys=True
        )
        files[f"dashboards/{board.name}/{board.name}.json"] = text + "\n"
    return files


def write(files: dict[str, str], folder: Path) -> None:
    """Write under `folder`, over what is there. Raises OSError."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
