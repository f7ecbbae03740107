"""The simulated radio: frames a second on one core, and a hundred thousand devices in one process.

Devices are wristbands around eight gateways: elders with their days, real frames, path loss,
collisions, eight demodulators a gateway. Nothing leaves the process. `share of a core` is what
real time would take; memory is resident bytes for each device, all of it.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from random import Random
from statistics import median

import psutil

from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Device, Gateway, LoraWan, Position, Site, Text
from simulators.traffic import Pace, Traffic

START = datetime(2026, 4, 13, 5, 0, tzinfo=UTC)
MIDDLE = (16.43, 102.83)
GATEWAYS, SPREAD = 8, 0.05
ROUNDS, FEW, FEW_EVERY_S = 5, 1_000, 60.0
MANY, MANY_EVERY_S = 100_000, 300.0
NAME = Text(th="ขอนแก่น", en="Khon Kaen")


def make_site(devices: int) -> Site:
    """A city of so many wristbands; unchecked, for a check of 100,000 devices is not measured."""
    rng = Random(1)

    def somewhere(height: float) -> Position:
        latitude, longitude = (middle + rng.uniform(-SPREAD, SPREAD) for middle in MIDDLE)
        return Position(latitude=latitude, longitude=longitude, height=height)

    gateways = tuple(
        Gateway(
            eui=GatewayEui(f"024b4bfffe{number:06x}"),
            name=f"mast {number}",
            organisation="town",
            position=somewhere(30.0),
        )
        for number in range(GATEWAYS)
    )
    bands = tuple(
        Device(
            dev_eui=DevEui(f"024b4b00{number:08x}"),
            family="khaen_wristband",
            organisation="town",
            dev_addr=DevAddr(f"01{number:06x}"),
            position=somewhere(1.0),
        )
        for number in range(devices)
    )
    return Site.model_construct(
        site="city",
        name=NAME,
        lorawan=LoraWan(),
        organisations=(),
        gateways=gateways,
        devices=bands,
    )


def make_traffic(site: Site, every_s: float) -> Traffic:
    """Every device reports once in `every_s`, the first ones spread over it."""
    keys = SessionKeys(nwk_s_key=bytes(range(16)), app_s_key=bytes(16))
    return Traffic(
        site,
        {device.dev_eui: keys for device in site.devices},
        seed=1,
        start=START,
        pace=Pace(wristband=every_s, sensor=every_s, first=every_s),
    )


def play(traffic: Traffic, seconds: float) -> tuple[int, float]:
    """Frames sent in so many simulated seconds from now, and the processor's seconds for them."""
    until = traffic.agenda.now + seconds
    frames, began = 0, time.process_time()
    while traffic.next_at <= until:
        frames += traffic.step() is not None
    return frames, time.process_time() - began


def measure_rate() -> None:
    """Frames a second with a thousand devices, the median of some minutes."""
    traffic = make_traffic(make_site(FEW), FEW_EVERY_S)
    play(traffic, FEW_EVERY_S)
    rates = [frames / took for frames, took in (play(traffic, 120.0) for _ in range(ROUNDS))]
    worst = min(rates)
    print(
        f"{FEW:>9,} devices   {median(rates):>8,.0f} frames/s on one core"
        f"   (slowest of {ROUNDS}: {worst:,.0f})"
    )


def measure_many(devices: int) -> None:
    """Processor and memory of many devices at one uplink in five minutes."""
    process = psutil.Process()
    site = make_site(devices)
    before, began = process.memory_info().rss, time.process_time()
    traffic = make_traffic(site, MANY_EVERY_S)
    made = time.process_time() - began
    frames, took = play(traffic, MANY_EVERY_S)
    size = (process.memory_info().rss - before) / devices
    print(
        f"{devices:>9,} devices   {frames / took:>8,.0f} frames/s on one core"
        f"   {took / MANY_EVERY_S:6.1%} share of a core at one uplink in 5 minutes"
        f"   {size:,.0f} bytes a device   made in {made:.0f} s"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=MANY)
    options = parser.parse_args()
    measure_rate()
    measure_many(options.devices)


if __name__ == "__main__":
    main()
