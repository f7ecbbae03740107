"""AS923-1 as Thailand uses it: data rates, channels, receive windows, sizes, power.

Sources: RP002-1.0.4 (LoRaWAN Regional Parameters), AS923-1, with the payload sizes of RP002-1.0.5,
table 73; the same figures stand in ChirpStack, lrwn/src/region/as923.rs. The Thai channel plan is
AS_923_925 of The Things Network's lorawan-frequency-plans. Frequencies and bandwidths in Hz,
delays in seconds, power in dBm EIRP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CODING_RATE: Final = "4/5"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRate:
    """A data rate of the region; `spreading_factor` is None for FSK.

    `bit_rate` is in bit/s, for LoRa as RP002 rounds it. `max_payload` is N, the largest FRMPayload
    with empty FOpts and no repeater; `max_payload_dwell` the same where 400 ms of dwell time bind.
    """

    index: int
    spreading_factor: int | None
    bandwidth: int
    bit_rate: int
    max_payload: int
    max_payload_dwell: int

    @property
    def name(self) -> str:
        """As Semtech's packet forwarder writes it, `SF7BW125`; for FSK its bit rate."""
        if self.spreading_factor is None:
            return str(self.bit_rate)
        return f"SF{self.spreading_factor}BW{self.bandwidth // 1000}"


def _lora(index: int, sf: int, bandwidth: int, bit_rate: int, n: int, n_dwell: int) -> DataRate:
    return DataRate(
        index=index,
        spreading_factor=sf,
        bandwidth=bandwidth,
        bit_rate=bit_rate,
        max_payload=n,
        max_payload_dwell=n_dwell,
    )


# RP002-1.0.4, AS923 data rates; sizes from RP002-1.0.1 on (DR2 had N = 51 before).
DATA_RATES: Final = (
    _lora(0, 12, 125_000, 250, 51, 0),
    _lora(1, 11, 125_000, 440, 51, 0),
    _lora(2, 10, 125_000, 980, 115, 11),
    _lora(3, 9, 125_000, 1_760, 115, 53),
    _lora(4, 8, 125_000, 3_125, 242, 125),
    _lora(5, 7, 125_000, 5_470, 242, 242),
    _lora(6, 7, 250_000, 11_000, 242, 242),
    DataRate(
        index=7,
        spreading_factor=None,
        bandwidth=0,
        bit_rate=50_000,
        max_payload=242,
        max_payload_dwell=242,
    ),
)
_BY_NAME = {data_rate.name: data_rate for data_rate in DATA_RATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An uplink channel and the data rates it takes, both ends included."""

    frequency: int
    min_dr: int = 0
    max_dr: int = 5


# RP002-1.0.4, AS923-1: every device knows these two, and joins on them.
DEFAULT_CHANNELS: Final = (Channel(frequency=923_200_000), Channel(frequency=923_400_000))
# lorawan-frequency-plans, AS_923_925: eight for 125 kHz, one for SF7BW250, one for FSK.
THAI_CHANNELS: Final = (
    *(Channel(frequency=frequency) for frequency in range(923_200_000, 924_600_001, 200_000)),
    Channel(frequency=924_500_000, min_dr=6, max_dr=6),
    Channel(frequency=924_800_000, min_dr=7, max_dr=7),
)
# NBTC TS 1033-2560 (read through 360compliance.co and nuzeal.com): 920 to 925 MHz. Up to 50 mW a
# device may send 1 % of an hour.
THAI_BAND: Final = (920_000_000, 925_000_000)
THAI_DUTY_CYCLE: Final = 0.01

RX1_DELAY: Final = 1
RX2_DELAY: Final = 2
JOIN_ACCEPT_DELAY1: Final = 5
JOIN_ACCEPT_DELAY2: Final = 6
RX2_FREQUENCY: Final = 923_200_000
RX2_DATA_RATE: Final = 2
PING_SLOT_FREQUENCY: Final = 923_400_000
MAX_EIRP: Final = 16
"""dBm: 40 mW, below the 50 mW above which Thai law asks more."""
DWELL_TIME: Final = 0.4
"""Seconds that one transmission may last where the network switches the limit on.

RP002-1.0.4 leaves it to the country; LoRaMac-node starts with it until TxParamSetupReq lifts it.
"""
_RX1_DR_OFFSETS = (0, 1, 2, 3, 4, 5, -1, -2)


def _data_rate(index: int) -> DataRate:
    if not 0 <= index < len(DATA_RATES):
        raise ValueError(f"{index} is no data rate")
    return DATA_RATES[index]


def data_rate_named(name: str) -> DataRate | None:
    """Return the data rate that Semtech's `datr` names (`SF10BW125`, `50000`), None if unknown."""
    return _BY_NAME.get(name)


def data_rate_of(spreading_factor: int, bandwidth: int) -> DataRate | None:
    """Return the LoRa data rate of a spreading factor and a bandwidth in Hz, None if unknown."""
    return _BY_NAME.get(f"SF{spreading_factor}BW{bandwidth // 1000}")


def max_payload(data_rate: int, *, dwell: bool, f_opts: int = 0) -> int:
    """Return the bytes of FRMPayload that fit at a data rate beside `f_opts` bytes of FOpts.

    Raises ValueError for what is no data rate.
    """
    limits = _data_rate(data_rate)
    return max((limits.max_payload_dwell if dwell else limits.max_payload) - f_opts, 0)


def rx1_data_rate(uplink: int, *, offset: int = 0, dwell: bool = False) -> int:
    """Return RX1's data rate for an uplink's and RX1DROffset; `dwell` is the downlink's.

    Raises ValueError for what is no data rate or offset (0 to 7).
    """
    if not 0 <= offset < len(_RX1_DR_OFFSETS):
        raise ValueError(f"{offset} is no RX1DROffset")
    slowest = 2 if dwell else 0
    return min(5, max(slowest, _data_rate(uplink).index - _RX1_DR_OFFSETS[offset]))


def tx_power(index: int) -> int:
    """Return the EIRP in dBm of TXPower index 0 to 7. Raises ValueError for others."""
    if not 0 <= index <= 7:
        raise ValueError(f"{index} is no TXPower")
    return MAX_EIRP - 2 * index
