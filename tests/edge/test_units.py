"""systemd's units: what systemd itself says of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge import units
from edge.main import main
from edge.settings import EdgeSettings, UdpSettings
from khaen.errors import NotRunnable
from tests.edge.agent import write_config
from tests.edge.fixtures import GATEWAY

MOST_EXPOSED = 1.9
"""Of systemd's own scale from 0 to 10, of which it calls the first two OK."""


def analyze(*arguments: str | Path) -> str:
    """What systemd-analyze says. Raises AssertionError where it complains."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed (run: make packages)"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the units of this checkout's own program."""
    config = write_config(tmp_path, 1883)
    config.write_text(config.read_text().replace("[udp]\nport = 0", "[udp]\nport = 1700"))
    assert main(["units", "--config", str(config), "--etc", str(tmp_path)]) == 0
    return tmp_path / "systemd/system"


def test_systemd_takes_them(written: Path) -> None:
    complaints = analyze("verify", written / "khaen-edge.service", written / "khaen-edge.socket")
    assert "khaen-edge" not in complaints


def test_the_sandbox_is_as_tight_as_it_can_be(written: Path) -> None:
    said = analyze("security", "--offline=yes", "--no-pager", written / "khaen-edge.service")
    score = re.search(r"Overall exposure level .*: ([0-9.]+)", said)
    assert score is not None
    assert float(score[1]) <= MOST_EXPOSED, said


def test_the_agent_may_still_ask_for_the_clock_and_the_boot(written: Path) -> None:
    """Each of these would blind it without a word: no synchronised clock, no date of a boot."""
    text = (written / "khaen-edge.service").read_text()
    settings = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not [line for line in settings if line.startswith(("ProtectClock=y", "ProcSubset=p"))]
    filters = [line for line in settings if line.startswith("SystemCallFilter=")]
    # @privileged has the calls of the clock in it: what comes last counts.
    assert filters[-1] == "SystemCallFilter=adjtimex clock_adjtime"


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", "127.0.0.1:1701"), ("::", "[::]:1701")]
)
def test_the_socket_is_where_the_settings_want_it(host: str, expected: str) -> None:
    settings = EdgeSettings(gateway_eui=GATEWAY, site="kk", udp=UdpSettings(host=host, port=1701))
    texts = dict(units.render(Path("/opt/own/khaen-edge"), Path("/srv/edge.toml"), settings))
    assert f"ListenDatagram={expected}\n" in texts["systemd/system/khaen-edge.socket"]
    service = texts["systemd/system/khaen-edge.service"]
    assert "ExecStart=/opt/own/khaen-edge run --config /srv/edge.toml\n" in service


def test_without_udp_there_is_no_socket() -> None:
    settings = EdgeSettings(gateway_eui=GATEWAY, site="kk", udp=UdpSettings(enabled=False))
    texts = dict(units.render(Path("/opt/khaen-edge"), Path("/etc/edge.toml"), settings))
    assert set(texts) == {"systemd/system/khaen-edge.service", "sysusers.d/khaen-edge.conf"}
    assert "khaen-edge.socket" not in texts["systemd/system/khaen-edge.service"]


@pytest.mark.parametrize(
    ("udp", "key"), [(UdpSettings(host="localhost"), "host"), (UdpSettings(port=0), "port")]
)
def test_what_systemd_cannot_listen_on_is_refused(udp: UdpSettings, key: str) -> None:
    settings = EdgeSettings(gateway_eui=GATEWAY, site="kk", udp=udp)
    with pytest.raises(NotRunnable, match=rf"udp\.{key}"):
        dict(units.render(Path("/opt/khaen-edge"), Path("/etc/edge.toml"), settings))


def test_where_it_may_not_write_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    config = write_config(tmp_path, 1883)
    config.write_text(config.read_text().replace("[udp]\nport = 0", "[udp]\nport = 1700"))
    assert main(["units", "--config", str(config), "--etc", str(tmp_path / "file")]) == 1
    assert "khaen-edge.service: Not a directory" in capsys.readouterr().err
