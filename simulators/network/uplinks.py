"""A data frame's way: whose it is, what it says to the network, what it says to the application."""

from __future__ import annotations

from chirpstack_api import integration

from khaen.lorawan.frame import DataFrame
from khaen.lorawan.mac import parse
from simulators.network.answers import take
from simulators.network.device import Device, Session
from simulators.network.downlinks import Downlinks, Response
from simulators.network.events import Events, Schedule
from simulators.network.heard import Heard
from simulators.network.link import Block
from simulators.network.plan import Network
from simulators.network.registry import Registry

DOWNLINK_S = 0.1
"""Seconds that an application has to enqueue an answer (ChirpStack, get_downlink_data_delay)."""


class Uplinks:
    """Takes data frames; what becomes of one follows as events, and as a downlink."""

    def __init__(
        self,
        network: Network,
        registry: Registry,
        events: Events,
        downlinks: Downlinks,
        later: Schedule,
    ) -> None:
        self._network, self._registry, self._events = network, registry, events
        self._downlinks, self._later = downlinks, later

    def take(self, heard: Heard, frame: DataFrame) -> None:
        """Find whose keys verify a frame; of one that none does, nothing is said."""
        for device in self._registry.at(frame.dev_addr):
            session = device.session
            if session is None or device.disabled:
                continue
            if device.profile.region != self._network.common_name:
                continue
            f_cnt = session.rebuild(frame)
            if f_cnt is not None:
                if f_cnt >= session.f_cnt_up or device.any_counter:
                    self._accept(heard, frame, device, session, f_cnt)
                else:
                    self._refuse(heard, device, f_cnt, repeated=f_cnt == session.f_cnt_up - 1)
                return

    def _refuse(self, heard: Heard, device: Device, f_cnt: int, *, repeated: bool) -> None:
        if repeated:
            code = integration.UPLINK_F_CNT_RETRANSMISSION
            text = "Uplink was flagged as re-transmission / frame-counter did not increment"
        else:
            code = integration.UPLINK_F_CNT_RESET
            text = "Frame-counter reset or rollover detected"
        self._events.log(
            device,
            code,
            text,
            level=integration.WARNING,
            deduplication_id=heard.id,
            f_cnt_up=str(f_cnt),
        )

    def _accept(
        self, heard: Heard, frame: DataFrame, device: Device, session: Session, f_cnt: int
    ) -> None:
        link = session.link
        session.f_cnt_up = f_cnt + 1
        device.seen_at = self._events.clock.now()
        link.hear(adr=frame.adr, adr_ack_req=frame.adr_ack_req, dr=heard.dr)
        payload = session.cipher.decrypt(frame, f_cnt)
        answers: tuple[Block, ...] = ()
        if self._network.mac_commands:
            said = payload if frame.f_port == 0 else frame.f_opts
            answers = take(parse(said, uplink=True), device, link, heard, self._events)
        link.note(f_cnt, heard.snr)
        self._tell(heard, frame, device, f_cnt, payload if frame.f_port else b"")
        if frame.ack:
            self._settle(heard, device)
        response = Response(ack=frame.confirmed, must_send=frame.adr_ack_req, answers=answers)
        self._later(DOWNLINK_S, lambda: self._downlinks.answer(heard, device, session, response))

    def _tell(
        self, heard: Heard, frame: DataFrame, device: Device, f_cnt: int, data: bytes
    ) -> None:
        event = integration.UplinkEvent(
            deduplication_id=heard.id,
            dev_addr=frame.dev_addr,
            adr=frame.adr,
            dr=heard.dr,
            f_cnt=f_cnt,
            f_port=frame.f_port or 0,
            confirmed=frame.confirmed,
            data=data,
            rx_info=heard.receptions,
            tx_info=heard.frame.tx_info,
            region_config_id=self._network.region,
        )
        event.time.FromDatetime(heard.at(self._events.clock.now()))
        self._events.tell(device, "up", event)

    def _settle(self, heard: Heard, device: Device) -> None:
        """The device acknowledges the confirmed downlink that was sent."""
        for item in device.queue:
            if item.pending:
                device.queue.remove(item)
                self._downlinks.tell_ack(device, item, heard, acknowledged=True)
                return
