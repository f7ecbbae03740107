"""Whether what was expected of a scenario was seen, and after how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select

from khaen.alarm import Alarm, AlarmClass
from khaen.clock import from_micros
from khaen.ids import DevEui, device_subject, person
from simulators.acts.duration import show
from simulators.scenario import expectation as expected
from simulators.scenario.evidence import Dated, Evidence
from simulators.scenario.expectation import Expectation
from store import accounts, alarms, board, notifications
from store.notifications import Delivery
from store.schema.traffic import latest, quarantine, reception, uplink


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One expectation and what became of it; `after_s` where it was to be seen in time."""

    expectation: Expectation
    met: bool
    seen: str
    after_s: float | None = None


def judge(expectation: Expectation, evidence: Evidence) -> Line:
    """Look for what was expected."""
    return _JUDGES[type(expectation)](expectation, evidence)


def _alarm(wanted: expected.SeeAlarm, evidence: Evidence) -> Line:
    cases = evidence.cases(wanted, wanted.after)
    if not cases:
        return Line(expectation=wanted, met=False, seen=_others(evidence))
    first = cases[0]
    after_s = (first.raised_at - evidence.time(wanted.after)).total_seconds()
    heard = board.hearings(evidence.connection, [first.id]).get(first.id)
    seen: dict[str, Any] = {
        "times": len(cases),
        "priority": int(first.priority),
        "state": first.state,
        "reason": first.reason,
        "late": first.late,
        "presses": first.presses,
        "organisation": first.organisation,
    }
    wrong = [
        f"{key} {value}" for key, value in seen.items() if getattr(wanted, key) not in (None, value)
    ]
    gateways = heard.gateways if heard is not None else 0
    if wanted.gateways is not None and gateways < wanted.gateways:
        wrong.append(f"heard by {_count(gateways, 'gateway')}")
    text = f"P{int(first.priority)} {first.state} ({first.reason}), presses {first.presses}"
    text += ", late" if first.late else ""
    text += f", {_count(gateways, 'gateway')}" if gateways else ""
    return _timed(wanted, wrong, text, after_s)


def _others(evidence: Evidence) -> str:
    """What was raised instead."""
    found = sorted({f"{alarm.rule} of {alarm.subject}" for alarm in evidence.alarms()})
    return f"no such alarm; there are: {', '.join(found)}" if found else "no alarm at all"


def _no_alarm(wanted: expected.SeeNoAlarm, evidence: Evidence) -> Line:
    def counts(alarm: Alarm) -> bool:
        rule = alarm.rule == wanted.rule if wanted.rule else alarm.alarm_class is AlarmClass.CARE
        of = wanted.resident is None or alarm.subject == person(wanted.resident)
        in_time = alarm.raised_at >= evidence.time(wanted.after)
        return rule and of and in_time and not _is_too_late(wanted, alarm, evidence)

    found = [f"{alarm.rule} of {alarm.subject}" for alarm in evidence.alarms() if counts(alarm)]
    return Line(expectation=wanted, met=not found, seen=", ".join(found) or "none")


def _is_too_late(wanted: expected.SeeNoAlarm, alarm: Alarm, evidence: Evidence) -> bool:
    if wanted.within is None:
        return False
    return alarm.raised_at > evidence.time(wanted.after) + timedelta(seconds=wanted.within)


def _call(wanted: expected.SeeCall, evidence: Evidence) -> Line:
    since = evidence.time(wanted.after)
    sent = sorted(
        call.sent_at
        for case in evidence.cases(wanted, None)
        for call in notifications.listed(evidence.connection, case.id)
        if call.state is Delivery.SENT
        and call.sent_at is not None
        and call.sent_at >= since
        and wanted.channel in (None, call.channel)
        and wanted.to in (None, call.address)
    )
    if not sent:
        return Line(expectation=wanted, met=False, seen="nobody was told")
    wrong = [f"not {_count(wanted.times, 'time')}"] if len(sent) < wanted.times else []
    text = f"told {_count(len(sent), 'time')}"
    return _timed(wanted, wrong, text, (sent[0] - since).total_seconds())


