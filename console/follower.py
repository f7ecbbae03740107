"""Follows the journal in one thread, for all open screens: what changed, and that we still look."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from console.house import House
from khaen import log
from khaen.alarm import WAITING, Alarm
from khaen.clock import format_time
from khaen.errors import StoreUnavailable
from store import alarms, board, journal, users

_log = log.logger()

LOOK_S = 0.25
"""A wait on the journal; a stop takes as long at most."""
REGISTRY_S = 1.0
SESSIONS_S = 5.0
RETRY_S = 0.5
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A change of an alarm, for those who see its organisation; ready for the wire."""

    position: int
    organisation: str
    data: str


class Follower(threading.Thread):
    """Tells `deliver` of changes, in order, up to a position; `sessions` of who must go.

    Both are called in this thread. `connected` gives the digests of the sessions that listen.
    """

    def __init__(
        self,
        house: House,
        *,
        deliver: Callable[[list[Announcement], int], None],
        connected: Callable[[], list[bytes]],
        dismiss: Callable[[set[bytes]], None],
    ) -> None:
        super().__init__(name="console-follower")
        self._house = house
        self._deliver = deliver
        self._connected = connected
        self._dismiss = dismiss
        self._ended = threading.Event()
        self._registry_at = self._sessions_at = self._touched_at = time.monotonic()
        self.looked_at = time.monotonic()
        """Monotonic seconds at which the ledger last answered."""
        with house.database.read() as connection:
            self.position = journal.head(connection)

    def stop(self) -> None:
        """End soon; join it afterwards."""
        self._ended.set()

    @property
    def looking(self) -> bool:
        """Whether the ledger has answered lately: only then is what we say of now."""
        return time.monotonic() - self.looked_at < LOOK_S + 2.0

    def run(self) -> None:
        """Until stopped; a ledger that is away is asked again."""
        failing = False
        while not self._ended.is_set():
            try:
                self._step()
            except StoreUnavailable as error:
                if not failing:
                    _log.warning("ledger_unavailable", error=str(error))
                failing = True
                self._ended.wait(RETRY_S)
            except Exception:  # noqa: BLE001 (outermost border)
                # The border of this thread: dead, it would leave every screen blind for good.
                # Meanwhile the beats say that nothing is seen.
                if not failing:
                    _log.exception("follower_failed")
                failing = True
                self._ended.wait(RETRY_S)
            else:
                failing = False

    def _step(self) -> None:
        changed = self._house.database.wait(self.position, LOOK_S)
        now = time.monotonic()
        if now - self._registry_at >= REGISTRY_S:
            with self._house.database.read() as connection:
                self._house.refresh(connection)
            self._registry_at = now
        if changed:
            with self._house.database.read() as connection:
                told, upto = announcements(
                    connection, after=self.position, upto=journal.head(connection)
                )
            self.position = upto
            self._deliver(told, upto)
        self.looked_at = time.monotonic()
        if now - self._sessions_at >= SESSIONS_S:
            self._sessions_at = now
            self._look_after_sessions(now)

    def _look_after_sessions(self, now: float) -> None:
        """Dismiss screens whose session was ended; keep the others' alive."""
        here = self._connected()
        if not here:
            return
        with self._house.database.read() as connection:
            lasting = users.lasting(connection, here, self._house.clock.now())
        self._dismiss(set(here) - lasting)
        if now - self._touched_at >= users.TOUCH_AFTER.total_seconds():
            self._touched_at = now
            with self._house.database.write() as tx:
                users.touch(tx, lasting)


def announcements(
    connection: Connection, *, after: int, upto: int
) -> tuple[list[Announcement], int]:
    """The changes after one position up to another, and the position that they reach.

    Each alarm once, as it is now, at the last of its changes. Where there are more than BATCH,
    the position reached comes before the one asked for.
    """
    changes = board.changed(connection, after=after, upto=upto, limit=BATCH)
    last = {change.alarm: change.position for change in changes}
    told = []
    for alarm_id, position in sorted(last.items(), key=lambda item: item[1]):
        case = alarms.get(connection, alarm_id)
        if case is not None:
            told.append(
                Announcement(
                    position=position,
                    organisation=case.organisation,
                    data=_data(connection, case, position),
                )
            )
    return told, changes[-1].position if len(changes) == BATCH else upto


def _data(connection: Connection, case: Alarm, position: int) -> str:
    change, changed_at, uplink = board.newest_change(connection, case.id)
    return json.dumps(
        {
            **document(case),
            "position": position,
            "change": change,
            "changed_at": format_time(changed_at),
            "uplink": None if uplink is None else str(uplink),
        }
    )


def document(case: Alarm) -> dict[str, object]:
    """An alarm as the HTTP API shows it: no names."""
    return {
        "id": str(case.id),
        "organisation": case.organisation,
        "subject": case.subject,
        "rule": case.rule,
        "class": str(case.alarm_class),
        "priority": int(case.priority),
        "state": str(case.state),
        "waiting": case.state in WAITING,
        "open": case.open,
        "reason": case.reason,
        "event_at": format_time(case.event_at),
        "raised_at": format_time(case.raised_at),
        "presses": case.presses,
        "late": case.late,
        "simulated": case.simulated,
        "accepted_by": case.accepted_by,
        "accepted_at": None if case.accepted_at is None else format_time(case.accepted_at),
        "closed_at": None if case.closed_at is None else format_time(case.closed_at),
        "outcome": None if case.outcome is None else str(case.outcome),
    }
