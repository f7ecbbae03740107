"""What the network asks of a device by MAC command: channels, rates, limits, its state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from khaen.lorawan.mac import Cid, Command, LinkAdrReq, NewChannelReq, TxParamSetupReq
from simulators.network.adr import Rates, adapt
from simulators.network.device import Profile, Session
from simulators.network.heard import Heard
from simulators.network.link import Block, Link
from simulators.network.plan import Network

_CHANNELS_AT_ONCE: Final = 3
# A device confuses a mask with channels that it learns in the same downlink.
_APART: Final = frozenset((Cid.NEW_CHANNEL, Cid.LINK_ADR))
_REFUSALS: Final = 3
"""So often may a device refuse a command; after that it is not asked any more (ChirpStack's
default of max_mac_command_error_count)."""
_DAY: Final = timedelta(days=1)
_MAX_EIRP: Final = 0x5
"""16 dBm (LoRaWAN L2 1.0.4, table 5.9)."""


def requests(
    session: Session,
    profile: Profile,
    network: Network,
    heard: Heard,
    now: datetime,
    *,
    answers: Iterable[Block] = (),
) -> tuple[Block, ...]:
    """The commands of the next downlink, `answers` first; those that wait come with a later one."""
    if not network.mac_commands:
        return ()
    link = session.link
    blocks = [
        *answers,
        _new_channels(link, network),
        _rates(link, network, heard),
        _status(link, profile, now),
        _limits(link, network),
    ]
    kept: list[Block] = []
    for block in filter(None, blocks):
        cid = block[0].cid
        apart = cid in _APART and any(other[0].cid in _APART for other in kept)
        if not apart and link.refused.get(cid, 0) <= _REFUSALS:
            kept.append(block)
    return tuple(kept)


def _new_channels(link: Link, network: Network) -> Block:
    """Channels of the network that the device does not know, or knows otherwise."""
    wanted = [
        NewChannelReq(
            index=index,
            frequency=channel.frequency,
            min_dr=channel.min_dr,
            max_dr=channel.max_dr,
        )
        for index, channel in network.extra_channels.items()
        if link.extra.get(index) != channel
    ]
    return tuple(Command(Cid.NEW_CHANNEL, one.render()) for one in wanted[:_CHANNELS_AT_ONCE])


def _rates(link: Link, network: Network, heard: Heard) -> Block:
    """Another data rate, power or number of repeats, where adaptive data rate finds a better."""
    if not network.adr or not link.adr:
        return ()
    now = Rates(dr=heard.dr, tx_power=link.tx_power, nb_trans=link.nb_trans)
    better = adapt(
        now,
        tuple(link.history),
        required=heard.required_snr,
        margin=network.margin,
        max_dr=network.max_dr,
        max_tx_power=link.max_tx_power,
    )
    if better == now:
        return ()
    request = LinkAdrReq(
        data_rate=better.dr,
        tx_power=better.tx_power,
        ch_mask=sum(1 << index for index in link.enabled),
        nb_trans=better.nb_trans,
    )
    return (Command(Cid.LINK_ADR, request.render()),)


def _status(link: Link, profile: Profile, now: datetime) -> Block:
    """Battery and margin, as often a day as the profile says."""
    if not profile.statuses:
        return ()
    if link.status_asked_at is not None and now - link.status_asked_at < _DAY / profile.statuses:
        return ()
    link.status_asked_at = now
    return (Command(Cid.DEV_STATUS),)


def _limits(link: Link, network: Network) -> Block:
    """Dwell times, where the device believes in others."""
    if (link.uplink_dwell, link.downlink_dwell) == (network.uplink_dwell, network.downlink_dwell):
        return ()
    request = TxParamSetupReq(
        downlink_dwell=network.downlink_dwell,
        uplink_dwell=network.uplink_dwell,
        max_eirp=_MAX_EIRP,
    )
    return (Command(Cid.TX_PARAM_SETUP, request.render()),)
