"""Every fault that there is, from a scenario's YAML and from the short form of a command line.

The short form is `name[=value][,key=value]…`, as `loss=0.1`, `delay=2s,gateway=gw-2` or
`flap=30s/10s,from=5min`; `gateway` and `device` may stand several times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from khaen.errors import SettingsError
from simulators.faults.damage import Corrupt, Truncate
from simulators.faults.devices import Clone, Flood, Replay, Reset
from simulators.faults.fault import Fault
from simulators.faults.gateways import Clock, Stuck
from simulators.faults.loss import Bursts, Flap, Loss
from simulators.faults.timing import Delay, Duplicate, Reorder

AnyFault = Annotated[
    Loss
    | Bursts
    | Duplicate
    | Reorder
    | Delay
    | Flap
    | Corrupt
    | Truncate
    | Clock
    | Stuck
    | Reset
    | Clone
    | Replay
    | Flood,
    Field(discriminator="fault"),
]
"""One fault, for a model of pydantic's."""

FAULTS: dict[str, type[Fault]] = {
    kind.model_fields["fault"].default: kind for kind in get_args(get_args(AnyFault)[0])
}
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyFault)
_MANY = {"gateway": "gateways", "device": "devices"}


def parse(text: str) -> Fault:
    """The fault that a short form says. Raises SettingsError, with what would be right."""
    name, *rest = (part.strip() for part in text.split(","))
    name, given, value = name.partition("=")
    if name not in FAULTS:
        raise SettingsError(f"fault {name!r} is none; there are: {', '.join(FAULTS)}")
    document: dict[str, Any] = {"fault": name}
    if given:
        values, main = value.split("/"), FAULTS[name].main
        if len(values) > len(main):
            raise SettingsError(f"fault {text!r}: write {_form(name)}")
        document |= dict(zip(main, values, strict=False))
    for part in rest:
        key, given, value = part.partition("=")
        if not given:
            raise SettingsError(f"fault {text!r}: {part!r} is no key=value")
        if key in _MANY:
            document.setdefault(_MANY[key], []).append(value)
        else:
            document[key] = value
    return _validate(document, text)


def parse_all(texts: Iterable[str]) -> tuple[Fault, ...]:
    """The faults of several short forms, in their order. Raises SettingsError."""
    return tuple(parse(text) for text in texts)


def describe(fault: Fault) -> str:
    """The short form of a fault, without what is by default."""
    said = fault.model_dump(exclude_defaults=True, exclude={"fault"}, by_alias=True)
    lists = {plural: single for single, plural in _MANY.items()}
    parts = []
    main = [
        f"{said.pop(key):g}" if isinstance(said.get(key), float) else f"{said.pop(key)}"
        for key in fault.main
        if key in said
    ]
    for key, value in said.items():
        if key in lists:
            parts += [f"{lists[key]}={each}" for each in value]
        else:
            parts.append(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}")
    head = fault.fault + (f"={'/'.join(main)}" if main else "")
    return ",".join([head, *parts])


def _validate(document: dict[str, Any], text: str) -> Fault:
    try:
        found: Fault = _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise SettingsError(
            f"fault {text!r}: {where + ': ' if where else ''}"
            f"{first['msg'].removeprefix('Value error, ')};"
            f" write {_form(document['fault'])}"
        ) from error
    return found


def _form(name: str) -> str:
    """How to write a fault: its value, then its keys."""
    kind = FAULTS[name]
    value = "/".join(key.upper() for key in kind.main)
    keys = sorted(
        field.alias or key
        for key, field in kind.model_fields.items()
        if key not in {"fault", "gateways", "devices", *kind.main}
    )
    return f"{name}{'=' + value if value else ''}, with gateway, device, {', '.join(keys)}"
