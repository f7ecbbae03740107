"""The pages of alarms: what is shown, to whom, and what a click does."""

import threading
import time
from collections.abc import Callable

import httpx
from sqlalchemy import update

from khaen.alarm import AlarmClass, Outcome, Priority, State
from store import alarms, people
from store.inventory import flip
from store.people import Details
from store.schema.registry import person
from tests.support.console import World

Enter = Callable[..., httpx.Client]


def test_a_card_says_what_who_where_and_when(world: World, enter: Enter) -> None:
    client = enter(world.user())
    case = world.raise_alarm(uplink_id=world.hear(), late=True, simulated=True)
    page = client.get("/").text
    for shown in (
        "ยายบุญมี กดขอความช่วยเหลือ",
        "P1 ฉุกเฉิน",
        "78 ปี",
        "บ้าน 12 หมู่ 3",
        "เทศบาลเมืองชุมแพ",
        "ได้ยินโดย 2 เกตเวย์",
        "ล่าช้า",
        "ซ้อม",
        "รับเรื่อง",
        f'href="/alarms/{case.id}"',
        "เงียบ",
        '<html lang="th">',
    ):
        assert shown in page, shown


def test_the_queue_goes_by_priority_then_age(world: World, enter: Enter) -> None:
    client = enter(world.user())
    third = world.raise_alarm(rule="fall", reason="fall_moving", priority=Priority.P2, ago=900)
    second = world.raise_alarm(ago=5)
    first = world.raise_alarm(subject="person:R-0002", ago=60)
    page = client.get("/board").text
    order = [page.index(f'id="alarm-{case.id}"') for case in (first, second, third)]
    assert order == sorted(order)


def test_accept_then_close_with_an_outcome(world: World, enter: Enter) -> None:
    user = world.user()
    client, case = enter(user), world.raise_alarm()
    part = client.post(f"/alarms/{case.id}/accept", headers={"hx-request": "true"})
    assert "คุณรับเรื่องแล้ว" in part.text
    assert client.post(f"/alarms/{case.id}/close", data={"outcome": "assisted"}).status_code == 303
    with world.database.read() as connection:
        after = alarms.get(connection, case.id)
    assert after is not None
    assert (after.state, after.outcome, after.accepted_by) == (
        State.NORMAL,
        Outcome.ASSISTED,
        user.id,
    )
    page = client.get("/").text
    assert "ไม่มีเหตุค้าง" in page
    assert "ช่วยเหลือแล้ว" in page
    ref = f"alarm:{case.id}"
    assert [e for e in world.audit() if e[2] == ref] == [
        (user.id, "accepted", ref),
        (user.id, "closed:assisted", ref),
    ]


def test_closing_needs_acceptance_and_a_known_outcome(world: World, enter: Enter) -> None:
    client, case = enter(world.user()), world.raise_alarm()
    refused = client.post(
        f"/alarms/{case.id}/close", data={"outcome": "assisted"}, headers={"hx-request": "true"}
    )
    assert "ต้องรับเรื่องก่อน" in refused.text
    assert client.post(f"/alarms/{case.id}/close", data={"outcome": "x"}).status_code == 422
    assert client.post(f"/alarms/{case.id}/close").status_code == 422


