"""A set of decoders and rules: today's, or today's with a folder's in place of or beside them.

Today's codecs are those of the site's folder, where one is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from alarms import engine
from decoders import catalogue
from decoders.collection import Collection
from decoders.decode import read
from decoders.family import Decoder
from khaen.errors import SettingsError
from khaen.reading import Decoded
from khaen.uplink import Uplink

FAMILIES, RULES, CODECS = "families", "rules", "codecs"
_PARTS = frozenset({FAMILIES, RULES, CODECS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """`families` stand before today's of the same id, and so do `codecs`, the first before the
    next; `rules` are all rules, None for today's.
    """

    families: Mapping[str, Decoder] = field(default_factory=lambda: MappingProxyType({}))
    codecs: tuple[Collection, ...] = ()
    rules: engine.Rules | None = None

    def family(self, name: str) -> Decoder:
        """The family of that id. Raises SettingsError where there is none."""
        found = self.families.get(name)
        if found is not None:
            return found
        codecs = self._codecs(name)
        return codecs.family(name) if codecs is not None else catalogue.family(name)

    def decode(self, family: str, uplink: Uplink) -> Decoded:
        """What the uplink says, read as the family's.

        Raises SettingsError for an unknown family, DecodeError where a codec has no answer.
        """
        codecs = self._codecs(family) if family not in self.families else None
        if codecs is not None:
            return codecs.decode(family, uplink)
        return read(self.family(family), uplink.f_port, uplink.payload)

    def _codecs(self, name: str) -> Collection | None:
        return next((each for each in self.codecs if each.scripted(name) is not None), None)


TODAY = Version()


def load(folder: Path, today: Version = TODAY) -> Version:
    """The version of a folder, which holds `families/*.py`, `rules/*.py`, `codecs/*.js` with their
    mappings, or several of these, in place of or beside today's.

    Raises SettingsError, with the file and the remedy.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; it would hold {_listed(_PARTS)}")
    found = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"}
    if not found or not found <= _PARTS:
        odd = ", ".join(sorted(found - _PARTS)) or "none of them"
        raise SettingsError(f"{folder}: it may hold {_listed(_PARTS)}; there is {odd}")
    rules = engine.beside(str(folder / RULES)) if RULES in found else None
    families = catalogue.beside(str(folder / FAMILIES))
    codecs = (_read_codecs(folder / CODECS),) if CODECS in found else ()
    return replace(today, families=families, rules=rules, codecs=(*codecs, *today.codecs))


def _read_codecs(folder: Path) -> Collection:
    found = Collection(folder)
    for why in found.broken.values():
        raise SettingsError(why)
    return found


def _listed(parts: frozenset[str]) -> str:
    return ", ".join(f"{part}/" for part in sorted(parts))
