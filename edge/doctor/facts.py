"""What the checks look at, and nothing that they would have to do themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edge.health.condition import CertificateCondition, Condition
from edge.host import KernelClock
from edge.outbox.owner import Left
from edge.settings import EdgeSettings
from khaen.ids import GatewayEui


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxFacts:
    """A gateway's outbox, as its file is. `problem` says why it cannot be read.

    `spare` are bytes of the disk that it may still take; `errors` are those that the file system
    counted (ext4), None where it does not tell; `frequencies` in Hz, the lowest and the highest of
    what was heard lately.
    """

    gateway: GatewayEui
    path: Path
    problem: str = ""
    damaged: bool = False
    read_only: bool = False
    spare: int = 0
    errors: int | None = None
    owner: str = ""
    """To whom the file belongs, where that is not the service's user."""
    backlog: int = 0
    frequencies: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known. `agent` is None where none answers."""

    settings: EdgeSettings
    """Of one gateway or of several; `of_each` are those of each."""
    now: datetime
    agent: Condition | None
    intruder: str = ""
    """What answers in the agent's place, if something does."""
    hung: bool = False
    """Whether an agent runs, by its outbox's lock, and does not answer."""
    outboxes: tuple[OutboxFacts, ...]
    left: tuple[Left, ...] = ()
    """Outboxes of gateways that are not set up here any more."""
    broker: dict[GatewayEui, str] = field(default_factory=dict)
    """Why the broker does not have a gateway; those that it has are not in it."""
    udp_holder: str | None = None
    """Who listens on udp.port: a program's name, `""` for one whose name is hidden, None for
    nobody."""
    clock: KernelClock
    keeper: str = ""
    temperature: float | None = None
    under_voltage: bool | None = None
    certificates: tuple[CertificateCondition, ...] = ()

    @property
    def volatile(self) -> bool:
        """Whether the running agent keeps frames in memory only."""
        return self.agent is not None and any(part.status.volatile for part in self.agent.gateways)

    def warns(self, gateway: GatewayEui, code: str) -> bool:
        """Whether the running agent warns of `code` at this gateway."""
        return self.agent is not None and any(
            code in part.status.warnings for part in self.agent.gateways if part.gateway == gateway
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong, and what to do about it, each in a sentence or two.

    `grave` is what keeps the gateway from its work; the rest is for the next visit.
    """

    code: str
    cause: str
    remedy: str
    grave: bool = True
    gateway: GatewayEui | None = None


Check = Callable[[Facts], Iterator[Finding]]
