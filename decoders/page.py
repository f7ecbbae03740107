"""Render docs/supported-devices.md from the families themselves: `python -m decoders.page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from decoders.catalogue import families
from decoders.family import Decoder
from khaen.quantity import quantity

_HEAD = """# Devices that Khaen reads

Generated from `decoders/families` by `make generated`. A family's bytes and the sources of its
vectors stand in its file and the JSON beside it. To add one, write both. Devices whose maker
publishes a codec are read by that: see [codecs](codecs.md).

| family | maker and model | calls | reads |
|---|---|---|---|
"""


def render() -> str:
    """All families, a row each, in Markdown."""
    return _HEAD + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    for name, family in families().items():
        reads = ", ".join(sorted(quantity(each).en for each in family.quantities))
        yield f"| `{name}` | {family.maker} {family.model} | {_calls(family)} | {reads} |"


def _calls(family: Decoder) -> str:
    calls = {"SOS": family.sos_capable, "fall": family.fall_capable}
    said = [call for call, capable in calls.items() if capable]
    if family.expects_answer:
        said.append("expects the network's answer")
    return ", ".join(said)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