def test_two_people_at_once_one_wins_and_the_other_is_told(world: World, enter: Enter) -> None:
    first, second = world.user("สมชาย"), world.user("สมหญิง")
    clients = {first.name: enter(first), second.name: enter(second)}
    for _ in range(10):
        case = world.raise_alarm()
        gate, said = threading.Barrier(2), dict[str, str]()

        def click(name: str, case_id: str, gate: threading.Barrier, said: dict[str, str]) -> None:
            gate.wait(10)
            said[name] = (
                clients[name]
                .post(f"/alarms/{case_id}/accept", headers={"hx-request": "true"})
                .text.split('role="status"')[1]
            )

        threads = [
            threading.Thread(target=click, args=(name, str(case.id), gate, said))
            for name in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        with world.database.read() as connection:
            after = alarms.get(connection, case.id)
            happened = alarms.events(connection, case.id)
        assert after is not None
        winner, loser = (first, second) if after.accepted_by == first.id else (second, first)
        assert after.accepted_by == winner.id
        assert [event.change for event in happened] == ["raised", "accepted"]
        assert f"{winner.name} รับเรื่องนี้ไปแล้ว" in said[loser.name]
        assert f"{loser.name} รับเรื่องนี้ไปแล้ว" not in said[winner.name]
        clients[winner.name].post(f"/alarms/{case.id}/close", data={"outcome": "test"})


def test_accepting_again_changes_nothing(world: World, enter: Enter) -> None:
    client, case = enter(world.user()), world.raise_alarm()
    for _ in range(2):
        answer = client.post(f"/api/v1/alarms/{case.id}/accept")
        assert answer.status_code == 200
        assert answer.json()["result"] == "done"
    with world.database.read() as connection:
        assert len(alarms.events(connection, case.id)) == 2


def test_names_are_escaped(world: World, enter: Enter) -> None:
    world.rename("<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>'")
    client, case = enter(world.user("<b>ชื่อ</b>")), world.raise_alarm()
    client.post(f"/alarms/{case.id}/accept")
    for path in ("/", "/board", f"/alarms/{case.id}", "/subjects/person:R-0001"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>ชื่อ" not in page
    assert "&lt;img src=x" in client.get("/").text


def test_a_case_shows_its_timeline_and_is_put_on_record(world: World, enter: Enter) -> None:
    user = world.user("สมชาย")
    client, case = enter(user), world.raise_alarm(uplink_id=world.hear())
    client.post(f"/alarms/{case.id}/accept")
    page = client.get(f"/alarms/{case.id}").text
    for shown in ("แจ้งเหตุ", "สมชาย", "ตรงข้ามวัดโพธิ์", "tel:0810000001", "112 bpm", "ค่าน่าสงสัย"):
        assert shown in page, shown
    assert world.audit()[-1] == (user.id, "viewed", f"alarm:{case.id}")
    client.get(f"/alarms/{case.id}/part")
    assert sum(action == "viewed" for _, action, _ in world.audit()) == 1


def test_readings_of_an_earlier_wearer_are_not_shown(world: World, enter: Enter) -> None:
    with world.database.write() as tx:
        tx.connection.exec_driver_sql("UPDATE assignment SET valid_until = valid_from")
        tx.connection.exec_driver_sql(
            "INSERT INTO assignment (dev_eui, person, valid_from, seeded) "
            f"SELECT dev_eui, 'R-0002', {tx.now}, 0 FROM assignment"
        )
    client = enter(world.user())
    assert "112 bpm" not in client.get("/subjects/person:R-0002").text
    assert "112 bpm" not in client.get("/subjects/person:R-0001").text


def test_others_cases_do_not_exist(world: World, enter: Enter) -> None:
    theirs = world.raise_alarm(subject="person:R-0900", of="udon")
    client = enter(world.user(of="chum-phae"))
    assert "ตาแดง" not in client.get("/").text
    assert client.get("/api/v1/alarms").json()["alarms"] == []
    assert client.get("/subjects/person:R-0900").status_code == 404
    for method, path, body in (
        ("GET", f"/alarms/{theirs.id}", None),
        ("GET", f"/alarms/{theirs.id}/part", None),
        ("POST", f"/alarms/{theirs.id}/accept", None),
        ("POST", f"/alarms/{theirs.id}/close", {"outcome": "test"}),
        ("POST", f"/api/v1/alarms/{theirs.id}/accept", None),
    ):
        assert client.request(method, path, data=body).status_code == 404, path
    closing = client.post(f"/api/v1/alarms/{theirs.id}/close", json={"outcome": "test"})
    assert closing.status_code == 404
    with world.database.read() as connection:
        assert alarms.get(connection, theirs.id) == theirs


def test_who_stands_above_sees_what_is_below(world: World, enter: Enter) -> None:
    case = world.raise_alarm(of="chum-phae")
    assert str(case.id) in enter(world.user(of="khon-kaen")).get("/").text
    assert str(case.id) in enter(world.user(of="*")).get("/").text
    assert str(case.id) not in enter(world.user(of="udon")).get("/").text
    assert str(case.id) not in enter(world.user(of="gone")).get("/").text


def test_a_silent_gateway_says_who_is_unseen(world: World, enter: Enter) -> None:
    case = world.raise_alarm(
        subject="gateway:00800000a0001111",
        rule="gateway_down",
        reason="gateway_silent",
        alarm_class=AlarmClass.TECHNICAL,
        priority=Priority.P2,
        detail={"unseen": ["person:R-0001", "person:R-0002"]},
    )
    client = enter(world.user())
    assert "เกตเวย์ ศาลากลางบ้าน ไม่ส่งสัญญาณ" in client.get("/").text
    assert "2 คน" in client.get("/").text
    page = client.get(f"/alarms/{case.id}").text
    assert "ยายบุญมี" in page
    assert "R-0002" in page


def test_tests_of_the_chain_are_not_in_the_queue(world: World, enter: Enter) -> None:
    case = world.raise_alarm(alarm_class=AlarmClass.TEST)
    assert str(case.id) not in enter(world.user()).get("/").text


def test_language_is_kept(world: World, enter: Enter) -> None:
    user = world.user()
    client = enter(user)
    world.raise_alarm()
    assert client.post("/language", data={"language": "xx"}).status_code == 422
    client.post("/language", data={"language": "en"})
    page = client.get("/").text
    assert '<html lang="en">' in page
    assert "calls for help" in page
    assert "Emergency" in enter(user).get("/").text


def test_odd_addresses(world: World, enter: Enter) -> None:
    client = enter(world.user())
    for path in ("/alarms/x", "/alarms/' OR 1=1", "/subjects/x", "/subjects/person:", "/nothing"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "ไม่พบหน้านี้" in answer.text
    assert client.get("/api/v1/nothing").json() == {"error": "404"}


def test_who_moved_to_another_organisation_takes_address_and_readings_along(
    world: World, enter: Enter
) -> None:
    with world.database.write() as tx:
        people.put(
            tx, Details(person="R-0001", name="ยายบัว", telephone="0812345678", address="ซอย 9")
        )
    case = world.raise_alarm()
    client = enter(world.user())
    assert "0812345678" in client.get(f"/alarms/{case.id}").text
    with world.database.write() as tx:
        tx.connection.execute(
            update(person).where(person.c.id == "R-0001").values(organisation="udon")
        )
        flip(tx)
    page = ""
    deadline = time.monotonic() + 10
    while "0812345678" in (page := client.get(f"/alarms/{case.id}").text):
        assert time.monotonic() < deadline
    assert "ซอย 9" not in page
    assert client.get("/subjects/person:R-0001").status_code == 404
