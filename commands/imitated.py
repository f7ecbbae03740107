"""Which site a command simulates: one from a file, or one that is made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from khaen.errors import NotRunnable, SettingsError

if TYPE_CHECKING:
    from khaen.site.model import Device, Site
    from simulators.faults.fault import Fault
    from simulators.sites.twin import Simulated
    from simulators.traffic import Pace, Traffic

SIZES: Final = {"elders": 40, "gateways": 3, "sensors": 20}
"""What a site that is made up has of what was not said; with nothing said it is the demo's."""

_LARGE: Final = 5000
"""More devices take longer to make than somebody waits without a word."""
_FIRST_EACH_S: Final = 3.0
"""First reports in a second for each gateway: with more of them most would collide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for on the command line; `sizes` are None where nothing was said. With `otaa`
    the devices of a site that is made up by its sizes have no session before they join. What runs
    `elsewhere` knows only the sessions of the site file.
    """

    file: Path | None
    sizes: Mapping[str, int | None]
    seed: int
    as_simulated: bool
    otaa: bool = False
    elsewhere: bool = False


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
    _tell_large(len(loaded.site.devices))
    simulated = twin_site.Simulated(site=twin_site.settle(loaded.site), keys=loaded.keys)
    return simulated if choice.elsewhere else twin_site.join_all(simulated, seed=choice.seed)


def check_faults(faults: Sequence[Fault], simulated: Simulated) -> None:
    """Raise SettingsError or UnknownSubject for faults that this site cannot have."""
    from simulators.acts.subjects import find_subjects
    from simulators.faults.faults import Faults

    subjects = find_subjects(simulated.site)
    for fault in faults:
        for name in fault.named_gateways:
            subjects.gateway(name)
    Faults(faults, 0, datetime.min.replace(tzinfo=UTC), names=subjects.names(), ciphers={})


def tell_silent(site: Site, traffic: Traffic) -> None:
    """Say which devices stay silent, and why."""
    from simulators.city import SENSORS
    from simulators.sites.demonstration import WRISTBAND

    reasons: defaultdict[str, set[str]] = defaultdict(set)
    for device in site.devices:
        if _speaks(device, traffic):
            continue
        if device.position is None:
            reasons["have no position"].add(device.family)
        elif device.family == WRISTBAND or device.family in SENSORS:
            reasons["have no session keys; --network-server lets them join"].add(device.family)
        else:
            reasons["are not known to the simulator"].add(device.family)
    for reason, families in sorted(reasons.items()):
        typer.echo(f"silent, for they {reason}: {', '.join(sorted(families))}", err=True)


def keep_site(simulated: Simulated, folder: Path, seed: int) -> None:
    """Write the site's file, lists and keys into a new folder `site` there, for other commands.

    Plans, which are files elsewhere, are left out. Raises NotRunnable.
    """
    from commands.remembered import write_join_keys
    from simulators.sites.demonstration import Demonstration, write_site

    site = simulated.site
    organisations = tuple(o.model_copy(update={"plan": None}) for o in site.organisations)
    site = site.model_copy(
        update={"organisations": organisations, "plans": (), "keys_file": Path("keys.csv")}
    )
    try:
        (folder / "site").mkdir()
        write_site(Demonstration(site=site, keys=simulated.keys, seed=seed), folder / "site")
    except OSError as error:
        raise NotRunnable(f"{error.filename}: {error.strerror}; free some disk") from error
    if simulated.join_keys:
        write_join_keys(folder / "site" / "join-keys.csv", simulated.join_keys)


def spread(pace: Pace, site: Site) -> Pace:
    """The same pace with first reports spread so that gateways hear them, too."""
    share = len(site.devices) / max(1, len(site.gateways))
    first = max(pace.first, share / _FIRST_EACH_S)
    return replace(pace, first=max(pace.first, min(first, pace.wristband, pace.sensor)))


def _speaks(device: Device, traffic: Traffic) -> bool:
    try:
        traffic.node(device.dev_eui)
    except KeyError:
        return False
    return True


def _tell_large(devices: int) -> None:
    if devices > _LARGE:
        typer.echo(f"making a site of {devices:,} devices: this takes a while", err=True)


def _make(sized: Mapping[str, int], choice: Choice) -> Simulated:
    from simulators.sites.demonstration import make_site
    from simulators.sites.made_up import make_up
    from simulators.sites.twin import Simulated

    sizes = {**SIZES, **sized}
    if not sized:
        made = make_site(choice.seed)
        return Simulated(site=made.site, keys=made.keys)
    _tell_large(sizes["elders"] + sizes["sensors"])
    made = make_up(
        choice.seed,
        elders=sizes["elders"],
        gateways=sizes["gateways"],
        sensors=sizes["sensors"],
        otaa=choice.otaa,
    )
    return Simulated(site=made.site, keys=made.keys)
