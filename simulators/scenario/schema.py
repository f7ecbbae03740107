"""The JSON Schema of scenario files, for editors: `python -m simulators.scenario.schema FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from simulators.scenario.model import Scenario


def schema() -> dict[str, Any]:
    """The schema of the file as it is written."""
    document = Scenario.model_json_schema(mode="validation", by_alias=True)
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "Khaen scenario"
    return document


def render() -> str:
    """The schema as text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
