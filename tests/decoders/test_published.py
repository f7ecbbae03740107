"""Native families agree with the codecs that makers publish: `make conformance SRC=<checkouts>`.

`published.json` says where each codec stands and what its words are, as a mapping file would. The
payloads are made from the native tables, at random. What either side alone reads must be what the
family's own file explains.
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from decoders.decentlab import Sensor
from decoders.decode import decode_payload, judge
from decoders.families.dragino_lht65n import CONTACT
from decoders.javascript import mapping as mappings
from decoders.javascript.codec import Codec, Request
from decoders.javascript.engine import Engine
from decoders.javascript.reader import read
from decoders.milesight import F_PORT, Channel, ChannelTable
from decoders.tagged import FieldTable
from khaen.quantity import QUANTITIES
from khaen.reading import Reading

pytestmark = pytest.mark.conformance

PUBLISHED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("published.json").read_text("utf-8")
)
PAYLOADS = 400
AT = datetime(2026, 4, 13, 5, 30, tzinfo=UTC)
ANSWERS = frozenset({0xFE, 0xFF})
OLDEST, NEWEST = 1_420_070_400, 2**31 - 1
"""2015, from when on a device's clock counts as set, to the last second that all codecs hold."""

Chance = random.Random
Test = Callable[[Reading], bool]
Key = tuple[str, str, datetime | None]


def _never(_reading: Reading) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Disagreements that the family's file explains: readings that only one side has, or has so.

    `coarse` is by how much one of the two rounds.
    """

    ours: Test = _never
    theirs: Test = _never
    coarse: Mapping[str, float] = field(default_factory=dict)


def _beyond_signed(reading: Reading) -> bool:
    return reading.quantity in WIDE and not 0 <= reading.value * WIDE[reading.quantity] < 2**31


WIDE = {
    "pulses": 1, "generic": 1, "frequency": 1, "distance": 1000, "energy_import": 1,
    "power_active": 1,
}  # fmt: skip
"""Numbers of 32 bits and their resolution, which some codecs take for signed ones."""

NO_PROBE, EMPTY_LOG = 327.67, 0
SIGNED_TENTHS = 3276.7

EXPLAINED: Mapping[str, Explained] = {
    "cayenne_lpp": Explained(ours=_beyond_signed, theirs=_beyond_signed),
    "decentlab_dl_mbx": Explained(theirs=lambda r: r.quantity == "distance"),
    "digital_matter_g62": Explained(coarse={"speed": 0.001}),
    "dragino_ldds75": Explained(
        theirs=lambda r: r.quantity == "probe_temperature" and not r.value,
    ),
    "dragino_lht65n": Explained(
        ours=_beyond_signed,
        theirs=lambda r: _beyond_signed(r) or r.value in (NO_PROBE, EMPTY_LOG),
    ),
    "elsys": Explained(ours=_beyond_signed, theirs=_beyond_signed),
    "milesight_em300_di": Explained(coarse={"generic": 0.0051}),
    "milesight_em500_smtc": Explained(
        theirs=lambda r: r.quantity == "soil_temperature" and r.value in (-0.1, -0.3)
    ),
    "milesight_ws558": Explained(ours=_beyond_signed, theirs=_beyond_signed),
    "milesight_wts506": Explained(
        ours=lambda r: r.quantity == "wind_direction" and r.value > SIGNED_TENTHS,
        theirs=lambda r: r.quantity == "wind_direction" and r.value < 0,
    ),
    "yobiiq_em2101": Explained(coarse={"power_reactive": 5.01, "power_apparent": 5.01}),
}


def _bytes(chance: Chance, length: int) -> bytes:
    """Any bytes; now and then all ones or none, where sentinels and signs are."""
    edge = chance.randrange(12)
    return bytes((0, 255)[edge : edge + 1]) * length if edge < 2 else chance.randbytes(length)


def _is_state(quantity: str) -> bool:
    return (QUANTITIES[quantity].low, QUANTITIES[quantity].high) == (0, 1)


def _time(chance: Chance) -> int:
    return chance.randrange(OLDEST, NEWEST)


def _of_milesight(chance: Chance, table: ChannelTable, left_out: frozenset[str]) -> bytes:
    heads = [
        head
        for head, channel in table.items()
        if channel.numbers and head[0] not in ANSWERS and bytes(head).hex() not in left_out
    ]
    some = chance.sample(heads, chance.randint(1, min(6, len(heads))))
    return b"".join(bytes(head) + _channel(chance, table[head]) for head in some)


def _channel(chance: Chance, channel: Channel) -> bytes:
    data = bytearray(_bytes(chance, channel.length))
    if channel.dated:
        data[:4] = _time(chance).to_bytes(4, "little")
    for number in channel.numbers:
        if number.when is not None and chance.randrange(2):
            at, mask, value = number.when
            data[at] = data[at] & ~mask | value
        if number.form == "u8" and (number.bit, number.divide) == (None, 1):
            if _is_state(number.quantity) or number.quantity == "digital_input":
                data[number.at] &= 1
        elif number.form == "f32":
            data[number.at : number.at + 4] = struct.pack("<f", chance.uniform(0, 1e4))
    return bytes(data)


def _of_fields(chance: Chance, table: FieldTable, *, head: int) -> bytes:
    """Fields behind their tags; the channel before a tag is the tag's own number."""
    tags = [tag for tag, found in table.items() if found.values]
    dates = [tag for tag, found in table.items() if found.dates and chance.randrange(2)]
    payload = b"".join(bytes((tag,)) * head + struct.pack(">I", _time(chance)) for tag in dates)
    for tag in chance.sample(tags, chance.randint(1, min(6, len(tags)))):
        found = table[tag]
        data = _bytes(chance, found.layout.size)
        if _is_state(found.values[0].quantity):
            data = bytes((chance.choice((0, 1)) * int(found.values[0].divide),))
        payload += bytes((tag,)) * head + data
    return payload


