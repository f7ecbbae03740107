"""Links that work once, for 15 minutes; sessions that end; nobody locked out."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from khaen.clock import ManualClock
from store import migrate, users
from store.database import Database
from store.users import LinkRefused
from tests.support.console import World, sign_in, utc

Enter = Callable[..., httpx.Client]


def test_a_link_signs_in_once(world: World, enter: Enter) -> None:
    client, token = enter(), world.link(world.user())
    page = client.get(f"/sign-in?token={token}")
    assert page.status_code == 200
    assert "ลิงก์ถูกต้อง" in page.text
    assert client.get(f"/sign-in?token={token}").status_code == 200  # looking does not use it
    sign_in(client, token)
    assert client.get("/").status_code == 200

    other = enter()
    again = other.post("/sign-in", data={"token": token})
    assert again.status_code == 403
    assert "ใช้ไม่ได้แล้ว" in again.text
    assert other.get(f"/sign-in?token={token}").status_code == 403
    assert other.get("/").status_code == 303


def test_a_link_is_over_after_fifteen_minutes(world: World) -> None:
    clock = ManualClock(utc())
    database = Database(f"sqlite:///{world.path}", clock=clock)
    user = world.user()
    with database.write() as tx:
        token, late = users.make_sign_in_link(tx, user.id), users.make_sign_in_link(tx, user.id)
    clock.advance(15 * 60 - 1)
    with database.write() as tx:
        assert users.use_link(tx, token)[1] == user
    clock.advance(1)
    with pytest.raises(LinkRefused), database.write() as tx:
        users.use_link(tx, late)
    database.close()


def test_the_ledger_holds_no_token(world: World, enter: Enter) -> None:
    client, token = enter(), world.link(world.user())
    sign_in(client, token)
    cookie = next(iter(client.cookies.values()))
    world.database.close()
    held = b"".join(p.read_bytes() for p in world.path.parent.glob("ledger.sqlite*"))
    assert token.encode() not in held
    assert cookie.encode() not in held


def test_the_first_link_makes_the_administrator_and_later_ones_find_him(world: World) -> None:
    with world.database.write() as tx:
        first = users.administrator(tx)
    with world.database.write() as tx:
        assert users.administrator(tx) == first
    assert (first.role, first.organisation) == ("administrator", users.EVERYWHERE)


def test_a_session_slides_and_ends(world: World, enter: Enter) -> None:
    clock = ManualClock(utc())
    client = enter(world.user(), clock=clock)
    for _ in range(3):
        clock.advance(timedelta(hours=11).total_seconds())
        # The cookie was used eleven hours ago; the write that slides it uses the ledger's clock.
        with world.database.write() as tx:
            tx.now = int(clock.now().timestamp() * 1_000_000)
            users.touch(tx, [users.digest(next(iter(client.cookies.values())))])
        assert client.get("/").status_code == 200
    clock.advance(timedelta(hours=12).total_seconds())
    assert client.get("/").status_code == 303


def test_signing_out_ends_the_session_for_good(world: World, enter: Enter) -> None:
    client = enter(world.user())
    cookies = dict(client.cookies)
    assert client.post("/sign-out").status_code == 303
    stolen = enter()
    stolen.cookies.update(cookies)
    assert stolen.get("/").status_code == 303
    assert "signed_out" in {action for _, action, _ in world.audit()}


def test_a_disabled_user_is_out_at_once(world: World, enter: Enter) -> None:
    user = world.user()
    client, token = enter(user), world.link(user)
    with world.database.write() as tx:
        tx.connection.exec_driver_sql("UPDATE user_account SET disabled_at = 1")
    assert client.get("/").status_code == 303
    assert enter().post("/sign-in", data={"token": token}).status_code == 403


def test_failures_are_limited_and_lock_nobody_out(world: World, enter: Enter) -> None:
    client, token = enter(), world.link(world.user())
    answers = [client.post("/sign-in", data={"token": f"wrong{i}"}) for i in range(15)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 5
    assert "รอหนึ่งนาที" in answers[-1].text
    sign_in(client, token)  # from the same address


def test_cookies(world: World, enter: Enter) -> None:
    plain = enter().post("/sign-in", data={"token": world.link(world.user())})
    cookie = plain.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    secure = enter(public_url="https://console.example.org")
    answer = secure.post("/sign-in", data={"token": world.link(world.user())})
    assert answer.headers["set-cookie"].startswith("__Host-khaen=")
    assert "; Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


def test_an_empty_ledger_gets_its_administrator(tmp_path: object, world: World) -> None:
    database = Database(f"sqlite:///{world.path.with_name('new.sqlite')}")
    migrate.upgrade(database)
    with database.write() as tx:
        token = users.make_sign_in_link(tx, users.administrator(tx).id)
    with database.write() as tx:
        cookie, user = users.use_link(tx, token)
    with database.read() as connection:
        found = users.session(connection, cookie, utc())
    assert found is not None
    assert found.user == user
    database.close()
