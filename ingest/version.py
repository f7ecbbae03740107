"""A set of decoders and rules: today's, or today's with a folder's in place of or beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from alarms import engine
from decoders import catalogue
from decoders.decode import read
from decoders.family import Decoder
from khaen.errors import SettingsError
from khaen.reading import Decoded
from khaen.uplink import Uplink

FAMILIES, RULES = "families", "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """`families` stand before today's of the same id; `rules` are all rules, None for today's."""

    families: Mapping[str, Decoder] = field(default_factory=lambda: MappingProxyType({}))
    rules: engine.Rules | None = None

    def family(self, name: str) -> Decoder:
        """The family of that id. Raises SettingsError where there is none."""
        return self.families.get(name) or catalogue.family(name)

    def decode(self, family: str, uplink: Uplink) -> Decoded:
        """What the uplink says, read as the family's. Raises SettingsError for an unknown one."""
        return read(self.family(family), uplink.f_port, uplink.payload)


TODAY = Version()


def load(folder: Path) -> Version:
    """The version of a folder, which holds `families/*.py`, `rules/*.py`, or both.

    Raises SettingsError, with the file and the remedy.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: no such folder; it would hold {FAMILIES}/ or {RULES}/")
    found = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"}
    if not found or not found <= {FAMILIES, RULES}:
        odd = ", ".join(sorted(found - {FAMILIES, RULES})) or "none of them"
        raise SettingsError(f"{folder}: it may hold {FAMILIES}/ and {RULES}/; there is {odd}")
    rules = engine.beside(str(folder / RULES)) if RULES in found else None
    return Version(families=catalogue.beside(str(folder / FAMILIES)), rules=rules)
