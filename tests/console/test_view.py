"""What the screen makes of an alarm, beside its sentence: counts, ends, lists, who rings."""

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
from sqlalchemy import insert, update

from alarms import machine
from console.house import House, Visit
from console.view import Board, Card, board_of
from khaen.alarm import Alarm, AlarmClass, Priority
from khaen.clock import SystemClock, from_micros
from khaen.evaluation import AlarmChange
from khaen.ids import OrganisationId, SubjectId
from store import alarms, users
from store.schema.accounts import gateway_state
from store.schema.registry import rule_parameter
from tests.support.console import BAND, GATEWAYS, World

Enter = Callable[..., httpx.Client]


def board(world: World, *, of: str = "chum-phae", language: str = "th") -> Board:
    """The first page of somebody there."""
    house = House(world.database, SystemClock(), heartbeat_s=150.0)
    with world.database.write() as tx:
        user = users.create_user(tx, name="มานี", organisation=of, role=users.OPERATOR)
        users.choose_language(tx, user.id, language)
        token = users.make_sign_in_link(tx, user.id)
    with world.database.write() as tx:
        cookie, _ = users.use_link(tx, token)
    with world.database.read() as connection:
        session = users.session(connection, cookie, house.clock.now())
    assert session is not None
    return board_of(Visit(house=house, session=session, now=house.clock.now()))


def card(world: World, case: Alarm, **who: str) -> Card:
    return next(c for c in board(world, **who).open if c.id == case.id)


def change(world: World, make: Callable[[Alarm], AlarmChange | None], case: Alarm) -> Alarm:
    with world.database.write() as tx:
        known = alarms.get(tx, case.id)
        assert known is not None
        made = make(known)
        assert made is not None
        alarms.change(tx, made)
    return made.alarm


def test_silence_lists_only_people_of_the_cases_own_organisation(world: World) -> None:
    unseen = ["person:R-0001", "person:R-0900", "person:nobody", f"device:{BAND}"]
    case, theirs = (
        world.raise_alarm(
            subject=f"gateway:{GATEWAYS[0]}{suffix}",
            of=of,
            rule="gateway_down",
            alarm_class=AlarmClass.TECHNICAL,
            detail={"unseen": unseen},
        )
        for of, suffix in (("chum-phae", ""), ("udon", "@udon"))
    )
    ours = card(world, case)
    assert ours.unseen == ("ยายบุญมี",)
    assert ours.unseen_devices == (f"อุปกรณ์ {BAND}",)
    seen = card(world, theirs, of="udon")
    assert seen.unseen == ("ตาแดง",)
    assert seen.sentence == "เกตเวย์ ศาลากลางบ้าน ไม่ส่งสัญญาณ"
    assert [c.id for c in board(world).open] == [case.id]


def test_silence_that_hides_nobody_asks_for_no_visits(world: World) -> None:
    case = world.raise_alarm(
        subject=f"gateway:{GATEWAYS[0]}",
        rule="gateway_down",
        alarm_class=AlarmClass.TECHNICAL,
        detail={"unseen": []},
    )
    assert card(world, case, language="en").next_action == "Accept, then tell the engineer"


def test_what_a_machine_repeats_is_counted_and_rings_no_more(world: World) -> None:
    def raise_one() -> None:
        with world.database.write() as tx:
            alarms.raise_technical(
                tx,
                organisation=OrganisationId("chum-phae"),
                subject=SubjectId("channel:duty@chum-phae"),
                rule="channel",
                priority=Priority.P2,
                reason="channel_failed",
                event_at=from_micros(tx.now),
            )

    raise_one()
    (before,) = board(world).open
    raise_one()
    (after,) = board(world).open
    assert after.sentence == "ช่องทางแจ้งเหตุใช้ไม่ได้ (duty)"
    assert (before.repeated, after.repeated) == ("", "เกิดขึ้น 2 ครั้ง")
    assert before.ring == after.ring != ""


def test_who_presses_again_is_heard_again(world: World) -> None:
    case = world.raise_alarm()
    before = card(world, case)
    change(world, lambda a: machine.recur(a, pressed=True, at=a.raised_at), case)
    after = card(world, case)
    assert after.repeated == "กด 2 ครั้ง"
    assert after.ring != before.ring


def test_what_is_over_says_so(world: World) -> None:
    call = world.raise_alarm()
    silent = world.raise_alarm(
        subject=f"gateway:{GATEWAYS[0]}", rule="gateway_down", alarm_class=AlarmClass.TECHNICAL
    )
    assert card(world, call).over == ""
    change(world, lambda a: machine.clear(a, latching=True, at=a.raised_at), call)
    change(world, lambda a: machine.clear(a, latching=False, at=a.raised_at), silent)
    assert card(world, call, language="en").over.startswith("The wearer cancelled it")
    assert card(world, call).ring, "somebody must still look"
    back = card(world, silent, language="en")
    assert back.over == "It is back to normal"
    assert back.ring == "", "nobody need hurry"
    assert "closes by itself" in back.next_action


