"""How a gateway agent is: the retained status document (docs/wire.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from khaen.clock import Rung
from khaen.errors import WireError
from khaen.ids import Epoch, parse_epoch
from khaen.receipt import MAX_GAPS
from khaen.wire import MAX_SEQ

MAX_WORD = 32
MAX_WARNINGS = 32
WarningCode = Annotated[str, Field(pattern=rf"^[a-z0-9_]{{1,{MAX_WORD}}}$")]


class DiskStatus(BaseModel):
    """The outbox's file system and the outbox's own share of it, in bytes."""

    model_config = ConfigDict(frozen=True)

    free: int
    used: int
    quota: int


class GatewayStatus(BaseModel):
    """What an agent says of itself every 30 s, at each connect and after a drain.

    `backlog` counts records without receipt, `held` all records on disk. `temperature` in °C.
    `waiting` lists, as closed ranges, the numbers of `epoch` that are held and unsettled
    (at most 64; the last one then stands for all that follow).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: int = 1
    at: AwareDatetime
    version: str
    configuration: str
    """Hash of the effective configuration."""
    epoch: Annotated[Epoch, AfterValidator(parse_epoch)]
    last_seq: int = Field(ge=0, le=MAX_SEQ)
    backlog: int = Field(ge=0)
    held: int = Field(ge=0)
    waiting: tuple[tuple[int, int], ...] = Field(default=(), max_length=MAX_GAPS)
    disk: DiskStatus
    volatile: bool = False
    temperature: float | None = None
    clock: Rung
    last_frame: AwareDatetime | None = None
    last_receipt: AwareDatetime | None = None
    broker: str
    """`connected since …` or why not, as it truly is."""
    uptime_s: float | None = Field(default=None, ge=0)
    """Seconds since the agent was started."""
    offset_ms: float | None = None
    """How far the host's clock still is from what keeps it true, by the kernel; None while nothing
    does."""
    clock_source: str | None = Field(default=None, max_length=MAX_WORD)
    """What keeps the host's clock: `gps`, `chrony`, `timesyncd`, `ntpd`, `kernel`, `none`."""
    warnings: tuple[WarningCode, ...] = Field(default=(), max_length=MAX_WARNINGS)
    """Codes of what a person should know (docs/wire.md)."""


def parse(payload: bytes) -> GatewayStatus:
    """Parse a status. Raises WireError `bad_status`."""
    try:
        return GatewayStatus.model_validate_json(payload)
    except ValidationError as error:
        raise WireError("bad_status", str(error.errors(include_url=False)[0])[:200]) from error
