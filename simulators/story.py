"""The first minute of the demonstration, as data: what happens when, and what must be seen of it.

Times are seconds from the first frame on the air. The acts fit into the 40 s of radio of a run of
45 s, which is why bands and fall rule of the demonstration site are set shorter than real ones.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.carer import Seen
from simulators.sites.demonstration import CALLER, FALLER


class Kind(enum.StrEnum):
    """What happens in an act."""

    CALM = "calm"
    PRESS = "press"
    FALL = "fall"
    CUT = "cut"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that happens at `at` seconds; told in Thai and in English as it does."""

    at: float
    kind: Kind
    th: str
    en: str


class Sight(enum.StrEnum):
    """What must be seen."""

    CALL_SHOWN = "call_shown"
    CALL_ONCE = "call_once"
    CALL_ACCEPTED = "call_accepted"
    FALL_SHOWN = "fall_shown"
    LATE_FRAMES = "late_frames"
    NOTHING_MISSING = "nothing_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is expected `within` seconds after the act `after` began.

    Where it is `patient`, the time that the simulated carer leaves to a person comes on top.
    """

    sight: Sight
    after: Kind
    within: float
    th: str
    en: str
    patient: bool = False


ACTS: Final = (
    Act(
        at=0.0,
        kind=Kind.CALM,
        th="จอสงบ: ทุกอย่างปกติ อุปกรณ์ 60 ชิ้นเริ่มส่งข้อมูล",
        en="A calm wall: 60 devices begin to report",
    ),
    Act(
        at=6.0,
        kind=Kind.PRESS,
        th=f"ผู้สูงอายุ {CALLER} กดปุ่มขอความช่วยเหลือ",
        en=f"Elder {CALLER} presses for help",
    ),
    Act(
        at=13.0,
        kind=Kind.FALL,
        th=f"ผู้สูงอายุ {FALLER} ล้ม และนอนนิ่ง",
        en=f"Elder {FALLER} falls and lies still",
    ),
    Act(
        at=17.0,
        kind=Kind.CUT,
        th="สายอินเทอร์เน็ตของเกตเวย์ที่สองขาด",
        en="The second gateway loses its backhaul",
    ),
    Act(
        at=27.0,
        kind=Kind.RESTORE,
        th="สายอินเทอร์เน็ตกลับมา ข้อมูลที่ค้างทยอยส่งถึงตามเวลาเดิมของมัน",
        en="The backhaul is back: what was kept arrives late, under its own time",
    ),
)
EXPECTATIONS: Final = (
    Expectation(
        sight=Sight.CALL_SHOWN,
        after=Kind.PRESS,
        within=3.0,
        th="เหตุขอความช่วยเหลือขึ้นจอ",
        en="the call is on the screen",
    ),
    Expectation(
        sight=Sight.CALL_ONCE,
        after=Kind.PRESS,
        within=5.0,
        th="ได้ยินสองเกตเวย์ แต่ขึ้นจอครั้งเดียว",
        en="two gateways heard it, the screen shows it once",
    ),
    Expectation(
        sight=Sight.CALL_ACCEPTED,
        after=Kind.PRESS,
        within=4.0,
        patient=True,
        th="ผู้ดูแลรับเรื่องแล้ว",
        en="a carer has accepted it",
    ),
    Expectation(
        sight=Sight.FALL_SHOWN,
        after=Kind.FALL,
        within=15.0,
        th="เหตุล้มแล้วนิ่งขึ้นจอเป็นเหตุด่วนที่สุด",
        en="the fall with stillness is on the screen as P1",
    ),
    Expectation(
        sight=Sight.LATE_FRAMES,
        after=Kind.RESTORE,
        within=15.0,
        th="ข้อมูลที่ค้างมาถึงครบตามเวลาเดิม",
        en="late frames have arrived under their own time",
    ),
    Expectation(
        sight=Sight.NOTHING_MISSING,
        after=Kind.RESTORE,
        within=15.0,
        th="นับครบทุกเกตเวย์ ไม่มีอะไรขาด",
        en="every gateway's numbers are complete: missing 0",
    ),
)


@dataclass(slots=True, kw_only=True)
class Line:
    """What became of one expectation: seconds after its act, None while it was not seen."""

    expectation: Expectation
    within: float
    began: float | None = None
    seen: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether it was seen, and in time."""
        return self.seen is not None and self.seen <= self.within


class Story:
    """Keeps the book of one telling: acts that began, and sights as they come.

    `now` gives seconds since the first frame; `tell` is called with the time, Thai and English of
    each line; `patience` is what the simulated carer leaves to a person, in seconds.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        tell: Callable[[float, str, str], None],
        acts: Iterable[Act] = ACTS,
        expectations: Iterable[Expectation] = EXPECTATIONS,
        patience: float = 0.0,
    ) -> None:
        self._now, self._tell = now, tell
        self.acts = tuple(acts)
        self.lines = {
            e.sight: Line(expectation=e, within=e.within + (patience if e.patient else 0.0))
            for e in expectations
        }
        self.calls: set[str] = set()
        """Ids of the call's alarms: one, if all is well."""

    def begin(self, act: Act) -> None:
        """An act begins now."""
        now = self._now()
        self._tell(now, act.th, act.en)
        for line in self.lines.values():
            if line.expectation.after is act.kind:
                line.began = now

    def notice(self, sight: Sight, **detail: object) -> None:
        """Something expected is seen now; only the first time counts."""
        line = self.lines.get(sight)
        if line is None or line.began is None or line.seen is not None:
            return
        now = self._now()
        line.seen, line.detail = now - line.began, dict(detail)
        self._tell(now, f"✓ {line.expectation.th}", f"✓ {line.expectation.en}")

    def watch(self, seen: Seen) -> None:
        """Take what the event stream told."""
        subject, rule = seen.key
        if (subject, rule) == (f"person:{CALLER}", "sos"):
            self.calls.add(seen.id)
            self.notice(Sight.CALL_SHOWN, alarm=seen.id)
            if seen.alarm["accepted_by"]:
                self.notice(Sight.CALL_ACCEPTED, alarm=seen.id)
        elif (subject, rule) == (f"person:{FALLER}", "fall") and seen.alarm["priority"] == 1:
            self.notice(Sight.FALL_SHOWN, alarm=seen.id, reason=seen.alarm["reason"])

    @property
    def told(self) -> bool:
        """Whether every act whose consequences are expected has begun and been seen."""
        return all(line.seen is not None for line in self.lines.values() if line.began is not None)

    @property
    def failures(self) -> tuple[Line, ...]:
        """Expectations of acts that began and were not met."""
        return tuple(x for x in self.lines.values() if x.began is not None and not x.met)

    def report(self) -> list[dict[str, Any]]:
        """The outcome, for a report."""
        return [
            {
                "sight": str(line.expectation.sight),
                "within_s": line.within,
                "played": line.began is not None,
                "seen_after_s": None if line.seen is None else round(line.seen, 3),
                "met": line.met,
                **line.detail,
            }
            for line in self.lines.values()
        ]
