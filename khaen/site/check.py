"""What a site file may not say though each key by itself is right.

The checks look at plain data, as it was read or as `Site.model_dump()` gives it, and pass over what
has a wrong shape: so they find their problems beside those of the shape, not after them.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from khaen.ids import parse_dev_eui, parse_gateway_eui

Path = tuple[str | int, ...]
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong at `path`, and what to do about it. `other` is where else to look.

    A warning does not keep the file from being used.
    """

    path: Path
    text: str
    remedy: str
    other: Path | None = None
    warning: bool = False

    @property
    def key(self) -> str:
        """The path as a person writes it: `devices[3].family`."""
        return show(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is outside the file; None: not checked. The caller knows, `khaen` does not.

    `families` says of each whether its wearer expects an answer, `unusable` of others why they are
    none; `rules` names the parameters.
    """

    families: Mapping[str, bool] | None = None
    unusable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rules: Mapping[str, frozenset[str]] | None = None
    channels: frozenset[str] | None = None
    keys: frozenset[str] | None = field(default=None)
    """The devices of the keys file, by DevEUI; None where it was not read."""


NOTHING_KNOWN = Known()
_PLURAL = {"organisation": "organisations", "place": "places", "plan": "plans"}


def show(path: Path) -> str:
    """A path as a person writes it: `devices[3].family`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def problems(document: Document, known: Known = NOTHING_KNOWN) -> list[Problem]:
    """All problems, in the order of the checks; warnings among them."""
    return [
        *_twice(document, "organisations", "id", str),
        *_twice(document, "places", "id", str),
        *_twice(document, "gateways", "eui", parse_gateway_eui),
        *_twice(document, "devices", "dev_eui", parse_dev_eui),
        *_twice(document, "plans", "id", str),
        *_twice(document, "addresses", "id", str),
        *_references(document),
        *_circles(document),
        *_steps(document, known),
        *_without_plan(document),
        *_agents(document),
        *_residents(document),
        *_families(document, known),
        *_keys(document, known),
        *_rules(document, known),
    ]


def suggest(word: str, among: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'x'?` where something is near, else what there is."""
    names = sorted(among)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    near = near or [name for name in names if word and word in name]
    if near:
        return f"did you mean {near[0]!r}?"
    if names and len(names) <= 12:
        return f"there are: {', '.join(names)}"
    return otherwise or "look at docs/site-file.md for what there is"


def each(document: Document, name: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The entries of a list that have the shape of a table, with their paths."""
    entries = document.get(name)
    if isinstance(entries, list | tuple):
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping):
                yield (name, index), entry


def _texts(document: Document, name: str, key: str) -> set[str]:
    return {entry[key] for _, entry in each(document, name) if isinstance(entry.get(key), str)}


def _twice(
    document: Document, name: str, key: str, parse: Callable[[str], str]
) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, entry in each(document, name):
        try:
            value = parse(str(entry[key]))
        except (KeyError, ValueError):
            continue
        if value in first:
            yield Problem(
                path=(*path, key),
                text=f"{value!r} is used twice",
                remedy="give one of the two another value, or take it out",
                other=first[value],
            )
        first.setdefault(value, (*path, key))


def _references(document: Document) -> Iterator[Problem]:
    wanted = (
        ("organisations", "parent", "organisations"),
        ("organisations", "plan", "plans"),
        ("places", "organisation", "organisations"),
        ("gateways", "organisation", "organisations"),
        ("gateways", "place", "places"),
        ("devices", "organisation", "organisations"),
        ("devices", "place", "places"),
    )
    for name, key, target in wanted:
        there = _texts(document, target, "id")
        for path, entry in each(document, name):
            value = entry.get(key)
            if isinstance(value, str) and value not in there:
                yield Problem(
                    path=(*path, key),
                    text=f"{target} has no {value!r}",
                    remedy=suggest(value, there, f"add it to {target}, or correct the name"),
                )


def _circles(document: Document) -> Iterator[Problem]:
    parents = {e.get("id"): e.get("parent") for _, e in each(document, "organisations")}
    for path, entry in each(document, "organisations"):
        seen, current = set(), entry.get("id")
        while current is not None and current not in seen:
            seen.add(current)
            current = parents.get(current)
        if current is not None and current == entry.get("id"):
            yield Problem(
                path=(*path, "parent"),
                text=f"{current!r} is above itself",
                remedy="let the parents end at an organisation without one",
            )


def _steps(document: Document, known: Known) -> Iterator[Problem]:
    channels = {e.get("id"): e.get("channel") for _, e in each(document, "addresses")}
    for plan_path, plan in each(document, "plans"):
        for step_path, step in each(plan, "steps"):
            path = (*plan_path, *step_path)
            to = step.get("to")
            if isinstance(to, str) and to not in channels:
                names = [name for name in channels if isinstance(name, str)]
                yield Problem(
                    path=(*path, "to"),
                    text=f"addresses has no {to!r}",
                    remedy=suggest(to, names, "add it to addresses, or correct the name"),
                )
            elif isinstance(to, str) and step.get("channel") != channels[to]:
                yield Problem(
                    path=(*path, "channel"),
                    text=f"{to!r} is an address of the channel {channels[to]!r}",
                    remedy=f"write channel: {channels[to]}, or name another address",
                )
    for path, entry in each(document, "addresses"):
        channel, there = entry.get("channel"), known.channels
        if there is not None and isinstance(channel, str) and channel not in there:
            yield Problem(
                path=(*path, "channel"),
                text=f"there is no channel {channel!r}",
                remedy=suggest(channel, there),
            )


def _without_plan(document: Document) -> Iterator[Problem]:
    entries = {entry.get("id"): entry for _, entry in each(document, "organisations")}

    def has_plan(current: Any) -> bool:
        seen = set()
        while current in entries and current not in seen:
            if entries[current].get("plan") is not None:
                return True
            seen.add(current)
            current = entries[current].get("parent")
        return False

    found = [
        (path, entry["id"])
        for path, entry in each(document, "organisations")
        if isinstance(entry.get("id"), str)
        and not _is_true(entry.get("simulated"))
        and not has_plan(entry["id"])
    ]
    if found:
        names = ", ".join(name for _, name in found[:5]) + (", …" if len(found) > 5 else "")
        yield Problem(
            path=found[0][0],
            text=f"nobody is called for {len(found)} organisation(s) without an escalation plan "
            f"({names}): their alarms are on the console's screen only",
            remedy="add a plan to plans and name it here, or at an organisation above: "
            "see docs/calls.md; for a trial, let it be",
            warning=True,
        )


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1", "t", "y")


def _agents(document: Document) -> Iterator[Problem]:
    first: dict[tuple[str, str], Path] = {}
    for path, entry in each(document, "gateways"):
        agent = entry.get("agent")
        if not isinstance(agent, Mapping):
            continue
        port = str(agent.get("udp_port", 1700))
        address = (str(agent.get("udp_host", "127.0.0.1")), port)
        if port != "0" and address in first:
            yield Problem(
                path=(*path, "agent", "udp_port"),
                text=f"two agents cannot both listen on {address[0]}:{port}",
                remedy="give each agent a port of its own, or 0 for any free one",
                other=first[address],
            )
        first.setdefault(address, (*path, "agent"))


def _residents(document: Document) -> Iterator[Problem]:
    homes: dict[str, tuple[Any, Path]] = {}
    for path, entry in each(document, "devices"):
        resident = entry.get("resident")
        if not isinstance(resident, str):
            continue
        home = homes.setdefault(resident, (entry.get("organisation"), (*path, "organisation")))
        if home[0] != entry.get("organisation"):
            yield Problem(
                path=(*path, "organisation"),
                text=f"resident {resident!r} belongs to {home[0]!r} by another device",
                remedy="name one organisation for all devices of a resident",
                other=home[1],
            )


def _families(document: Document, known: Known) -> Iterator[Problem]:
    lorawan = document.get("lorawan")
    server = lorawan.get("network_server") if isinstance(lorawan, Mapping) else None
    served = _is_true(server)
    unanswered: defaultdict[str, list[Path]] = defaultdict(list)
    for path, entry in each(document, "devices"):
        family = entry.get("family")
        if known.families is not None and isinstance(family, str):
            if family in known.unusable and family not in known.families:
                yield Problem(
                    path=(*path, "family"),
                    text=f"family {family!r} cannot be used",
                    remedy=known.unusable[family],
                )
            elif family not in known.families:
                yield Problem(
                    path=(*path, "family"),
                    text=f"there is no family {family!r}",
                    remedy=suggest(
                        family,
                        known.families,
                        "`khaen codecs list` names all, `khaen codecs add` adds a vendor's",
                    ),
                )
            elif known.families[family] and not served:
                unanswered[family].append((*path, "family"))
        if not served and entry.get("dev_addr") is None:
            yield Problem(
                path=path,
                text="nobody can open this device's frames: it has no dev_addr, "
                "and there is no network server with which it could join",
                remedy="give it a dev_addr and keys (ABP), or set lorawan.network_server: true; "
                "leave it so where a gateway hears it point to point",
                warning=True,
            )
    for family, paths in unanswered.items():
        yield Problem(
            path=paths[0],
            text=f"{len(paths)} device(s) of family {family!r} expect an answer to an alarm, and "
            "without a network server nobody answers the wearer",
            remedy="set lorawan.network_server: true where ChirpStack serves this site; "
            "alarms reach the console either way",
            warning=True,
        )


def _keys(document: Document, known: Known) -> Iterator[Problem]:
    by_hand = "add a row to the keys file, or let `khaen site keys` make what is missing"
    abp: set[str] = set()
    for path, entry in each(document, "devices"):
        if entry.get("dev_addr") is None:
            continue
        try:
            dev_eui = parse_dev_eui(str(entry.get("dev_eui")))
        except ValueError:
            continue
        abp.add(dev_eui)
        if known.keys is not None and dev_eui not in known.keys:
            yield Problem(
                path=(*path, "dev_addr"),
                text=f"no keys for the ABP device {dev_eui}",
                remedy=by_hand,
            )
    if abp and document.get("keys_file") is None:
        yield Problem(
            path=("keys_file",),
            text=f"is missing, and {len(abp)} ABP device(s) need session keys",
            remedy="add `keys_file: keys.csv`, then run `khaen site keys`",
        )
    for stranger in sorted((known.keys or frozenset()) - abp):
        yield Problem(
            path=("keys_file",),
            text=f"holds keys of {stranger}, which is no ABP device of this site",
            remedy="take the row out, or give the device a dev_addr",
            warning=True,
        )


def _rules(document: Document, known: Known) -> Iterator[Problem]:
    rules = document.get("rules")
    if known.rules is None or not isinstance(rules, Mapping):
        return
    for rule, given in rules.items():
        if rule not in known.rules:
            yield Problem(
                path=("rules", rule),
                text=f"there is no rule {rule!r}",
                remedy=suggest(rule, known.rules),
            )
            continue
        for parameter in given if isinstance(given, Mapping) else ():
            if parameter not in known.rules[rule]:
                yield Problem(
                    path=("rules", rule, parameter),
                    text=f"the rule {rule!r} has no parameter {parameter!r}",
                    remedy=suggest(parameter, known.rules[rule]),
                )
