"""Whom a replay may speak for: the devices and gateways of one simulated site, nobody else."""

from __future__ import annotations

from chirpstack_api import gw

from khaen import topics
from khaen.capture import Record
from khaen.ids import GatewayEui
from khaen.site.loader import Loaded
from khaen.topics import ApplicationTopic
from khaen.uplink import Kind
from simulators.forms.message import Message
from simulators.frames import Frame, frames, rewrite
from simulators.replay.keyring import Keyring
from simulators.replay.skip import BROKEN, NOT_OF_THE_SITE, Skip
from store.hearing import NOWHERE


class Members:
    """Leaves of a record what its members said. Raises Skip where that is nothing.

    A gateway frame is a member's by its address, or by the key that verifies it where the site
    names no address.
    """

    def __init__(self, loaded: Loaded) -> None:
        devices = loaded.site.devices
        self._devices = {device.dev_eui for device in devices}
        self._addresses = {device.dev_addr for device in devices if device.dev_addr}
        self._gateways: set[GatewayEui | None] = {g.eui for g in loaded.site.gateways}
        self._gateways |= {NOWHERE, None}  # an event that says no gateway is its device's
        self._keyring = Keyring(loaded.keys, devices)

    def __call__(self, record: Record) -> Record:
        """The record, or what is left of it. Raises Skip."""
        if not frames(record):
            raise Skip("no_frames")
        try:
            left = rewrite(record, lambda frame: frame if self._is_ours(frame, record) else None)
        except BROKEN as error:
            raise Skip("unreadable") from error
        if left is None:
            raise Skip(NOT_OF_THE_SITE)
        return left

    def _is_ours(self, frame: Frame, record: Record) -> bool:
        if frame.gateway_eui not in self._gateways:
            return False
        if frame.dev_eui is not None:
            return frame.dev_eui in self._devices
        if frame.phy is None:
            return self._carries_ours(record)
        return frame.dev_addr in self._addresses or self._keyring.open(frame.phy) is not None

    def _carries_ours(self, record: Record) -> bool:
        """Whether an envelope holds a member's event, or only something of its gateway."""
        metadata = Message(gw.UplinkFrame(), record.payload).message.rx_info.metadata
        if metadata.get("khaen_kind") != Kind.APPLICATION:
            return True
        topic = topics.parse(metadata.get("khaen_topic", ""))
        return isinstance(topic, ApplicationTopic) and topic.dev_eui in self._devices
