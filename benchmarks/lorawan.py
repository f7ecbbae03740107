"""What a frame costs in LoRaWAN's own work: parsing, integrity check, decryption.

Medians of repeated runs in microseconds, one core. Sizes are FRMPayload bytes: an SOS, telemetry,
and the largest payloads at DR3 under 400 ms dwell and at DR5.
"""

from __future__ import annotations

from functools import partial
from statistics import median
from timeit import repeat
from typing import TYPE_CHECKING

from khaen.ids import DevAddr
from khaen.lorawan.counter import candidates
from khaen.lorawan.crypto import SessionCipher, crypt_payload, data_mic
from khaen.lorawan.frame import DataFrame, parse

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (4, 11, 53, 242)
LOOPS = 5_000
ROUNDS = 7
NWK_S_KEY, APP_S_KEY = bytes(range(16)), bytes(range(16, 32))
ADDRESS = DevAddr("00189440")
F_CNT = 0x0001_0203


def measure(work: Callable[[], object]) -> float:
    """Return the median microseconds of one call."""
    return median(repeat(work, number=LOOPS, repeat=ROUNDS)) / LOOPS * 1e6


def main() -> None:
    """Print a line per payload size."""
    cipher = SessionCipher(dev_addr=ADDRESS, nwk_s_key=NWK_S_KEY, app_s_key=APP_S_KEY)
    print("us per frame    parse   MIC+decrypt   counter+MIC+decrypt   keys made anew   sum, per s")
    for size in SIZES:
        phy = cipher.seal_uplink(f_cnt=F_CNT, f_port=2, payload=bytes(size))
        parsing = measure(partial(parse, phy))
        frame = parse(phy)
        assert isinstance(frame, DataFrame)

        def open_known(frame: DataFrame = frame) -> bytes | None:
            return cipher.open(frame, F_CNT)

        def open_with_counter(frame: DataFrame = frame) -> bytes:
            f_cnt = cipher.find_f_cnt(frame, candidates(frame.f_cnt16, F_CNT - 1))
            assert f_cnt is not None
            return cipher.decrypt(frame, f_cnt)

        def open_anew(frame: DataFrame = frame) -> bytes:
            data_mic(NWK_S_KEY, ADDRESS, F_CNT, True, frame.raw[:-4])
            return crypt_payload(APP_S_KEY, ADDRESS, F_CNT, True, frame.frm_payload)

        assert open_known() == open_with_counter() == open_anew() == bytes(size)
        opening, finding, anew = (
            measure(work) for work in (open_known, open_with_counter, open_anew)
        )
        print(
            f"{size:4} bytes    {parsing:8.2f}      {opening:8.2f}              {finding:8.2f}"
            f"         {anew:8.2f}   {1e6 / (parsing + finding):10,.0f}"
        )


if __name__ == "__main__":
    main()