def _change(wanted: expected.SeeChange, evidence: Evidence) -> Line:
    since = evidence.time(wanted.after)
    events = [
        event
        for case in evidence.cases(wanted, None)
        for event in alarms.events(evidence.connection, case.id)
        if event.recorded_at >= since
    ]
    found = [event for event in events if event.change is wanted.change]
    if not found:
        changes = ", ".join(str(event.change) for event in events)
        return Line(
            expectation=wanted, met=False, seen=f"only: {changes}" if changes else "nothing"
        )
    after_s = (found[0].recorded_at - since).total_seconds()
    return _timed(wanted, [], f"{found[0].change}, now {found[0].state}", after_s)


def _account(wanted: expected.SeeAccount, evidence: Evidence) -> Line:
    gateways = (
        evidence.subjects.gateways
        if wanted.gateway is None
        else (evidence.subjects.gateway(wanted.gateway),)
    )
    rows = [
        row
        for row in accounts.audit(evidence.connection, evidence.ended)
        if row.gateway_eui in gateways
    ]
    sums = {
        name: sum(getattr(row, name) for row in rows)
        for name in ("heard", "missing", "in_flight", "gone", "late")
    }
    wrong = [
        f"{name} {sums[name]}"
        for name in ("missing", "in_flight", "gone")
        if sums[name] != getattr(wanted, name)
    ]
    wrong += [f"late {sums['late']}"] if sums["late"] < wanted.late_at_least else []
    wrong += ["a number was used twice"] if any(row.conflict for row in rows) else []
    wrong += ["nothing was heard"] if not sums["heard"] else []
    lost = sum(
        max(0, evidence.tallies[gateway].acked - evidence.committed(gateway))
        for gateway in gateways
        if gateway in evidence.tallies
    )
    wrong += [f"not in the ledger: {_count(lost, 'acknowledged frame')}"] if lost else []
    text = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sums.items())
    return _plain(wanted, wrong, text)


def _uplinks(wanted: expected.SeeUplinks, evidence: Evidence) -> Line:
    heard: dict[int, list[tuple[str, str]]] = {}
    of_device = uplink.c.dev_eui == _device(wanted, evidence)
    rows = select(uplink.c.seq, reception.c.gateway_eui, reception.c.way).join(
        reception, reception.c.uplink == uplink.c.seq
    )
    if wanted.f_port is not None:
        of_device &= uplink.c.f_port == wanted.f_port
    for seq, gateway, way in evidence.connection.execute(rows.where(of_device)):
        heard.setdefault(seq, []).append((gateway, way))
    gateways = max((len({gateway for gateway, _ in each}) for each in heard.values()), default=0)
    receptions = max(map(len, heard.values()), default=0)
    ways = {way for each in heard.values() for _, way in each}
    wrong = [_count(len(heard), "uplink")] if len(heard) < wanted.at_least else []
    wrong += [_count(gateways, "gateway")] if gateways < wanted.gateways else []
    wrong += (
        [_count(receptions, "reception")] if wanted.receptions not in (None, receptions) else []
    )
    wrong += [f"none by {way}" for way in wanted.ways if way not in ways]
    text = f"{len(heard)} by {', '.join(sorted(ways)) or 'no way'}, {_count(gateways, 'gateway')}"
    return _plain(wanted, wrong, f"{text}, {_count(receptions, 'reception')} at most")


def _events(wanted: expected.SeeEvents, evidence: Evidence) -> Line:
    band = evidence.subjects.resident(wanted.resident)
    count = evidence.events.get((band, wanted.kind), 0)
    return Line(expectation=wanted, met=count >= wanted.at_least, seen=_count(count, "event"))


