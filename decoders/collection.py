"""The families that one site has: the native ones, and those of its folder of vendors' codecs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from decoders import catalogue
from decoders.decode import read
from decoders.family import Decoder
from decoders.javascript import family as families
from decoders.javascript.engine import Engine
from decoders.javascript.family import Family
from khaen.clock import Clock, SystemClock
from khaen.errors import DecodeError, SettingsError
from khaen.reading import Decoded
from khaen.uplink import Uplink

_Marks = frozenset[tuple[str, int, int]]
_SUFFIXES = (".js", ".toml")


class Collection:
    """`folder` holds the site's codecs, `x.js` with `x.toml` each; without one there are none.

    What is wrong in the folder costs the family in question only: `broken` says why, and where the
    family was right before, it stays as it was. The engine starts with the first codec asked.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        engine: Engine | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._folder, self._clock = folder, clock or SystemClock()
        self.engine = engine or Engine(clock=self._clock)
        self._native = frozenset(catalogue.names())
        self._marks: _Marks = frozenset()
        self._scripted: dict[str, Family] = {}
        self._decoders: dict[str, Decoder] = {}
        self.broken: dict[str, str] = {}
        """By the codec's name, what is wrong with it and the remedy."""
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the engine's process."""
        self.engine.close()

    def refresh(self) -> bool:
        """Read the folder where its files changed; whether they had."""
        marks = _look(self._folder)
        if marks == self._marks:
            return False
        scripted: dict[str, Family] = {}
        broken: dict[str, str] = {}
        for name in sorted({Path(file).stem for file, _, _ in marks}):
            try:
                scripted[name] = self._load(name)
            except SettingsError as error:
                broken[name] = str(error)
                if name in self._scripted:
                    scripted[name] = self._scripted[name]
        self._decoders = {
            name: families.decoder(each, self.engine, self._clock)
            for name, each in scripted.items()
        }
        self._scripted, self.broken, self._marks = scripted, broken, marks
        return True

    def names(self) -> tuple[str, ...]:
        """The ids of all families, sorted."""
        return tuple(sorted({*self._native, *self._decoders}))

    def family(self, name: str) -> Decoder:
        """The family of that id. Raises SettingsError where there is none, or its codec is broken.

        A codec's `deferred` family asks the engine and waits for it.
        """
        found = self._decoders.get(name)
        if found is not None:
            return found
        if name in self._native:
            return catalogue.family(name)
        why = self.broken.get(name)
        raise SettingsError(why or f"there is no family {name!r}; `khaen codecs list` names all")

    def scripted(self, name: str) -> Family | None:
        """The codec and mapping of that family; None for a native one, or where there is none."""
        return self._scripted.get(name)

    def decode(self, family: str, uplink: Uplink) -> Decoded:
        """What the uplink says, read as the family's; a codec is asked, and waited for.

        Raises SettingsError for an unknown family, DecodeError where a codec has no answer.
        """
        scripted = self._scripted.get(family)
        if scripted is None:
            return read(self.family(family), uplink.f_port, uplink.payload)
        ((outcome, decoded),) = families.decode_many(self.engine, [(scripted, uplink)])
        if outcome.fault is not None:
            raise DecodeError(f"{outcome.fault}: {'; '.join(outcome.errors)}", port=uplink.f_port)
        return decoded

    def _load(self, name: str) -> Family:
        assert self._folder is not None
        if name in self._native:
            raise SettingsError(
                f"{self._folder}/{name}.js: {name} is a native family; give the codec another name"
            )
        script, table = (self._folder / f"{name}{suffix}" for suffix in _SUFFIXES)
        for there, missing in ((script, table), (table, script)):
            if not missing.exists():
                raise SettingsError(f"{there}: {missing.name} is not beside it; write it")
        return families.load_one(script, table)


def beside(site_file: Path) -> Path:
    """The folder of a site's codecs; it may be missing."""
    return site_file.absolute().parent / "codecs"


def _look(folder: Path | None) -> _Marks:
    """What tells one state of a folder's files from another; nothing where there is no folder."""
    if folder is None:
        return frozenset()
    found = set()
    for path in (path for suffix in _SUFFIXES for path in folder.glob(f"[!.]*{suffix}")):
        try:
            status = path.stat()
        except OSError:  # taken away meanwhile
            continue
        found.add((path.name, status.st_mtime_ns, status.st_size))
    return frozenset(found)
