"""The network server itself, without input or output: frames in, events and downlinks out.

It does as ChirpStack 4 does: copies within 200 ms are one uplink, counters are strict, a downlink
counts when a gateway said that it was sent. The caller moves the clock and calls `step` at
`next_at`.
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from chirpstack_api import gw, integration

from khaen.clock import Clock
from khaen.errors import KhaenError
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, FrameError, JoinRequest, parse
from khaen.lorawan.join import (
    JoinGrant,
    SessionKeys,
    derive_session_keys,
    seal_join_accept,
    verify_join_request,
)
from khaen.lorawan.region import (
    JOIN_ACCEPT_DELAY1,
    RX1_DELAY,
    data_rate_of,
    max_payload,
)
from simulators.network.device import Device, Item, Session
from simulators.network.heard import Heard, is_plausible
from simulators.network.output import Downlink, Event
from simulators.network.windows import frame_for, received_at

DEDUPLICATION_S: Final = 0.2
DOWNLINK_S: Final = 0.1
_MAX_SETS: Final = 10_000
_MAX_SENT: Final = 1_000
_MAX_COPIES: Final = 100


class UnknownHere(KhaenError):
    """No such device is registered with the network server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    device: Device
    session: Session | None
    item: Item | None
    frame: gw.DownlinkFrame


