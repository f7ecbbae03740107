"""Where sources hand over what they hear: on disk first, then to the forwarder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from chirpstack_api import gw

from edge.counts import Counts
from edge.dating import Dating
from edge.forwarding.forwarder import Forwarder
from edge.outbox.outbox import Stored
from edge.outbox.writer import Writer
from edge.record import Arrival
from edge.settings import EdgeSettings
from edge.sorting import sort
from khaen.clock import Clock, Rung
from khaen.priority import PriorityList
from khaen.uplink import Kind, Origin

_FRAME_BYTES: Final = 1024
"""What a frame has room in, among those that wait; a larger one counts as several."""
_LONGEST_WAIT: Final = timedelta(days=7)
"""Nobody keeps anything for us for longer: what is older was dated by a clock that was not set."""


class Intake:
    """Makes arrivals of what sources hear, and stores them."""

    def __init__(
        self,
        settings: EdgeSettings,
        writer: Writer,
        forwarder: Forwarder,
        dating: Dating,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._settings, self._writer, self._forwarder = settings, writer, forwarder
        self._dating, self._clock, self._counts = dating, clock, counts
        self._origin = Origin.SIMULATED if settings.simulated else Origin.RADIO
        self.wanted: PriorityList | None = None
        """What goes first; None until a list has come."""
        self._trace = counts.traces[settings.gateway_eui]

    def hear(
        self,
        frame: gw.UplinkFrame,
        satellite: datetime | None = None,
        *,
        waited_s: float = 0.0,
    ) -> Arrival:
        """A LoRaWAN frame that was heard just now, or so long ago."""
        sorted_as = sort(frame.phy_payload, self.wanted)
        forward = self._settings.forward
        instant = self._dating.hear(satellite, waited_s=waited_s)
        self._trace.frame = self._clock.now()
        if instant.clock is Rung.GPS:
            self._trace.satellite = self._clock.monotonic()
        return Arrival(
            kind=Kind.LORAWAN,
            frame=frame.SerializeToString(),
            priority=sorted_as.priority,
            origin=self._origin,
            instant=instant,
            heard=self._clock.monotonic() - waited_s,
            live_s=forward.live_join_s if sorted_as.join else forward.live_s,
        )

    def hear_message(
        self,
        kind: Kind,
        frame: gw.UplinkFrame,
        *,
        priority: bool,
        device: str | None = None,
        topic: str | None = None,
        since: datetime | None = None,
    ) -> Arrival:
        """What a source of another kind heard just now: `p2p` from `device`, `application` under
        `topic`. `frame` has its bytes as `phy_payload`, and what is known of the reception. `since`
        is when somebody else heard it by this machine's clock, for what waited with him.
        """
        now = self._clock.now()
        waited = timedelta() if since is None else now - since
        waited_s = waited.total_seconds() if timedelta() < waited <= _LONGEST_WAIT else 0.0
        frame.rx_info.gateway_id = self._settings.gateway_eui
        self._trace.frame = now
        return Arrival(
            kind=kind,
            frame=frame.SerializeToString(),
            priority=priority,
            origin=self._origin,
            instant=self._dating.hear(waited_s=waited_s),
            heard=self._clock.monotonic() - waited_s,
            live_s=self._settings.forward.live_s,
            device=device,
            topic=topic,
        )

    def beat(self) -> Arrival:
        """A heartbeat."""
        rx = gw.UplinkRxInfo(gateway_id=self._settings.gateway_eui)
        return Arrival(
            kind=Kind.HEARTBEAT,
            frame=gw.UplinkFrame(rx_info=rx).SerializeToString(),
            priority=False,
            origin=Origin.HEARTBEAT,
            instant=self._dating.hear(),
            heard=self._clock.monotonic(),
            live_s=self._settings.forward.live_s,
        )

    def store(self, arrivals: Sequence[Arrival]) -> asyncio.Future[Stored]:
        """Store arrivals; the future resolves once they are on disk and offered to the broker.

        Raises StoreUnavailable when too many wait for the disk already.
        """
        urgent = any(arrival.priority for arrival in arrivals)
        patience = 0.0 if urgent else self._settings.outbox.group_ms / 1000
        future = self._writer.submit(
            partial(self._writer.outbox.append, arrivals),
            patience=patience,
            size=sum(1 + len(arrival.frame) // _FRAME_BYTES for arrival in arrivals),
        )
        future.add_done_callback(partial(self._offer, arrivals))
        return future

    def _offer(self, arrivals: Sequence[Arrival], future: asyncio.Future[Stored]) -> None:
        if future.cancelled() or future.exception() is not None:
            self._counts.refused.labels(reason="not_stored").inc(len(arrivals))
            return
        now = self._clock.monotonic()
        for arrival in arrivals:
            self._counts.heard.labels(kind=arrival.kind.value).inc()
            self._counts.stored.observe(max(0.0, now - arrival.heard))
        self._forwarder.offer(future.result(), arrivals)
