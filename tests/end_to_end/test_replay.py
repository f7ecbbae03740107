"""Record a running site, kill the recorder, and replay into another: the same uplinks, as heard."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from khaen.capture import Reader
from khaen.site import keys as keys_file
from simulators.replay.keyring import Keyring
from simulators.sites.demonstration import Demonstration, write_site
from store.database import Database
from tests.support import chirpstack
from tests.support.forwarder import Forwarder
from tests.support.programs import ROOT, Program, wait_for
from tests.support.site import Band, RunningSite, describe, make_bands

UPS = 32
"""Frames of three bands: ten each, a call, and one that only the network server got."""
pytestmark = pytest.mark.end_to_end
UPLINKS = "SELECT f_cnt, f_port, hex(payload), received_at FROM uplink WHERE dev_eui = ? ORDER BY 1"


def khaen(*arguments: object, status: int = 0) -> str:
    command = [sys.executable, "-m", "commands.main", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def site_file(folder: Path, bands: list[Band], *, simulated: bool) -> Path:
    """The site of these bands as files, with keys."""
    folder.mkdir()
    site = describe(
        bands,
        dict.fromkeys(RunningSite.gateways, 0),
        keys_file=Path("keys.csv"),
        simulated=simulated,
    )
    served = site.lorawan.model_copy(update={"network_server": True})
    site = site.model_copy(update={"lorawan": served})
    keys = {band.dev_eui: band.keys for band in bands}
    return write_site(Demonstration(site=site, keys=keys, seed=0), folder)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSite, Path]]:
    """A real site's ledger, and what a recorder that was killed had written by then."""
    folder = tmp_path_factory.mktemp("recorded")
    capture = folder / "night.khcap"
    with RunningSite(folder=folder / "site", bands=make_bands(3)) as site:
        site.start(people=False)
        command = [sys.executable, "-m", "commands.main", "record", str(capture)]
        command += ["--mqtt", f"127.0.0.1:{site.broker.port}"]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            wait_for(lambda: "as khaen-recorder" in site.broker.log, "it records")
            (forwarder,) = site.forwarders.values()
            for _ in range(10):
                forwarder.hear(*(band.telemetry() for band in site.bands))
            forwarder.hear(site.bands[0].sos())
            hear_by_server(site, site.bands[1])
            for band in site.bands[:2]:
                site.await_counter(band, 10)
            wait_for(lambda: _count(capture) >= UPS, "all is written")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        yield site, capture


def hear_by_server(site: RunningSite, band: Band) -> None:
    """What a network server says of a frame that it alone got."""
    phy = band.telemetry()
    opened = Keyring({band.dev_eui: band.keys}).open(phy)
    assert opened is not None
    heard_by = [chirpstack.HeardBy(gateway=site.gateways[0], context=b"\0\0\0\7")]
    event = chirpstack.up(
        dev_eui=band.dev_eui,
        dev_addr=band.dev_addr,
        f_cnt=opened.f_cnt,
        f_port=opened.frame.f_port or 0,
        data=opened.payload,
        heard_by=heard_by,
    )
    topic = chirpstack.topic(band.dev_eui)
    chirpstack.publish(site.broker.port, topic, chirpstack.as_json(event))


def _count(capture: Path) -> int:
    try:
        with Reader(capture) as reader:
            return sum(record.topic.endswith("/event/up") for record in reader)
    except Exception:  # noqa: BLE001 - it is being made
        return 0


