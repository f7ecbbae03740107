"""Who is in a replay: site files, keys, and those who stand for others."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from commands.replay_wishes import Wishes
from decoders import catalogue
from khaen.capture import Record, Road
from khaen.errors import NotRunnable, SettingsError
from khaen.ids import DevEui, parse_dev_eui, parse_gateway_eui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.join import SessionKeys
from khaen.site import keys as keys_file
from khaen.site.loader import Loaded, load
from simulators.acts.subjects import find_subjects
from simulators.replay.choice import Choice
from simulators.replay.identities import Anonymous, Identities, Mapped, Target, read_map
from simulators.replay.keyring import Keyring
from simulators.replay.remap import Remap
from simulators.replay.skip import Skip
from simulators.replay.stamp import Stamper

_PLACES = frozenset({"latitude", "longitude"})
_SHORT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who was recorded, and who stands for them."""

    source: Loaded | None
    into: Loaded | None
    keys: Mapping[DevEui, SessionKeys]
    keyring: Keyring
    identities: Identities | None

    @property
    def taker(self) -> Loaded | None:
        """The site that takes the replay: without other identities it may be that of `--site`."""
        return self.into or (self.source if self.identities is None else None)

    @property
    def region(self) -> str:
        """The prefix of gateway topics."""
        site = self.into or self.source
        return site.site.lorawan.topic_prefix if site else "as923"


def read_people(wishes: Wishes) -> People:
    """Read the site files, keys and identities that were named. Raises SettingsError."""
    source = load(wishes.site) if wishes.site is not None else None
    into = load(wishes.into) if wishes.into is not None else None
    keys = dict(source.keys) if source else {}
    if wishes.keys is not None:
        keys |= _read_keys(wishes.keys)
    identities = _identities(wishes, into)
    if identities is not None and not identities.anonymous:
        _check_keys(identities, keys, into)
    return People(
        source=source,
        into=into,
        keys=keys,
        keyring=Keyring(keys, source.site.devices if source else ()),
        identities=identities,
    )


def _identities(wishes: Wishes, into: Loaded | None) -> Identities | None:
    if wishes.map_file is not None and wishes.anonymise is not None:
        raise SettingsError("--map and --anonymise: choose one of the two")
    if wishes.site_out is not None:
        _check_site_out(wishes, wishes.site_out)
    if wishes.map_file is not None:
        return Mapped(read_map(wishes.map_file), into)
    return None if wishes.anonymise is None else Anonymous(_read_secret(wishes.anonymise))


def _check_site_out(wishes: Wishes, folder: Path) -> None:
    if wishes.anonymise is None or wishes.site is None:
        raise SettingsError("--site-out: it goes with --anonymise and --site")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"--site-out {folder}: is there already; name a new folder")
    except OSError as error:
        raise SettingsError(f"--site-out {folder}: {error.strerror}") from error


def _read_secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
        private = keys_file.is_private(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"--anonymise {path}: cannot be read; name the file that holds the secret"
        ) from error
    if not private:
        raise SettingsError(
            f"--anonymise {path}: can be read by others than its owner; take a new secret, in a "
            "file of mode 0600"
        )
    if len(secret) < _SHORT:
        raise SettingsError(
            f"--anonymise {path}: a secret of less than {_SHORT} characters can be guessed, and "
            "with it who is who; take a long random one"
        )
    return secret


def _read_keys(path: Path) -> dict[DevEui, SessionKeys]:
    try:
        if not keys_file.is_private(path):
            raise SettingsError(f"{path}: can be read by others than its owner; chmod 600 {path}")
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read") from error
    if not rows or tuple(cell.strip() for cell in rows[0]) != keys_file.HEADER:
        raise SettingsError(f"{path}:1: let the first line be {','.join(keys_file.HEADER)}")
    found = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        try:
            dev_eui, pair = keys_file.parse_pair(*row)
        except (ValueError, TypeError) as error:
            reason = str(error) if isinstance(error, ValueError) else "a row has three cells"
            raise SettingsError(f"{path}:{number}: {reason}") from error
        found[dev_eui] = pair
    return found


