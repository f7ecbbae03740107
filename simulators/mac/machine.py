"""The device itself: what it sends, when it listens, what it makes of what it hears.

Whoever owns it tells it the time: `send` and `wake` (at `wake_at`) may put a frame on the air,
`hear` takes what a gateway sent into an open window. It never raises for what it hears.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan import mac
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, FrameError, JoinAccept, parse
from khaen.lorawan.region import DEFAULT_CHANNELS, MAX_EIRP, DataRate
from simulators.agenda import NEVER
from simulators.devices.device import Message, Transmission
from simulators.mac.adr import asks, back_off
from simulators.mac.commands import obey
from simulators.mac.drafts import Draft, draft_call, draft_commands, draft_report
from simulators.mac.joining import Joining
from simulators.mac.memory import JoinKeys, Memory
from simulators.mac.pending import Answers, put
from simulators.mac.settings import Settings
from simulators.mac.transmitter import Transmitter, seconds_of
from simulators.mac.windows import LISTENING, Window, windows_after, windows_after_join

CONFIRMED_TRIES: Final = 8
"""Transmissions of a confirmed uplink at most (recommended up to L2 1.0.3, section 19)."""
RETRANSMIT_S: Final = (1.0, 3.0)
"""RP002-1.0.4: ACK_TIMEOUT after RX2, by chance."""
_ANSWER_S: Final = (1.0, 3.0)
"""After what asks for an uplink, such as a confirmed downlink; an assumption."""
_UNANSWERED: Final = 3
"""Frames of commands alone that wait for a downlink before a report goes without them."""
_JOIN_FREQUENCIES: Final = tuple(channel.frequency for channel in DEFAULT_CHANNELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a downlink brought: a payload, the message that it acknowledged, a session."""

    f_port: int | None = None
    payload: bytes = b""
    settled: Message | None = None
    joined: bool = False


@dataclass(slots=True, kw_only=True)
class _Frame:
    """The last frame sent, and how often it goes yet."""

    phy: bytes
    f_cnt: int
    f_port: int | None
    data_rate: DataRate
    message: Message | None
    left: int

    @property
    def confirmed(self) -> bool:
        return self.message is not None and self.message.confirmed


