"""What can happen to a subject of a simulated site: one vocabulary for scenario files and commands.

A subject is a resident by opaque id (`R-0012`), a gateway (`gw-2`, the second of the site file, or
its EUI), or a device by its DevEUI. Each act says itself in Thai and in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from khaen.alarm import Outcome
from khaen.site.model import Slug, Text
from simulators.acts.duration import Offset, Seconds


class Act(BaseModel):
    """Something that happens. `real` says whether real processes can be made to live it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    real: ClassVar[bool] = True
    says: ClassVar[tuple[str, str]]
    """Thai and English, with the act's fields in braces."""
    act: str
    at: Seconds = 0.0
    """When, from the start of a scenario. What is typed happens now."""
    name: Slug | None = None
    """By which an expectation refers to it."""

    def text(self) -> Text:
        """What happens, for a person."""
        th, en = (words.format(**self._words()) for words in self.says)
        return Text(th=th, en=en)

    def subject(self) -> tuple[str, str] | None:
        """The field that names whom it befalls, and the name; None where it befalls all."""
        for field in ("resident", "gateway", "device"):
            if (name := getattr(self, field, None)) is not None:
                return field, str(name)
        return None

    def _words(self) -> Mapping[str, Any]:
        return self.model_dump(mode="json")


class _OfResident(Act):
    resident: Slug
    """An elder with a wristband."""


class _OfGateway(Act):
    gateway: str = Field(min_length=1)
    """`gw-1` is the first gateway of the site; or a gateway's EUI."""


class _OfDevice(Act):
    device: str = Field(min_length=1)
    """A DevEUI."""


# -- elders -----------------------------------------------------------------


class Press(_OfResident):
    """She presses for help; her band repeats it until it is acknowledged or 3 minutes are over."""

    act: Literal["press"] = "press"
    again: int = Field(default=0, ge=0, le=20)
    """How many times she presses again, because nobody comes …"""
    every_s: Seconds = Field(default=30.0, ge=1, le=600)
    """… and how long she waits before each."""
    says = ("ผู้สูงอายุ {resident} กดปุ่มขอความช่วยเหลือ", "elder {resident} presses for help")


class Fall(_OfResident):
    """She falls: her band says so at once, and again what became of her."""

    act: Literal["fall"] = "fall"
    then: Literal["still", "moves", "cancels"] = "still"
    """She lies still, moves, or says by her band that it was nothing …"""
    after_s: Seconds | None = Field(default=None, ge=1, le=180)
    """… so long after the impact; by itself after the site's `fall.cancel_s`, or 10 s to cancel."""
    says = ("ผู้สูงอายุ {resident} ล้ม ({then})", "elder {resident} falls ({then})")


class Clap(_OfResident):
    """She claps: her band takes it for a fall, and takes it back at once."""

    act: Literal["clap"] = "clap"
    says = (
        "ผู้สูงอายุ {resident} ปรบมือ สายรัดเข้าใจว่าล้ม",
        "elder {resident} claps, and her band takes it for a fall",
    )


class TakeOff(_OfResident):
    """The band is taken off and left in a drawer."""

    act: Literal["take_off"] = "take_off"
    says = ("ผู้สูงอายุ {resident} ถอดสายรัดทิ้งไว้", "elder {resident} takes the band off")


class PutOn(_OfResident):
    """The band is on the wrist again."""

    act: Literal["put_on"] = "put_on"
    says = ("ผู้สูงอายุ {resident} ใส่สายรัด", "elder {resident} puts the band on")


class Wander(_OfResident):
    """She walks away from home and comes back."""

    act: Literal["wander"] = "wander"
    metres: float = Field(default=800.0, ge=10, le=20_000)
    minutes: float = Field(default=60.0, ge=2, le=720)
    says = (
        "ผู้สูงอายุ {resident} เดินออกจากบ้าน {metres:g} เมตร",
        "elder {resident} wanders {metres:g} m from home",
    )