def _check_keys(
    identities: Identities, keys: Mapping[DevEui, SessionKeys], into: Loaded | None
) -> None:
    """A frame whose device is another now must be opened, and sealed with that one's keys."""
    for device in into.site.devices if into else ():
        target = identities.device(device.dev_eui)
        if target is not None and target.keys is not None and device.dev_eui not in keys:
            typer.echo(
                f"warning: no keys of {device.dev_eui}: its gateway frames stay its own; "
                "name --site or --keys",
                err=True,
            )


def make_choice(
    wishes: Wishes, people: People, since: datetime | None, until: datetime | None
) -> Choice:
    """What is replayed. Raises SettingsError."""
    devices = people.source.site.devices if people.source else ()
    try:
        return Choice(
            devices=frozenset(parse_dev_eui(text) for text in wishes.devices),
            gateways=frozenset(parse_gateway_eui(text) for text in wishes.gateways),
            families=frozenset(wishes.families),
            roads=frozenset(Road(text) for text in wishes.roads),
            since=since,
            until=until,
            family_of={device.dev_eui: device.family for device in devices},
            device_of=people.keyring.device,
        )
    except ValueError as error:
        raise SettingsError(f"--device, --gateway or --road: {error}") from error


def make_remap(people: People) -> Remap | None:
    """What gives records to others; None where everybody stays."""
    if people.identities is None:
        return None
    devices = people.source.site.devices if people.source else ()
    families = {device.dev_eui: device.family for device in devices}
    known = frozenset(catalogue.names())
    places = {
        dev_eui: not _PLACES.isdisjoint(catalogue.family(family).quantities)
        for dev_eui, family in families.items()
        if family in known
    }
    return Remap(people.identities, people.keyring, places)


def write_site(people: People, folder: Path) -> None:
    """Write the site file of the anonymous. Raises NotRunnable."""
    from simulators.replay import site_out

    assert people.source is not None
    assert isinstance(people.identities, Anonymous)
    if not people.identities.devices.keys() & {d.dev_eui for d in people.source.site.devices}:
        raise NotRunnable(
            f"{folder}: not written, for no device of the site was replayed; is --site the one "
            "that was recorded?"
        )
    made = site_out.make_site(people.identities, people.source.site)
    try:
        path = site_out.write(made, folder)
    except OSError as error:
        raise NotRunnable(f"{folder}: {error.strerror}; name another folder: --site-out") from error
    left = len(people.identities.devices) - len(made.site.devices)
    typer.echo(f"{path}: {len(made.site.devices)} device(s), all simulated")
    if left:
        typer.echo(f"  {left} device(s) of the recording are not in the site file given")


def sessions(people: People) -> dict[DevEui, SessionCipher] | None:
    """The sessions of what is sent, for faults that seal frames anew; None without keys."""
    if not people.keys:
        return None
    found: dict[DevEui, SessionCipher] = {}
    for device in people.source.site.devices if people.source else ():
        own = Target(
            dev_eui=device.dev_eui, dev_addr=device.dev_addr, keys=people.keys.get(device.dev_eui)
        )
        target = people.identities.device(device.dev_eui) if people.identities else None
        cipher = (target or own).cipher()
        if cipher is not None:
            found[(target or own).dev_eui] = cipher
    return found or None


def names(people: People) -> dict[str, str]:
    """Gateways and residents by the names of the recorded site, as they are sent."""
    if people.source is None:
        return {}
    subjects = find_subjects(people.source.site)
    identities = people.identities
    found: dict[str, str] = {}
    for eui in subjects.gateways:
        found[subjects.short(eui)] = identities.gateway(eui) if identities else eui
    for resident, dev_eui in subjects.residents.items():
        target = identities.device(dev_eui) if identities else None
        found[resident] = target.dev_eui if target else dev_eui
    return found


def as_messages(records: Iterable[Record], region: str) -> Iterator[Record]:
    """The records as ingest would get them: datagrams as an agent sends them on."""
    stamper = Stamper("diff", region=region)
    for record in records:
        if record.road is not Road.UDP_UP:
            yield record
            continue
        try:
            sent = stamper.stamp(record, lambda at: at, record.at)
        except Skip:
            continue
        for message in sent:
            yield Record(at=record.at, road=Road.MQTT, topic=message.topic, payload=message.payload)
