"""The command line as a whole: help, errors, version, the ledger's own commands."""

import json
from pathlib import Path

import pytest

from khaen.clock import SystemClock
from khaen.ids import parse_epoch, parse_gateway_eui
from khaen.uplink import Kind, Number
from store import users
from store.accounts import AccountCache, Accounts
from store.database import Database
from store.migrate import upgrade
from tests.commands.conftest import Khaen

GATEWAY, EPOCH = parse_gateway_eui("ac1f09fffe000001"), parse_epoch("00000000000000e1")


def test_help_names_everything(khaen: Khaen) -> None:
    done = khaen("--help")
    assert done.returncode == 0
    everything = (
        *("up", "demo", "simulate", "scenario", "record", "replay"),
        *("site", "audit", "ingest", "alarms", "console", "ledger", "dashboards", "version"),
    )
    for command in everything:
        assert f"│ {command} " in done.stdout


def test_help_loads_nothing_heavy(khaen: Khaen) -> None:
    import subprocess
    import sys

    text = (
        "import sys, commands.main; heavy = {'sqlalchemy', 'fastapi', 'pydantic', 'paho', "
        "'grpc', 'cryptography'} & set(sys.modules); print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version_is_the_installed_one(khaen: Khaen) -> None:
    assert khaen("version").stdout.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("audit", "--config", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("console", "link", "--config", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("ingest", "run", "--config", "broken.toml"), "broken.toml: ingest.nme"),
        (("audit", "--config", "empty.toml"), "`khaen up` or `khaen ledger init` makes it"),
        (("up", "--site", "nowhere.yaml"), "cannot read nowhere.yaml"),
    ],
)
def test_errors_are_one_clear_line(
    khaen: Khaen, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "broken.toml").write_text("[ingest]\nnme = 1\n")
    (tmp_path / "empty.toml").write_text(f'[ledger]\nurl = "sqlite:///{tmp_path}/l.sqlite"\n')
    done = khaen(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("khaen: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "l.sqlite").exists()


def test_a_ledger_is_made_once_with_its_key(khaen: Khaen, config: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert khaen("ledger", "init", "--config", config).returncode == 0
    key = tmp_path / "ledger.key"
    assert (len(key.read_bytes()), key.stat().st_mode & 0o777) == (32, 0o600)
    key.unlink()
    refused = khaen("ledger", "init", "--config", config)
    assert refused.returncode == 2
    assert "ledger.key is missing" in refused.stderr


@pytest.fixture
def ledger(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    upgrade(database)
    return database


def commit(ledger: Database, *seqs: int) -> None:
    with ledger.write() as tx:
        accounts = Accounts(tx, AccountCache())
        numbers = [Number(epoch=EPOCH, seq=seq) for seq in seqs]
        accounts.prefetch((GATEWAY, number) for number in numbers)
        for number in numbers:
            accounts.take(GATEWAY, number, Kind.LORAWAN, bytes(32), backlog=False)
        accounts.flush()


def test_the_audit_fails_while_something_is_missing(
    khaen: Khaen, config: Path, ledger: Database
) -> None:
    nothing = khaen("audit", "--config", config)
    assert (nothing.returncode, nothing.stdout) == (0, "no gateway was heard yet\n")
    commit(ledger, 1, 2, 3, 6)
    lost = khaen("audit", "--config", config, "--json")
    assert lost.returncode == 1
    document = json.loads(lost.stdout)
    assert document["totals"] == {
        "heard": 6,
        "committed": 4,
        "gone": 0,
        "in_flight": 0,
        "missing": 2,
        "late": 0,
    }
    assert document["accounts"][0]["gateway_eui"] == GATEWAY
    table = khaen("audit", "--config", config)
    assert table.returncode == 1
    assert f"{GATEWAY}  {EPOCH}" in table.stdout
    commit(ledger, 4, 5)
    assert khaen("audit", "--config", config).returncode == 0
    ledger.close()


def test_an_account_can_be_closed_with_a_reason(
    khaen: Khaen, config: Path, ledger: Database
) -> None:
    commit(ledger, 1, 4)
    closed = khaen(
        "audit", "--config", config, "close", GATEWAY.upper(), EPOCH, "--reason", "card died"
    )
    assert (closed.returncode, closed.stdout) == (0, "closed: 2 numbers will never come\n")
    table = khaen("audit", "--config", config)
    assert table.returncode == 0
    assert "closed: card died" in table.stdout
    for wrong, says in ((("12", EPOCH), "is not"), ((GATEWAY, "0" * 16), "there is no account")):
        done = khaen("audit", "--config", config, "close", *wrong, "--reason", "x")
        assert (done.returncode, says in done.stderr) == (2, True)
    ledger.close()


def test_a_link_signs_the_administrator_in_once(
    khaen: Khaen, config: Path, ledger: Database
) -> None:
    done = khaen("console", "link", "--config", config)
    base, token = done.stdout.strip().split("/sign-in?token=")
    assert base == "http://127.0.0.1:8080"
    with ledger.read() as connection:
        assert users.link_works(connection, token, SystemClock().now())
    with ledger.write() as tx:
        assert users.use_link(tx, token)[1].role == users.ADMINISTRATOR
    with ledger.write() as tx, pytest.raises(users.LinkRefused):
        users.use_link(tx, token)
    ledger.close()
