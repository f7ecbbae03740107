"""Warnings: each is said once, and only where there is cause."""

from __future__ import annotations

from dataclasses import replace

from simulators.terminal.warning import Warnings
from tests.simulators.terminal.test_view import make_picture


def test_where_all_is_well_nothing_is_said() -> None:
    warnings = Warnings()
    assert not [*warnings.look(make_picture()), *warnings.look(make_picture())]


def test_an_agent_that_never_answers_is_told_of_once_after_a_while() -> None:
    warnings, picture = Warnings(), make_picture(gateways=5)
    unanswered = replace(
        picture, gateways=tuple(replace(line, acked=0) for line in picture.gateways)
    )
    assert not list(warnings.look(unanswered))
    later = replace(unanswered, seconds=unanswered.seconds + 6)
    (said,) = warnings.look(later)
    assert "gw-1, gw-2, gw-3 and 2 more" in said
    assert not list(warnings.look(later))


def test_a_crowd_and_a_delay_are_told_of() -> None:
    picture = replace(make_picture(), frames=1000, unheard=980, behind=12.0)
    crowd, delay = Warnings().look(picture)
    assert crowd.startswith("98% of frames are heard by nobody")
    assert "by 12 s" in delay
