"""systemd's units of the agent, as they are installed: for the program, the user and the address of
this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from edge.settings import EdgeSettings
from khaen.errors import NotRunnable

_PROGRAM: Final = "/opt/khaen/bin/khaen-edge"
_CONFIG: Final = "/etc/khaen/edge.toml"
_ADDRESS: Final = "127.0.0.1:1700"
_V6: Final = 6
_FILES: Final = {
    "khaen-edge.service": "systemd/system",
    "khaen-edge.socket": "systemd/system",
    "khaen-edge.sysusers": "sysusers.d",
}
"""Each unit, and where it belongs below /etc."""


def render(program: Path, config: Path, settings: EdgeSettings) -> Iterator[tuple[str, str]]:
    """Each unit's place below /etc, and its text. Raises NotRunnable."""
    udp = settings.udp
    if udp.port == 0:
        raise NotRunnable("udp.port: systemd listens on one port; name it")
    try:
        host = f"[{udp.host}]" if ip_address(udp.host).version == _V6 else udp.host
    except ValueError as error:
        raise NotRunnable(
            f"udp.host: systemd listens on addresses, {udp.host} is a name"
        ) from error
    for name, folder in _FILES.items():
        text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
        if not udp.enabled:
            if name.endswith(".socket"):
                continue
            text = text.replace("Also=khaen-edge.socket\n", "").replace(" khaen-edge.socket", "")
        for placeholder, own in (
            (_PROGRAM, str(program)),
            (_CONFIG, str(config)),
            (_ADDRESS, f"{host}:{udp.port}"),
        ):
            text = text.replace(placeholder, own)
        yield f"{folder}/{name.replace('.sysusers', '.conf')}", text


def install(etc: Path, config: Path, settings: EdgeSettings) -> list[Path]:
    """Write the units below `etc`; where they are now. Raises NotRunnable."""
    program = Path(sys.executable).with_name("khaen-edge")
    written = []
    for place, text in render(program, config.absolute(), settings):
        file = etc / place
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise NotRunnable(
                f"{file}: {error.strerror}; run this as root, or name --etc"
            ) from error
        written.append(file)
    return written
