"""`khaen replay` as people type it: what it says, and what it refuses."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pydantic import SecretBytes

from commands import main, replaying
from commands.replay_roads import real_organisations
from khaen import log
from khaen.capture import Header, Reader, Record, Writer
from khaen.ids import GatewayEui
from khaen.site.loader import load
from khaen.site.model import Organisation, Text
from simulators.sites.demonstration import Demonstration, write_site
from store import migrate, registry
from store.database import Database
from tests.commands.conftest import Done, Khaen
from tests.simulators.replay.traffic import AT, GATEWAY, envelope, event, told
from tests.support.ports import find_free_port
from tests.support.site import Band, describe

BANDS = [Band(1), Band(2)]
DOUBLED = """
from dataclasses import replace
from decoders.families import khaen_wristband as today

def decode(f_port, payload):
    found = today.DECODER.decode(f_port, payload)
    readings = tuple(replace(r, value=min(250, 2 * r.value)) for r in found.readings
                     if r.quantity == "heart_rate")
    return replace(found, readings=readings)

DECODER = replace(today.DECODER, decode=decode)
"""


def write_capture(path: Path, records: Iterable[Record]) -> Path:
    writer = Writer(path, Header(tool="test", began=AT))
    for record in records:
        writer.write(record)
    writer.close()
    return path


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Khaen:
    """As the fixture `khaen`, but in this process, which is quicker; log and signals stay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(log, "configure", lambda **_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["khaen", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()
        return CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Ten frames of two bands, and an event."""
    bands = [Band(1), Band(2)]
    records = [envelope(bands[n % 2].telemetry(), n + 1, heard=600.0 * n) for n in range(10)]
    records.append(told(bands[0], event(bands[0], 99, b"\1"), as_json=True, taken=6000))
    return write_capture(tmp_path / "x.khcap", records)


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    def make(*, simulated: bool, gateways: Iterable[GatewayEui] = (GATEWAY,)) -> Path:
        folder = tmp_path / f"site-{simulated}"
        folder.mkdir()
        ports = dict.fromkeys(gateways, 0)
        made = describe(BANDS, ports, keys_file=Path("keys.csv"), simulated=simulated)
        keys = {band.dev_eui: band.keys for band in BANDS}
        return write_site(Demonstration(site=made, keys=keys, seed=0), folder)

    return make


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text("a long secret that nobody guesses\n")
    return file


def fine(done: Done) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_look_at_what_is_in_it(khaen: Khaen, capture: Path) -> None:
    said = fine(khaen("replay", capture, "--to", "null"))
    assert "11 records read, 11 sent" in said
    assert "recorded from 2026-03-01T08:00:00.100000Z to 2026-03-01T09:40:00.000000Z" in said


def test_what_is_chosen_goes_into_another_capture(
    typed: Khaen, capture: Path, site: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "y.khcap"
    said = fine(
        typed(
            "replay", capture, "--to", out, "--device", BANDS[1].dev_eui,
            "--site", site(simulated=False), "--family", "khaen_wristband",
            "--from", "2026-03-01T08:10:00Z", "--until", "2026-03-01T09:00:00Z",
        )
    )  # fmt: skip
    assert "11 records read, 3 sent" in said
    assert "8 left out: not chosen" in said
    with Reader(out) as reader:
        assert len(list(reader)) == 3


def test_lines_of_json_with_faults_and_loops(typed: Khaen, capture: Path) -> None:
    done = typed(
        "replay", capture, "--to", "-", "--speed", "max", "--loop", "2",
        "--fault", "duplicate=1.0", "--fault", "delay=1s",
    )  # fmt: skip
    lines = [json.loads(line) for line in fine(done).splitlines()]
    assert len(lines) == 44
    assert lines[0]["frames"][0]["gateway"] == GATEWAY
    assert "22 records read, 44 sent" in done.stderr
    assert "fault duplicate" in done.stderr


def test_faults_know_the_names_and_keys_of_the_site(
    typed: Khaen, capture: Path, site: Callable[..., Path]
) -> None:
    fault = f"flood=3,device={BANDS[0].resident}"
    arguments = ("replay", capture, "--to", "null", "--speed", "max", "--fault", fault)
    assert "the session keys are needed" in typed(*arguments, "--fault", "flood=3").stderr
    said = fine(typed(*arguments, "--site", site(simulated=True)))
    assert "fault flood" in said
    sent = int(said.split(" sent")[0].rsplit(" ", 1)[1])
    assert sent > 11


def test_a_log_of_others_is_read_with_what_it_does_not_say(typed: Khaen, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('2026-03-01 15:00:00 {"rxpk":[{"data":"QAE=","stat":1}]}\n{"rxpk":[\n')
    said = fine(typed("replay", log, "--to", "null", "--zone", "Asia/Bangkok"))
    assert "0 records read" in said
    assert "say which it is: --as-gateway" in said
    said = fine(
        typed("replay", log, "--to", "null", "--zone", "Asia/Bangkok", "--as-gateway", GATEWAY)
    )
    assert "1 records read, 1 sent" in said
    assert "from 2026-03-01T08:00:00.000000Z" in said
    assert "1 could not be read: not json" in said


def test_what_another_version_would_change(
    typed: Khaen, capture: Path, site: Callable[..., Path], tmp_path: Path
) -> None:
    families = tmp_path / "other" / "families"
    families.mkdir(parents=True)
    (families / "khaen_wristband.py").write_text(DOUBLED)
    arguments = ("--diff", "--site", site(simulated=False))
    said = fine(typed("replay", capture, *arguments, "--with", tmp_path / "other"))
    assert "11 messages" in said
    assert "heart_rate" in said


def test_a_damaged_capture_is_replayed_as_far_as_it_goes(typed: Khaen, capture: Path) -> None:
    whole = capture.read_bytes()
    capture.write_bytes(whole[:-9])
    said = fine(typed("replay", capture, "--to", "null", "--speed", "max"))
    assert "0 records read" in said
    assert "the end is cut off or damaged" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.khcap",), "none.khcap: No such file"),
        (("newer.khcap",), "newer.khcap: is of version 9, and this khaen reads up to 1"),
        (("other.txt",), "no recording of a known format; there are: chirpstack"),
        (("x.khcap", "--speed", "fast"), "--speed fast: write 1, a number, or max"),
        (("x.khcap", "--speed", "0"), "--speed 0"),
        (("x.khcap", "--shift", "then"), "--shift then: write now or keep"),
        (("x.khcap", "--from", "noon"), "--from: "),
        (("x.khcap", "--device", "R-0012"), "--device, --gateway or --road"),
        (("x.khcap", "--road", "sea"), "'sea' is not a valid Road"),
        (("x.khcap", "--family", "khaen_wristband"), "--family: name the site"),
        (("x.khcap", "--zone", "Mars/Olympus"), "--zone or --as-gateway"),
        (("x.khcap", "--format", "tape"), "there is no format 'tape'"),
        (("x.khcap", "--fault", "rain=1"), "fault 'rain' is none"),
        (("x.khcap", "--site", "none.yaml"), "none.yaml"),
        (("x.khcap", "--keys", "open.csv"), "chmod 600 open.csv"),
        (("x.khcap", "--keys", "odd.csv"), "odd.csv:1: let the first line be dev_eui"),
        (("x.khcap", "--map", "none.csv"), "none.csv: cannot be read"),
        (("x.khcap", "--map", "a", "--anonymise", "b"), "choose one of the two"),
        (("x.khcap", "--site-out", "made"), "it goes with --anonymise and --site"),
        (("x.khcap", "--anonymise", "none"), "--anonymise none: cannot be read"),
        (("x.khcap", "--anonymise", "open.csv"), "can be read by others than its owner"),
        (("x.khcap", "--anonymise", "odd.csv"), "a secret of less than 16 characters"),
        (("x.khcap", "--to", "mqtt:127.0.0.1:1"), "name the simulated site file"),
        (("x.khcap", "--to", "udp:nowhere"), "write udp:HOST:PORT"),
        (("x.khcap", "--to", "udp:127.0.0.1:1700"), "name the site file in which its gateway"),
        (("x.khcap", "--to", "x.khcap"), "x.khcap: is there already"),
        (("x.khcap", "--to", "mqtt:host:port"), "'host:port' is no broker's address"),
        (("x.khcap", "--config", "none.toml"), "none.toml: cannot be read"),
        (("x.khcap", "--diff"), "name the folder to compare with"),
        (("x.khcap", "--with", "."), "--diff: name the site"),
    ],
)
def test_what_cannot_be_is_one_line(
    typed: Khaen, capture: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "newer.khcap").write_bytes(b"khaen-capture 9\n")
    (tmp_path / "other.txt").write_text("a poem\n")
    (tmp_path / "open.csv").write_text("dev_eui,nwk_s_key,app_s_key\n")
    (tmp_path / "open.csv").chmod(0o644)
    (tmp_path / "odd.csv").touch(mode=0o600)
    to = () if "--to" in arguments or "--config" in arguments else ("--to", "null")
    done = typed("replay", *arguments, *to)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_real_organisation_is_refused_before_anything_is_sent(
    typed: Khaen, capture: Path, site: Callable[..., Path]
) -> None:
    real, where = site(simulated=False), f"mqtt:127.0.0.1:{find_free_port()}"
    for arguments in (("--site", real), ("--into", real)):
        done = typed("replay", capture, "--to", where, *arguments)
        assert done.returncode == 2
        assert "organisation nong-kham is real" in done.stderr
    done = typed("replay", capture, "--to", "udp:127.0.0.1:1", "--into", real)
    assert "none of its gateways is simulated" in done.stderr


def test_a_ledger_of_real_organisations_is_seen_before_anything_is_sent(
    typed: Khaen, capture: Path, site: Callable[..., Path], config: Path
) -> None:
    with config.open("a") as file:
        file.write(f"[mqtt]\nport = {find_free_port()}\n")
    for simulated in (False, True):
        where = site(simulated=simulated)
        loaded = load(where)
        key = SecretBytes(bytes(32))
        database = Database(f"sqlite:///{config.parent}/ledger.sqlite")
        migrate.upgrade(database)
        registry.apply(database, loaded.site, loaded.keys, key)
        database.close()
        nobody = ("--device", "0" * 16, "--speed", "max")
        done = typed("replay", capture, "--config", config, "--into", where, *nobody)
        if simulated:
            assert "11 records read, 0 sent" in fine(done)
        else:
            assert done.returncode == 2
            assert "this site's organisations are real (nong-kham)" in done.stderr


def test_a_gateway_of_a_real_organisation_counts(site: Callable[..., Path]) -> None:
    made = load(site(simulated=True)).site
    assert real_organisations(made) == []
    other = Organisation(id="hospital", name=Text(th="รพ.", en="Hospital"))
    theirs = made.gateways[0].model_copy(update={"organisation": "hospital"})
    mixed = made.model_copy(
        update={"organisations": (*made.organisations, other), "gateways": (theirs,)}
    )
    assert real_organisations(mixed) == ["hospital"]


def test_anonymous_files_go_into_a_folder_of_their_own(
    typed: Khaen, capture: Path, site: Callable[..., Path], secret: Path, tmp_path: Path
) -> None:
    theirs, made = site(simulated=False), tmp_path / "made"
    before = {file: file.read_bytes() for file in theirs.parent.iterdir()}
    arguments = ("--anonymise", secret, "--site", theirs, "--speed", "max")
    done = typed("replay", capture, "--to", "null", *arguments, "--site-out", theirs.parent)
    assert done.returncode == 2
    assert "is there already; name a new folder" in done.stderr
    assert {file: file.read_bytes() for file in theirs.parent.iterdir()} == before
    nobody = ("--site-out", made, "--device", "0" * 16)
    done = typed("replay", capture, "--to", "null", *arguments, *nobody)
    assert done.returncode == 2
    assert "no device of the site was replayed" in done.stderr
    fine(typed("replay", capture, "--to", "null", *arguments, "--site-out", made))
    assert len(load(made / "site.yaml").site.devices) == 2


def test_a_family_that_can_say_where_it_is_is_left_out(
    typed: Khaen, capture: Path, site: Callable[..., Path], secret: Path
) -> None:
    theirs = site(simulated=False)
    devices = theirs.parent / "devices.csv"
    devices.write_text(devices.read_text().replace("khaen_wristband", "digital_matter_g62"))
    arguments = ("--anonymise", secret, "--site", theirs)
    said = fine(typed("replay", capture, "--to", "null", *arguments))
    assert "11 records read, 0 sent" in said
    assert "11 left out: position" in said


def test_without_the_site_nobody_knows_what_a_payload_gives_away(
    typed: Khaen, capture: Path, secret: Path
) -> None:
    said = fine(typed("replay", capture, "--to", "null", "--speed", "max", "--anonymise", secret))
    assert "11 records read, 0 sent" in said
    assert "1 left out: family not known (name the site file that has the device: --site)" in said


@pytest.mark.parametrize("application", ["+", "#", "a\0b", "\ud800", "x" * 70_000])
def test_a_topic_that_no_broker_takes_is_left_out(
    typed: Khaen, tmp_path: Path, application: str
) -> None:
    told_of = {
        "time": "2026-03-01T00:00:00Z",
        "deviceInfo": {"applicationId": application, "devEui": BANDS[0].dev_eui},
        "devAddr": BANDS[0].dev_addr, "fCnt": 1, "fPort": 1, "data": "AQID",
    }  # fmt: skip
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(told_of) + "\n")
    for to in ("-", "null", tmp_path / "y.khcap"):
        done = typed("replay", events, "--to", to)
        assert "left out: bad topic" in fine(done) + done.stderr


def test_a_second_signal_ends_the_process() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    stop = threading.Event()
    try:
        replaying._end_by_signal(stop)
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        assert {signal.getsignal(number) for number in numbers} == {signal.SIG_DFL}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
