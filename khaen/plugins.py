"""The one mechanism that finds what can be added: a folder's modules and their one constant."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
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
