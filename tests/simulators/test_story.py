from typing import Any

import pytest

from simulators.carer import Seen
from simulators.sites.demonstration import CALLER, FALLER
from simulators.story import ACTS, EXPECTATIONS, Act, Kind, Sight, Story


class Telling:
    """A story with a clock in the hand."""

    def __init__(self, patience: float = 0.0) -> None:
        self.now = 0.0
        self.told: list[tuple[float, str, str]] = []
        self.story = Story(
            now=lambda: self.now,
            tell=lambda at, th, en: self.told.append((at, th, en)),
            patience=patience,
        )

    def begin(self, kind: Kind) -> Act:
        act = next(act for act in self.story.acts if act.kind is kind)
        self.now = act.at
        self.story.begin(act)
        return act

    def see(self, resident: str, rule: str, **more: Any) -> None:
        alarm = {
            "id": f"{resident}-{rule}",
            "subject": f"person:{resident}",
            "rule": rule,
            "priority": 1,
            "reason": "press",
            "accepted_by": None,
            **more,
        }
        self.story.watch(Seen(at=self.now, position=1, alarm=alarm))


def test_acts_fit_into_the_radio_of_a_run_of_45_seconds() -> None:
    times = [act.at for act in ACTS]
    assert times == sorted(times)
    assert times[-1] + 8 <= 40
    began = {act.kind: act.at for act in ACTS}
    assert all(began[e.after] + e.within <= 45 for e in EXPECTATIONS)


def test_every_line_is_in_thai_and_in_english() -> None:
    for line in (*ACTS, *EXPECTATIONS):
        assert any("฀" <= letter <= "๿" for letter in line.th)
        assert line.en.isascii()


def test_call_is_seen_and_accepted_in_time() -> None:
    telling = Telling()
    telling.begin(Kind.PRESS)
    telling.now += 0.4
    telling.see(CALLER, "sos")
    telling.now += 2.5
    telling.see(CALLER, "sos", accepted_by="u-1")
    lines = telling.story.lines
    assert lines[Sight.CALL_SHOWN].seen == pytest.approx(0.4)
    assert lines[Sight.CALL_ACCEPTED].seen == pytest.approx(2.9)
    assert telling.story.calls == {f"{CALLER}-sos"}
    assert lines[Sight.CALL_ONCE].seen is None
    telling.story.notice(Sight.CALL_ONCE, gateways=2)
    assert telling.story.told
    assert telling.story.failures == ()
    assert [en[0] for _, _, en in telling.told[1:]] == ["✓"] * 3


def test_what_comes_too_late_or_never_is_a_failure() -> None:
    telling = Telling()
    telling.begin(Kind.PRESS)
    telling.now += 10.0
    telling.see(CALLER, "sos")
    failed = {line.expectation.sight for line in telling.story.failures}
    assert failed == {Sight.CALL_SHOWN, Sight.CALL_ONCE, Sight.CALL_ACCEPTED}
    report = {line["sight"]: line for line in telling.story.report()}
    assert report["call_shown"]["seen_after_s"] == 10.0
    assert report["call_shown"]["met"] is False
    assert report["fall_shown"]["played"] is False


def test_acts_that_were_not_played_expect_nothing() -> None:
    telling = Telling()
    telling.begin(Kind.CALM)
    assert telling.story.told
    assert telling.story.failures == ()
    telling.see(CALLER, "sos")
    assert telling.story.lines[Sight.CALL_SHOWN].seen is None


def test_a_person_is_given_time_to_be_first() -> None:
    telling = Telling(patience=20.0)
    telling.begin(Kind.PRESS)
    telling.see(CALLER, "sos")
    telling.story.notice(Sight.CALL_ONCE)
    telling.now += 21.0
    telling.see(CALLER, "sos", accepted_by="u-1")
    assert telling.story.failures == ()


def test_a_fall_counts_only_as_the_most_urgent() -> None:
    telling = Telling()
    telling.begin(Kind.FALL)
    telling.see(FALLER, "fall", priority=2)
    assert telling.story.lines[Sight.FALL_SHOWN].seen is None
    telling.see(FALLER, "fall", priority=1, reason="fall_still")
    assert telling.story.lines[Sight.FALL_SHOWN].detail["reason"] == "fall_still"


def test_alarms_of_others_change_nothing() -> None:
    telling = Telling()
    telling.begin(Kind.PRESS)
    telling.see("R-0001", "sos")
    assert telling.story.lines[Sight.CALL_SHOWN].seen is None
    assert telling.story.calls == set()
