"""Families whose bytes a vendor's codec reads: a folder of `x.js` with `x.toml` beside each.

They are decoders as the native ones are, behind the same call. Because a codec may take its time,
they are `deferred`: a pipeline admits their frames first and decodes them later, many at once,
with `decode_many`; the ordinary call asks the engine for one frame and waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from decoders.decode import judge
from decoders.family import Decoder
from decoders.javascript import mapping as mappings
from decoders.javascript.codec import Codec, Outcome, Request
from decoders.javascript.coverage import Coverage
from decoders.javascript.engine import Engine
from decoders.javascript.mapping import Mapping
from decoders.javascript.reader import read
from khaen.clock import Clock
from khaen.errors import SettingsError
from khaen.reading import Decoded, EventKind
from khaen.uplink import PORTS_OF_THE_NETWORK, Uplink


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A codec and what its words mean; `coverage` counts what the mapping leaves aside."""

    codec: Codec
    mapping: Mapping
    coverage: Coverage = field(compare=False)

    def read(self, outcome: Outcome) -> Decoded:
        """What an outcome of this family's codec says, judged for plausibility."""
        decoded = judge(read(self.mapping, outcome))
        if outcome.data is None:
            return decoded
        return replace(decoded, raw=self.coverage.note(outcome.data))


def load(folder: Path) -> dict[str, Family]:
    """The families of a folder by id, the files' name, sorted.

    Raises SettingsError for a codec without a mapping, a mapping without a codec, and for what
    is wrong in one, with the file and the remedy.
    """
    scripts = {path.stem: path for path in sorted(folder.glob("*.js"))}
    tables = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    for name in sorted(scripts.keys() ^ tables.keys()):
        there, missing = (".js", ".toml") if name in scripts else (".toml", ".js")
        raise SettingsError(f"{folder}/{name}{there}: {name}{missing} is not beside it; write it")
    return {name: load_one(scripts[name], tables[name]) for name in scripts}


def load_one(script: Path, table: Path) -> Family:
    """The family of a codec and its mapping, by the codec's name. Raises SettingsError."""
    mapping = mappings.load(table)
    codec = read_codec(script)
    return Family(codec=codec, mapping=mapping, coverage=Coverage(mapping))


def load_draft(script: Path) -> Family:
    """The family of a codec whose mapping nobody has looked through yet, or that has none: its
    answers stay raw then. For trying only. Raises SettingsError.
    """
    table = script.with_suffix(".toml")
    mapping = mappings.read(table) if table.exists() else mappings.NOTHING
    return Family(codec=read_codec(script), mapping=mapping, coverage=Coverage(mapping))


def read_codec(script: Path) -> Codec:
    """The codec of a file, named as the file. Raises SettingsError."""
    try:
        return Codec(id=script.stem, source=script.read_text("utf-8-sig"))
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{script}: cannot be read: {error}; save it as UTF-8") from error


def decoder(family: Family, engine: Engine, clock: Clock) -> Decoder:
    """The family behind the same call as a native one.

    The call waits for the engine, and the codec's clock stands at the present; it raises
    NotRunnable where no process can be started.
    """
    mapping = family.mapping
    return Decoder(
        id=family.codec.id,
        version=mapping.version,
        maker=mapping.maker,
        model=mapping.model,
        sos_capable=EventKind.SOS in mapping.kinds,
        fall_capable=bool({EventKind.FALL, EventKind.MAN_DOWN} & mapping.kinds),
        priority_f_ports=mapping.priority_f_ports,
        expects_answer=mapping.expects_answer,
        quantities=mapping.quantities,
        deferred=True,
        decode=partial(_decode, family, engine, clock),
    )


def _decode(family: Family, engine: Engine, clock: Clock, f_port: int, payload: bytes) -> Decoded:
    request = Request(codec=family.codec, payload=payload, f_port=f_port, received_at=clock.now())
    (outcome,) = engine.decode_batch([request])
    return family.read(outcome)


def decode_many(
    engine: Engine, uplinks: Sequence[tuple[Family, Uplink]]
) -> list[tuple[Outcome, Decoded]]:
    """What many uplinks say, in their order: the codec's own outcome, and what it means.

    An outcome's fault QUARANTINED means that it was not asked: ask again later. What has no
    payload, and what only the network reads, says nothing and is not asked.
    """
    asked = [
        Request(
            codec=family.codec,
            payload=uplink.payload,
            f_port=uplink.f_port,
            received_at=uplink.receptions[0].received_at,
        )
        for family, uplink in uplinks
        if _speaks(uplink)
    ]
    answers = iter(engine.decode_batch(asked))
    silent = Outcome()
    outcomes = [next(answers) if _speaks(uplink) else silent for _, uplink in uplinks]
    return [
        (outcome, family.read(outcome))
        for (family, _), outcome in zip(uplinks, outcomes, strict=True)
    ]


def _speaks(uplink: Uplink) -> bool:
    return bool(uplink.payload) and uplink.f_port not in PORTS_OF_THE_NETWORK
