"""What a device says by MAC command: answers to what was asked, and questions of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from chirpstack_api import integration

from khaen.clock import to_gps
from khaen.lorawan.mac import (
    Cid,
    Command,
    DevStatusAns,
    LinkAdrAns,
    LinkAdrReq,
    NewChannelReq,
    TxParamSetupReq,
)
from khaen.lorawan.region import Channel
from simulators.network.device import EXTERNAL, UNKNOWN, Device, battery_percent
from simulators.network.events import Events
from simulators.network.heard import Heard
from simulators.network.link import Block, Link

_BYTE: Final = 0xFF
_SECOND: Final = 1_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_CHANNEL_TAKEN: Final = 0x03
"""NewChannelAns: the frequency and the data rates (LoRaWAN L2 1.0.4, section 5.6)."""


def take(
    commands: Iterable[Command], device: Device, link: Link, heard: Heard, events: Events
) -> tuple[Block, ...]:
    """Obey what an uplink says; what is to be answered. An answer counts if there was a request."""
    blocks: dict[Cid, list[Command]] = {}
    for command in commands:
        blocks.setdefault(command.cid, []).append(command)
    answers: list[Block] = []
    for cid, block in blocks.items():
        asked = link.pending.pop(cid, ())
        if cid is Cid.LINK_CHECK:
            answers.append((_check(heard),))
        elif cid is Cid.DEVICE_TIME:
            answers.append((_time(heard.at(events.clock.now())),))
        elif cid is Cid.DEV_STATUS:
            _tell_status(device, DevStatusAns.parse(block[0].body), heard, events)
        elif cid in _TAKEN and asked:
            _TAKEN[cid](link, asked, block)
    return tuple(answers)


def _check(heard: Heard) -> Command:
    """How much better than needed the best gateway heard it, in dB, and how many heard it."""
    margin = min(max(int(heard.snr - heard.required_snr), 0), _BYTE - 1)
    return Command(Cid.LINK_CHECK, bytes((margin, min(len(heard.receptions), _BYTE))))


def _time(at: datetime) -> Command:
    """Seconds of GPS time, and 256ths of one."""
    seconds, rest = divmod(to_gps(at) // _MICROSECOND, _SECOND)
    whole = (seconds & 0xFFFF_FFFF).to_bytes(4, "little")
    return Command(Cid.DEVICE_TIME, whole + bytes((rest * 256 // _SECOND,)))


def _tell_status(device: Device, status: DevStatusAns, heard: Heard, events: Events) -> None:
    device.status = status
    event = integration.StatusEvent(
        deduplication_id=heard.id,
        margin=status.margin,
        external_power_source=status.battery == EXTERNAL,
        battery_level_unavailable=status.battery == UNKNOWN,
        battery_level=battery_percent(status) or 0.0,
    )
    event.time.FromDatetime(heard.at(events.clock.now()))
    events.tell(device, "status", event)


def _take_rates(link: Link, asked: Block, block: list[Command]) -> None:
    """Only what is taken whole counts, but a device without ADR need take the channels only."""
    answers = [LinkAdrAns.parse(command.body) for command in block]
    power, rate, mask = (
        all(answer.power for answer in answers),
        all(answer.data_rate for answer in answers),
        all(answer.ch_mask for answer in answers),
    )
    request = LinkAdrReq.parse(asked[-1].body)
    if not (mask and (not link.adr or (power and rate))):
        _count_refusal(link, Cid.LINK_ADR)
        if not power:
            # Some firmware refuses full power: take the next (ChirpStack, maccommand/link_adr.rs).
            if request.tx_power == 0:
                link.tx_power = 1
            else:
                link.max_tx_power = request.tx_power - 1
        return
    link.refused.pop(Cid.LINK_ADR, None)
    before = (link.tx_power, link.dr, link.nb_trans)
    link.enabled = {index for index in range(16) if request.ch_mask >> index & 1}
    link.nb_trans = request.nb_trans
    link.dr = request.data_rate if rate else link.dr
    link.tx_power = request.tx_power if power else link.tx_power
    if (link.tx_power, link.dr, link.nb_trans) != before:
        link.history.clear()


def _take_channels(link: Link, asked: Block, block: list[Command]) -> None:
    """Each answer belongs to the request of its place; another number of them says nothing."""
    if len(asked) != len(block):
        return
    for request, answer in zip(asked, block, strict=True):
        if answer.body[0] & _CHANNEL_TAKEN != _CHANNEL_TAKEN:
            _count_refusal(link, Cid.NEW_CHANNEL)
            continue
        link.refused.pop(Cid.NEW_CHANNEL, None)
        new = NewChannelReq.parse(request.body)
        link.extra[new.index] = Channel(
            frequency=new.frequency, min_dr=new.min_dr, max_dr=new.max_dr
        )
        link.enabled.add(new.index)


def _take_limits(link: Link, asked: Block, _block: list[Command]) -> None:
    request = TxParamSetupReq.parse(asked[0].body)
    link.uplink_dwell, link.downlink_dwell = request.uplink_dwell, request.downlink_dwell


def _count_refusal(link: Link, cid: Cid) -> None:
    link.refused[cid] = link.refused.get(cid, 0) + 1


_TAKEN: Final[dict[Cid, Callable[[Link, Block, list[Command]], None]]] = {
    Cid.LINK_ADR: _take_rates,
    Cid.NEW_CHANNEL: _take_channels,
    Cid.TX_PARAM_SETUP: _take_limits,
}
