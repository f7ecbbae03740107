"""Signing in by a one-use link, and out.

Opening the link does not use it (programs that preview links open them too); pressing the button
does.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.house import House, visit
from console.pages import render
from store import users
from store.users import LinkRefused

router = APIRouter()

TOKEN_MAX = 128
FAILURES = 10
WINDOW_S = 60.0
ADDRESSES = 4096


class Failures:
    """Counts failed attempts by address, for a minute.

    Only a failure is ever refused more harshly: a good link always works, so that nobody can lock
    out a colleague behind the same address. Guessing 256 bits is hopeless; the limit keeps a fool
    from filling logs.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, address: str) -> bool:
        """Count one; whether there have been too many."""
        now = time.monotonic()
        since, count = self._since.pop(address, (now, 0))
        if now - since > WINDOW_S:
            since, count = now, 0
        self._since[address] = (since, count + 1)
        while len(self._since) > ADDRESSES:
            self._since.popitem(last=False)
        return count + 1 > FAILURES


def network_of(host: str) -> str:
    """The address, or the /64 that one household of IPv6 has."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return (
        str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host
    )


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    token: Annotated[str, Query(max_length=TOKEN_MAX)] = "",
    language: Annotated[str, Query(pattern="th|en")] = "th",
) -> HTMLResponse:
    """The page behind a link; without one it says how to get in."""
    house: House = request.app.state.house
    refused = False
    if token:
        with house.database.read() as connection:
            refused = not users.link_works(connection, token, house.clock.now())
    message = "sign_in.refused" if refused else "sign_in.ready" if token else "sign_in.how"
    return render(
        "sign_in.html",
        language,
        status=403 if refused else 200,
        token="" if refused else token,
        message=message,
        refused=refused,
    )


@router.post("/sign-in")
def sign_in(
    request: Request,
    token: Annotated[str, Form(max_length=TOKEN_MAX)],
    language: Annotated[str, Form(pattern="th|en")] = "th",
) -> Response:
    """Use the link up: a session, and on to the first page."""
    house: House = request.app.state.house
    try:
        with house.database.read() as connection:  # most who guess never take the writers' lock
            if not users.link_works(connection, token, house.clock.now()):
                raise LinkRefused("no such link")
        with house.database.write() as tx:
            cookie, _user = users.use_link(tx, token)
    except LinkRefused:
        failures: Failures = request.app.state.failures
        host = request.client.host if request.client else ""
        many = failures.add(network_of(host))
        return render(
            "sign_in.html",
            language,
            status=429 if many else 403,
            token="",
            message="sign_in.wait" if many else "sign_in.refused",
            refused=True,
        )
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        request.app.state.cookie,
        cookie,
        max_age=365 * 24 * 3600,  # the ledger decides how long it really works
        path="/",
        secure=request.app.state.secure,
        httponly=True,
        # Not strict: who follows the link of a call, out of another program, is signed in.
        # What changes anything must bring the CSRF token besides.
        samesite="lax",
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End this session; screens that are open with it close their streams."""
    here = visit(request)
    with here.house.database.write() as tx:
        users.revoke(tx, here.session.digest, actor=here.session.user.id)
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(request.app.state.cookie, path="/", httponly=True, samesite="lax")
    return answer
