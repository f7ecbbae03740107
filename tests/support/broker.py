"""A real mosquitto on a free port of loopback."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.ports import find_free_port

START_S = 10.0
STOP_S = 10.0


def find_mosquitto(name: str = "mosquitto") -> str:
    """The path of a mosquitto program; Debian keeps the broker where ordinary users do not look."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is None:
        raise AssertionError(f"{name} is not installed (run: make packages)")
    return path


class Mosquitto:
    """One broker: started by its maker, stopped with `stop`; its port stays the same over restarts.

    users: name to password; without any, everybody may connect. persistence: False is Debian's
    program without a store, which forgets everything when it dies. settings: further lines of
    mosquitto.conf. The methods block, for some 20 ms; from a test with other tasks under way call
    them by asyncio.to_thread.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        persistence: bool = False,
        settings: Sequence[str] = (),
        port: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or find_free_port()
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} {self.host}",
            "user root",  # else a broker started by root becomes a user who may not read here
            "persistence true" if persistence else "persistence false",
            *([f"persistence_location {folder}/"] if persistence else []),
            *self._write_users(users),
            *settings,
        ]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")

    def _write_users(self, users: Mapping[str, str] | None) -> list[str]:
        if users is None:
            return ["allow_anonymous true"]
        file = self.folder / "passwords"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        # Hashes the file in place, so that no password stands on a command line.
        subprocess.run([find_mosquitto("mosquitto_passwd"), "-U", str(file)], check=True)
        return ["allow_anonymous false", f"password_file {file}"]

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        if self._process is None:
            raise AssertionError("mosquitto is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has written since it was made."""
        return (self.folder / "mosquitto.log").read_text()

    def start(self) -> None:
        """Run, and return when it takes connections; AssertionError with its log if it does not."""
        assert self._process is None, "mosquitto runs already"
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_mosquitto(), "-c", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while not self._is_listening():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"mosquitto did not start: {self.log}")
            time.sleep(0.005)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; nothing where it has ended already."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Stop it in good order where it runs, and start it on the same port."""
        self.stop()
        self.start()

    def _end(self, by: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(by)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers, `mosquitto(users={"a": "b"})`, as Mosquitto is made; stops them all."""
    brokers: list[Mosquitto] = []

    def start(
        *,
        users: Mapping[str, str] | None = None,
        persistence: bool = False,
        settings: Sequence[str] = (),
        port: int | None = None,
    ) -> Mosquitto:
        broker = Mosquitto(
            tmp_path / f"mosquitto-{len(brokers)}",
            users=users,
            persistence=persistence,
            settings=settings,
            port=port,
        )
        brokers.append(broker)
        broker.start()
        return broker

    yield start
    for broker in brokers:
        broker.stop()
