"""When and where a class A device listens, as a frame for the gateway that hears it best."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from chirpstack_api import gw

from khaen.lorawan.region import (
    DATA_RATES,
    MAX_EIRP,
    RX2_DATA_RATE,
    RX2_FREQUENCY,
    data_rate_of,
    rx1_data_rate,
)

_DRIFT: Final = timedelta(seconds=30)
_GPS_EPOCH: Final = datetime(1980, 1, 6, tzinfo=UTC)
_LEAP: Final = timedelta(seconds=18)


def frame_for(
    number: int, heard: gw.UplinkFrame, best: gw.UplinkRxInfo, phy: bytes, delay: int
) -> gw.DownlinkFrame:
    """The downlink of RX1, `delay` seconds after the uplink, and of RX2 a second later."""
    lora = heard.tx_info.modulation.lora
    uplink = data_rate_of(lora.spreading_factor, lora.bandwidth)
    first = rx1_data_rate(uplink.index if uplink else RX2_DATA_RATE)
    frame = gw.DownlinkFrame(downlink_id=number, gateway_id=best.gateway_id)
    for frequency, index, seconds in (
        (heard.tx_info.frequency, first, delay),
        (RX2_FREQUENCY, RX2_DATA_RATE, delay + 1),
    ):
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
        info.timing.delay.delay.seconds = seconds
        frame.items.append(gw.DownlinkFrameItem(phy_payload=phy, tx_info=info))
    return frame


def received_at(receptions: list[gw.UplinkRxInfo], now: datetime) -> datetime:
    """The uplink's time: GPS, else a gateway's clock within 30 s of ours, else ours."""
    for rx in receptions:
        if rx.HasField("time_since_gps_epoch"):
            try:
                gps: datetime = _GPS_EPOCH + rx.time_since_gps_epoch.ToTimedelta() - _LEAP
            except (ValueError, OverflowError):
                continue
            return gps
    for rx in receptions:
        if rx.HasField("gw_time"):
            try:
                at: datetime = rx.gw_time.ToDatetime(tzinfo=UTC)
            except (ValueError, OverflowError):
                continue
            if abs(at - now) < _DRIFT:
                return at
    return now
