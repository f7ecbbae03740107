"""Handing records to the broker: within the window, dated and stamped, and remembered."""

from __future__ import annotations

from typing import Final, Protocol

from chirpstack_api import gw
from google.protobuf import json_format, message

from edge.counts import Counts
from edge.dating import Dating
from edge.forwarding.flights import Flight, Flights
from edge.forwarding.pace import Pace
from edge.forwarding.sizes import Sizes
from edge.record import Arrival, Record
from edge.settings import EdgeSettings
from khaen import topics
from khaen.clock import Clock
from khaen.errors import DecodeError, KhaenError
from khaen.ids import Epoch
from khaen.uplink import Kind, Number
from khaen.wire import Stamp, stamp

_UNWRITABLE: Final = (
    message.Error,
    json_format.Error,
    ValueError,
    TypeError,
    OverflowError,
)
"""What protobuf and dates raise for values that a damaged disk, or a source, has given."""


class TooLarge(KhaenError):
    """A message that the broker would end the connection for."""


class Link(Protocol):
    """The present connection, as a sender sees it."""

    @property
    def largest(self) -> int:
        """Bytes of topic and payload together that it takes in one message."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        expiry: float | None = None,
        within: float | None = None,
    ) -> tuple[int, int] | None:
        """Hand over a message: its (connection, mid), or None. What the socket does not take
        `within` so many seconds is withdrawn.
        """

    def drop(self) -> None:
        """Make the connection anew."""


class Sender:
    """Never hands the client more than the window; the backlog takes half of it at most, and less
    where the link is slow.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        link: Link,
        dating: Dating,
        clock: Clock,
        counts: Counts,
        handed: dict[Epoch, int],
    ) -> None:
        self._settings, self._link, self._dating = settings, link, dating
        self._clock, self._counts = clock, counts
        self._handed = handed
        """The highest number of each epoch that was handed over, noted for the outbox."""
        self._in_flight: dict[tuple[int, int], tuple[Number, float]] = {}
        self._sizes = Sizes(clock)
        self.flights = Flights(settings.forward)
        self.pace = Pace(settings.forward.backlog_rate, settings.forward.window // 2, clock)
        self.connected_at: float | None = None
        """By the monotonic clock; None while there is no connection."""

    def end(self) -> None:
        """The connection is over, and what it leaves unanswered may be why."""
        self.connected_at = None
        self._sizes.end()

    def clear(self) -> None:
        """Forget all that is on its way."""
        self._in_flight.clear()
        self.flights.clear()
        self.pace.begin_anew()

    @property
    def largest(self) -> float:
        """Bytes of topic and payload together that may be sent in one message, for all we know."""
        return min(self._link.largest, self._sizes.largest)

    def room(self, *, late: bool) -> int:
        """How many messages may be handed over now."""
        if self.connected_at is None:
            return 0
        window = self._settings.forward.window
        return max(0, (self.pace.window if late else window) - len(self._in_flight))

    def awaits_live(self, position: int) -> bool:
        """Whether an ordinary frame before `position` went live and is not answered: it may yet be
        withdrawn, and would then go before.
        """
        flights = (self.flights.get(number) for number, _ in self._in_flight.values())
        return any(
            flight is not None
            and not flight.late
            and not flight.priority
            and flight.position < position
            for flight in flights
        )

    def is_stuck(self) -> bool:
        """Whether the broker owes an answer for too long."""
        oldest = next(iter(self._in_flight.values()), None)
        return oldest is not None and (
            self._clock.monotonic() - oldest[1] > self._settings.forward.stuck_s
        )

    def answered(self, connection: int, mid: int) -> Number | None:
        """There is an answer: for what, if it was one of ours."""
        found = self._in_flight.pop((connection, mid), None)
        self._sizes.answered((connection, mid))
        if found is None:
            return None
        number, handed = found
        self.pace.answered(self._clock.monotonic() - handed)
        return number

    def send(self, record: Record, *, arrival: Arrival | None = None, tries: int = 1) -> bool:
        """Hand a record over, where there is room: live what arrived just now, else by the backlog.

        A live one whose time is over before the socket takes it is withdrawn. Raises DecodeError
        where it cannot be written that way, and TooLarge.
        """
        late, now = arrival is None, self._clock.monotonic()
        if not self.room(late=late):
            return False
        topic = self._topic(record, late=late)
        try:
            payload = self._render(record, late=late)
        except _UNWRITABLE as error:
            raise DecodeError(f"record {record.position}: {type(error).__name__}") from error
        size = len(topic) + len(payload)
        if size > self.largest:
            raise TooLarge(f"record {record.position}: {size} bytes")
        if arrival is None:
            sent = self._link.publish(topic, payload)
        else:
            left = arrival.live_s - (now - arrival.heard)
            sent = self._link.publish(topic, payload, expiry=arrival.live_s, within=left)
        if sent is None:
            return False
        self._in_flight[sent] = (record.number, now)
        self._sizes.sent(sent, record.position, size)
        epoch, seq = record.number.epoch, record.number.seq
        self._handed[epoch] = max(seq, self._handed.get(epoch, 0))
        self.flights.add(
            Flight(
                number=record.number,
                position=record.position,
                priority=record.priority,
                topic=topic,
                late=late,
                tries=tries,
            )
        )
        self._counts.sent.labels(way="backlog" if late else "live").inc()
        return True

    def _render(self, record: Record, *, late: bool) -> bytes:
        date = self._dating.date(record, live=not late)
        facts = Stamp(
            number=record.number,
            kind=record.kind,
            clock=date.clock,
            origin=record.origin,
            at=date.at,
            until=date.until,
            device=record.device,
            topic=record.topic,
        )
        frame = gw.UplinkFrame.FromString(record.frame)
        stamped = stamp(frame, facts)
        for_network_server = not late and record.kind is Kind.LORAWAN
        return self._settings.encoding.render(frame) if for_network_server else stamped

    def _topic(self, record: Record, *, late: bool) -> str:
        gateway = self._settings.gateway_eui
        if late:
            return topics.backlog(gateway)
        if record.kind is Kind.LORAWAN:
            return topics.up(self._settings.region, gateway)
        return topics.live(gateway)
