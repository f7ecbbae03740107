"""Loading a scenario: every problem at once, each with its file, line, key and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from khaen.errors import SettingsError
from khaen.ids import DevEui
from khaen.lorawan.join import SessionKeys
from khaen.site import loader as site_loader
from khaen.site.check import Path as Key
from khaen.site.check import Problem, suggest
from khaen.site.document import Document, read
from khaen.site.loader import Finding
from khaen.site.model import Site
from simulators.acts import vocabulary as acts
from simulators.acts.subjects import Subjects, find_subjects
from simulators.faults.catalogue import FAULTS
from simulators.scenario import expectation
from simulators.scenario.check import problems
from simulators.scenario.model import Pace, Scenario, SiteOf
from simulators.scenario.street import make_street
from simulators.sites.twin import Simulated, join_all, settle, twin_of

SHIPPED: Final = "simulators.scenarios"
"""The folder of the scenarios that come with Khaen."""
_UNIONS: Final[Mapping[str, tuple[str, Mapping[str, type[BaseModel]]]]] = {
    "acts": ("act", acts.KINDS),
    "faults": ("fault", FAULTS),
    "expect": ("see", expectation.KINDS),
}
_TABLES: Final[Mapping[Key, type[BaseModel]]] = {(): Scenario, ("site",): SiteOf, ("pace",): Pace}


class ScenarioErrors(SettingsError):
    """Everything that is wrong with a scenario file, one line each."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A scenario that is right, with its site, in which everything is simulated."""

    scenario: Scenario
    site: Site
    keys: Mapping[DevEui, SessionKeys]
    subjects: Subjects


def shipped() -> tuple[Path, ...]:
    """The scenario files that come with Khaen, by name."""
    folder = Path(str(files(SHIPPED)))
    return tuple(sorted(folder.glob("*.yaml")))


def load(file: Path) -> Loaded:
    """Read and check a scenario. Raises ScenarioErrors; SiteErrors of a site file that it names."""
    document = read(file, begins="name: name-of-the-scenario")
    findings = [Finding(place=place, problem=problem) for place, problem in document.problems]
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        if document.value or not findings:
            findings += (
                Finding(place=document.place(p.path), problem=p)
                for p in map(_explain, error.errors(include_url=False))
            )
        raise ScenarioErrors(_sorted(findings)) from None
    site, keys = _make_site(scenario, file)
    subjects = find_subjects(site)
    organisations = {organisation.id for organisation in site.organisations}
    findings += (
        Finding(place=document.place(p.path), problem=p)
        for p in problems(scenario, subjects, organisations)
    )
    findings += _without_time(document)
    if findings:
        raise ScenarioErrors(_sorted(findings))
    return Loaded(scenario=scenario, site=site, keys=keys, subjects=subjects)


def _make_site(scenario: Scenario, file: Path) -> tuple[Site, Mapping[DevEui, SessionKeys]]:
    wanted = scenario.site
    if wanted.file is None:
        return make_street(
            elders=wanted.elders,
            gateways=wanted.gateways,
            apart_km=wanted.apart_km,
            seed=scenario.seed,
            rules=scenario.rules,
        )
    read = file.resolve().parent / wanted.file
    imitated = all(o.simulated for o in site_loader.load(read, with_keys=False).site.organisations)
    loaded = site_loader.load(read, with_keys=imitated)
    simulated = Simulated(site=settle(loaded.site), keys=loaded.keys)
    if imitated:
        simulated = join_all(simulated, seed=scenario.seed)
    else:
        simulated = twin_of(simulated.site, seed=scenario.seed)
    rules = {**simulated.site.rules, **scenario.rules}
    return simulated.site.model_copy(update={"rules": rules}), simulated.keys


def _without_time(document: Document) -> list[Finding]:
    """Acts that do not say when: in a file that is a slip."""
    found = []
    for index, entry in enumerate(document.value.get("acts") or ()):
        if "at" not in entry:
            path = ("acts", index)
            problem = Problem(path=(*path, "at"), text="is missing", remedy="say when: `at: 1m`")
            found.append(Finding(place=document.place(path), problem=problem))
    return found


def _explain(error: ErrorDetails) -> Problem:
    """One error of pydantic's in words that say what to do."""
    path, model = _locate(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "union_tag_invalid":
        word, (_, kinds) = str(context["tag"]), _UNIONS[str(path[0])]
        key = _UNIONS[str(path[0])][0]
        remedy = suggest(word, kinds, "docs/scenarios.md lists them")
        return Problem(path=(*path, key), text=f"there is no {key} {word!r}", remedy=remedy)
    if kind == "union_tag_not_found":
        key = _UNIONS[str(path[0])][0]
        return Problem(path=path, text=f"says no `{key}`", remedy=f"add `{key}: …`")
    if kind == "extra_forbidden":
        word = str(path[-1])
        names = model.model_fields if model is not None else ()
        remedy = suggest(word, names, "docs/scenarios.md lists the keys")
        return Problem(path=path, text=f"there is no key {word!r} here", remedy=remedy)
    if kind == "missing":
        return Problem(path=path, text="is missing", remedy=f"add `{path[-1]}: …`")
    text = error["msg"].removeprefix("Value error, ")
    text = f"i{text[1:]}" if text.startswith("Input ") else text
    return Problem(path=path, text=text, remedy="docs/scenarios.md says what may stand here")


def _locate(loc: tuple[int | str, ...]) -> tuple[Key, type[BaseModel] | None]:
    """The path as it is in the file, without the kinds that pydantic puts in, and its table."""
    if len(loc) >= 3 and loc[0] in _UNIONS and isinstance(loc[1], int):
        _, kinds = _UNIONS[str(loc[0])]
        return (*loc[:2], *loc[3:]), kinds.get(str(loc[2]))
    return loc, _TABLES.get(loc[:-1])


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (str(f.place.file), f.place.line, f.problem.key)))
