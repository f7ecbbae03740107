"""How the whole agent is at one moment: what it tells on loopback, as JSON."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from khaen.errors import NotRunnable
from khaen.ids import GatewayEui
from khaen.status import GatewayStatus

PATH = "/status"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CertificateCondition(_Part):
    """A certificate that the agent uses. `days_left` is None where the file cannot be read."""

    file: str
    days_left: float | None


class GatewayCondition(_Part):
    """One gateway. Ages are in seconds, None for what has not been."""

    gateway: GatewayEui
    status: GatewayStatus
    connected: bool
    """Whether the broker has it."""
    oldest_s: float | None
    """The age of the oldest record without receipt."""
    receipt_s: float | None
    """Since a receipt came."""
    pulled_s: float | None
    """Since its packet forwarder asked for downlinks …"""
    forwarder: str
    """… and from which host."""
    certificates: tuple[CertificateCondition, ...]


class ClockCondition(_Part):
    """The host's clock, as the kernel tells of it."""

    kept: bool
    keeper: str
    offset_ms: float
    error_ms: float


class Condition(_Part):
    """The agent. `faults` are reasons for which it does not do its work, one line each."""

    at: AwareDatetime
    version: str
    configuration: str
    uptime_s: float
    site: str
    region: str
    simulated: bool
    """All that it hears is sealed as simulated."""
    faults: tuple[str, ...]
    gateways: tuple[GatewayCondition, ...]
    clock: ClockCondition
    under_voltage: bool | None
    stranger: str
    """The last gateway that sent here and is none of ours; empty where there was none."""
    counts: dict[str, dict[str, int]]
    """`datagrams` by type, `refused` by reason, `receipts` by outcome, since the start."""


def parse(payload: bytes) -> Condition:
    """Parse an agent's answer. Raises NotRunnable for what is none."""
    try:
        return Condition.model_validate_json(payload)
    except ValidationError as error:
        raise NotRunnable("what answers on metrics_port is no agent of this version") from error