class Fever(_OfResident):
    """A slow fever comes and goes."""

    act: Literal["fever"] = "fever"
    celsius: float = Field(default=1.5, ge=0.3, le=4)
    """Above her usual."""
    hours: float = Field(default=12.0, ge=1, le=240)
    says = (
        "ผู้สูงอายุ {resident} มีไข้ +{celsius:g} °C",
        "elder {resident} has a fever of +{celsius:g} °C",
    )


class Episode(_OfResident):
    """Her heart or her oxygen is far from usual for a while."""

    act: Literal["episode"] = "episode"
    vital: Literal["heart_rate", "spo2"] = "heart_rate"
    value: float = Field(ge=25, le=240)
    """Beats per minute, or % of oxygen."""
    minutes: float = Field(default=15.0, ge=1, le=1440)
    says = (
        "ผู้สูงอายุ {resident}: {vital} ประมาณ {value:g}",
        "elder {resident}: {vital} is about {value:g}",
    )


# -- things -----------------------------------------------------------------


class PressButton(_OfDevice):
    """Somebody presses a button on a wall."""

    act: Literal["press_button"] = "press_button"
    how: Literal["short", "long", "double"] = "long"
    says = ("มีคนกดปุ่ม {device} ({how})", "somebody presses the button {device} ({how})")


class Stick(_OfDevice):
    """What a sensor measures stays as it is, until it is mended."""

    act: Literal["stick"] = "stick"
    says = ("เซ็นเซอร์ {device} ค้าง ค่าไม่เปลี่ยน", "the sensor {device} sticks")


class Drift(_OfDevice):
    """A sensor's main value goes away from the truth, until it is mended."""

    act: Literal["drift"] = "drift"
    per_hour: float = Field(default=1.0, ge=-1000, le=1000)
    """In the value's own unit: °C, µg/m³, m, W."""
    says = (
        "เซ็นเซอร์ {device} เพี้ยนไปชั่วโมงละ {per_hour:g}",
        "the sensor {device} drifts by {per_hour:g} an hour",
    )


class RunDown(_OfDevice):
    """A sensor's battery is nearly empty, until it is mended."""

    act: Literal["run_down"] = "run_down"
    says = ("แบตเตอรี่ของ {device} ใกล้หมด", "the battery of {device} is nearly empty")


class Mend(_OfDevice):
    """Somebody has looked after a sensor: all its faults are gone."""

    act: Literal["mend"] = "mend"
    says = ("ซ่อมเซ็นเซอร์ {device} แล้ว", "the sensor {device} is mended")


class ReplayFrame(_OfResident):
    """An attacker sends a frame once more that was on the air before: her band's last call."""

    real: ClassVar[bool] = False
    act: Literal["replay_frame"] = "replay_frame"
    says = (
        "มีผู้ส่งเฟรมขอความช่วยเหลือเก่าของ {resident} ซ้ำ",
        "an attacker sends the last call of {resident} once more",
    )


# -- gateways ---------------------------------------------------------------


class CutGateway(_OfGateway):
    """The gateway's way to the broker is cut."""

    act: Literal["cut_gateway"] = "cut_gateway"
    how: Literal["refuse", "black_hole"] = "refuse"
    """Connections are refused, or stand open and let nothing through."""
    says = ("สายอินเทอร์เน็ตของเกตเวย์ {gateway} ขาด ({how})", "gateway {gateway} is cut off ({how})")


class RestoreGateway(_OfGateway):
    """The gateway's way to the broker is whole again."""

    act: Literal["restore_gateway"] = "restore_gateway"
    says = (
        "อินเทอร์เน็ตของเกตเวย์ {gateway} กลับมา ข้อมูลที่ค้างทยอยส่ง",
        "gateway {gateway} is back: what it kept arrives late",
    )


class RebootGateway(_OfGateway):
    """The gateway loses its power and starts again. A Pi has no clock of its own: without network
    it does not know the time, and with it only after half a minute.
    """

    real: ClassVar[bool] = False
    act: Literal["reboot_gateway"] = "reboot_gateway"
    clock: bool = False
    """Whether it has a clock that goes on without power."""
    off_s: Seconds = Field(default=20.0, ge=1, le=86_400)
    """How long it is dark."""
    says = ("เกตเวย์ {gateway} ไฟดับและเริ่มใหม่", "gateway {gateway} loses its power and starts again")