def test_two_alarms_of_one_person_know_of_each_other(world: World, enter: Enter) -> None:
    call = world.raise_alarm()
    fall = world.raise_alarm(rule="fall", reason="fall_still")
    alone = world.raise_alarm(subject="person:R-0002")
    assert [card(world, c).others for c in (call, fall, alone)] == [1, 1, 0]
    page = enter(world.user()).get(f"/alarms/{call.id}").text
    assert "คนเดียวกันมีอีก 1 เหตุ" in page


def test_somebody_without_a_name_is_still_somebody(world: World) -> None:
    case = world.raise_alarm(subject="person:R-0002")
    assert card(world, case).sentence == "ผู้รับการดูแล R-0002 กดขอความช่วยเหลือ"
    assert card(world, case, language="en").sentence == "Resident R-0002 calls for help"
    device = world.raise_alarm(subject=f"device:{BAND}")
    assert card(world, device, language="en").sentence == f"Device {BAND} calls for help"


def test_alarms_about_the_house_name_it(world: World) -> None:
    for subject, rule in (("organisation:chum-phae", "unreachable"), ("site:khon-kaen", "x")):
        case = world.raise_alarm(subject=subject, rule=rule)
        assert re.search("Chum Phae|Khon Kaen", card(world, case, language="en").sentence)


def test_gateways_are_silent_when_the_alarm_says_so(world: World) -> None:
    assert [g.silent for g in board(world).gateways] == [True, False]  # 400 s and 20 s ago
    with world.database.write() as tx:
        tx.connection.execute(
            insert(rule_parameter).values(rule="gateway_down", parameter="silent_s", value=600)
        )
    assert [g.silent for g in board(world).gateways] == [False, False]


def test_a_gateway_of_another_make_is_not_called_silent(world: World) -> None:
    with world.database.write() as tx:
        tx.connection.execute(
            update(gateway_state).values(
                heartbeat_at=None, heartbeat_seen_at=None, frame_at=tx.now - 9_000_000_000
            )
        )
    lines = board(world).gateways
    assert [(g.silent, g.mute) for g in lines] == [(False, True)] * 2
    assert all(g.last is not None for g in lines)


def test_a_fresh_heartbeat_counts_not_the_gateways_own_clock(world: World) -> None:
    with world.database.write() as tx:
        ahead = tx.now + int(timedelta(days=1).total_seconds() * 1e6)
        tx.connection.execute(update(gateway_state).values(heartbeat_at=ahead))
    assert [g.silent for g in board(world).gateways] == [True, False]


def test_ten_at_once_are_in_order_and_counted(world: World) -> None:
    raised = [
        world.raise_alarm(subject=f"person:X-{n}", ago=n, priority=Priority(1 + n % 2))
        for n in range(10)
    ]
    seen = board(world)
    assert seen.waiting == {1: 5, 2: 5, 3: 0}
    urgent = [c for c in raised if c.priority is Priority.P1]
    assert [c.id for c in seen.open[:5]] == [c.id for c in reversed(urgent)]
    taken = change(world, lambda a: machine.accept(a, by="x", at=a.raised_at), urgent[-1])
    after = board(world)
    assert after.waiting == {1: 4, 2: 5, 3: 0}
    assert after.open[4].id == taken.id


def test_what_became_of_a_click_is_said_on_the_case(world: World, enter: Enter) -> None:
    case = world.raise_alarm()
    me, other = enter(world.user("สมหญิง")), enter(world.user("สมชาย"))
    htmx = {"hx-request": "true"}

    def press(client: httpx.Client, path: str, **data: str) -> str:
        answer = client.post(
            f"/alarms/{case.id}/{path}", data={"back": "case", **data}, headers=htmx
        )
        assert answer.status_code == 200
        assert 'id="timeline"' in answer.text, "the case is shown, not the board"
        found = re.search(r'id="told"[^>]*>([^<]*)<', answer.text)
        assert found is not None
        return found[1]

    assert press(me, "close", outcome="test") == "ต้องรับเรื่องก่อนจึงปิดเหตุได้"
    assert press(me, "accept") == "รับเรื่องแล้ว"
    assert press(other, "accept").startswith("สมหญิง รับเรื่องนี้ไปแล้วเมื่อ ")
    assert press(me, "close", outcome="assisted") == "ปิดเหตุแล้ว"
    assert press(other, "close", outcome="not_urgent") == "เหตุนี้ปิดไปแล้ว"
    assert press(other, "accept") == "เหตุนี้ปิดไปแล้ว"
    page = me.get(f"/alarms/{case.id}").text
    assert "ปิดเหตุ: ช่วยเหลือแล้ว" in page
