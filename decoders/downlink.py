"""What care has to say to a device, whatever its family; a family turns it into its bytes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from khaen.errors import KhaenError


class Order(enum.StrEnum):
    """What a downlink says. The first three are answers to a call, buzzed to the wearer."""

    RECEIVED = "received"
    """A screen shows the call."""
    ACCEPTED = "accepted"
    """A person has taken it."""
    ON_THE_WAY = "on_the_way"
    INTERVAL = "interval"
    """Of telemetry; the value is minutes."""
    CANCEL_WINDOW = "cancel_window"
    """How long the wearer may cancel a fall; the value is seconds."""


VALUED = frozenset({Order.INTERVAL, Order.CANCEL_WINDOW})


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """One order. `value` belongs to those in `VALUED`, 0 to the others.

    `number`, 1 to 15, is what a device that counts downlinks returns when it took this one.
    """

    order: Order
    value: int = 0
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A downlink as it goes out."""

    f_port: int
    payload: bytes


class CannotSay(KhaenError):
    """The device has no word for it, or not for this value; the text says which it has."""


EncodeDownlink = Callable[[Downlink], Encoded]
"""A downlink to its bytes. Raises CannotSay."""


def within(downlink: Downlink, least: int, most: int) -> int:
    """The value, which must be from `least` to `most`. Raises CannotSay."""
    if not least <= downlink.value <= most:
        raise CannotSay(f"{downlink.order} goes from {least} to {most}, not {downlink.value}")
    return downlink.value


def only(downlink: Downlink, *orders: Order) -> None:
    """Raise CannotSay for an order that is none of these."""
    if downlink.order not in orders:
        raise CannotSay(f"no word for {downlink.order}, only for {', '.join(sorted(orders))}")
