"""Which site a command simulates: one from a file, or one that is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from khaen.errors import SettingsError

if TYPE_CHECKING:
    from simulators.sites.twin import Simulated

SIZES: Final = {"elders": 40, "gateways": 3, "sensors": 20}
"""What a site that is made up has of what was not said; with nothing said it is the demo's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for on the command line; `sizes` are None where nothing was said. With `otaa`
    the devices of a site that is made up by its sizes have no session before they join.
    """

    file: Path | None
    sizes: Mapping[str, int | None]
    seed: int
    as_simulated: bool
    otaa: bool = False


def choose(choice: Choice) -> Simulated:
    """The site with its keys. Raises SettingsError for a real one, SiteErrors for a wrong file."""
    from commands.site import load_site
    from simulators.sites import twin as twin_site

    sized = {name: size for name, size in choice.sizes.items() if size is not None}
    if choice.file is None:
        return _make(sized, choice)
    if sized:
        options = ", ".join(f"--{name}" for name in sized)
        raise SettingsError(f"{options}: a site file says by itself what there is; leave them out")
    if choice.as_simulated:
        real = load_site(choice.file, with_keys=False).site
        return twin_site.twin_of(twin_site.settle(real), seed=choice.seed)
    loaded = load_site(choice.file)
    twin_site.check_simulated(loaded.site)
    return twin_site.Simulated(site=twin_site.settle(loaded.site), keys=loaded.keys)


def tell_silent(families: set[str]) -> None:
    """Say which devices stay silent, for nobody knows how to simulate them."""
    if families:
        names = ", ".join(sorted(families))
        typer.echo(f"silent, for the simulator does not know them: {names}", err=True)


def _make(sized: Mapping[str, int], choice: Choice) -> Simulated:
    from simulators.sites.demonstration import make_site
    from simulators.sites.made_up import make_up
    from simulators.sites.twin import Simulated

    sizes = {**SIZES, **sized}
    if not sized:
        made = make_site(choice.seed)
        return Simulated(site=made.site, keys=made.keys)
    made = make_up(
        choice.seed,
        elders=sizes["elders"],
        gateways=sizes["gateways"],
        sensors=sizes["sensors"],
        otaa=choice.otaa,
    )
    return Simulated(site=made.site, keys=made.keys)
