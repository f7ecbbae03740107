"""The one mechanism that finds what can be added: a folder's modules and their one constant."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib.abc import ExecutionLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from khaen.errors import SettingsError

T = TypeVar("T")


def names(package: str) -> tuple[str, ...]:
    """The modules of a package, sorted, none of them imported."""
    paths = importlib.import_module(package).__path__
    return tuple(sorted(m.name for m in pkgutil.iter_modules(paths) if not m.name.startswith("_")))


def load(package: str, name: str, constant: str, kind: type[T]) -> T:
    """Import one module and take its constant.

    Raises SettingsError when the package has no such module, or the module no such constant.
    """
    if name not in names(package):
        known = ", ".join(names(package))
        raise SettingsError(f"{package} has no {name!r}; there are: {known}")
    found = getattr(importlib.import_module(f"{package}.{name}"), constant, None)
    if not isinstance(found, kind):
        raise SettingsError(f"{package}.{name} lacks the constant {constant} of {kind.__name__}")
    return found


def load_all(package: str, constant: str, kind: type[T], key: Callable[[T], str]) -> dict[str, T]:
    """Import all modules of a package, by key. Raises SettingsError for a key used twice."""
    found: dict[str, T] = {}
    for name, plugin in _each(package, constant, kind):
        if key(plugin) in found:
            raise SettingsError(f"{package}.{name}: {key(plugin)!r} is taken already")
        found[key(plugin)] = plugin
    return found


def _each(package: str, constant: str, kind: type[T]) -> Iterator[tuple[str, T]]:
    for name in names(package):
        yield name, load(package, name, constant, kind)


def load_beside(folder: str, constant: str, kind: type[T], key: Callable[[T], str]) -> dict[str, T]:
    """What a folder's files hold in place of, or beside, the modules of a package, by module name.

    This process' own modules stay as they are, and nothing is written into the folder. Raises
    SettingsError, with the file and the remedy, for one that cannot be imported, lacks the
    constant, or calls itself otherwise than its file.
    """
    found: dict[str, T] = {}
    for path in sorted(Path(folder).glob("[!_]*.py")):
        plugin = getattr(_execute(path), constant, None)
        if not isinstance(plugin, kind):
            raise SettingsError(f"{path}: it lacks the constant {constant} of {kind.__name__}")
        if key(plugin) != path.stem:
            raise SettingsError(f"{path}: it calls itself {key(plugin)!r}; name the file so")
        found[path.stem] = plugin
    return found


class _File(ExecutionLoader):
    """Runs one file, without the bytecode that an ordinary import leaves beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_filename(self, fullname: str) -> str:
        """Where tracebacks say that it stands."""
        del fullname
        return str(self._path)

    def get_source(self, fullname: str) -> str:
        """The file's text."""
        del fullname
        return self._path.read_text(encoding="utf-8")


def _execute(path: Path) -> ModuleType:
    name = f"khaen_beside_{path.stem}"
    spec = spec_from_loader(name, _File(path))
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path}: it is no module")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is made
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the border of a file that somebody else wrote
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise SettingsError(
            f"{path}{line}: {type(error).__name__}: {error}; mend the file, or take it away"
        ) from error
    finally:
        sys.modules.pop(name, None)
    return module
