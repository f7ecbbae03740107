"""The HTTP API for programs: alarms as JSON, their changes as events. Never a name in it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse

from console import cases, view
from console.cases import Outturn, Result
from console.events import EventStream
from console.follower import document
from console.house import visit
from khaen.alarm import Outcome
from store import alarms

router = APIRouter(prefix="/api/v1")

_STATUS = {Result.DONE: 200}
_REFUSED = 409


class CloseRequest(BaseModel):
    """How a case ended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome


@router.get("/alarms")
def list_alarms(
    request: Request,
    open: Annotated[bool, Query()] = True,  # noqa: A002 (the name in the address)
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> JSONResponse:
    """Alarms that this user may see: open ones as the queue has them, or all, newest first.

    `position` resumes the event stream without a gap: whatever changes after it will come.
    """
    here = visit(request)
    position = request.app.state.hub.position
    with here.house.database.read() as connection:
        found = alarms.listed(connection, here.organisations, open_only=open, limit=limit)
    return JSONResponse({"position": position, "alarms": [document(case) for case in found]})


@router.post("/alarms/{alarm_id}/accept")
def accept(request: Request, alarm_id: str) -> JSONResponse:
    """Take a case: 200, also for one's own again; 409 names who has it; 404."""
    found = view.parse_alarm_id(alarm_id)
    return _answer(None if found is None else cases.accept(visit(request), found))


@router.post("/alarms/{alarm_id}/close")
def close(request: Request, alarm_id: str, body: CloseRequest) -> JSONResponse:
    """End a case: 200; 409 says why not; 404."""
    found = view.parse_alarm_id(alarm_id)
    return _answer(None if found is None else cases.close(visit(request), found, body.outcome))


@router.get("/events")
async def stream_events(
    request: Request,
    after: Annotated[int, Query(ge=-1)] = -1,
    last_event_id: Annotated[str, Header()] = "",
) -> EventStream:
    """Changes of alarms after a position of the journal, as they come.

    Last-Event-ID goes before `after`; without either, from now on.
    """
    if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19:
        after = int(last_event_id)
    return EventStream(request.app.state.hub, visit(request), after)


def _answer(outturn: Outturn | None) -> JSONResponse:
    if outturn is None:
        return JSONResponse({"error": "not_found"}, status_code=404)
    shown = {"result": str(outturn.result), "alarm": document(outturn.alarm)}
    return JSONResponse(shown, status_code=_STATUS.get(outturn.result, _REFUSED))
