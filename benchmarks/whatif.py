"""What-if: records/s through both versions, today's twice. Faults: records/s through each.

Gateway frames of 100 wristbands and 100 thermometers, one uplink each a minute, a call in every
thousand. Per second of CPU time, medians of ROUNDS rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from random import Random
from statistics import median

from ingest.version import TODAY
from ingest.whatif import compare
from khaen.capture import Record, Road
from khaen.ids import DevEui
from khaen.site.model import Site
from khaen.uplink import Origin
from simulators.faults.catalogue import parse_all
from simulators.faults.faults import Faults
from simulators.payloads.wristband import encode_sos
from tests.support.traffic import (
    START,
    Device,
    Gateway,
    dev_addr,
    make_site,
    session_keys,
    telemetry,
)

DEVICES, RECORDS, ROUNDS = 200, 6_000, 3
CALL = 1_000
FAULTS = {
    "none": (),
    "loss": ("loss=0.1",),
    "loss of one device": ("loss=0.1,device=260100a0",),
    "delay, reorder, duplicate": ("delay=2s,jitter=1s", "reorder=0.1", "duplicate=0.1"),
    "corrupt": ("corrupt=1",),
    "clone": ("clone",),
}


def make_records(site: Site) -> list[Record]:
    """The stream."""
    gateway, rng = Gateway(), Random("what-if")
    devices = [Device(device.dev_eui) for device in site.devices]
    records = []
    for i in range(RECORDS):
        device = devices[i % len(devices)]
        at = START + timedelta(seconds=60 / DEVICES * i)
        if i % CALL == CALL - 2:
            frame = device.say(encode_sos(press=i // CALL, battery=90, age=0), 11)
        else:
            frame = device.say(telemetry(rng.randrange(60, 100)))
        envelope = gateway.hear(frame, at, origin=Origin.REPLAY)
        records.append(Record(at=at, road=Road.MQTT, topic=gateway.up, payload=envelope))
    return records


def measure(work: Callable[[], object]) -> float:
    """Records per second of CPU time, the median of the rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return RECORDS / median(times)


def main() -> None:
    """Print the rates."""
    site = make_site(
        devices=[
            {
                "dev_eui": DevEui(f"a1b2c3d4e5f6{i:04x}"),
                "family": "milesight_em300_th" if i % 2 else "khaen_wristband",
                "organisation": "ward",
                "dev_addr": dev_addr(DevEui(f"a1b2c3d4e5f6{i:04x}")),
            }
            for i in range(DEVICES)
        ]
    )
    records = make_records(site)
    keys = {device.dev_eui: session_keys(device.dev_eui) for device in site.devices}
    ciphers = {device.dev_eui: Device(device.dev_eui).cipher() for device in site.devices}
    rate = measure(lambda: compare(records, site, keys, TODAY))
    print(f"what-if, both versions: {rate:,.0f} records/s")
    for name, forms in FAULTS.items():

        def run(forms: tuple[str, ...] = forms) -> None:
            faults = Faults(parse_all(forms), 1, START, ciphers=ciphers)
            for record in records:
                faults.apply(record)
            faults.flush()

        print(f"faults, {name}: {measure(run):,.0f} records/s")


if __name__ == "__main__":
    main()
