"""The JSON Schema of the site file, for editors: `python -m khaen.site.schema FILE` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from khaen.site.document import LISTS
from khaen.site.model import Site


def schema() -> dict[str, Any]:
    """The schema of the file as it is written: lists may stand in CSV files."""
    document = Site.model_json_schema(mode="validation")
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "Khaen site file"
    csv_file = {"type": "string", "pattern": r"\.csv$", "description": "a CSV file of such entries"}
    for name in LISTS:
        listed = document["properties"][name]
        listed["items"] = {"anyOf": [csv_file, listed["items"]]}
        inline = {key: listed.pop(key) for key in ("items", "type", "minItems") if key in listed}
        listed["anyOf"] = [csv_file, inline]
    return document


def render() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