def _of_decentlab(chance: Chance, sensors: Sequence[Sensor]) -> bytes:
    present = [chance.randrange(2) for _ in sensors]
    flags = sum(there << bit for bit, there in enumerate(present))
    words = sum(sensor.words * there for sensor, there in zip(sensors, present, strict=True))
    return struct.pack(">BHH", 2, chance.randrange(2**16), flags) + _bytes(chance, 2 * words)


def _of_lht65n(chance: Chance) -> bytes:
    kind = chance.choice((0, 1, 2, 4, 5, 6, 7, 8, 11, 14, 15))
    rest = _bytes(chance, 8 if kind == CONTACT else 4)
    if kind == CONTACT:
        rest = bytes((rest[0] & 1,)) + rest[1:]
    return _bytes(chance, 6) + bytes((kind,)) + rest


def _of_df702(chance: Chance) -> bytes:
    positioned = chance.randrange(2)
    head = bytes((0x80, 0, 1, chance.choice((1, 2)), 17 + 8 * positioned)) + chance.randbytes(2)
    where = struct.pack("<ff", chance.uniform(97, 106), chance.uniform(5, 21)) * positioned
    return head + bytes((positioned,)) + where + _bytes(chance, 8) + b"\x81"


def _of_ldds75(chance: Chance) -> bytes:
    return _bytes(chance, 2) + _bytes(chance, 2) + _bytes(chance, 4)


def _of_g62(chance: Chance) -> bytes:
    return _bytes(chance, chance.choice((17, 19)))


ODD: Mapping[str, Callable[[Chance], bytes]] = {
    "digital_matter_g62": _of_g62,
    "dingtek_df702": _of_df702,
    "dragino_ldds75": _of_ldds75,
    "dragino_lht65n": _of_lht65n,
}


def _payload(chance: Chance, name: str) -> bytes:
    if name in ODD:
        return ODD[name](chance)
    family = import_module(f"decoders.families.{name}")
    if name.startswith("milesight"):
        left_out = frozenset(PUBLISHED[name].get("left_out", ()))
        return _of_milesight(chance, family.TABLE, left_out)
    if name.startswith("decentlab"):
        return _of_decentlab(chance, family.SENSORS)
    table = family.MEASUREMENTS if name == "yobiiq_em2101" else family.TABLE
    return _of_fields(chance, table, head=1 if name == "elsys" else 2)


def _mapping(published: dict[str, Any]) -> mappings.Mapping:
    head = {"maker": "?", "model": "?", "source": "?", "version": 1}
    body = {key: published[key] for key in ("readings", "measured_at") if key in published}
    return mappings.Mapping.model_validate_json(json.dumps(head | body))


def _by_key(readings: Sequence[Reading]) -> dict[Key, Reading]:
    """The last of each, as an object keeps it; in a codec's history channels are but numbers."""
    return {(each.quantity, _channel_of(each), each.measured_at): each for each in readings}


def _channel_of(reading: Reading) -> str:
    numbered = reading.key.startswith("history") and reading.channel.isdigit()
    return "" if numbered else reading.channel


def _differences(
    ours: Mapping[Key, Reading], theirs: Mapping[Key, Reading], explained: Explained
) -> Iterator[str]:
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        near = explained.coarse.get(key[0], 1e-4)
        if one and other and math.isclose(one.value, other.value, rel_tol=1e-6, abs_tol=near):
            continue
        if (one is None or explained.ours(one)) and (other is None or explained.theirs(other)):
            continue
        yield f"{key}: {one and one.value} here, {other and other.value} published"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        engine.start()
        yield engine


@pytest.fixture(scope="module")
def scripts() -> list[Path]:
    return sorted(Path(os.environ["SRC"]).rglob("*.js"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_family_agrees_with_the_published_codec(
    name: str, engine: Engine, scripts: list[Path]
) -> None:
    published = PUBLISHED[name]
    script = next((path for path in scripts if str(path).endswith(published["codec"])), None)
    if script is None:
        pytest.skip(f"SRC holds no {published['codec']}")
    mapping = _mapping(published)
    f_port = published.get("f_port", F_PORT)
    chance = random.Random(name)
    codec = Codec(id=name, source=script.read_text("utf-8-sig"))
    requests = [
        Request(codec=codec, payload=_payload(chance, name), f_port=f_port, received_at=AT)
        for _ in range(PAYLOADS)
    ]
    explained = EXPLAINED.get(name, Explained())
    read_by_both = 0
    for request, outcome in zip(requests, engine.decode_batch(requests), strict=True):
        assert outcome.fault is None, f"{request.payload.hex()}: {outcome}"
        ours = _by_key(decode_payload(name, f_port, request.payload).readings)
        theirs = _by_key(judge(read(mapping, outcome)).readings)
        found = list(_differences(ours, theirs, explained))
        assert not found, f"{request.payload.hex()}: {found}"
        read_by_both += len(ours.keys() & theirs.keys())
    assert read_by_both > PAYLOADS / 2