class NetworkCore:
    """A network server of one region. All ids come from `seed`."""

    def __init__(self, clock: Clock, *, seed: str, net_id: str = "000000") -> None:
        self._clock, self._net_id = clock, net_id
        self._rng = Random(f"{seed}|network server")
        self._gateways: set[GatewayEui] = set()
        self._devices: dict[DevEui, Device] = {}
        self._sets: dict[bytes, Heard] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sent: dict[int, _Sent] = {}
        self._out: list[Event | Downlink] = []
        self._count = 0

    def add_gateway(self, gateway: GatewayEui) -> None:
        """Register a gateway; frames of others are not heard."""
        self._gateways.add(gateway)

    def add_otaa(self, info: integration.DeviceInfo, *, join_eui: str, app_key: bytes) -> None:
        """Register a device that joins; `info.dev_eui` is 16 lower-case hex digits."""
        eui = DevEui(info.dev_eui)
        self._devices[eui] = Device(dev_eui=eui, info=info, join_eui=join_eui, app_key=app_key)

    def add_abp(self, info: integration.DeviceInfo, dev_addr: DevAddr, keys: SessionKeys) -> None:
        """Register a device with a session of its own."""
        eui = DevEui(info.dev_eui)
        session = _session(dev_addr, keys)
        self._devices[eui] = Device(dev_eui=eui, info=info, session=session)

    def enqueue(self, dev_eui: DevEui, item: Item) -> None:
        """Put a downlink at the end of a device's queue.

        Raises UnknownHere; ValueError for port 0 or one above 255.
        """
        device = self._devices.get(dev_eui)
        if device is None:
            raise UnknownHere(f"device {dev_eui} is not registered: add it first")
        if not 1 <= item.f_port <= 255:
            raise ValueError("fPort is 1 to 255")
        device.queue.append(item)

    def take_uplink(self, frame: gw.UplinkFrame) -> None:
        """A gateway heard a frame. Never raises: what is no frame of ours is dropped."""
        if frame.rx_info.gateway_id not in self._gateways or not is_plausible(frame):
            return
        key = frame.tx_info.SerializeToString(deterministic=True) + frame.phy_payload
        kept = self._sets.get(key)
        copy = gw.UplinkRxInfo()
        copy.CopyFrom(frame.rx_info)
        copy.ns_time.FromDatetime(self._clock.now())
        if kept is not None:
            if len(kept.receptions) < _MAX_COPIES:
                kept.receptions.append(copy)
        elif len(self._sets) < _MAX_SETS:
            self._sets[key] = Heard(frame=frame, receptions=[copy])
            self._at(DEDUPLICATION_S, lambda: self._close(key))

    def take_tx_ack(self, ack: gw.DownlinkTxAck) -> None:
        """A gateway says whether it sent a downlink; of one that nobody awaits, nothing."""
        sent = self._sent.get(ack.downlink_id)
        if sent is None or sent.frame.gateway_id != ack.gateway_id:
            return
        del self._sent[ack.downlink_id]
        for index, item in enumerate(ack.items):
            if item.status == gw.OK and index < len(sent.frame.items):
                self._transmitted(sent, sent.frame.items[index].tx_info)
                return
        status = ack.items[-1].status if ack.items else gw.INTERNAL_ERROR
        known = gw.TxAckStatus.DESCRIPTOR.values_by_number.get(status)
        self._log(sent.device, integration.DOWNLINK_GATEWAY, known.name if known else str(status))

    def next_at(self) -> float | None:
        """The monotonic time of the next work, None while there is none."""
        if self._out:
            return self._clock.monotonic()
        return self._due[0][0] if self._due else None

    def step(self) -> tuple[Event | Downlink, ...]:
        """Do what is due by now; what is to be published, in order."""
        while self._due and self._due[0][0] <= self._clock.monotonic() + 1e-9:
            heapq.heappop(self._due)[2]()
        out, self._out = tuple(self._out), []
        return out

    # -- uplinks ------------------------------------------------------------

    def _close(self, key: bytes) -> None:
        heard = self._sets.pop(key)
        try:
            frame = parse(heard.frame.phy_payload)
        except FrameError:
            return
        if isinstance(frame, JoinRequest):
            self._join(heard, frame)
        elif isinstance(frame, DataFrame) and frame.uplink:
            self._data(heard, frame)

    def _join(self, heard: Heard, frame: JoinRequest) -> None:
        device = self._devices.get(frame.dev_eui)
        if device is None or device.app_key is None or device.join_eui != frame.join_eui:
            return
        if not verify_join_request(device.app_key, frame):
            self._log(device, integration.UPLINK_MIC, "MIC of join-request is invalid")
            return
        if frame.dev_nonce in device.nonces:
            self._log(device, integration.OTAA, "DevNonce has already been used")
            return
        device.nonces.add(frame.dev_nonce)
        device.join_nonce += 1
        grant = JoinGrant(
            join_nonce=device.join_nonce, net_id=self._net_id, dev_addr=self._address(), rx_delay=1
        )
        keys = derive_session_keys(
            device.app_key,
            join_nonce=grant.join_nonce,
            net_id=grant.net_id,
            dev_nonce=frame.dev_nonce,
        )
        device.session = _session(grant.dev_addr, keys)
        device.queue.clear()
        event = integration.JoinEvent(
            deduplication_id=self._uuid(), dev_addr=grant.dev_addr, region_config_id="as923"
        )
        event.time.FromDatetime(received_at(heard.receptions, self._clock.now()))
        self._tell(device, "join", event)
        phy = seal_join_accept(device.app_key, grant)
        self._at(DOWNLINK_S, lambda: self._send(heard, device, phy, JOIN_ACCEPT_DELAY1))

    def _data(self, heard: Heard, frame: DataFrame) -> None:
        mine = [
            (device, device.session)
            for device in self._devices.values()
            if device.session is not None and device.session.dev_addr == frame.dev_addr
        ]
        for device, session in mine:
            f_cnt = session.rebuild(frame)
            if f_cnt is None:
                continue
            if f_cnt >= session.f_cnt_up:
                self._up(heard, frame, device, session, f_cnt)
            elif f_cnt == session.f_cnt_up - 1:
                code = integration.UPLINK_F_CNT_RETRANSMISSION
                self._log(device, code, "Uplink was flagged as re-transmission")
            else:
                self._log(device, integration.UPLINK_F_CNT_RESET, "Frame-counter reset detected")
            return
        if len(mine) == 1:
            self._log(mine[0][0], integration.UPLINK_MIC, "MIC of uplink frame is invalid")

    def _up(
        self, heard: Heard, frame: DataFrame, device: Device, session: Session, f_cnt: int
    ) -> None:
        session.f_cnt_up = f_cnt + 1
        lora = heard.frame.tx_info.modulation.lora
        rate = data_rate_of(lora.spreading_factor, lora.bandwidth)
        dr = rate.index if rate is not None else 0
        event = integration.UplinkEvent(
            deduplication_id=self._uuid(),
            dev_addr=frame.dev_addr,
            adr=frame.adr,
            dr=dr,
            f_cnt=f_cnt,
            f_port=frame.f_port or 0,
            confirmed=frame.confirmed,
            data=session.cipher.decrypt(frame, f_cnt) if frame.f_port else b"",
            rx_info=heard.receptions,
            tx_info=heard.frame.tx_info,
            region_config_id="as923",
        )
        event.time.FromDatetime(received_at(heard.receptions, self._clock.now()))
        self._tell(device, "up", event)
        self._settle(device, acknowledged=frame.ack)
        self._at(DOWNLINK_S, lambda: self._answer(heard, device, session, frame, dr))

    # -- downlinks ----------------------------------------------------------

    def _settle(self, device: Device, *, acknowledged: bool) -> None:
        """A confirmed downlink that was sent is over with the next uplink, acknowledged or not."""
        if not device.queue or device.queue[0].f_cnt is None:
            return
        item = device.queue.popleft()
        event = integration.AckEvent(
            deduplication_id=self._uuid(),
            queue_item_id=item.id,
            acknowledged=acknowledged,
            f_cnt_down=item.f_cnt,
        )
        event.time.FromDatetime(self._clock.now())
        self._tell(device, "ack", event)

    def _answer(
        self, heard: Heard, device: Device, session: Session, frame: DataFrame, dr: int
    ) -> None:
        if device.session is not session:
            return
        item = self._next_item(device, dr)
        if item is None and not (frame.confirmed or frame.adr_ack_req):
            return
        phy = session.cipher.seal_downlink(
            f_cnt=session.f_cnt_down,
            f_port=item.f_port if item else None,
            payload=item.data if item else b"",
            confirmed=item.confirmed if item else False,
            adr=True,
            ack=frame.confirmed,
            f_pending=len(device.queue) > 1,
        )
        self._send(heard, device, phy, RX1_DELAY, session=session, item=item)

    def _next_item(self, device: Device, dr: int) -> Item | None:
        """The queue's first item that may go; those that may not are dropped, with a log."""
        while device.queue:
            item = device.queue[0]
            if item.expires_at is not None and item.expires_at <= self._clock.now():
                code, text = integration.EXPIRED, "Device queue-item discarded, it has expired"
            elif len(item.data) > max_payload(dr, dwell=False):
                code = integration.DOWNLINK_PAYLOAD_SIZE
                text = "Device queue-item discarded, it exceeds the maximum payload size"
            else:
                return item
            device.queue.popleft()
            self._log(device, code, text, queue_item_id=item.id)
        return None

    def _send(
        self,
        heard: Heard,
        device: Device,
        phy: bytes,
        delay: int,
        *,
        session: Session | None = None,
        item: Item | None = None,
    ) -> None:
        number = self._rng.getrandbits(32)
        frame = frame_for(number, heard.frame, heard.best, phy, delay)
        while len(self._sent) >= _MAX_SENT:
            self._sent.pop(next(iter(self._sent)))
        self._sent[number] = _Sent(device=device, session=session, item=item, frame=frame)
        self._out.append(Downlink(frame=frame))

    def _transmitted(self, sent: _Sent, info: gw.DownlinkTxInfo) -> None:
        if sent.session is None or sent.device.session is not sent.session:
            return
        f_cnt = sent.session.f_cnt_down
        sent.session.f_cnt_down += 1
        queue = sent.device.queue
        if sent.item is None or not queue or queue[0] is not sent.item:
            return
        if sent.item.confirmed:
            sent.item.f_cnt = f_cnt
        else:
            queue.popleft()
        event = integration.TxAckEvent(
            downlink_id=sent.frame.downlink_id,
            queue_item_id=sent.item.id,
            f_cnt_down=f_cnt,
            gateway_id=sent.frame.gateway_id,
            tx_info=info,
        )
        event.time.FromDatetime(self._clock.now())
        self._tell(sent.device, "txack", event)

    # -- small things -------------------------------------------------------

    def _at(self, seconds: float, work: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self._clock.monotonic() + seconds, self._count, work))

    def _log(
        self, device: Device, code: integration.LogCode.ValueType, text: str, **context: str
    ) -> None:
        event = integration.LogEvent(
            level=integration.ERROR, code=code, description=text, context=context
        )
        event.time.FromDatetime(self._clock.now())
        self._tell(device, "log", event)

    def _tell(self, device: Device, kind: str, event: Any) -> None:
        event.device_info.CopyFrom(device.info)
        application = device.info.application_id
        self._out.append(
            Event(application=application, dev_eui=device.dev_eui, kind=kind, message=event)
        )

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _address(self) -> DevAddr:
        """An address of a NetID of type 0: seven bits of its lowest byte, 25 of chance."""
        prefix = int(self._net_id, 16) & 0x3F
        return DevAddr(f"{prefix << 25 | self._rng.getrandbits(25):08x}")


def _session(dev_addr: DevAddr, keys: SessionKeys) -> Session:
    cipher = SessionCipher(dev_addr=dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key)
    return Session(dev_addr=dev_addr, cipher=cipher)