class MoveClock(_OfGateway):
    """The gateway's time of day jumps, and the gateway believes it."""

    real: ClassVar[bool] = False
    act: Literal["move_clock"] = "move_clock"
    by_s: Offset = Field(ge=-10 * 31_557_600, le=10 * 31_557_600)
    """Ahead; negative is behind."""
    says = (
        "นาฬิกาของเกตเวย์ {gateway} คลาดไป {by_s:g} วินาที",
        "the clock of {gateway} jumps by {by_s:g} s",
    )


# -- servers ----------------------------------------------------------------


class BrokerDown(Act):
    """The broker ends, until `broker_up`."""

    real: ClassVar[bool] = False
    act: Literal["broker_down"] = "broker_down"
    forgets: bool = True
    """It loses all that it holds: sessions, queues, what is retained."""
    after_frame_of: Slug | None = None
    """Not now, but at the worst moment: when it has acknowledged the next frame of this resident to
    a gateway, and has handed it to nobody.
    """
    says = ("โบรกเกอร์หยุดทำงาน", "the broker goes down")


class BrokerUp(Act):
    """The broker starts again."""

    real: ClassVar[bool] = False
    act: Literal["broker_up"] = "broker_up"
    says = ("โบรกเกอร์กลับมาทำงาน", "the broker is up again")


class NetworkServerDown(Act):
    """The network server ends, until `network_server_up`."""

    real: ClassVar[bool] = False
    act: Literal["network_server_down"] = "network_server_down"
    says = ("เครือข่ายเซิร์ฟเวอร์หยุดทำงาน", "the network server goes down")


class NetworkServerUp(Act):
    """The network server starts again."""

    real: ClassVar[bool] = False
    act: Literal["network_server_up"] = "network_server_up"
    says = ("เครือข่ายเซิร์ฟเวอร์กลับมาทำงาน", "the network server is up again")


# -- people who answer ------------------------------------------------------


class _Answer(Act):
    resident: Slug | None = None
    """Whose case it is: an elder's …"""
    gateway: str | None = None
    """… or a gateway's."""
    rule: Slug | None = None
    """By itself `sos` of a resident, `gateway_down` of a gateway."""

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if (self.resident is None) == (self.gateway is None):
            raise ValueError("name either a resident or a gateway")
        return self

    @property
    def which(self) -> str:
        """The rule whose alarm it is."""
        return self.rule or ("sos" if self.gateway is None else "gateway_down")

    def _words(self) -> Mapping[str, Any]:
        return {"who": self.resident or self.gateway, "which": self.which}


class Accept(_Answer):
    """A carer takes the case; nothing where there is none that waits."""

    act: Literal["accept"] = "accept"
    says = ("ผู้ดูแลรับเรื่อง {which} ของ {who}", "a carer takes the {which} of {who}")


class Close(_Answer):
    """A carer ends the case that she took; nothing where there is none."""

    real: ClassVar[bool] = False
    act: Literal["close"] = "close"
    outcome: Outcome = Outcome.ASSISTED
    says = ("ผู้ดูแลปิดเรื่อง {which} ของ {who}", "a carer closes the {which} of {who}")


AnyAct = Annotated[
    Press
    | Fall
    | Clap
    | TakeOff
    | PutOn
    | Wander
    | Fever
    | Episode
    | PressButton
    | Stick
    | Drift
    | RunDown
    | Mend
    | ReplayFrame
    | CutGateway
    | RestoreGateway
    | RebootGateway
    | MoveClock
    | BrokerDown
    | BrokerUp
    | NetworkServerDown
    | NetworkServerUp
    | Accept
    | Close,
    Field(discriminator="act"),
]
ACTS: TypeAdapter[AnyAct] = TypeAdapter(AnyAct)
"""Reads one act of plain data. Raises pydantic's ValidationError."""
KINDS: Mapping[str, type[Act]] = {
    str(kind.model_fields["act"].default): kind
    for kind in AnyAct.__origin__.__args__  # type: ignore[attr-defined]
}
"""Every act by its name."""
