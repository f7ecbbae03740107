"""The lock files: complete, by hash, and silent about where a package comes from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("dev", "edge", "server")
NOT_ON_A_GATEWAY = {"cryptography", "fastapi", "google-api-core", "grpcio", "sqlalchemy", "typer"}


def read_lock(name: str) -> dict[str, str]:
    """Version by package."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", text, re.MULTILINE))


def read_wanted(extra: str | None) -> set[str]:
    """Names that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {re.split(r"[\[<>=!~ ;]", line)[0].lower() for line in wanted}


@pytest.mark.parametrize("name", LOCKS)
def test_names_no_place(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|^-[fi] ", text, re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-z])", text)
    assert len(entries) == len(read_lock(name))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(
    ("name", "extras"),
    [("dev", [None, "server", "dev"]), ("server", [None, "server"])],
    ids=["dev", "server"],
)
def test_holds_what_is_wanted(name: str, extras: list[str | None]) -> None:
    locked = read_lock(name)
    assert {package for extra in extras for package in read_wanted(extra)} - locked.keys() == set()


def test_the_gateway_holds_what_is_wanted_but_grpc() -> None:
    locked = read_lock("edge")
    assert (read_wanted(None) | read_wanted("edge")) - locked.keys() == {"grpcio"}
    assert NOT_ON_A_GATEWAY.isdisjoint(locked)


@pytest.mark.parametrize("name", ["edge", "server"])
def test_versions_are_those_that_are_tested(name: str) -> None:
    assert read_lock(name).items() <= read_lock("dev").items()


def test_every_library_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "decisions" / "libraries.md").read_text()
    wanted = read_wanted(None) | read_wanted("edge") | read_wanted("server") | read_wanted("dev")
    assert sorted(name for name in wanted if f"`{name}`" not in reasons) == []
