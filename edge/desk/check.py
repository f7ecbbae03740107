"""What can be known of an agent before it is started. Nothing here changes anything."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import certificates, lock
from edge.desk.effective import Effective
from edge.health.symptoms import EXPIRY_DAYS
from edge.settings import EdgeSettings
from khaen.clock import Clock
from khaen.errors import DecodeError, SettingsError
from khaen.mqtt import MqttSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a person should know; `grave` where the agent cannot work with it."""

    text: str
    grave: bool = True


def find(effective: Effective, clock: Clock) -> Iterator[Finding]:
    """All that is wrong, or soon will be."""
    settings = effective.settings
    if effective.problem:
        yield Finding(text=effective.problem, grave=False)
    for own in settings.of_each():
        yield from _check_connection("mqtt", own.mqtt, clock)
        yield from _check_folder("outbox.path", own.outbox.path)
    for name in type(settings).model_fields:
        section = getattr(settings, name)
        if name != "mqtt" and isinstance(section, MqttSettings):
            yield from _check_connection(name, section, clock)
    if settings.concentratord is not None and importlib.util.find_spec("zmq") is None:
        yield Finding(text="concentratord: needs pyzmq: pip install 'khaen[concentratord]'")
    if settings.remote.enabled:
        yield from _check_folder("remote.path", settings.remote_path)
    yield from _check_ports(settings)


def _check_connection(section: str, mqtt: MqttSettings, clock: Clock) -> Iterator[Finding]:
    if not mqtt.host or set(mqtt.host) & set("/ "):
        yield Finding(text=f"{section}.host: {mqtt.host!r} is no host: only its name or address")
    try:
        mqtt.check_files()
    except SettingsError as error:
        yield Finding(text=str(error))
        return
    if mqtt.ca_file is None:
        if mqtt.cert_file is not None:
            yield Finding(
                text=f"{section}.cert_file: without {section}.ca_file there is no TLS to use it in"
            )
    else:
        for file in filter(None, (mqtt.ca_file, mqtt.cert_file)):
            yield from _check_certificate(section, file, clock)


def _check_certificate(section: str, file: Path, clock: Clock) -> Iterator[Finding]:
    try:
        validity = certificates.read(file)
    except (OSError, DecodeError):
        return  # the context above took it: a form of which we do not read the dates
    left = (validity.ends - clock.now()).days
    what = f"{section}: {file}"
    if clock.now() < validity.begins:
        yield Finding(text=f"{what} begins {validity.begins:%Y-%m-%d}: is the clock off?")
    elif left < 0:
        yield Finding(text=f"{what} ended {validity.ends:%Y-%m-%d}: put a new one there")
    elif left < EXPIRY_DAYS:
        yield Finding(text=f"{what} ends in {left} days: renew it", grave=False)


def _check_folder(key: str, file: Path) -> Iterator[Finding]:
    """Whether a file can be made, and made anew, where it shall be."""
    if not file.is_absolute():
        yield Finding(text=f"{key}: {file} lies wherever the agent is started", grave=False)
    folder = next((part for part in file.absolute().parents if part.exists()), file.parent)
    if not folder.is_dir():
        yield Finding(text=f"{key}: {folder} is no folder")
    elif not os.access(folder, os.W_OK | os.X_OK) or not _is_writable(file):
        yield Finding(text=f"{key}: {file} cannot be written by this user")


def _is_writable(file: Path) -> bool:
    return not file.exists() or (file.is_file() and os.access(file, os.R_OK | os.W_OK))


def _check_ports(settings: EdgeSettings) -> Iterator[Finding]:
    if lock.is_held(settings.outbox.path):
        yield Finding(text="an agent runs on this outbox: ports were not looked at", grave=False)
        return
    udp = settings.udp
    wanted = [("metrics_port", socket.SOCK_STREAM, "127.0.0.1", settings.metrics_port)]
    if udp.enabled:
        wanted.append(("udp", socket.SOCK_DGRAM, udp.host, udp.port))
    for key, kind, host, port in wanted:
        if (error := _find_obstacle(kind, host, port)) is not None:
            # For the agent it may be a socket unit of systemd that holds the port.
            grave = key != "udp" or error.errno != errno.EADDRINUSE
            reason = error.strerror or error
            yield Finding(text=f"{key}: {host}:{port}: {reason}", grave=grave)


def _find_obstacle(kind: socket.SocketKind, host: str, port: int) -> OSError | None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:  # as servers bind, past connections that just ended
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
