"""What `khaen record` says of what it records."""

from pathlib import Path

import pytest

from commands.record import site_of
from store.database import Database
from store.migrate import upgrade
from tests.support.traffic import apply_site, make_site

WARD = {"id": "ward", "name": {"th": "ก", "en": "Ward"}, "simulated": True}


def settings(folder: Path) -> Path:
    file = folder / "khaen.toml"
    file.write_text(f'[ledger]\nurl = "sqlite:///{folder}/ledger.sqlite"\n')
    return file


@pytest.mark.parametrize(
    ("more", "simulated"),
    [({}, False), ({"organisations": [WARD], "devices": []}, True)],
)
def test_the_ledger_tells_whose_site_it_is(
    tmp_path: Path, more: dict[str, object], simulated: bool
) -> None:
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite")
    upgrade(database)
    apply_site(database, make_site(**more))
    database.close()
    assert site_of(settings(tmp_path)) == ("test", simulated)


@pytest.mark.parametrize("ledger", [None, b"", b"no database at all, but long enough to look"])
def test_without_a_ledger_nothing_is_said(tmp_path: Path, ledger: bytes | None) -> None:
    if ledger is not None:
        (tmp_path / "ledger.sqlite").write_bytes(ledger)
    assert site_of(settings(tmp_path)) == (None, False)
