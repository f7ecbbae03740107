"""The broker of a site on one machine: mosquitto where it is installed, else amqtt.

Every client has an account with its own topics; nobody comes in without one. What the broker needs
to know a password again is made here, in files that only their owner reads; passwords stand on no
command line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.access import Account, Credentials
from deploy.files import private_folder
from khaen.errors import NotRunnable
from khaen.files import write_private
from khaen.mqtt import Version

# Debian keeps mosquitto where the PATH of ordinary users does not look.
_ELSEWHERE = "/usr/sbin:/usr/local/sbin"
# mosquitto_passwd's own figures (mosquitto 2.0, lib/password_mosq.h). The passwords are 256 random
# bits, so that the count matters little.
_ITERATIONS = 101
_SALT_BYTES = 12
BROKERS = ("auto", "mosquitto", "amqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How a broker is run: its command, the MQTT version to speak with it, whether it announces
    itself (else it is there when its port takes connections).
    """

    kind: str
    command: tuple[str, ...]
    version: Version
    announces: bool


def find_mosquitto() -> str | None:
    """The path of mosquitto, where it is installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{_ELSEWHERE}")


def choose(kind: str = "auto") -> str:
    """`mosquitto` or `amqtt`. Raises NotRunnable where there is none of the wanted kind."""
    if kind not in BROKERS:
        raise NotRunnable(f"broker: there is no {kind!r}; there are: {', '.join(BROKERS)}")
    if kind in ("auto", "mosquitto") and find_mosquitto() is not None:
        return "mosquitto"
    if kind == "mosquitto":
        raise NotRunnable(
            "no broker: mosquitto is not installed; apt-get install mosquitto, or take amqtt: "
            "--broker amqtt"
        )
    if not _has_amqtt():
        raise NotRunnable(
            "no broker: neither mosquitto nor amqtt is installed; apt-get install mosquitto, "
            "or pip install amqtt"
        )
    return "amqtt"


def _has_amqtt() -> bool:
    import importlib.util

    return importlib.util.find_spec("amqtt") is not None


def prepare(
    folder: Path,
    kind: str,
    listen: tuple[str, int],
    accounts: Sequence[Account],
    credentials: Credentials,
) -> Broker:
    """Write the broker's configuration into `folder` and say how it is run."""
    private_folder(folder)
    if kind == "mosquitto":
        return _prepare_mosquitto(folder, listen, accounts, credentials)
    return _prepare_amqtt(folder, listen, accounts, credentials)


def _prepare_mosquitto(
    folder: Path,
    listen: tuple[str, int],
    accounts: Sequence[Account],
    credentials: Credentials,
) -> Broker:
    users = [f"{a.name}:{hash_password(credentials.password(a.name))}" for a in accounts]
    write_private(folder / "passwords", "".join(f"{user}\n" for user in users).encode())
    write_private(folder / "acl", render_acl(accounts).encode())
    write_private(folder / "mosquitto.conf", _render_mosquitto(folder, listen).encode())
    command = find_mosquitto() or "mosquitto"
    return Broker(
        kind="mosquitto",
        command=(command, "-c", str(folder / "mosquitto.conf")),
        version=Version.AUTO,
        announces=False,
    )


def _render_mosquitto(folder: Path, listen: tuple[str, int]) -> str:
    host, port = listen
    lines = [
        f"listener {port} {host}",
        # Started by root it would become a user who may not read these files.
        f"user {pwd.getpwuid(os.geteuid()).pw_name}",
        "allow_anonymous false",
        f"password_file {folder}/passwords",
        f"acl_file {folder}/acl",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 30",
        # Its default of 1000 drops the newest; agents would send them again, only later.
        "max_queued_messages 20000",
        "max_inflight_messages 512",
        "persistent_client_expiration 14d",
        "set_tcp_nodelay true",
        "max_packet_size 262144",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
    ]
    return "\n".join(lines) + "\n"


def render_acl(accounts: Sequence[Account]) -> str:
    """mosquitto's access list; what is not in it is refused."""
    blocks = [
        "\n".join(
            [
                f"user {account.name}",
                *(f"topic write {topic}" for topic in account.publish),
                *(f"topic read {topic}" for topic in account.read),
            ]
        )
        for account in accounts
    ]
    return "\n\n".join(blocks) + "\n"


def hash_password(password: str, salt: bytes | None = None) -> str:
    """A password as mosquitto's file has it: `$7$`, PBKDF2 with HMAC-SHA512."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    encoded = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"$7${_ITERATIONS}${encoded[0]}${encoded[1]}"


def _prepare_amqtt(
    folder: Path,
    listen: tuple[str, int],
    accounts: Sequence[Account],
    credentials: Credentials,
) -> Broker:
    document = {
        "host": listen[0],
        "port": listen[1],
        "accounts": {
            account.name: {
                "digest": hashlib.sha256(credentials.password(account.name).encode()).hexdigest(),
                "publish": account.publish,
                "read": account.read,
            }
            for account in accounts
        },
    }
    write_private(folder / "amqtt.json", json.dumps(document, indent=2).encode())
    return Broker(
        kind="amqtt",
        command=(sys.executable, "-P", "-m", "deploy.amqtt_broker", str(folder / "amqtt.json")),
        version=Version.V311,
        announces=True,
    )
