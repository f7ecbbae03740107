"""What a vendor's codec costs in ingest: admission, reading afterwards, a folder of many codecs.

Medians, beside a native family; the ledger is on disk, `synchronous=FULL`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from decoders.collection import Collection
from ingest.in_process import InProcess, Sent
from khaen.clock import ManualClock
from khaen.ids import DevEui
from store import migrate
from store.database import Database
from tests.support.traffic import (
    KEY,
    START,
    Device,
    Gateway,
    apply_site,
    dev_addr,
    make_site,
)

CODECS = Path(__file__).resolve().parent.parent / "tests" / "decoders" / "javascript" / "codecs"
PENDANT, THERMOMETER = (DevEui(f"a1b2c3d4e5f6000{i}") for i in (1, 2))
SAID = {PENDANT: (4, b"\x00\x55\x00\x00"), THERMOMETER: (85, bytes.fromhex("0367f600"))}
FAMILIES = {PENDANT: "khaen_pendant", THERMOMETER: "milesight_em300_th"}
UPLINKS, GROUP, ROUNDS, MANY = 2048, 64, 5, 500


def make_ledger(folder: Path) -> Database:
    """A ledger with a device of each kind."""
    database = Database(f"sqlite:///{folder}/ledger.sqlite", clock=ManualClock(START))
    migrate.upgrade(database)
    devices = [
        {"dev_eui": e, "family": f, "organisation": "ward", "dev_addr": dev_addr(e)}
        for e, f in FAMILIES.items()
    ]
    apply_site(database, make_site(devices=devices))
    return database


def frames(device: Device, gateway: Gateway) -> list[Sent]:
    """The next uplinks of a device."""
    f_port, payload = SAID[device.dev_eui]
    return [
        Sent(topic=gateway.up, payload=gateway.hear(device.say(payload, f_port), START))
        for _ in range(UPLINKS)
    ]


def rate(work: Callable[[], object]) -> float:
    """Uplinks a second of one round."""
    began = time.perf_counter()
    work()
    return UPLINKS / (time.perf_counter() - began)


def measure_ingest(folder: Path) -> None:
    """Both kinds through the pipeline, in turn."""
    database = make_ledger(folder)
    gateway, found = Gateway(), dict[str, list[float]]()
    with Collection(CODECS, clock=ManualClock(START)) as families:
        families.engine.start()
        ingest = InProcess(database, KEY, ManualClock(START), families=families)
        turn = ingest.deferred.turn
        ingest.deferred.turn = lambda: False  # type: ignore[method-assign]

        def drain() -> None:
            while turn():
                pass

        devices = [Device(dev_eui) for dev_eui in FAMILIES]
        for _ in range(ROUNDS):
            for device in devices:
                sent = frames(device, gateway)

                def admit(sent: list[Sent] = sent) -> None:
                    for at in range(0, UPLINKS, GROUP):
                        ingest.take(*sent[at : at + GROUP])

                family = FAMILIES[device.dev_eui]
                found.setdefault(f"{family}, committed", []).append(rate(admit))
                if family == FAMILIES[PENDANT]:
                    found.setdefault(f"{family}, read and committed", []).append(rate(drain))
    database.close()
    for name, rates in found.items():
        print(f"{name}: {median(rates):,.0f} uplinks/s")


def measure_folder(folder: Path) -> None:
    """A folder of many codecs: read, and looked at again."""
    for suffix in (".js", ".toml"):
        text = (CODECS / f"khaen_weather_post{suffix}").read_text()
        for number in range(MANY):
            (folder / f"codec_{number}{suffix}").write_text(text)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        collection = Collection(folder)
        read = time.perf_counter()
        collection.refresh()
        times.append((read - began, time.perf_counter() - read))
    read_s, look_s = (median(column) for column in zip(*times, strict=True))
    print(f"{MANY} codecs: read in {read_s * 1e3:.0f} ms, looked at in {look_s * 1e3:.1f} ms")


def main() -> None:
    """Print the figures."""
    for measure in (measure_ingest, measure_folder):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))


if __name__ == "__main__":
    main()
