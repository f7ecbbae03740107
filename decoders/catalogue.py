"""All families there are: for the site check, the documents, and whoever decodes."""

from __future__ import annotations

from functools import cache

from decoders.family import Decoder
from khaen import plugins
from khaen.errors import SettingsError

PACKAGE = "decoders.families"
CONSTANT = "DECODER"


def names() -> tuple[str, ...]:
    """The ids of all families, sorted, none of them imported."""
    return plugins.names(PACKAGE)


@cache
def family(name: str) -> Decoder:
    """The family of that id, imported once.

    Raises SettingsError when there is none, or when its module calls itself otherwise.
    """
    found = plugins.load(PACKAGE, name, CONSTANT, Decoder)
    if found.id != name:
        raise SettingsError(f"{PACKAGE}.{name} calls itself {found.id!r}")
    return found


def beside(folder: str) -> dict[str, Decoder]:
    """The families of a folder's files, in place of or beside today's. Raises SettingsError."""
    return plugins.load_beside(folder, CONSTANT, Decoder, lambda decoder: decoder.id)


def families() -> dict[str, Decoder]:
    """All families by id. Raises SettingsError for a module that is none."""
    return {name: family(name) for name in names()}
