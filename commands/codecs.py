"""`khaen codecs`: the families of devices that a site can read, and vendors' codecs among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.configured import CONFIG, Config, ledger, read

if TYPE_CHECKING:
    from decoders.collection import Collection

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Families of devices, and vendors' codecs among them.",
)
Codecs = Annotated[
    Path | None, typer.Option(help="The site's folder of codecs; without it, the settings'.")
]
DRAFTS = "drafts"
"""Within the folder of codecs: what waits for a person."""


@app.command("list")
def list_(codecs: Codecs = None, config: Config = CONFIG) -> None:
    """List all families, native and by codec."""
    from commands import codec_tables

    with _collection(codecs, config) as collection:
        codec_tables.print_families(collection)


@app.command()
def show(
    family: Annotated[str, typer.Argument(help="The family's id.")],
    seen: Annotated[
        int,
        typer.Option(min=0, help="List what so many of its newest uplinks in the ledger left raw."),
    ] = 0,
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Say all that is known of one family."""
    from commands import codec_tables
    from store import told

    with _collection(codecs, config) as collection:
        codec_tables.print_family(collection.family(family), collection.scripted(family))
    if seen:
        with ledger(read(config)) as database, database.read() as connection:
            codec_tables.print_left_raw(told.left_raw(connection, family, seen))


@app.command("try")
def try_(
    family: Annotated[str, typer.Argument(help="A family's id, or a codec's file, also a draft.")],
    payload: Annotated[str, typer.Argument(help="The decrypted payload in hex.")],
    port: Annotated[int, typer.Option(min=1, max=255, help="The FPort.")] = 1,
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Read one payload: readings, events, warnings, and what of the codec's answer stays raw.

    Exit status 1 where the codec has no answer.
    """
    from commands import codec_tables
    from decoders.decode import read as decode
    from decoders.javascript.codec import Request
    from decoders.javascript.family import load_draft
    from khaen.clock import SystemClock

    data = _bytes(payload)
    with _collection(codecs, config) as collection:
        script = Path(family)
        scripted = load_draft(script) if script.suffix == ".js" else collection.scripted(family)
        if scripted is None:
            codec_tables.print_decoded(decode(collection.family(family), port, data))
            return
        request = Request(
            codec=scripted.codec, payload=data, f_port=port, received_at=SystemClock().now()
        )
        (outcome,) = collection.engine.decode_batch([request])
    codec_tables.print_decoded(scripted.read(outcome))
    if outcome.fault is not None:
        typer.echo(f"the codec has no answer: {outcome.fault}", err=True)
        raise typer.Exit(1)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The codec, a .js file.")],
    mapping: Annotated[
        Path | None, typer.Option(help="Its mapping; without it, the .toml beside the codec.")
    ] = None,
    name: Annotated[
        str, typer.Option("--as", help="The family's id; without it, the file's name.")
    ] = "",
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Check a codec with its mapping, and put them into the site's folder."""
    from commands import codec_tables
    from decoders import catalogue
    from decoders.javascript import addition
    from decoders.javascript.cases import LIMITS_FOR_CASES
    from decoders.javascript.engine import Engine
    from khaen.errors import SettingsError

    folder, family = _wanted_folder(codecs, config), name or file.stem
    if family in catalogue.names():
        raise SettingsError(f"{family} is a native family; name the codec otherwise: --as")
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        table = mapping or file.with_suffix(".toml")
        codec_tables.print_added(addition.add(file, table, family, folder, engine), folder)


@app.command("import")
def import_(
    checkout: Annotated[
        Path,
        typer.Argument(help="A checkout of chirpstack-device-profiles or TTN's lorawan-devices."),
    ],
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Take a whole public catalogue as drafts: codecs, their cases, proposed mappings.

    They stand in `drafts` within the folder of codecs. A draft becomes a family by `codecs add`,
    once somebody has looked through its mapping. What was begun there is not overwritten.
    """
    from commands import codec_tables
    from decoders.javascript import cases
    from decoders.javascript import checkout as catalogues
    from decoders.javascript.cases import LIMITS_FOR_CASES
    from decoders.javascript.engine import Engine

    drafts = _wanted_folder(codecs, config) / DRAFTS
    files = cases.find(checkout)
    drafts.mkdir(parents=True, exist_ok=True)
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        catalogue = catalogues.read(files, engine)
        total = len(catalogue.suites) + len(catalogue.refused)
        found = codec_tables.with_bar(catalogues.take(catalogue, drafts, engine), total)
    codec_tables.print_taken(found, drafts)


@app.command("test")
def run_cases(
    what: Annotated[
        str, typer.Argument(help="A family, a codec's file, or a checkout; without it, all here.")
    ] = "",
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Run the vendors' own cases. Exit status 1 where one does not pass."""
    from commands import codec_tables
    from decoders.javascript import trials
    from decoders.javascript.cases import LIMITS_FOR_CASES
    from decoders.javascript.engine import Engine

    files = trials.find(what, _folder(codecs, config))
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        found = codec_tables.with_bar(trials.run(files, engine), len(files))
    if not codec_tables.print_trials(found):
        raise typer.Exit(1)


@app.command("draft-mapping")
def draft_mapping(
    file: Annotated[Path, typer.Argument(help="The codec, a .js file.")],
    cases: Annotated[
        Path | None,
        typer.Option(
            help="Its cases: test_decode_X.json or X-codec.yaml; without it, those beside it."
        ),
    ] = None,
) -> None:
    """Print a mapping to begin with, from what the codec says in its vendor's own cases."""
    from decoders.javascript import draft, trials
    from decoders.javascript.cases import LIMITS_FOR_CASES, load
    from decoders.javascript.engine import Engine

    with Engine(limits=LIMITS_FOR_CASES) as engine:
        suite = load(cases or trials.cases_of(file), engine)
        typer.echo(draft.draft_mapping(suite, engine), nl=False)


@app.command()
def diff(
    with_: Annotated[
        Path,
        typer.Option("--with", help="A folder of other codecs/, families/ or both (what-if.md)."),
    ],
    device: Annotated[list[str] | None, typer.Option(help="Only this DevEUI; may repeat.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Heard from this time on, 2026-03-01T08:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    codecs: Codecs = None,
    config: Config = CONFIG,
) -> None:
    """Say what another version would read otherwise in the ledger's uplinks. Changes nothing."""
    from commands import codec_differences

    wanted = codec_differences.Wanted(devices=tuple(device or ()), since=since, limit=limit)
    for line in codec_differences.find(
        read(config), _folder(codecs, config), with_, wanted, as_json
    ):
        typer.echo(line)


def _bytes(text: str) -> bytes:
    from khaen.errors import SettingsError

    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise SettingsError(f"{text}: is not hex; write for example 0367f600") from error


def _folder(codecs: Path | None, config: Path) -> Path | None:
    """The folder that was named, else the settings'; None where there is neither."""
    if codecs is not None:
        from khaen.errors import SettingsError

        if not codecs.is_dir() and codecs.exists():
            raise SettingsError(f"--codecs: {codecs} is no folder")
        return codecs
    return read(config).decoders.codecs if config != CONFIG or config.exists() else None


def _wanted_folder(codecs: Path | None, config: Path) -> Path:
    from khaen.errors import SettingsError

    folder = _folder(codecs, config)
    if folder is None:
        raise SettingsError(
            "there is no folder of codecs; name it by --codecs, or by decoders.codecs in the"
            f" settings {config}"
        )
    return folder


def _collection(codecs: Path | None, config: Path) -> Collection:
    from decoders.collection import Collection

    return Collection(_folder(codecs, config))
