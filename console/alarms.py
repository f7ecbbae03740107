"""The pages of alarms: the board, a case, a subject's readings; accepting and closing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import cases, view
from console.cases import Outturn, Result
from console.house import Visit, visit
from console.naming import called, organisation_of, place_of
from console.pages import render_for
from console.readings import readings_of
from console.text import LANGUAGES, say, say_best
from khaen.alarm import Alarm, Change, Outcome
from khaen.ids import AlarmId, SubjectId
from store import alarms, people, users
from store.alarms import AlarmEvent

router = APIRouter()


@router.get("/")
def show_board(request: Request) -> HTMLResponse:
    """The first page."""
    # Asked before the ledger is read: what changes from then on comes by the event stream.
    position = request.app.state.hub.position
    here = visit(request)
    return render_for(here, "board_page.html", board=view.board_of(here), position=position)


@router.get("/board")
def show_board_part(request: Request) -> HTMLResponse:
    """What the event stream makes the page ask for."""
    here = visit(request)
    return render_for(here, "board.html", board=view.board_of(here), told="")


@router.post("/alarms/{alarm_id}/accept")
def accept(
    request: Request,
    alarm_id: str,
    back: Annotated[str, Form()] = "",
    hx_request: Annotated[str | None, Header()] = None,
) -> Response:
    """Take a case."""
    here = visit(request)
    outturn = cases.accept(here, _id(alarm_id))
    return _answer(here, outturn, done="told.accepted", back=back, part=hx_request is not None)


@router.post("/alarms/{alarm_id}/close")
def close(
    request: Request,
    alarm_id: str,
    outcome: Annotated[Outcome, Form()],
    back: Annotated[str, Form()] = "",
    hx_request: Annotated[str | None, Header()] = None,
) -> Response:
    """End a case, saying how it ended."""
    here = visit(request)
    outturn = cases.close(here, _id(alarm_id), outcome)
    return _answer(here, outturn, done="told.closed_now", back=back, part=hx_request is not None)


@router.get("/alarms/{alarm_id}")
def show_case(request: Request, alarm_id: str) -> HTMLResponse:
    """One case whole; who looks at it is put on record."""
    here = visit(request)
    position = request.app.state.hub.position
    case = _case(here, alarm_id)
    _put_on_record(here, f"alarm:{case.id}")
    return _show_case(here, case, "case_page.html", position=position)


@router.get("/alarms/{alarm_id}/part")
def show_case_part(request: Request, alarm_id: str) -> HTMLResponse:
    """The same, for a page that shows it already."""
    here = visit(request)
    return _show_case(here, _case(here, alarm_id), "case.html")


@router.get("/subjects/{subject}")
def show_subject(request: Request, subject: str) -> HTMLResponse:
    """A person's or device's newest readings; who looks at them is put on record."""
    here = visit(request)
    position = request.app.state.hub.position
    shown, registry = SubjectId(subject), here.house.registry
    if organisation_of(shown, registry) not in here.organisations:
        raise HTTPException(404)
    _put_on_record(here, subject)
    with here.house.database.read() as connection:
        known = people.details(connection, [subject.partition(":")[2]])
        readings = readings_of(here, connection, shown)
    return render_for(
        here,
        "subject_page.html",
        who=called(shown, known, registry, here.language),
        place=place_of(shown, registry, here.language),
        readings=readings,
        position=position,
    )


@router.post("/language")
def choose_language(
    request: Request, language: Annotated[str, Form(pattern="th|en")]
) -> RedirectResponse:
    """Keep the language in which this user reads."""
    here = visit(request)
    assert language in LANGUAGES
    with here.house.database.write() as tx:
        users.choose_language(tx, here.session.user.id, language)
    return RedirectResponse("/", status_code=303)


def _show_case(
    here: Visit, case: Alarm, template: str, *, position: int = 0, told: str = ""
) -> HTMLResponse:
    with here.house.database.read() as connection:
        (card,) = view.cards_of(here, connection, [case])
        events = alarms.events(connection, case.id)
        names = users.names(connection, [event.actor for event in events])
        # A case stays with its organisation; a person who moved on since does not.
        owner = organisation_of(case.subject, here.house.registry)
        theirs = owner is None or owner in here.organisations
        person = case.subject.partition(":")[2]
        details = people.details(connection, [person]).get(person) if theirs else None
        readings = readings_of(here, connection, case.subject) if theirs else []
    timeline = [
        (
            view.time(event.recorded_at, here),
            _describe(here, case, event),
            say(here.language, "system")
            if event.actor == "system"
            else names.get(event.actor, event.actor),
        )
        for event in events
    ]
    return render_for(
        here,
        template,
        c=card,
        timeline=timeline,
        details=details,
        readings=readings,
        position=position,
        told=told,
        now=view.time(here.now, here),
    )


def _describe(here: Visit, case: Alarm, event: AlarmEvent) -> str:
    """What happened, in words: also how it ended, and which address was told."""
    words = [
        say_best(here.language, f"change.{event.change}.{case.rule}", f"change.{event.change}")
    ]
    if event.change is Change.NOTIFIED:
        words.append(str(event.detail.get("address", "")))
    elif event.change is Change.CLOSED and case.outcome is not None:
        words.append(say(here.language, f"outcome.{case.outcome}"))
    return ": ".join(word for word in words if word)


def _answer(here: Visit, outturn: Outturn | None, *, done: str, back: str, part: bool) -> Response:
    if outturn is None:
        raise HTTPException(404)
    told = _tell(here, outturn, done)
    if part and back == "case":
        return _show_case(here, outturn.alarm, "case.html", told=told)
    if part:
        return render_for(here, "board.html", board=view.board_of(here), told=told)
    if back == "case":
        return RedirectResponse(f"/alarms/{outturn.alarm.id}", status_code=303)
    return RedirectResponse("/", status_code=303)


def _tell(here: Visit, outturn: Outturn, done: str) -> str:
    """What became of a click, in words."""
    if outturn.result is Result.DONE:
        return say(here.language, done)
    if outturn.result is Result.TAKEN:
        with here.house.database.read() as connection:
            (card,) = view.cards_of(here, connection, [outturn.alarm])
        at = card.accepted.text if card.accepted else ""
        return say(here.language, "told.taken", who=card.accepted_by, at=at)
    return say(here.language, f"told.{outturn.result}")


def _id(text: str) -> AlarmId:
    found = view.parse_alarm_id(text)
    if found is None:
        raise HTTPException(404)
    return found


def _case(here: Visit, text: str) -> Alarm:
    """The case, if this user may see it. Raises 404, also where it is another's."""
    with here.house.database.read() as connection:
        case = alarms.get(connection, _id(text))
    if case is None or case.organisation not in here.organisations:
        raise HTTPException(404)
    return case


def _put_on_record(here: Visit, ref: str) -> None:
    with here.house.database.write() as tx:
        users.audit(tx, actor=here.session.user.id, action="viewed", ref=ref)
