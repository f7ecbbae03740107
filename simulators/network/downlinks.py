"""What goes down: composed for both windows, and counted when a gateway says that it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chirpstack_api import gw, integration

from khaen.lorawan.frame import MAX_F_OPTS
from khaen.lorawan.mac import render
from khaen.lorawan.region import JOIN_ACCEPT_DELAY1, RX1_DELAY
from simulators.network.device import Device, Item, Session
from simulators.network.events import Events
from simulators.network.heard import Heard
from simulators.network.link import Block
from simulators.network.plan import Network
from simulators.network.requests import requests
from simulators.network.windows import Window, windows

_MAX_SENT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A frame that went to a gateway; `carries` says of each window whether the item is inside.

    A join accept has no session here.
    """

    device: Device
    session: Session | None
    item: Item | None
    frame: gw.DownlinkFrame
    carries: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What an uplink calls for, whatever waits: an acknowledgement, a sign of life, answers."""

    ack: bool
    must_send: bool
    answers: tuple[Block, ...]


class Downlinks:
    """Downlinks of class A."""

    def __init__(self, network: Network, events: Events) -> None:
        self._network, self._events = network, events
        self._sent: dict[int, Sent] = {}

    def accept(self, heard: Heard, device: Device, phy: bytes) -> None:
        """Send a join accept, 5 and 6 s after the request."""
        chances = windows(heard, JOIN_ACCEPT_DELAY1)
        frame = self._frame(heard, [(window, phy) for window in chances])
        self._send(Sent(device=device, session=None, item=None, frame=frame))

    def answer(self, heard: Heard, device: Device, session: Session, response: Response) -> None:
        """Send what there is for a device that listens now; nothing where there is nothing."""
        if device.session is not session:
            return
        dwell = self._network.downlink_dwell
        chances = windows(heard, RX1_DELAY, dwell=dwell)
        item = self._next_item(device, chances[0].size, heard)
        now = self._events.clock.now()
        blocks = requests(
            session, device.profile, self._network, heard, now, answers=response.answers
        )
        if item is None and not blocks and not response.ack and not response.must_send:
            return
        more = len(device.queue) > 1
        made = [
            self._compose(session, window, blocks, item, ack=response.ack, more=more)
            for window in chances
        ]
        if item is not None:
            item.f_cnt = session.f_cnt_down
        frame = self._frame(heard, list(zip(chances, [phy for phy, _ in made], strict=True)))
        carries = tuple(inside for _, inside in made)
        self._send(Sent(device=device, session=session, item=item, frame=frame, carries=carries))

    def _compose(
        self,
        session: Session,
        window: Window,
        blocks: Sequence[Block],
        item: Item | None,
        *,
        ack: bool,
        more: bool,
    ) -> tuple[bytes, bool]:
        """The frame for one window, and whether the item is inside.

        Commands come first. Beyond 15 bytes they take the payload's place.
        """
        commands, left = b"", window.size
        for block in blocks:
            rendered = render(block)
            if len(rendered) > left:
                break
            commands, left = commands + rendered, left - len(rendered)
            session.link.pending[block[0].cid] = block
        on_port_0 = len(commands) > MAX_F_OPTS
        inside = item is not None and not on_port_0 and len(item.data) <= left
        f_port, payload, confirmed = None, b"", False
        if on_port_0:
            f_port, payload = 0, commands
        elif item is not None and inside:
            f_port, payload, confirmed = item.f_port, item.data, item.confirmed
        phy = session.cipher.seal_downlink(
            f_cnt=session.f_cnt_down,
            f_port=f_port,
            payload=payload,
            confirmed=confirmed,
            f_opts=b"" if on_port_0 else commands,
            adr=self._network.adr,
            ack=ack,
            f_pending=more or (item is not None and not inside),
        )
        return phy, inside

    def _next_item(self, device: Device, size: int, heard: Heard) -> Item | None:
        """The queue's first item that may go; those that may not are dropped, and that is told."""
        now = self._events.clock.now()
        while device.queue:
            item = device.queue[0]
            expired = item.expires_at is not None and item.expires_at <= now
            if not item.pending and not expired and len(item.data) <= size:
                return item
            device.queue.popleft()
            if item.pending:
                self.tell_ack(device, item, heard, acknowledged=False)
            elif expired:
                text = "Device queue-item discarded because it has expired"
                self._events.log(device, integration.EXPIRED, text, queue_item_id=item.id)
            else:
                self._events.log(
                    device,
                    integration.DOWNLINK_PAYLOAD_SIZE,
                    "Device queue-item discarded because it exceeds the max. payload size",
                    max_payload_size=str(size),
                    item_size=str(len(item.data)),
                    queue_item_id=item.id,
                )
        return None

    def tell_ack(self, device: Device, item: Item, heard: Heard, *, acknowledged: bool) -> None:
        """Tell what became of a confirmed downlink."""
        event = integration.AckEvent(
            deduplication_id=heard.id,
            queue_item_id=item.id,
            acknowledged=acknowledged,
            f_cnt_down=item.f_cnt or 0,
        )
        if acknowledged:
            event.time.FromDatetime(heard.at(self._events.clock.now()))
        self._events.tell(device, "ack", event)

    # -- to the gateway and back --------------------------------------------

    def _frame(self, heard: Heard, chances: Sequence[tuple[Window, bytes]]) -> gw.DownlinkFrame:
        frame = gw.DownlinkFrame(
            downlink_id=self._events.rng.getrandbits(32), gateway_id=heard.best.gateway_id
        )
        for window, phy in chances:
            frame.items.append(gw.DownlinkFrameItem(phy_payload=phy, tx_info=window.info))
        return frame

    def _send(self, sent: Sent) -> None:
        while len(self._sent) >= _MAX_SENT:
            del self._sent[next(iter(self._sent))]
        self._sent[sent.frame.downlink_id] = sent
        self._events.send(sent.frame)

    def take_tx_ack(self, ack: gw.DownlinkTxAck) -> None:
        """A gateway says whether it sent a downlink; of one that nobody awaits, nothing."""
        sent = self._sent.get(ack.downlink_id)
        if sent is None or sent.frame.gateway_id != ack.gateway_id:
            return
        if not ack.items or len(ack.items) > len(sent.frame.items):
            return
        del self._sent[ack.downlink_id]
        if sent.session is None or sent.device.session is not sent.session:
            return
        for index, item in enumerate(ack.items):
            if item.status == gw.OK:
                self._count(sent, sent.session, index)
                return
        known = gw.TxAckStatus.DESCRIPTOR.values_by_number.get(ack.items[-1].status)
        text = known.name if known else gw.TxAckStatus.Name(gw.IGNORED)
        self._events.log(sent.device, integration.DOWNLINK_GATEWAY, text)

    def _count(self, sent: Sent, session: Session, index: int) -> None:
        """The frame of one window was sent: the counter moves, and the item if it was inside."""
        f_cnt = session.f_cnt_down
        session.f_cnt_down += 1
        queue, item = sent.device.queue, sent.item
        if item is None or not sent.carries[index] or item not in queue:
            return
        item.f_cnt = f_cnt
        if item.confirmed:
            item.pending = True
        else:
            queue.remove(item)
        event = integration.TxAckEvent(
            downlink_id=sent.frame.downlink_id,
            queue_item_id=item.id,
            f_cnt_down=f_cnt,
            gateway_id=sent.frame.gateway_id,
            tx_info=sent.frame.items[index].tx_info,
        )
        self._events.tell(sent.device, "txack", event)
