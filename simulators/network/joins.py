"""Joining over the air (LoRaWAN L2 1.0.4, section 6.2)."""

from __future__ import annotations

from chirpstack_api import integration

from khaen.ids import DevAddr
from khaen.lorawan.frame import JoinRequest
from khaen.lorawan.join import (
    JoinGrant,
    derive_session_keys,
    seal_join_accept,
    verify_join_request,
)
from simulators.network.device import Device, session_of
from simulators.network.downlinks import Downlinks
from simulators.network.events import Events
from simulators.network.heard import Heard
from simulators.network.plan import Network
from simulators.network.registry import Registry

_RX_DELAY = 1


class Joins:
    """Admits devices and gives them sessions."""

    def __init__(
        self, network: Network, registry: Registry, events: Events, downlinks: Downlinks
    ) -> None:
        self._network, self._registry = network, registry
        self._events, self._downlinks = events, downlinks

    def take(self, heard: Heard, frame: JoinRequest) -> None:
        """Answer a join request, unless it is a stranger's, forged, or heard before."""
        device = self._registry.find(frame.dev_eui)
        if device is None or device.app_key is None or device.disabled or not device.profile.otaa:
            return
        if device.profile.region != self._network.common_name:
            return
        if not verify_join_request(device.app_key, frame):
            text = "MIC of join-request is invalid, make sure keys are correct"
            self._events.log(device, integration.UPLINK_MIC, text, deduplication_id=heard.id)
            return
        nonce = (frame.join_eui, frame.dev_nonce)
        if nonce in device.nonces:
            self._events.log(
                device,
                integration.OTAA,
                "DevNonce has already been used",
                deduplication_id=heard.id,
                join_eui=frame.join_eui,
                dev_nonce=str(frame.dev_nonce),
            )
            return
        device.nonces.add(nonce)
        self._admit(heard, frame, device, device.app_key)

    def _admit(self, heard: Heard, frame: JoinRequest, device: Device, app_key: bytes) -> None:
        grant = JoinGrant(
            join_nonce=device.join_nonce,
            net_id=self._network.net_id,
            dev_addr=self.new_address(),
            dl_settings=self._network.dl_settings,
            rx_delay=_RX_DELAY,
            cf_list=self._network.cf_list,
        )
        device.join_nonce = (device.join_nonce + 1) & 0xFF_FFFF
        device.join_eui = frame.join_eui
        keys = derive_session_keys(
            app_key,
            join_nonce=grant.join_nonce,
            net_id=grant.net_id,
            dev_nonce=frame.dev_nonce,
        )
        session = session_of(grant.dev_addr, keys)
        session.link.grant(self._network.granted_channels())
        self._registry.activate(device, session)
        if device.profile.flush_on_activate:
            device.queue.clear()
        self._downlinks.accept(heard, device, seal_join_accept(app_key, grant))
        event = integration.JoinEvent(
            deduplication_id=heard.id,
            dev_addr=grant.dev_addr,
            region_config_id=self._network.region,
        )
        event.time.FromDatetime(heard.at(self._events.clock.now()))
        self._events.tell(device, "join", event)

    def new_address(self) -> DevAddr:
        """An address of a NetID of type 0: seven bits of its lowest byte, 25 of chance."""
        prefix = int(self._network.net_id, 16) & 0x3F
        return DevAddr(f"{prefix << 25 | self._events.rng.getrandbits(25):08x}")
