"""The gate before every route: who is not signed in goes no further, whatever the route.

Pure ASGI, so that nothing passes beside it. Open are only the paths named here. A request that
changes something must carry the session's CSRF token, as header or form field, unless it brings
its session as a bearer token, which no foreign page can.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.house import House
from khaen.errors import KhaenError, StoreUnavailable
from store import users
from store.users import Session

OPEN_PATHS = frozenset({"/sign-in", "/health"})
OPEN_PREFIX = "/static/"
SAFE_METHODS = frozenset({"GET", "HEAD"})
BODY_MAX = 64 * 1024
"""Bytes: no form of the console comes near it."""
TOKEN_MAX = 128


class BodyTooLarge(KhaenError):
    """A request that brings more than any form of ours."""


class Gate:
    """Asks everybody for a session. `cookie` is the name under which a browser brings it."""

    def __init__(self, app: ASGIApp, *, house: House, cookie: str) -> None:
        self._app = app
        self._house = house
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, receive = await self._judge(scope, receive)
        await (answer or self._app)(scope, receive, send)

    async def _judge(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        headers = Headers(scope=scope)
        safe = scope["method"] in SAFE_METHODS
        body = b""
        if not safe:
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return _forbid(scope), receive
            try:
                body, receive = await _read(receive, headers)
            except BodyTooLarge:
                return Response(status_code=413), receive
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_PREFIX):
            return None, receive
        return await self._identify(scope, headers, None if safe else body), receive

    async def _identify(
        self, scope: Scope, headers: Headers, body: bytes | None
    ) -> Response | None:
        """Find the session and put it in the scope; `body` is None where nothing is changed."""
        bearer = _bearer(headers)
        token = bearer or cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        try:
            session = await self._session(token)
        except StoreUnavailable:
            return Response("503", status_code=503, headers={"retry-after": "1"})
        if session is None:
            return _refuse(scope, headers)
        if body is not None and bearer is None and not _proves(session, headers, body):
            return _forbid(scope)
        scope.setdefault("state", {})["session"] = session
        return None

    async def _session(self, token: str) -> Session | None:
        if not 0 < len(token) <= TOKEN_MAX or not token.isascii():
            return None
        return await run_in_threadpool(_look_up, self._house, token)


def _look_up(house: House, token: str) -> Session | None:
    now = house.clock.now()
    with house.database.read() as connection:
        session = users.session(connection, token, now)
    if session is not None and now - session.seen_at > users.TOUCH_AFTER:
        with house.database.write() as tx:
            users.touch(tx, [session.digest])
    return session


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _proves(session: Session, headers: Headers, body: bytes) -> bool:
    """Whether the request knows the session's CSRF token."""
    given = headers.get("x-csrf-token")
    if given is None and headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        given = parse_qs(body.decode("latin-1")).get("csrf", [""])[0]
    return hmac.compare_digest((given or "").encode(), session.csrf.encode())


def _refuse(scope: Scope, headers: Headers) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse(
            {"error": "not_signed_in"}, status_code=401, headers={"www-authenticate": "Bearer"}
        )
    if "hx-request" in headers:
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    if scope["method"] in SAFE_METHODS:
        return RedirectResponse("/sign-in", status_code=303)
    return Response(status_code=401)


def _forbid(scope: Scope) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": "csrf"}, status_code=403)
    return Response("403", status_code=403)


async def _read(receive: Receive, headers: Headers) -> tuple[bytes, Receive]:
    """The whole body, and a `receive` that gives it once more. Raises BodyTooLarge."""
    if int(_digits(headers.get("content-length", "0"))) > BODY_MAX:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_MAX:
            raise BodyTooLarge
        if not message.get("more_body", False):
            break
    body = b"".join(parts)
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return body, again


def _digits(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) < 10 else str(BODY_MAX + 1)
