"""What every route needs: the ledger, the time, the registry as it is now, who looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request

from khaen.clock import Clock
from khaen.ids import OrganisationId
from store import registry
from store.database import Database
from store.registry import Registry
from store.users import EVERYWHERE, Session


class House:
    """One console's shared things. `refresh` is called by the follower of the journal.

    `heartbeat_s` is how long a gateway may say nothing, where the site does not say otherwise.
    """

    def __init__(self, database: Database, clock: Clock, *, heartbeat_s: float = 150.0) -> None:
        self.database = database
        self.clock = clock
        self._heartbeat_s = heartbeat_s
        with database.read() as connection:
            self.registry = Registry.load(connection)

    def refresh(self, connection: Connection) -> None:
        """Take a registry that has changed."""
        if registry.generation(connection) != self.registry.generation:
            self.registry = Registry.load(connection)

    @property
    def gateway_silent_s(self) -> float:
        """After so many seconds without a heartbeat a gateway is silent, as for the alarm."""
        own = self.registry.parameters.get("gateway_down", {})
        return own.get("silent_s", self._heartbeat_s)

    def visible(self, organisation: str) -> frozenset[str]:
        """The organisations that a user of one sees: it and what is below it."""
        known = self.registry
        if organisation == EVERYWHERE:
            return frozenset(known.organisations)
        top = OrganisationId(organisation)
        return frozenset(known.below(top)) if top in known.organisations else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of somebody who is signed in."""

    house: House
    session: Session
    now: datetime

    @property
    def language(self) -> str:
        """The language in which this user reads."""
        return self.session.user.language

    @property
    def organisations(self) -> frozenset[str]:
        """What this user may see."""
        return self.house.visible(self.session.user.organisation)


def visit(request: Request) -> Visit:
    """The visit of a request that the gate has let in."""
    house: House = request.app.state.house
    return Visit(house=house, session=request.state.session, now=house.clock.now())
