"""What a machine lacks is said in words that help, before anything is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("awk", "dirname", "sh")


class Machine:
    """A clone with the scripts, on a machine that has only the programs given to it."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.clone = folder / "clone"
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        for name in NEEDED:
            path = shutil.which(name)
            assert path is not None
            (self.programs / name).symlink_to(path)
        self.give("df", 'echo "Filesystem 1M-blocks Used Available"; echo "disk 9000 1 8999"')
        self.give("id", "echo 1000")

    def give(self, name: str, code: str) -> None:
        """Make a program of the shell's."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{code}\n")
        program.chmod(0o755)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.clone / "scripts" / script, *arguments],
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_python(machine: Machine) -> None:
    done = machine.run("set-up", "server")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; here is no python3" in done.stderr
    assert "apt-get install" in done.stderr


def test_python_too_old(machine: Machine) -> None:
    machine.give("python3", '[ "$1" = --version ] && echo "Python 3.9.2"')
    done = machine.run("set-up", "server")
    assert done.returncode == 1
    assert "here is Python 3.9.2" in done.stderr


def test_no_disk_space(machine: Machine) -> None:
    machine.give("python3", f'exec {sys.executable} "$@"')
    machine.give("df", 'echo "Filesystem 1M-blocks Used Available"; echo "disk 9000 8900 100"')
    done = machine.run("set-up", "server")
    assert done.returncode == 1
    assert "needs 700 MB" in done.stderr
    assert "has 100 MB" in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_no_venv(machine: Machine) -> None:
    machine.give("python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = machine.run("set-up", "server")
    assert done.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends python3-venv" in done.stderr


def test_no_broker_and_no_right_to_install_one(machine: Machine) -> None:
    machine.give("apt-get", "exit 99")
    machine.give("chromium", "")
    done = machine.run("install-packages")
    assert done.returncode == 1
    assert "sudo sh -c 'apt-get update && DEBIAN_FRONTEND=noninteractive" in done.stderr
    assert "mosquitto-clients" in done.stderr


def test_nothing_is_missing(machine: Machine) -> None:
    for name in ("chromium", "influxd", "mosquitto", "mosquitto_pub", "systemd-analyze"):
        machine.give(name, "")
    done = machine.run("install-packages")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
