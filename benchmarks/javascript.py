"""What vendors' codecs cost: decodes a second, memory of the worker, start and respawn.

Medians. The codecs are two of our own, in the size of common public ones: the weather post (tags
in a loop, by Buffer) and the pendant (an older entry, a line per byte). `SRC=<checkout>` measures
a public catalogue beside them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from decoders.javascript.cases import LIMITS_FOR_CASES, find, load
from decoders.javascript.codec import Codec, Request
from decoders.javascript.engine import Engine
from khaen.errors import SettingsError

CODECS = Path(__file__).resolve().parent.parent / "tests" / "decoders" / "javascript" / "codecs"
AT = datetime(2026, 4, 13, tzinfo=UTC)
PAYLOADS = {
    "khaen_weather_post": (7, bytes.fromhex("0101230237030003b6c0")),
    "khaen_pendant": (4, bytes.fromhex("01550719")),
}
BATCHES = (1, 32, 256)
REQUESTS, ROUNDS = 1024, 7
HANG = "function Decoder() { return new Array(4294967295).join(''); }"


def own(name: str) -> Request:
    """A request to one of our own codecs."""
    f_port, payload = PAYLOADS[name]
    source = (CODECS / f"{name}.js").read_text("utf-8")
    codec = Codec(id=name, source=source)
    return Request(codec=codec, payload=payload, f_port=f_port, received_at=AT)


def published() -> Iterator[Request]:
    """The first case of each codec of a public catalogue, where there is one at SRC."""
    if "SRC" not in os.environ:
        return
    with Engine(limits=LIMITS_FOR_CASES) as engine:
        for path in find(Path(os.environ["SRC"])):
            try:
                requests = load(path, engine).requests()
            except SettingsError:
                continue
            yield from requests[:1]


def variants(count: int) -> list[Request]:
    """As many different codecs: ours, each with a line of its own."""
    found = []
    for number in range(count):
        request = own(list(PAYLOADS)[number % len(PAYLOADS)])
        codec = Codec(id=f"codec {number}", source=f"{request.codec.source}\n// {number}")
        found.append(
            Request(codec=codec, payload=request.payload, f_port=request.f_port, received_at=AT)
        )
    return found


def measure_rate(engine: Engine, requests: list[Request], batch: int) -> tuple[float, ...]:
    """Decodes a second in batches of that size; microseconds of our and of the worker's time."""
    found = []
    for _ in range(ROUNDS):
        began, ours, theirs = time.perf_counter(), time.process_time(), read_time(engine)
        for at in range(0, len(requests), batch):
            engine.decode_batch(requests[at : at + batch])
        spent = (time.process_time() - ours, read_time(engine) - theirs)
        rate = len(requests) / (time.perf_counter() - began)
        found.append((rate, *(seconds / len(requests) * 1e6 for seconds in spent)))
    return tuple(median(column) for column in zip(*found, strict=True))


def read_time(engine: Engine) -> float:
    """Seconds that the worker has run on a processor."""
    return int(Path(f"/proc/{engine.pid}/schedstat").read_text().split()[0]) / 1e9


def read_memory(engine: Engine) -> float:
    """Resident MiB of the worker."""
    pages = int(Path(f"/proc/{engine.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure_rates() -> None:
    """Print a line per codec and size of batch."""
    print("codec                      batch   decodes/s   us here   us in the worker")
    mixed = list(published())
    rows = {name: [own(name)] * REQUESTS for name in PAYLOADS}
    if mixed:
        rows[f"{len(mixed)} public codecs"] = mixed * (REQUESTS // len(mixed) + 1)
    for name, requests in rows.items():
        with Engine() as engine:
            engine.decode_batch(requests)
            for batch in BATCHES:
                rate, ours, theirs = measure_rate(engine, requests, batch)
                print(f"{name:24}{batch:8}{rate:12,.0f}{ours:10.1f}{theirs:10.1f}")


def measure_memory() -> None:
    """Print the worker's memory empty and with codecs, and what each of them took to be ready."""
    for count, requests in ((0, []), (100, variants(100)), (500, variants(500))):
        began = time.perf_counter()
        with Engine() as engine:
            engine.start()
            started = time.perf_counter() - began
            engine.decode_batch(requests)
            whole = time.perf_counter() - began
            print(
                f"{count:4} codecs: worker {read_memory(engine):6.1f} MiB,"
                f" started in {started * 1e3:5.1f} ms, all asked once in {whole * 1e3:7.1f} ms"
            )


def measure_respawn() -> None:
    """Print how long a codec that must be killed holds up the next request."""
    hang = Codec(id="hangs", source=HANG)
    request = own("khaen_pendant")
    killed, respawned = [], []
    for _ in range(ROUNDS):
        with Engine() as engine:
            engine.start()
            began = time.perf_counter()
            engine.decode_batch([Request(codec=hang, payload=b"\0", f_port=1, received_at=AT)])
            ended = time.perf_counter()
            engine.decode_batch([request])
            killed.append(ended - began)
            respawned.append(time.perf_counter() - ended)
    print(
        f"killed after {median(killed) * 1e3:.0f} ms,"
        f" the next answer {median(respawned) * 1e3:.0f} ms later"
    )


def main() -> None:
    """Print all of it."""
    measure_rates()
    measure_memory()
    measure_respawn()


if __name__ == "__main__":
    main()
