"""Devices that a vendor's codec reads: to the screen, beside codecs that hang, and after a kill."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.ports import find_free_udp_port
from tests.support.programs import ROOT, Program, wait_for
from tests.support.site import Band, RunningSite

pytestmark = pytest.mark.end_to_end

PORT = 4
CALL = b"\x01\xd5\x07\x19"
IDLE = b"\x00\x55\x00\x00"
HANGS = """function Decoder(bytes) {
  if (bytes[0] === 1) for (;;) {}
  if (bytes[0] === 2) new Array(4294967295).join("");
  return {n: bytes[0]};
}
"""
MAPPING = """maker = "Khaen"
model = "One that hangs"
source = "tests"
version = 1
readings = [{path = "n", quantity = "steps"}]
"""


def run_site(folder: Path, *bands: Band) -> RunningSite:
    """A site whose codecs stand in a folder that its settings name."""
    codecs = shutil.copytree(ROOT / "tests/decoders/javascript/codecs", folder / "codecs")
    (codecs / "hanging.js").write_text(HANGS)
    (codecs / "hanging.toml").write_text(MAPPING)
    lines = ("[decoders]", f'codecs = "{codecs}"')
    return RunningSite(folder=folder, bands=[*bands], ingest_lines=lines)


def waiting(site: RunningSite) -> int:
    """How many uplinks wait for their codec."""
    return int(site.value("SELECT count(*) FROM decode_pending"))


def test_a_press_reaches_the_screen_and_a_value_the_console(tmp_path: Path) -> None:
    with run_site(tmp_path, Band(1, "khaen_pendant")).start() as site:
        (band,) = site.bands
        screen = site.screen()
        site.forwarders[site.gateways[0]].hear(band.seal(PORT, CALL, confirmed=True))
        told = screen.wait_told("alarm", rule="sos", change="raised").data
        assert (told["subject"], told["priority"]) == (band.subject, 1)
        page = screen.client.get(f"/subjects/{band.subject}").text
        assert "85" in page
        assert site.rows("SELECT decoder_version, decode_error FROM uplink") == [(1, None)]
        assert waiting(site) == 0
        assert "khaen_pendant" in site.khaen("codecs", "list")


def test_a_codec_that_hangs_delays_nobody_else(tmp_path: Path) -> None:
    pendant, hanging = Band(1, "khaen_pendant"), Band(2, "hanging")
    natives = [Band(index) for index in range(3, 13)]
    with run_site(tmp_path, pendant, hanging, *natives).start() as site:
        screen, forwarder = site.screen(), site.forwarders[site.gateways[0]]
        with site.load(per_second=100, bands=natives) as sent:
            for first in (1, 2, 1, 2, 3):
                forwarder.hear(hanging.seal(PORT, bytes([first])))
            forwarder.hear(pendant.seal(PORT, CALL, confirmed=True))
            screen.wait_told("alarm", rule="sos", change="raised", subject=pendant.subject)
            wait_for(lambda: sent() >= 300, "three hundred native uplinks")
        site.await_whole()
        native = "SELECT count(*) FROM uplink WHERE family = 'khaen_wristband'"
        assert site.value(native) == sent()
        assert site.value(f"{native} AND (decoded IS NULL OR late)") == 0
        stopped = (
            "SELECT count(*) FROM uplink"
            " WHERE decode_error LIKE 'time:%' OR decode_error LIKE 'killed:%'"
        )
        wait_for(lambda: site.value(stopped) == 3, "three uplinks stopped")
        assert waiting(site) == 2, "the codec is in quarantine; what it has left stays in order"

        site.ingest.kill()
        site.ingest.launch()
        site.ingest.await_ready()
        wait_for(lambda: waiting(site) == 0, "what waited was found again")
        assert site.value("SELECT value FROM latest WHERE quantity = 'steps'") is not None
        assert site.value(stopped) == 4
        assert site.quarantined() == {}


def test_a_whole_site_from_its_folder(tmp_path: Path) -> None:
    """`khaen up`: the codec stands beside the site file, which names it like any family."""
    site = shutil.copytree(ROOT / "examples" / "site", tmp_path / "site")
    shutil.copytree(ROOT / "tests/decoders/javascript/codecs", site / "codecs")
    for file, before, after in (
        ("devices.csv", "milesight_ws101", "khaen_pendant"),
        ("site.yaml", "udp_port: 1700", f"udp_port: {find_free_udp_port()}"),
    ):
        text = (site / file).read_text()
        assert before in text
        (site / file).write_text(text.replace(before, after))
    where = ("--site", site / "site.yaml", "--data", tmp_path / "data")
    ports = ("--mqtt-port", "0", "--console-port", "0")
    up = Program("up", ("-m", "commands.main", "up", *where, *ports), folder=tmp_path)
    up.launch()
    try:
        ready = re.compile(r"^sign in:", re.M)
        wait_for(lambda: ready.search(up.output), up.tail, timeout_s=60)
        publish(tmp_path / "data", CALL)
        found = wait_for(lambda: read(tmp_path / "data"), "the call was read")
        assert found == [(85.0, "sos")]
    finally:
        up.stop()
        up.kill()
        print(up.tail())


def publish(data: Path, payload: bytes) -> None:
    """The network server's event of a pendant, by the account that `up` made for it."""
    event = {
        "deviceInfo": {"devEui": "24e124535b316056"},
        "devAddr": "00189440",
        "fCnt": 1,
        "fPort": PORT,
        "data": b64encode(payload).decode(),
    }
    topic = "application/1/device/24e124535b316056/event/up"
    subprocess.run(
        ["mosquitto_pub", "-q", "1", "-t", topic, "-m", json.dumps(event)],
        env={**os.environ, "XDG_CONFIG_HOME": str(data / "clients" / "network-server")},
        check=True,
        timeout=30,
    )


def read(data: Path) -> list[tuple[float, str]]:
    """The pendant's battery and the alarm, once both are there."""
    with sqlite3.connect(data / "ledger.sqlite") as ledger:
        return ledger.execute(
            "SELECT value, rule FROM latest, alarm"
            " WHERE quantity = 'battery_level' AND alarm_class = 'care'"
        ).fetchall()
