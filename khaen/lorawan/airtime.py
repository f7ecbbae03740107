"""Time on air.

LoRa: Semtech AN1200.13, and SX1276/77/78/79 data sheet, section 4.1.1.7. FSK: the packet of
LoRaWAN, a preamble of 5 and a sync word of 3 bytes (RP002-1.0.4, physical layer), a length byte
and a CRC of 2 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from khaen.lorawan.region import DataRate

PREAMBLE_SYMBOLS: Final = 8
LOW_DATA_RATE_SYMBOL: Final = 0.016
"""Seconds: symbols as long as this and longer are sent with low data rate optimisation."""
_FSK_OVERHEAD = 5 + 3 + 1 + 2


def lora_airtime(
    size: int,
    *,
    spreading_factor: int,
    bandwidth: int,
    coding_rate: int = 1,
    preamble: int = PREAMBLE_SYMBOLS,
    crc: bool = True,
    implicit_header: bool = False,
) -> float:
    """Return the seconds that `size` bytes of PHYPayload take.

    `bandwidth` in Hz; `coding_rate` 1 to 4 means 4/5 to 4/8. LoRaWAN uplinks carry a CRC and
    downlinks none. Raises ValueError for what no LoRa radio sends.
    """
    if not 5 <= spreading_factor <= 12 or not 1 <= coding_rate <= 4:
        raise ValueError("spreading factor is 5 to 12, coding rate 1 to 4")
    if not 0 <= size <= 255 or bandwidth <= 0 or preamble < 0:
        raise ValueError("size is 0 to 255 bytes, bandwidth above 0 Hz, preamble 0 or more")
    symbol = (1 << spreading_factor) / bandwidth
    optimised = 1 if symbol >= LOW_DATA_RATE_SYMBOL else 0
    bits = 8 * size - 4 * spreading_factor + 28 + 16 * crc - 20 * implicit_header
    blocks = -(-bits // (4 * (spreading_factor - 2 * optimised)))
    symbols = 8 + max(blocks * (coding_rate + 4), 0)
    return (preamble + 4.25 + symbols) * symbol


def fsk_airtime(size: int, *, bit_rate: int) -> float:
    """Return the seconds that `size` bytes of PHYPayload take at `bit_rate` bit/s."""
    if not 0 <= size <= 255 or bit_rate <= 0:
        raise ValueError("size is 0 to 255 bytes, bit rate above 0")
    return (_FSK_OVERHEAD + size) * 8 / bit_rate


def airtime(size: int, data_rate: DataRate, *, crc: bool = True) -> float:
    """Return the seconds that `size` bytes of PHYPayload take at a data rate of the region.

    `crc` is False for downlinks at a LoRa data rate; FSK always has one.
    """
    if data_rate.spreading_factor is None:
        return fsk_airtime(size, bit_rate=data_rate.bit_rate)
    return lora_airtime(
        size,
        spreading_factor=data_rate.spreading_factor,
        bandwidth=data_rate.bandwidth,
        crc=crc,
    )
