"""Vendors' own test cases, from a checkout of a public catalogue of codecs.

Two layouts are known: ChirpStack's (https://github.com/chirpstack/chirpstack-device-profiles),
where `test_decode_X.json` stands beside `X.js` and may be a JavaScript literal, and that of The
Things Network (https://github.com/TheThingsNetwork/lorawan-devices), where `X-codec.yaml` names
the file and holds examples.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from decoders.javascript.codec import LIMITS, Codec, Outcome, Request
from decoders.javascript.engine import Engine
from khaen.clock import format_time, parse_time
from khaen.errors import SettingsError

LIMITS_FOR_CASES = replace(LIMITS, output_characters=4 * 1024**2)
"""An engine that reads cases needs room for a whole file of them."""
UNDATED = datetime(2026, 1, 2, 15, tzinfo=UTC)
"""The codec's clock where a case gives no time: about when the two cases were written that go by
the day on which they are run (ChirpStack's digital-matter-g62)."""
_PRECISION = 1e-12
"""ECMAScript leaves the last digits of Math.pow and its like to the engine."""
_ANY_PORT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input and what its vendor expects: some of `data`, `errors` and `warnings`."""

    name: str
    payload: bytes
    f_port: int
    received_at: datetime
    expected: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A codec and its cases; `path` is its file, and its id the vendor's folder and file name."""

    codec: Codec
    path: Path
    cases: tuple[Case, ...]

    def requests(self) -> list[Request]:
        """What to ask of an engine, in the order of the cases."""
        return [
            Request(
                codec=self.codec,
                payload=case.payload,
                f_port=case.f_port,
                received_at=case.received_at,
            )
            for case in self.cases
        ]


def find(checkout: Path) -> list[Path]:
    """All files of cases in a checkout, sorted.

    Raises SettingsError where the folder holds neither layout.
    """
    found = [
        *checkout.glob(f"vendors/*/codecs/{beside('*')}"),
        *checkout.glob("vendor/*/*-codec.yaml"),
    ]
    if not found:
        raise SettingsError(
            f"{checkout}: neither vendors/*/codecs/test_decode_*.json nor vendor/*/*-codec.yaml;"
            " give the checkout's first folder"
        )
    return sorted(found)


def beside(name: str) -> str:
    """The name of the file of cases that stands beside the codec of that name."""
    return f"test_decode_{name}.json"


def load(path: Path, engine: Engine) -> Suite:
    """The codec of one file of cases, and the cases; there may be none.

    The engine reads what is no JSON; make it with LIMITS_FOR_CASES. Raises SettingsError, naming
    the file, where it or the codec cannot be read.
    """
    try:
        if path.suffix == ".json":
            script = path.with_name(path.stem.removeprefix("test_decode_") + ".js")
            return _suite(path.parents[1].name, script, _read_literal(path, engine), "expected")
        decoder = _read_yaml(path)["uplinkDecoder"]
        script = path.parent / str(decoder["fileName"])
        return _suite(path.parent.name, script, decoder.get("examples") or (), "output")
    except (OSError, LookupError, TypeError, ValueError, yaml.YAMLError) as error:
        said = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise SettingsError(f"{path}: {said}; mend or remove it") from error


def render(suite: Suite) -> str:
    """The cases as a file that stands beside the codec."""
    cases = [
        {
            "name": case.name,
            "input": {
                "bytes": list(case.payload),
                "fPort": case.f_port,
                "recvTime": format_time(case.received_at),
            },
            "expected": case.expected,
        }
        for case in suite.cases
    ]
    return json.dumps(cases, indent=1, ensure_ascii=False) + "\n"


def failures(suite: Suite, engine: Engine) -> Iterator[tuple[Case, str]]:
    """The cases that do not pass, and why. Raises NotRunnable."""
    outcomes = engine.decode_batch(suite.requests())
    for case, outcome in zip(suite.cases, outcomes, strict=True):
        why = difference(case.expected, outcome)
        if why is not None:
            yield case, why


def difference(expected: Mapping[str, Any], outcome: Outcome) -> str | None:
    """How an outcome differs from what a case expects, in a few words; None where it does not.

    Numbers are equal by value, truth values only to each other; a missing list is an empty one.
    """
    if outcome.fault is not None:
        return f"{outcome.fault}: {'; '.join(outcome.errors)}"
    for key, found in (("errors", outcome.errors), ("warnings", outcome.warnings)):
        if [str(each) for each in expected.get(key) or ()] != list(found):
            return f"{key}: {list(found)}"
    if expected.get("data") is None and outcome.errors:
        return None
    return _differ(expected.get("data"), outcome.data, "data")


def _differ(expected: Any, found: Any, path: str) -> str | None:
    if isinstance(expected, dict) and isinstance(found, Mapping):
        for key in sorted({*map(str, expected), *found}):
            told = {str(name): value for name, value in expected.items()}
            if (why := _differ(told.get(key), found.get(key), f"{path}.{key}")) is not None:
                return why
        return None
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return next((w for i, (e, f) in pairs if (w := _differ(e, f, f"{path}[{i}]"))), None)
    if isinstance(expected, float) and isinstance(found, float):
        found = expected if math.isclose(expected, found, rel_tol=_PRECISION) else found
    if expected == found and isinstance(expected, bool) is isinstance(found, bool):
        return None
    return f"{path}: {found!r}, expected {expected!r}"


def _suite(vendor: str, script: Path, raw: Iterable[Any], answer: str) -> Suite:
    source = script.read_text("utf-8-sig", errors="replace")
    codec = Codec(id=f"{vendor}/{script.stem}", source=source)
    return Suite(codec=codec, path=script, cases=tuple(_case(each, answer) for each in raw))


def _case(raw: Mapping[str, Any], answer: str) -> Case:
    given = raw["input"]
    at = given.get("recvTime")
    return Case(
        name=str(raw.get("name") or raw.get("description") or ""),
        payload=bytes(int(byte) & 0xFF for byte in given["bytes"]),
        f_port=int(given.get("fPort", _ANY_PORT)),
        received_at=parse_time(at) if at else UNDATED,
        expected=raw.get(answer) or {},
    )


def _read_literal(path: Path, engine: Engine) -> Any:
    """The list that a JavaScript literal stands for, comments and all."""
    text = path.read_text("utf-8-sig", errors="replace")
    source = f"function Decoder() {{ return {{ cases: {text.strip().removesuffix(';')}\n}}; }}"
    codec = Codec(id=str(path), source=source)
    request = Request(codec=codec, payload=b"", f_port=_ANY_PORT, received_at=UNDATED)
    (outcome,) = engine.decode_batch([request])
    if outcome.data is None:
        raise ValueError("; ".join(outcome.errors))
    return outcome.data["cases"]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars, which the catalogue is written in: `yes` and dates are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in found if tag.rpartition(":")[2] in {"null", "merge"}]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# YAML 1.2.2, 10.3.2, the core schema.
for _tag, _form, _firsts in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_firsts)
    )


def _read_yaml(path: Path) -> Any:
    with path.open("rb") as file:
        return yaml.load(file, _Loader)  # noqa: S506 - a SafeLoader
