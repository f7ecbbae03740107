"""What a device does with the network's MAC commands, and what it answers (L2 1.0.4, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Final

from khaen.lorawan.mac import (
    Cid,
    Command,
    DevStatusAns,
    LinkAdrAns,
    LinkAdrReq,
    NewChannelReq,
    RxParamSetupReq,
    TxParamSetupReq,
)
from khaen.lorawan.region import DEFAULT_CHANNELS, Channel
from simulators.mac.settings import FASTEST, MOST_CHANNELS, Settings, in_band

_KEEP: Final = 15
_LAST_TX_POWER: Final = 7
_ALL_ON: Final = 6
# L2 1.0.4, table 5.9: what TxParamSetupReq's code means, in dBm.
_EIRP: Final = (8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36)


def obey(
    settings: Settings, commands: Iterable[Command], *, battery: int, margin: int
) -> tuple[Command, ...]:
    """Change the settings as the network asks; the answers, in the order of the requests.

    `battery` and `margin` are what DevStatusAns tells.
    """
    answers: list[Command] = []
    for cid, group in groupby(commands, key=lambda command: command.cid):
        bodies = [command.body for command in group]
        if cid is Cid.LINK_ADR:
            answers += _obey_link_adr(settings, [LinkAdrReq.parse(body) for body in bodies])
        elif cid is Cid.DEV_STATUS:
            body = DevStatusAns(battery=battery, margin=margin).render()
            answers += [Command(cid, body)] * len(bodies)
        elif cid in _ONE_BY_ONE:
            answers += [Command(cid, _ONE_BY_ONE[cid](settings, body)) for body in bodies]
    return tuple(answers)


def _obey_link_adr(settings: Settings, block: list[LinkAdrReq]) -> list[Command]:
    """Requests that follow each other are one: all is done or nothing, and each is answered."""
    mask, mask_ok = settings.ch_mask, True
    for request in block:
        if request.ch_mask_cntl == 0:
            mask = request.ch_mask
            mask_ok &= not mask & ~settings.defined
        elif request.ch_mask_cntl == _ALL_ON:
            mask = settings.defined
        else:
            mask_ok = False
    last = block[-1]
    data_rate = settings.data_rate if last.data_rate == _KEEP else last.data_rate
    answer = LinkAdrAns(
        power=last.tx_power == _KEEP or last.tx_power <= _LAST_TX_POWER,
        data_rate=settings.allows(data_rate, mask if mask_ok else settings.ch_mask),
        ch_mask=mask_ok and mask != 0,
    )
    if answer.power and answer.data_rate and answer.ch_mask:
        settings.ch_mask, settings.data_rate = mask, data_rate
        if last.tx_power != _KEEP:
            settings.tx_power = last.tx_power
        settings.nb_trans = last.nb_trans or settings.nb_trans
    return [Command(Cid.LINK_ADR, answer.render())] * len(block)


def _obey_duty_cycle(settings: Settings, body: bytes) -> bytes:
    settings.duty_cycle = body[0] & 0x0F
    return b""


def _obey_rx_param(settings: Settings, body: bytes) -> bytes:
    request = RxParamSetupReq.parse(body)
    frequency_ok = in_band(request.frequency)
    rate_ok = request.rx2_data_rate <= FASTEST
    if frequency_ok and rate_ok:
        settings.rx1_dr_offset = request.rx1_dr_offset
        settings.rx2_data_rate = request.rx2_data_rate
        settings.rx2_frequency = request.frequency
    return bytes((1 << 2 | rate_ok << 1 | frequency_ok,))


def _obey_new_channel(settings: Settings, body: bytes) -> bytes:
    request = NewChannelReq.parse(body)
    its_own = len(DEFAULT_CHANNELS) <= request.index < MOST_CHANNELS
    frequency_ok = its_own and (request.frequency == 0 or in_band(request.frequency))
    rates_ok = its_own and request.min_dr <= request.max_dr <= FASTEST
    if frequency_ok and rates_ok:
        channel = Channel(frequency=request.frequency, min_dr=request.min_dr, max_dr=request.max_dr)
        settings.put_channel(request.index, channel if request.frequency else None)
        settings.downlinks.pop(request.frequency, None)
    return bytes((rates_ok << 1 | frequency_ok,))


def _obey_rx_timing(settings: Settings, body: bytes) -> bytes:
    settings.rx_delay = body[0] & 0x0F or 1
    return b""


def _obey_tx_param(settings: Settings, body: bytes) -> bytes:
    request = TxParamSetupReq.parse(body)
    settings.uplink_dwell, settings.downlink_dwell = request.uplink_dwell, request.downlink_dwell
    settings.max_eirp = _EIRP[request.max_eirp]
    settings.mend()
    return b""


def _obey_dl_channel(settings: Settings, body: bytes) -> bytes:
    index, frequency = body[0], 100 * int.from_bytes(body[1:4], "little")
    channel = settings.channels[index] if index < len(settings.channels) else None
    frequency_ok = in_band(frequency)
    if channel and frequency_ok:
        settings.downlinks[channel.frequency] = frequency
    return bytes(((channel is not None) << 1 | frequency_ok,))


_ONE_BY_ONE: Final[Mapping[Cid, Callable[[Settings, bytes], bytes]]] = {
    Cid.DUTY_CYCLE: _obey_duty_cycle,
    Cid.RX_PARAM_SETUP: _obey_rx_param,
    Cid.NEW_CHANNEL: _obey_new_channel,
    Cid.RX_TIMING_SETUP: _obey_rx_timing,
    Cid.TX_PARAM_SETUP: _obey_tx_param,
    Cid.DL_CHANNEL: _obey_dl_channel,
}
