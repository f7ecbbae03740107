"""When, where and how much a class A device hears after it has spoken."""

from __future__ import annotations

from dataclasses import dataclass

from chirpstack_api import gw

from khaen.lorawan.region import (
    DATA_RATES,
    MAX_EIRP,
    RX2_DATA_RATE,
    RX2_FREQUENCY,
    max_payload,
    rx1_data_rate,
)
from simulators.network.heard import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One chance to answer; `size` is the bytes of commands and payload that fit into it."""

    info: gw.DownlinkTxInfo
    size: int


def windows(heard: Heard, delay: int, *, dwell: bool = False) -> tuple[Window, Window]:
    """RX1, `delay` seconds after the uplink, and RX2 a second later, by the best gateway.

    `dwell` is whether 400 ms of dwell time bind downlinks.
    """
    first = rx1_data_rate(heard.dr, dwell=dwell)
    return (
        _window(heard.best, heard.frame.tx_info.frequency, first, delay, dwell),
        _window(heard.best, RX2_FREQUENCY, RX2_DATA_RATE, delay + 1, dwell),
    )


def _window(best: gw.UplinkRxInfo, frequency: int, index: int, delay: int, dwell: bool) -> Window:
    info = gw.DownlinkTxInfo(
        frequency=frequency,
        power=MAX_EIRP,
        board=best.board,
        antenna=best.antenna,
        context=best.context,
    )
    info.modulation.lora.bandwidth = DATA_RATES[index].bandwidth
    info.modulation.lora.spreading_factor = DATA_RATES[index].spreading_factor or 0
    info.modulation.lora.code_rate = gw.CR_4_5
    info.modulation.lora.polarization_inversion = True
    info.timing.delay.delay.seconds = delay
    return Window(info=info, size=max_payload(index, dwell=dwell))