def test_a_replay_under_other_names_gives_the_same_uplinks(
    recorded: tuple[RunningSite, Path], tmp_path: Path
) -> None:
    source, capture = recorded
    others = [Band(index) for index in (11, 12, 13)]
    rows = "".join(f"{a.dev_eui},{b.dev_eui}\n" for a, b in zip(source.bands, others, strict=True))
    (tmp_path / "map.csv").write_text("from,to\n" + rows)
    theirs = site_file(tmp_path / "from", source.bands, simulated=False)
    ours = site_file(tmp_path / "into", others, simulated=True)
    with RunningSite(folder=tmp_path / "site", bands=others, simulated=True) as site:
        site.start(people=False, agents=[])
        site.await_listening()
        said = khaen(
            "replay", capture, "--to", f"mqtt:127.0.0.1:{site.broker.port}", "--speed", "max",
            "--site", theirs, "--into", ours, "--map", tmp_path / "map.csv",
        )  # fmt: skip
        for before, after in zip(source.bands, others, strict=True):
            site.await_counter(after, before.f_cnt - 1)
            assert site.rows(UPLINKS, after.dev_eui) == source.rows(UPLINKS, before.dev_eui)
        assert f"{UPS} sent" in said
        assert site.quarantined() == {}
        assert site.rows("SELECT DISTINCT origin FROM uplink") == [("replay",)]
        assert site.rows("SELECT DISTINCT clock FROM reception ORDER BY 1") == [
            ("network",),
            ("synced",),
        ]
        assert site.value("SELECT count(*) FROM alarm WHERE rule = 'sos' AND simulated") == 1
        assert site.value("SELECT count(*) FROM notification") == 0
        # Again: the same uplinks, nothing new.
        khaen(
            "replay", capture, "--to", f"mqtt:127.0.0.1:{site.broker.port}", "--speed", "max",
            "--site", theirs, "--into", ours, "--map", tmp_path / "map.csv",
        )  # fmt: skip
        wait_for(
            lambda: site.value("SELECT count(DISTINCT epoch) FROM gateway_epoch") == 2,
            "the second replay has an account of its own",
        )
        assert [row.missing for row in site.audit()] == [0, 0]
        # As if it happened now: the same frames again within minutes are no attack.
        khaen(
            "replay", capture, "--to", f"mqtt:127.0.0.1:{site.broker.port}", "--speed", "10",
            "--site", theirs, "--into", ours, "--map", tmp_path / "map.csv",
        )  # fmt: skip
        wait_for(lambda: len(site.audit()) == 3, "the third replay has an account of its own")
        wait_for(lambda: sum(row.committed for row in site.audit()) == 3 * (UPS - 1), "all is in")
        assert site.quarantined() == {}
        assert site.rows("SELECT DISTINCT rule FROM alarm") == [("sos",)]
        for before, after in zip(source.bands, others, strict=True):
            assert site.rows(UPLINKS, after.dev_eui) == source.rows(UPLINKS, before.dev_eui)


def test_an_anonymous_replay_runs_in_a_site_of_its_own_making(
    recorded: tuple[RunningSite, Path], tmp_path: Path
) -> None:
    source, capture = recorded
    theirs = site_file(tmp_path / "from", source.bands, simulated=False)
    (tmp_path / "secret").touch(mode=0o600)
    (tmp_path / "secret").write_text("a long secret that nobody guesses")
    clean, made = tmp_path / "clean.khcap", tmp_path / "made"
    said = khaen(
        "replay", capture, "--to", clean, "--speed", "max", "--site", theirs,
        "--anonymise", tmp_path / "secret", "--site-out", made,
    )  # fmt: skip
    assert "3 device(s), all simulated" in said
    check_anonymous(source, clean, made)
    arguments = ("-m", "commands.main", "up", "--site", made / "site.yaml")
    ports = ("--mqtt-port", "0", "--console-port", "0")
    up = Program("up", (*arguments, "--data", tmp_path / "data", *ports), folder=tmp_path)
    up.launch()
    try:
        wait_for(lambda: "\nconsole http" in up.output, up.tail, timeout_s=60)
        config = tmp_path / "data" / "khaen.toml"
        again = khaen("record", tmp_path / "again.khcap", "--config", config, "--for", "0.5")
        assert re.match(r"[1-9]\d* records", again)  # what is retained, by its own account
        into = ("--into", made / "site.yaml")
        said = khaen("replay", clean, "--config", config, "--speed", "max", *into)
        assert f"{UPS} sent" in said
        database = Database(f"sqlite:///{tmp_path}/data/ledger.sqlite")
        count = "SELECT count(*) FROM uplink"

        def committed() -> bool:
            with database.read() as connection:
                return bool(connection.exec_driver_sql(count).scalar_one() == UPS)

        wait_for(committed, "the whole night is in the ledger")
        database.close()
        up.stop()
    finally:
        up.kill()