def _device(wanted: expected.SeeUplinks, evidence: Evidence) -> DevEui:
    if wanted.device is not None:
        return evidence.subjects.device(wanted.device)
    return evidence.subjects.resident(str(wanted.resident))


def _dates(wanted: expected.SeeDates, evidence: Evidence) -> Line:
    until = float("inf") if wanted.until is None else wanted.until
    found = [
        dated
        for dated in evidence.receptions(evidence.subjects.gateway(wanted.gateway))
        if wanted.since <= dated.heard <= until
    ]
    rungs = {dated.clock for dated in found}
    errors = [_error(dated, evidence) for dated in found]
    worst = max(errors, default=0.0)
    wrong = [_count(len(found), "reception")] if len(found) < wanted.at_least else []
    if wanted.rungs and rungs != set(wanted.rungs):
        wrong.append(f"rungs {', '.join(sorted(rungs))}")
    if worst > wanted.within:
        wrong.append(f"{show(worst)} from the truth")
    by = ", ".join(sorted(rungs)) or "no rung"
    return _plain(wanted, wrong, f"{len(found)} by {by}, {show(worst)} off at most")


def _error(dated: Dated, evidence: Evidence) -> float:
    """Seconds between a reception's date and the truth; 0 within a span."""
    truth = evidence.start + timedelta(seconds=dated.heard)
    early, late = dated.at - truth, truth - (dated.until or dated.at)
    return max(0.0, early.total_seconds(), late.total_seconds())


def _quarantine(wanted: expected.SeeQuarantine, evidence: Evidence) -> Line:
    rows = evidence.connection.execute(
        select(quarantine.c.reason, func.sum(quarantine.c.copies)).group_by(quarantine.c.reason)
    )
    found = {str(reason): int(copies) for reason, copies in rows}
    count = found.get(wanted.reason, 0)
    text = ", ".join(f"{reason} {copies}" for reason, copies in sorted(found.items())) or "none"
    return Line(expectation=wanted, met=count >= wanted.at_least, seen=text)


def _latest(wanted: expected.SeeLatest, evidence: Evidence) -> Line:
    band = evidence.subjects.resident(wanted.resident)
    shown = evidence.connection.execute(
        select(func.max(latest.c.at)).where(latest.c.dev_eui == band)
    ).scalar_one()
    newest = evidence.connection.execute(
        select(func.max(uplink.c.received_at)).where(uplink.c.dev_eui == band)
    ).scalar_one()
    if shown is None or newest is None:
        return Line(expectation=wanted, met=False, seen=f"nothing of {device_subject(band)}")
    behind = (from_micros(newest) - from_micros(shown)).total_seconds()
    return _plain(wanted, [] if behind <= 0 else [f"{show(behind)} old"], "the newest is shown")


def _timed(wanted: Any, wrong: list[str], text: str, after_s: float) -> Line:
    if wanted.within is not None and after_s > wanted.within:
        wrong = [*wrong, f"only after {show(after_s)}"]
    seen = f"{text}; not as expected: {', '.join(wrong)}" if wrong else text
    return Line(expectation=wanted, met=not wrong, seen=seen, after_s=after_s)


def _plain(wanted: Expectation, wrong: list[str], text: str) -> Line:
    seen = f"{text}; not as expected: {', '.join(wrong)}" if wrong else text
    return Line(expectation=wanted, met=not wrong, seen=seen)


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


_JUDGES: Final[Mapping[type[Expectation], Callable[[Any, Evidence], Line]]] = {
    expected.SeeAlarm: _alarm,
    expected.SeeNoAlarm: _no_alarm,
    expected.SeeCall: _call,
    expected.SeeChange: _change,
    expected.SeeAccount: _account,
    expected.SeeUplinks: _uplinks,
    expected.SeeEvents: _events,
    expected.SeeDates: _dates,
    expected.SeeQuarantine: _quarantine,
    expected.SeeLatest: _latest,
}
