"""Downlinks: what a network server wants transmitted, tried item by item, and what became of it.

`gw.DownlinkFrame` has an item for each window; the first that the packet forwarder takes is the one
that is sent. `gw.DownlinkTxAck` then has a status for each item, as ChirpStack reads it: OK, why
not, or IGNORED after the one that was sent. Nothing of this touches the disk: a downlink that
cannot be sent at its time is worth nothing later.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from edge.counts import Counts
from edge.dating import Dating
from edge.semtech import txpk
from edge.semtech.tally import Tally
from edge.semtech.txpk import MAX_DELAY_S, Status, TxpkError
from khaen.clock import Clock, from_gps
from khaen.errors import WireError
from khaen.ids import GatewayEui

ANSWER_S: Final = 2.0
"""A packet forwarder answers as soon as it has looked into its queue; later it never will."""
MOST: Final = 64
"""Downlinks that wait for the forwarder's answer; more are QUEUE_FULL."""
_MOST_BYTES: Final = 16_384
_MOST_ITEMS: Final = 8
_MOST_CONTEXTS: Final = 4096
_TOKENS: Final = 1 << 16

Transmit = Callable[[int, dict[str, Any]], bool]
"""Hands a `txpk` under a token to the packet forwarder; False where there is no way to it."""


class Transmitter(Protocol):
    """What has downlinks sent: `Downlinks`, or a concentrator's own program that takes whole ones.

    It tells one `gw.DownlinkTxAck` for each, whatever becomes of it, and sends none whose items
    are over (`Downlinks.is_over`).
    """

    def take(self, frame: gw.DownlinkFrame) -> None:
        """Try a downlink; returns at once."""


def parse(gateway: GatewayEui, payload: bytes) -> gw.DownlinkFrame:
    """A command for `gateway`, in protobuf, or in JSON where it begins with a brace.

    Raises WireError: `too_long`, `not_json`, `not_protobuf`, `gateway_mismatch`, `bad_items`.
    """
    if len(payload) > _MOST_BYTES:
        raise WireError("too_long", f"{len(payload)} bytes")
    frame = gw.DownlinkFrame()
    if payload[:1] == b"{":
        try:
            json_format.Parse(payload, frame, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, RecursionError) as error:
            raise WireError("not_json", str(error)[:200]) from error
    else:
        try:
            frame.ParseFromString(payload)
        except DecodeError as error:
            raise WireError("not_protobuf", str(error)[:200]) from error
    if frame.gateway_id != gateway:
        raise WireError("gateway_mismatch", f"topic of {gateway}")
    if not 0 < len(frame.items) <= _MOST_ITEMS:
        raise WireError("bad_items", f"{len(frame.items)} items")
    return frame


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A downlink that is being tried: its item `index`, until `patience` is over."""

    frame: gw.DownlinkFrame
    statuses: list[Status]
    index: int = 0
    patience: asyncio.TimerHandle | None = None


class Downlinks:
    """One gateway's. All in the loop's thread; `tell` is given each answer."""

    def __init__(
        self,
        gateway: GatewayEui,
        transmit: Transmit,
        tell: Callable[[gw.DownlinkTxAck], None],
        dating: Dating,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._gateway, self._transmit, self._tell = gateway, transmit, tell
        self._dating, self._clock, self._counts = dating, clock, counts
        self._attempts: dict[int, _Attempt] = {}
        self._heard: OrderedDict[bytes, float] = OrderedDict()
        self._token = 0
        self.tally = Tally()
        """What the radio did, for the statistics."""

    def hear(self, context: bytes, *, waited_s: float = 0.0) -> None:
        """A frame was heard just now, or so long ago; what answers it names its context."""
        now = self._clock.monotonic()
        self._heard[context] = now - waited_s
        self._heard.move_to_end(context)
        oldest = next(iter(self._heard.values()))
        while len(self._heard) > _MOST_CONTEXTS or now - oldest > MAX_DELAY_S:
            self._heard.popitem(last=False)
            oldest = next(iter(self._heard.values()), now)

    def take(self, frame: gw.DownlinkFrame) -> None:
        """Try a downlink; its answer follows, whatever becomes of it."""
        attempt = _Attempt(frame=frame, statuses=[gw.IGNORED] * len(frame.items))
        if len(self._attempts) < MOST:
            self._try(attempt)
        else:
            self._end(attempt, gw.QUEUE_FULL)

    def answered(self, token: int, status: Status) -> None:
        """The packet forwarder has taken an item, or says why not."""
        attempt = self._attempts.pop(token, None)
        if attempt is None:
            self._counts.refused.labels(reason="unknown_tx_ack").inc()
            return
        if attempt.patience is not None:
            attempt.patience.cancel()
        attempt.statuses[attempt.index] = status
        attempt.index += 1
        if status == gw.OK:
            self._end(attempt, gw.IGNORED)
        else:
            self._try(attempt)

    def _try(self, attempt: _Attempt) -> None:
        """Give the forwarder the next item that can be given; without one it is over."""
        for item in attempt.frame.items[attempt.index :]:
            status = self._hand_over(attempt, item)
            if status is None:
                return
            attempt.statuses[attempt.index] = status
            attempt.index += 1
        self._end(attempt, gw.INTERNAL_ERROR)

    def _hand_over(self, attempt: _Attempt, item: gw.DownlinkFrameItem) -> Status | None:
        """Why an item cannot be given to the forwarder; None once it is, and waits for its word."""
        try:
            packet = txpk.render(item)
        except TxpkError:
            return int(gw.INTERNAL_ERROR)
        if self.is_over(item.tx_info):
            return int(gw.TOO_LATE)
        token = self._token = (self._token + 1) % _TOKENS
        if not self._transmit(token, packet):
            return int(gw.INTERNAL_ERROR)
        loop = asyncio.get_running_loop()
        attempt.patience = loop.call_later(ANSWER_S, self._give_up, token)
        self._attempts[token] = attempt
        return None

    def is_over(self, info: gw.DownlinkTxInfo) -> bool:
        """Whether an item's time has passed.

        A gateway's counter comes round each 71.6 minutes, so that it would take an old context for
        one of the future: only what was heard within a window's delay is answered.
        """
        delay = txpk.delay_of(info)
        if delay is not None:
            heard = self._heard.get(info.context)
            return heard is None or self._clock.monotonic() - heard > delay
        if info.timing.HasField("gps_epoch") and self._dating.synced():
            at = from_gps(info.timing.gps_epoch.time_since_gps_epoch.ToTimedelta())
            return at is not None and at < self._clock.now()
        return False

    def _give_up(self, token: int) -> None:
        """No word came. It may have been sent: the next item would be a second time."""
        attempt = self._attempts.pop(token, None)
        if attempt is not None:
            self._end(attempt, gw.INTERNAL_ERROR)

    def _end(self, attempt: _Attempt, rest: Status) -> None:
        """Tell what became of it, of the items from `index` on that it is `rest`."""
        left = len(attempt.statuses) - attempt.index
        attempt.statuses[attempt.index :] = [rest] * left
        outcome = gw.OK if gw.OK in attempt.statuses else attempt.statuses[-1]
        self._counts.downlinks.labels(status=gw.TxAckStatus.Name(outcome).lower()).inc()
        ack = gw.DownlinkTxAck(
            gateway_id=self._gateway,
            downlink_id=attempt.frame.downlink_id,
            items=[gw.DownlinkTxAckItem(status=status) for status in attempt.statuses],
        )
        self.tally.send(attempt.frame, ack)
        self._tell(ack)