def check_anonymous(source: RunningSite, clean: Path, made: Path) -> None:
    """Nothing of the recorded site is in the capture or in the site's files."""
    with Reader(clean) as reader:
        content = b"".join(record.topic.encode() + record.payload for record in reader)
        assert reader.header.simulated
        assert reader.header.site is None
    files = "".join(file.read_text() for file in made.iterdir())
    assert keys_file.is_private(made / "keys.csv")
    for band in source.bands:
        for name in (band.dev_eui, band.dev_addr, band.keys.app_s_key.hex()):
            assert name not in files
            assert name.encode() not in content
            assert bytes.fromhex(name) not in content
        assert bytes.fromhex(band.dev_addr)[::-1] not in content
    for name in (*source.gateways, "house-12", "nong-kham"):
        assert name not in files
        assert name.encode() not in content


def test_a_real_site_is_not_replayed_to(recorded: tuple[RunningSite, Path], tmp_path: Path) -> None:
    source, capture = recorded
    theirs = site_file(tmp_path / "from", source.bands, simulated=False)
    where = f"mqtt:127.0.0.1:{source.broker.port}"
    said = khaen("replay", capture, "--to", where, "--site", theirs, status=2)
    assert "organisation nong-kham is real" in said
    before = {band.dev_eui: source.counters(band) for band in source.bands}
    assert "name the simulated site file" in khaen("replay", capture, "--to", where, status=2)
    lie = site_file(tmp_path / "lie", source.bands, simulated=True)
    said = khaen("replay", capture, "--to", where, "--speed", "max", "--into", lie)
    assert "the ledger behind this broker cannot be read here" in said
    wait_for(
        lambda: source.quarantined().get("origin_refused") == UPS,
        lambda: f"refused: {source.quarantined()}",
    )
    assert {band.dev_eui: source.counters(band) for band in source.bands} == before
    assert [row.missing for row in source.audit()] == [0, 0]
    assert source.value("SELECT count(*) FROM alarm WHERE rule = 'origin'") == 1


def test_a_gateways_radio_is_recorded_and_sent_to_its_agent_again(tmp_path: Path) -> None:
    recorded, others = make_bands(2), [Band(11), Band(12)]
    radio, table = tmp_path / "radio.khcap", tmp_path / "map.csv"
    pairs = list(zip(recorded, others, strict=True))
    table.write_text("".join(f"{a.dev_eui},{b.dev_eui}\n" for a, b in pairs))
    everybody = site_file(tmp_path / "files", [*recorded, *others], simulated=True)
    with RunningSite(folder=tmp_path / "site", bands=[*recorded, *others], simulated=True) as site:
        site.start(people=False)
        ((eui, running),) = site.agents.items()
        agent = running.announced()["udp"]
        arguments = ("-m", "edge.main", "record", radio, "--listen", "0", "--to", agent)
        tap = Program("tap", arguments, folder=tmp_path)
        forwarder = Forwarder(eui, int(tap.start()["udp"].rpartition(":")[2]))
        try:
            for _ in range(5):
                forwarder.hear(*(band.telemetry() for band in recorded))
            tap.stop()
        finally:
            tap.kill()
            forwarder.close()
        said = khaen(
            "replay", radio, "--to", f"udp:{agent}", "--speed", "10",
            "--site", everybody, "--into", everybody, "--map", table,
        )  # fmt: skip
        assert "5 datagrams\n  5 acknowledged" in said
        for before, after in pairs:
            site.await_counter(after, 4)
            sql = "SELECT f_cnt, f_port, hex(payload), origin FROM uplink WHERE dev_eui = ?"
            assert site.rows(sql, after.dev_eui) == site.rows(sql, before.dev_eui)
