"""Settings of the sources beside Semtech's UDP: each is there where its table is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from khaen import plugins
from khaen.mqtt import MqttSettings
from khaen.settings import Section

_EUI_BYTES: Final = 8
_LARGEST_FRAME: Final = 255


class NetworkServerSettings(MqttSettings):
    """The broker of a network server that runs on this gateway."""

    topics: tuple[str, ...] = Field(
        default=("application/+/device/+/event/+",), min_length=1, max_length=16
    )
    """What is subscribed to: events as ChirpStack names them, of all applications or of some."""

    @field_validator("topics")
    @classmethod
    def _of_events(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            match topic.split("/"):
                case ["application", _, "device", _, "event", _]:
                    continue
            raise ValueError(f"{topic!r} is not like application/+/device/+/event/+")
        return topics


class SerialSettings(Section):
    """A LoRa module on a serial port that hears point-to-point payloads."""

    device: Path
    """The port; `/dev/serial/by-id/…` stays the same when it is plugged in elsewhere."""
    dialect: str = "rui3"
    """The module's language: `rui3` (RAK3172 and kin) or `wio_e5` (Seeed Wio-E5, LoRa-E5)."""
    baud: int | None = Field(default=None, ge=1200, le=921_600)
    """Bits per second; the module's usual speed where it is left out."""
    frequency: int = Field(default=923_200_000, ge=150_000_000, le=960_000_000)
    """Hz."""
    spreading_factor: int = Field(default=7, ge=5, le=12)
    """What the senders use."""
    bandwidth: Literal[125, 250, 500] = 125
    """kHz."""
    coding_rate: Literal["4/5", "4/6", "4/7", "4/8"] = "4/5"
    """What the senders use."""
    preamble: int = Field(default=8, ge=2, le=65_535)
    """Symbols."""
    public: bool = False
    """Whether the senders use the sync word of public networks (LoRaWAN's)."""
    sender: str = ""
    """DevEUI of the only sender, 16 hexadecimal digits; or the first digits of every sender's, when
    `sender_offset` says where in the payload the others are."""
    sender_offset: int | None = Field(default=None, ge=0, lt=_LARGEST_FRAME)
    """Where in the payload the sender's address begins, in bytes."""

    @field_validator("dialect")
    @classmethod
    def _known(cls, name: str) -> str:
        known = plugins.names("edge.modem.at")
        if name not in known:
            raise ValueError(f"there is no dialect {name!r}; there are: {', '.join(known)}")
        return name

    @field_validator("sender", mode="before")
    @classmethod
    def _digits(cls, text: object) -> str:
        plain = re.sub("[-:]", "", str(text)).lower()
        if not re.fullmatch("([0-9a-f]{2}){0,8}", plain):
            raise ValueError(f"{text!r} is not up to 16 hexadecimal digits, two for each byte")
        return plain

    @model_validator(mode="after")
    def _names_senders(self) -> Self:
        missing = self.sender_length
        if self.sender_offset is None and missing:
            raise ValueError(
                "sender: give the 16 digits of the only sender's DevEUI, or set sender_offset"
            )
        if self.sender_offset is not None and not missing:
            raise ValueError("sender_offset: leave it out, or give fewer than 16 digits in sender")
        return self

    @property
    def sender_length(self) -> int:
        """How many bytes of the DevEUI stand in the payload."""
        return _EUI_BYTES - len(self.sender) // 2


class ConcentratordSettings(Section):
    """ChirpStack Concentratord, over ZeroMQ."""

    event_url: str = Field(default="ipc:///tmp/concentratord_event", pattern=r"(ipc|tcp)://.+")
    """Where it publishes what it hears."""
    command_url: str = Field(default="ipc:///tmp/concentratord_command", pattern=r"(ipc|tcp)://.+")
    """Where it takes downlinks."""