class Mac:
    """One device; `key` is that of its chance. With a `cipher` it has a session from the start.

    `eirp` in dBm is what it can send with, `tries` how often a confirmed frame goes. `adaptive`
    is whether a network adapts its data rate. `began` is when it was switched on.
    """

    __slots__ = (
        "_ack", "_adaptive", "_answer_at", "_answers", "_cipher", "_frame", "_free_at", "_joining",
        "_repeat_at", "_silence", "_transmitter", "_tries", "_unanswered", "_waiting", "_windows",
        "dev_eui", "memory", "refused", "settings", "wake_at",
    )  # fmt: skip

    def __init__(
        self,
        *,
        dev_eui: DevEui,
        settings: Settings,
        key: bytes,
        cipher: SessionCipher | None = None,
        join_keys: JoinKeys | None = None,
        memory: Memory | None = None,
        eirp: float = float(MAX_EIRP),
        adaptive: bool = False,
        tries: int = CONFIRMED_TRIES,
        began: float = 0.0,
    ) -> None:
        self.dev_eui, self.settings = dev_eui, settings
        self.memory = memory or Memory()
        self.refused = 0
        """Messages that no frame of the data rate could carry."""
        self.wake_at = NEVER
        self._cipher, self._adaptive, self._tries = cipher, adaptive, tries
        self._transmitter = Transmitter(dev_eui, key=key, eirp=eirp)
        self._joining = Joining(join_keys, dev_eui, settings, began) if join_keys else None
        self._answers = Answers()
        self._silence = self._unanswered = 0
        self._free_at = self._repeat_at = 0.0
        self._answer_at = NEVER
        self._ack = False
        self._frame: _Frame | None = None
        self._waiting: tuple[Message, ...] = ()
        self._windows: tuple[Window, ...] = ()
        self._plan(began)

    @property
    def joined(self) -> bool:
        """Whether it has a session."""
        return self._cipher is not None

    @property
    def quiet_until(self) -> float:
        """Regular reports keep off the air until then."""
        return self._transmitter.quiet_until

    # -- what it is told ------------------------------------------------------

    def send(self, message: Message, at: float) -> Transmission | None:
        """Send a message as soon as may be; the frame, if one goes now.

        A confirmed message goes first, and ends what is being repeated. Of reports that wait for a
        session only the newest is kept.
        """
        if message.confirmed:
            self._frame = None
        elif self._cipher is None:
            self._waiting = tuple(one for one in self._waiting if one.confirmed)
        self._waiting = put(self._waiting, message)
        self._plan(at)
        return self.wake(at)

    def ask(self, cid: mac.Cid) -> None:
        """Put a request of the device's own, LinkCheckReq or DeviceTimeReq, into the next frame."""
        self._answers.add([mac.Command(cid)])

    def rejoin(self, at: float) -> None:
        """Forget the session and join anew; without effect on a device that cannot join."""
        if self._joining is not None:
            self._cipher, self._frame = None, None
            self._joining.start(at)
            self._plan(at)

    def wake(self, at: float) -> Transmission | None:
        """Do what is due by `at`; the frame that goes on the air, if any."""
        if at < self.wake_at:
            return None
        self._windows = ()
        sent = self._act(at)
        self._plan(at)
        return sent

    def listens(self, at: float, frequency: int, data_rate: int) -> bool:
        """Whether a frame that begins at `at` falls into an open window."""
        return any(window.takes(at, frequency, data_rate) for window in self._windows)

    def catch(self, until: float) -> None:
        """A downlink is coming in: nothing else happens before it is over."""
        self._free_at = max(self._free_at, until)
        self._plan(until)

    # -- sending --------------------------------------------------------------

    def _plan(self, at: float) -> None:
        """When there is something to do next."""
        due = NEVER
        if self._cipher is None:
            due = self._joining.due if self._joining else NEVER
        elif self._frame is not None and self._frame.left:
            due = self._repeat_at
        elif (draft := self._draft()) is not None:
            due = self._clear_at(draft, at)
        self.wake_at = due if due == NEVER else max(due, self._free_at)

    def _act(self, at: float) -> Transmission | None:
        if self._cipher is None:
            return self._request_join(at)
        if self._frame is not None and self._frame.left:
            return self._transmit_again(self._frame, at)
        draft = self._draft()
        if draft is None or self._clear_at(draft, at) > at:
            return None
        return self._send_new(draft, self._cipher, at)

    def _draft(self) -> Draft | None:
        """What the next new frame says; messages that fit into none are dropped."""
        while self._waiting:
            message = self._waiting[0]
            alone = message.confirmed or self._unanswered >= _UNANSWERED
            draft = (draft_call if alone else draft_report)(
                message, self._answers.all, self.settings
            )
            if draft is not None:
                return draft
            self.refused += 1
            self._waiting = self._waiting[1:]
        if self._answer_at < NEVER:
            return draft_commands(self._answers.all, self.settings)
        return None

    def _clear_at(self, draft: Draft, at: float) -> float:
        """When a frame may go."""
        earliest = max(at, self._free_at)
        if not self._waiting:
            earliest = max(earliest, self._answer_at)
        regular = draft.message is not None and not draft.message.confirmed
        seconds = seconds_of(draft.size, draft.data_rate.index)
        return self._transmitter.clear_at(earliest, seconds, regular=regular)

    def _send_new(self, draft: Draft, cipher: SessionCipher, at: float) -> Transmission | None:
        message = draft.message
        confirmed = message is not None and message.confirmed
        f_cnt, self.memory.f_cnt = self.memory.f_cnt, self.memory.f_cnt + 1
        phy = cipher.seal_uplink(
            f_cnt=f_cnt,
            f_port=draft.f_port,
            payload=draft.payload,
            confirmed=confirmed,
            f_opts=draft.f_opts,
            adr=self._adaptive,
            adr_ack_req=self._adaptive and asks(self._silence),
            ack=self._ack,
        )
        self._ack, self._answer_at = False, NEVER
        self._answers.carry(draft.carried)
        if message is None:
            self._unanswered += 1
        else:
            self._waiting = tuple(one for one in self._waiting if one is not message)
        again = self.settings.nb_trans
        self._frame = _Frame(
            phy=phy,
            f_cnt=f_cnt,
            f_port=draft.f_port,
            data_rate=draft.data_rate,
            message=message,
            left=max(again, self._tries) if confirmed else again,
        )
        sent = self._transmit_again(self._frame, at)
        self._silence += 1
        if self._adaptive:
            back_off(self.settings, self._silence)
        return sent

    def _transmit_again(self, frame: _Frame, at: float) -> Transmission | None:
        rate = frame.data_rate.index
        seconds = seconds_of(len(frame.phy), rate)
        clear = self._transmitter.clear_at(at, seconds, regular=False)
        if clear > at:
            self._repeat_at = clear
            return None
        frequencies = self.settings.frequencies(rate)
        if not frequencies:  # the network took its channels away meanwhile
            frame.left = 0
            return None
        frame.left -= 1
        sent = self._transmitter.transmit(
            frame.phy,
            rate,
            frequencies,
            at,
            self.settings,
            f_cnt=frame.f_cnt,
            f_port=frame.f_port,
        )
        self._listen(windows_after(sent.ends, sent.frequency, rate, self.settings))
        timeout = self._transmitter.chance(*RETRANSMIT_S) if frame.confirmed else 0.0
        self._repeat_at = self._free_at + timeout
        if frame.message is not None and not frame.confirmed:
            self._transmitter.keep_quiet(sent)
        return sent

    def _listen(self, windows: tuple[Window, Window]) -> None:
        self._windows = windows
        self._free_at = windows[1].opens + LISTENING

    # -- joining --------------------------------------------------------------

    def _request_join(self, at: float) -> Transmission | None:
        request = self._joining.request(self.memory, at) if self._joining else None
        if request is None or self._joining is None:
            return None
        phy, rate = request
        sent = self._transmitter.transmit(phy, rate, _JOIN_FREQUENCIES, at, self.settings)
        self._listen(windows_after_join(sent.ends, sent.frequency, rate))
        self._joining.requested(self._free_at, sent.airtime, self._transmitter.chance(0.0, 1.0))
        return sent

    def _accept(self, frame: JoinAccept, at: float) -> Received | None:
        if self._joining is None or self._cipher is not None:
            return None
        granted = self._joining.accept(frame)
        if granted is None:
            return None
        self._cipher, self.settings = granted
        self.memory.f_cnt = self.memory.f_cnt_down = 0
        self._silence = self._unanswered = 0
        self._answers, self._frame = Answers(), None
        self._windows, self._free_at = (), at
        self._plan(at)
        return Received(joined=True)

    # -- hearing --------------------------------------------------------------

    def hear(self, phy: bytes, at: float, *, snr: float, battery: int = 255) -> Received | None:
        """Take a frame that ended at `at`; None where it is not for this device.

        `snr` in dB and `battery` (as in DevStatusAns) are what the device says when it is asked.
        """
        try:
            frame = parse(phy)
        except FrameError:
            return None
        if isinstance(frame, JoinAccept):
            return self._accept(frame, at)
        cipher, expected = self._cipher, self.memory.f_cnt_down
        if cipher is None or not isinstance(frame, DataFrame) or frame.uplink:
            return None
        f_cnt = expected + ((frame.f_cnt16 - expected) & 0xFFFF)
        if frame.dev_addr != cipher.dev_addr or f_cnt > 0xFFFF_FFFF:
            return None
        payload = cipher.open(frame, f_cnt)
        if payload is None:
            return None
        self.memory.f_cnt_down = f_cnt + 1
        self._windows, self._free_at = (), at
        asked = mac.parse(frame.f_opts if frame.f_port else frame.f_opts + payload, uplink=False)
        return self._take(frame, payload, asked, at, margin=round(snr), battery=battery)

    def _take(
        self,
        frame: DataFrame,
        payload: bytes,
        asked: tuple[mac.Command, ...],
        at: float,
        *,
        margin: int,
        battery: int,
    ) -> Received:
        self._silence = self._unanswered = 0
        self._answers.settle()
        margin, battery = min(max(margin, -32), 31), min(max(battery, 0), 255)
        self._answers.add(obey(self.settings, asked, battery=battery, margin=margin))
        last, settled = self._frame, None
        if last is not None and (frame.ack or not last.confirmed):
            settled = last.message if last.confirmed else None
            self._frame = None
        self._ack = self._ack or frame.confirmed
        if frame.confirmed or frame.f_pending:
            self._answer_at = at + self._transmitter.chance(*_ANSWER_S)
        self._plan(at)
        if not frame.f_port:
            return Received(settled=settled)
        return Received(f_port=frame.f_port, payload=payload, settled=settled)
