"""What native families cost: decodes a second, judged for plausibility, on one core.

Medians. A thermometer's frames are measured twice: as a town's thermometers send them, where
values come again, and at random, where none does. The others read the vectors that stand beside
each family, whole ones and cut ones.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from decoders import catalogue
from decoders.decode import decode_payload

Frame = tuple[int, bytes]
"""Port and payload."""

FAMILIES = Path(catalogue.__file__).parent / "families"
THERMOMETER = "milesight_em300_th"
F_PORT = 85
OTHERS = (
    "cayenne_lpp", "decentlab_dl_pm", "dragino_lht65n", "elsys", "khaen_wristband",
    "milesight_am319", "milesight_ws101",
)  # fmt: skip
FRAMES, ROUNDS = 20_000, 7


def thermometers() -> list[Frame]:
    """A day of thermometers in shade and sun: 22 to 36 degrees, to a tenth."""
    chance = random.Random(1)
    found = []
    for number in range(FRAMES):
        warmth = 29 + 5 * math.sin(number / FRAMES * math.tau) + chance.uniform(-2, 2)
        found.append(thermometer(chance.randrange(80, 101), round(warmth * 10), 100))
    return found


def thermometers_at_random() -> list[Frame]:
    """Frames of which hardly any two are the same in anything."""
    chance = random.Random(1)
    return [
        thermometer(chance.randrange(256), chance.randrange(65_536), chance.randrange(256))
        for _ in range(FRAMES)
    ]


def thermometer(battery: int, tenths: int, humidity: int) -> Frame:
    """One frame of battery, temperature and humidity."""
    temperature = tenths.to_bytes(2, "little")
    return F_PORT, bytes((1, 0x75, battery, 3, 0x67, *temperature, 4, 0x68, humidity))


def vectors(name: str) -> list[Frame]:
    """A family's vectors, again and again."""
    body = json.loads((FAMILIES / f"{name}.json").read_text("utf-8"))
    found = [(each["f_port"], bytes.fromhex(each["hex"])) for each in body["vectors"]]
    return [found[number % len(found)] for number in range(FRAMES)]


def measure(name: str, frames: Sequence[Frame]) -> float:
    """Decodes a second."""
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for f_port, payload in frames:
            decode_payload(name, f_port, payload)
        rates.append(len(frames) / (time.perf_counter() - began))
    return median(rates)


def main() -> None:
    """Print a line for each kind of frames."""
    typical = measure(THERMOMETER, thermometers())
    print(f"{THERMOMETER}: {typical:,.0f} decodes/s")
    rate = measure(THERMOMETER, thermometers_at_random())
    print(f"{THERMOMETER}, at random: {rate:,.0f} decodes/s ({rate / typical:.2f} of it)")
    for name in OTHERS:
        rate = measure(name, vectors(name))
        print(f"{name}, its vectors: {rate:,.0f} decodes/s ({rate / typical:.2f} of it)")


if __name__ == "__main__":
    main()
