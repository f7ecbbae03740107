"""chirpstack-gateway-bridge itself, from the folder SRC: a program, or a checkout for Go."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import find_free_udp_port

NAME = "chirpstack-gateway-bridge"
PREFIX = "bridge"
"""Stands where the region does, so that bridge and agent share a broker."""
_BUILD_S = 600.0
_START_S = 10.0
_CONFIG = """
[general]
log_level = 3
[backend]
type = "semtech_udp"
[backend.semtech_udp]
udp_bind = "127.0.0.1:{udp}"
[integration]
marshaler = "{encoding}"
[integration.mqtt]
event_topic_template = "{prefix}/gateway/{{{{ .GatewayID }}}}/event/{{{{ .EventType }}}}"
state_topic_template = "{prefix}/gateway/{{{{ .GatewayID }}}}/state/{{{{ .StateType }}}}"
command_topic_template = "{prefix}/gateway/{{{{ .GatewayID }}}}/command/#"
state_retained = true
[integration.mqtt.auth]
type = "generic"
[integration.mqtt.auth.generic]
server = "tcp://127.0.0.1:{mqtt}"
qos = 1
"""


def find_bridge(folder: Path) -> Path:
    """The program in SRC, built in `folder` where SRC has its source. AssertionError without."""
    source = Path(os.environ["SRC"])
    for path in (source / NAME, source):
        if path.is_file():
            return path.resolve()
        if (path / "cmd" / NAME).is_dir():
            program = folder / NAME
            go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
            assert go is not None, f"{path} is source: install Go, or build it"
            command = [go, "build", "-o", str(program), f"./cmd/{NAME}"]
            subprocess.run(command, cwd=path, check=True, timeout=_BUILD_S)
            return program
    raise AssertionError(f"{source} has no {NAME}, program or checkout")


@contextlib.contextmanager
def bridging(program: Path, folder: Path, mqtt: int, encoding: str) -> Iterator[int]:
    """Run it; the UDP port on which it answers."""
    udp = find_free_udp_port()
    config = folder / "bridge.toml"
    config.write_text(_CONFIG.format(udp=udp, mqtt=mqtt, encoding=encoding, prefix=PREFIX))
    with (folder / "bridge.log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(config)], stdout=log, stderr=log)
    try:
        _await_answer(udp)
        yield udp
    finally:
        process.kill()
        process.wait()


def _await_answer(port: int) -> None:
    """Pull for a gateway that nobody has, until it is acknowledged."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.0.0.1", port))
        probe.settimeout(0.2)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                probe.send(b"\x02\0\0\x02" + bytes(8))
                probe.recv(64)
                return
            time.sleep(0.05)
    raise AssertionError("the gateway bridge does not answer: see bridge.log")
