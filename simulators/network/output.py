"""What the network server gives: events for applications, downlinks for gateways."""

from __future__ import annotations

from dataclasses import dataclass

from chirpstack_api import gw
from google.protobuf.message import Message

from khaen.ids import DevEui


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the server tells an application; `kind` is the last word of the topic."""

    application: str
    dev_eui: DevEui
    kind: str
    message: Message

    @property
    def topic(self) -> str:
        """Where ChirpStack publishes it."""
        return f"application/{self.application}/device/{self.dev_eui}/event/{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """A frame for a gateway, of which it sends the first item that it can."""

    frame: gw.DownlinkFrame
