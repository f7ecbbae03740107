"""What `khaen codecs diff` puts together: the ledger's uplinks, read by two versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from commands.configured import ledger
from decoders.collection import Collection
from ingest import whatif
from ingest.version import Version
from khaen.clock import parse_time
from khaen.errors import SettingsError
from khaen.ids import parse_dev_eui
from khaen.settings import Settings
from store import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which uplinks, as somebody wrote it."""

    devices: tuple[str, ...]
    since: str | None
    limit: int


def find(
    settings: Settings, codecs: Path | None, other: Path, wanted: Wanted, as_json: bool
) -> Iterator[str]:
    """The comparison, line by line. Raises KhaenError."""
    try:
        devices = [parse_dev_eui(device) for device in wanted.devices]
        since = parse_time(wanted.since) if wanted.since else None
    except ValueError as error:
        raise SettingsError(f"--device or --since: {error}") from error
    with ExitStack() as stack:
        today = Version(codecs=(Collection(codecs),))
        version = whatif.load(other, today)
        for collection in version.codecs:
            stack.enter_context(collection)
        database = stack.enter_context(ledger(settings))
        with database.read() as connection:
            uplinks = told.uplinks(connection, devices=devices, since=since, limit=wanted.limit)
        found = whatif.compare_decodings(uplinks, version, today=today)
    if as_json:
        yield json.dumps(whatif.as_json(found), indent=2)
    else:
        yield from whatif.render(found)
