"""Nobody passes who is not signed in, nothing is changed without proof, every answer is headed."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from console.app import build
from console.gate import BODY_MAX, OPEN_PATHS, OPEN_PREFIX
from console.headers import SECURITY
from console.house import House
from khaen.clock import SystemClock
from store import alarms
from tests.support.console import World

Enter = Callable[..., httpx.Client]


def _routes(world: World) -> Iterator[tuple[str, str]]:
    """Every method and path of the application, parameters filled in."""
    app = build(House(world.database, SystemClock()), public_url="http://localhost")
    for route in _flat(app.routes):
        path = route.path.replace("{alarm_id}", "x").replace("{subject}", "person:R-0001")
        assert "{" not in path, f"{path}: say what stands for it"
        for method in route.methods or ():
            yield method, path


def _flat(routes: list[BaseRoute]) -> Iterator[Route | APIRoute]:
    for route in routes:
        if isinstance(route, Route | APIRoute):
            yield route
            continue
        below = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        if below:
            yield from _flat(below)


def test_every_route_refuses_who_is_not_signed_in(world: World, enter: Enter) -> None:
    client = enter()
    routes = [found for found in _routes(world) if found[1] not in OPEN_PATHS]
    assert len(routes) >= 13
    assert {"/", "/board", "/api/v1/events", "/api/v1/alarms", "/subjects/person:R-0001"} <= {
        path for _, path in routes
    }
    for method, path in routes:
        for headers in ({}, {"authorization": "Bearer x"}, {"cookie": "khaen=x"}):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code in (303, 401), (method, path)
            assert answer.headers.get("location", "/sign-in") == "/sign-in"
            assert not answer.content or answer.json() == {"error": "not_signed_in"}
    assert client.get("/not-there").status_code == 303
    assert client.get("/board", headers={"hx-request": "true"}).headers["hx-redirect"] == "/sign-in"


def test_only_these_are_open() -> None:
    assert frozenset({"/sign-in", "/health"}) == OPEN_PATHS
    assert OPEN_PREFIX == "/static/"


def test_static_files_do_not_lead_out(enter: Enter) -> None:
    client = enter()
    assert client.get("/static/app.js").status_code == 200
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"):
        assert client.get(path).status_code in (303, 404), path


def test_every_change_needs_the_csrf_token(world: World, enter: Enter) -> None:
    user = world.user()
    client, case = enter(user), world.raise_alarm()
    token = client.headers.pop("x-csrf-token")
    changing = [path for method, path in _routes(world) if method == "POST"]
    changing = [path.replace("/x/", f"/{case.id}/") for path in changing if path not in OPEN_PATHS]
    assert len(changing) >= 6
    for path in changing:
        for headers in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": ""}, {"x-csrf-token": "ก"[:0]}):
            answer = client.post(path, data={"outcome": "test"}, headers=headers)
            assert answer.status_code == 403, path
    with world.database.read() as connection:
        assert alarms.get(connection, case.id) == case
    path = f"/alarms/{case.id}/accept"
    cross = {"x-csrf-token": token, "sec-fetch-site": "cross-site"}
    assert client.post(path, headers=cross).status_code == 403
    assert client.post(path, data={"csrf": token}).status_code == 303


def test_another_sessions_csrf_token_is_worth_nothing(world: World, enter: Enter) -> None:
    mine, other = enter(world.user()), enter(world.user())
    case = world.raise_alarm()
    headers = {"x-csrf-token": other.headers["x-csrf-token"]}
    assert mine.post(f"/alarms/{case.id}/accept", headers=headers).status_code == 403


def test_a_program_brings_its_session_as_a_bearer_token(world: World, enter: Enter) -> None:
    cookie = next(iter(enter(world.user()).cookies.values()))
    program, case = enter(), world.raise_alarm()
    program.headers["authorization"] = f"Bearer {cookie}"
    listed = program.get("/api/v1/alarms").json()["alarms"]
    assert [found["id"] for found in listed] == [str(case.id)]
    assert program.post(f"/api/v1/alarms/{case.id}/accept").status_code == 200
    closed = program.post(f"/api/v1/alarms/{case.id}/close", json={"outcome": "assisted"}).json()
    assert (closed["result"], closed["alarm"]["open"]) == ("done", False)
    again = program.post(f"/api/v1/alarms/{case.id}/close", json={"outcome": "test"})
    assert (again.status_code, again.json()["result"]) == (409, "closed")


@pytest.mark.parametrize("body", ["", "{", "[]", '{"outcome": "x"}', '{"outcome": "test", "x": 1}'])
def test_the_api_refuses_what_it_does_not_know(world: World, enter: Enter, body: str) -> None:
    client, case = enter(world.user()), world.raise_alarm()
    answer = client.post(
        f"/api/v1/alarms/{case.id}/close",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422


def test_the_api_tells_no_names(world: World, enter: Enter) -> None:
    client = enter(world.user())
    world.raise_alarm()
    text = client.get("/api/v1/alarms").text
    assert "บุญมี" not in text
    assert "\\u0e1a" not in text


def test_headers_stand_on_every_answer(world: World, enter: Enter) -> None:
    client = enter(world.user())
    for path in ("/", "/sign-in", "/health", "/static/app.js", "/not-there", "/alarms/x"):
        answer = client.get(path)
        for name, value in SECURITY.items():
            assert answer.headers[name] == value, (path, name)
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers or answer.headers["server"] == "uvicorn"
    assert "unsafe" not in SECURITY["content-security-policy"]
    assert SECURITY["content-security-policy"].startswith("default-src 'self'")
    assert "immutable" in client.get("/static/app.js?v=1").headers["cache-control"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:80", 200),
        ("192.168.1.5", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_only_our_own_names_are_answered(enter: Enter, host: str, status: int) -> None:
    assert enter().get("/health", headers={"host": host}).status_code == status


def test_the_public_name_is_ours(enter: Enter) -> None:
    client = enter(public_url="https://console.example.org")
    answer = client.get("/health", headers={"host": "console.example.org"})
    assert answer.status_code == 200


def test_large_bodies_are_refused(world: World, enter: Enter) -> None:
    client = enter(world.user())
    assert client.post("/language", content=b"x" * (BODY_MAX + 1)).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * (BODY_MAX // 4)

    assert client.post("/language", content=chunks()).status_code == 413
    assert client.post("/sign-in", data={"token": "x" * 200}).status_code == 422


def test_other_methods_are_not_let_in(enter: Enter) -> None:
    client = enter()
    for method in ("OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"):
        assert client.request(method, "/").status_code in (401, 405)
