"""Envelopes as an agent makes them, for gateways whose agent does not run."""

from collections.abc import Mapping
from datetime import UTC, datetime

from chirpstack_api import gw

from khaen.clock import Rung
from khaen.ids import Epoch, GatewayEui
from khaen.uplink import Kind, Number, Origin
from khaen.wire import Stamp, stamp


def envelope(
    gateway: GatewayEui,
    frame: bytes,
    *,
    epoch: Epoch,
    seq: int,
    at: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """One frame, heard at `at` (now) by a synchronised clock; `metadata` replaces what is said."""
    message = gw.UplinkFrame(
        phy_payload=frame,
        tx_info=gw.UplinkTxInfo(frequency=923_200_000),
        rx_info=gw.UplinkRxInfo(
            gateway_id=gateway, context=seq.to_bytes(4, "big"), crc_status=gw.CRC_OK, rssi=-101
        ),
    )
    facts = Stamp(
        number=Number(epoch=epoch, seq=seq),
        kind=Kind.LORAWAN,
        clock=Rung.SYNCED,
        origin=Origin.RADIO,
        at=at or datetime.now(UTC),
    )
    payload = stamp(message, facts)
    if metadata:
        message.rx_info.metadata.update(metadata)
        payload = bytes(message.SerializeToString())
    return payload
