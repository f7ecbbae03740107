"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from console import alarms, api, sign_in
from console.events import Hub
from console.gate import Gate
from console.headers import Headed
from console.house import House
from console.pages import STATIC, render
from khaen.errors import StoreUnavailable


def build(house: House, *, public_url: str) -> FastAPI:
    """The application over an open ledger; its life span starts and stops the event streams.

    `public_url` is how browsers reach it: it decides about Secure cookies, and its port keeps the
    cookies of two consoles on one machine apart.
    """
    app = FastAPI(title="Khaen", lifespan=_live, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    app.state.failures = sign_in.Failures()
    app.state.secure = public_url.startswith("https://")
    port = public_url.rstrip("/").rpartition(":")[2]
    name = f"khaen_{port}" if port.isdigit() else "khaen"
    app.state.cookie = f"__Host-{name}" if app.state.secure else name
    for router in (alarms.router, api.router, sign_in.router):
        app.include_router(router)
    app.add_api_route("/health", _health, methods=["GET"])
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_middleware(Gate, house=house, cookie=app.state.cookie)
    app.add_middleware(Headed, public_url=public_url)
    return app


@asynccontextmanager
async def _live(app: FastAPI) -> AsyncIterator[None]:
    hub = app.state.hub = Hub(app.state.house)
    hub.start()
    try:
        yield
    finally:
        await hub.stop()


def _health(request: Request) -> Response:
    """200 while the ledger answers; for whoever supervises the process."""
    house: House = request.app.state.house
    with house.database.read():
        return PlainTextResponse("ok")


def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _say(request, status, "error.404" if status == 404 else "error.400")


def _invalid(request: Request, _error: Exception) -> Response:
    return _say(request, 422, "error.400")


def _unavailable(request: Request, _error: Exception) -> Response:
    return _say(request, 503, "error.503")


def _say(request: Request, status: int, key: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": key.removeprefix("error.")}, status_code=status)
    session = getattr(request.state, "session", None)
    language = session.user.language if session is not None else "th"
    return render("error.html", language, status=status, message=key)
