"""Settings of the gateway agent: `edge.toml`, then the environment (`KHAEN_SECTION__KEY`)."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from edge.encoding import Encoding
from edge.outbox.bounds import Bounds
from edge.source_settings import ConcentratordSettings, NetworkServerSettings, SerialSettings
from khaen.ids import GatewayEui, parse_gateway_eui, parse_slug
from khaen.mqtt import MqttSettings
from khaen.settings import Section

_MOST_GATEWAYS: Final = 15
"""Each has a thread of its own for the disk, and a connection."""


class UdpSettings(Section):
    """Where Semtech packet forwarders find the agent."""

    enabled: bool = True
    """False for an agent that hears by other sources only."""
    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` where the concentrator is another machine."""
    port: int = Field(default=1700, ge=0, le=65535)
    """0 takes any free port, which the line `agent_started` names."""


class GatewaySettings(Section):
    """One more gateway behind the same agent: with an outbox and a connection of its own.

    What it leaves out of its account is that of `[mqtt]`.
    """

    eui: GatewayEui
    """Its `gateway_ID`: 16 hexadecimal digits."""
    username: str | None = None
    """Its account at the broker."""
    password_file: Path | None = None
    """A file with its password in one line."""
    cert_file: Path | None = None
    """Its certificate, where the broker asks for one …"""
    key_file: Path | None = None
    """… and the key of that."""

    @field_validator("eui", mode="before")
    @classmethod
    def _eui(cls, value: object) -> str:
        return parse_gateway_eui(str(value))


class OutboxSettings(Section):
    """What was heard and is not yet known to be committed."""

    path: Path = Path("/var/lib/khaen/outbox.sqlite")
    """The SQLite file; its folder is made where it is missing. Further gateways have theirs beside
    it, named `<stem>-<eui><suffix>`."""
    group_ms: float = Field(default=10.0, ge=0, le=1000)
    """A frame is on disk after this many milliseconds at the latest; one with priority at once."""
    hold_h: float = Field(default=72.0, ge=0, le=24 * 90)
    """Receipted frames are kept for this many hours, for a ledger that comes back from a backup."""
    quota_mb: int = Field(default=1024, ge=16, le=1 << 20)
    """Megabytes that a gateway's outbox may fill, 4 of them for SQLite's log. Receipted records
    leave before their time when the last quarter of it is needed; then the oldest without priority
    are shed, and declared gone.
    """
    keep_free_mb: int = Field(default=200, ge=0, le=1 << 20)
    """Megabytes of the file system that the file does not grow into."""
    max_age_d: float = Field(default=90.0, ge=1, le=3650)
    """Frames without receipt and without priority are shed after so many days."""
    queue: int = Field(default=4096, ge=16, le=100_000)
    """Frames that may wait for the disk; what comes beyond is not acknowledged."""

    def bounds(self) -> Bounds:
        """How much an outbox may keep."""
        return Bounds(
            hold_s=self.hold_h * 3600,
            quota=self.quota_mb << 20,
            keep_free=self.keep_free_mb << 20,
            max_age_s=self.max_age_d * 86_400,
        )


class ForwardSettings(Section):
    """How frames leave. The figures are those of docs/wire.md."""

    live_s: float = Field(default=2.0, gt=0, le=10)
    """A frame older than this when it is handed to the socket goes to the backlog."""
    live_join_s: float = Field(default=3.0, gt=0, le=10)
    """The same for a join request."""
    window: int = Field(default=64, ge=2, le=1024)
    """Messages handed to the broker and not yet acknowledged; the backlog takes half of it."""
    backlog_window: int = Field(default=256, ge=4, le=4096)
    """Late frames sent and not yet receipted."""
    backlog_rate: float = Field(default=1000.0, ge=1, le=100_000)
    """Late frames per second at most; fewer while the broker is slow to answer. What receipts allow
    is some 960: three quarters of the backlog's window, five times a second."""
    resend_priority_s: float = Field(default=5.0, ge=1, le=3600)
    """A priority frame without receipt is sent again this long after its PUBACK, then doubling …"""
    resend_priority_max_s: float = Field(default=60.0, ge=1, le=3600)
    """… up to this."""
    resend_s: float = Field(default=30.0, ge=1, le=3600)
    """The same for other frames …"""
    resend_max_s: float = Field(default=600.0, ge=1, le=3600)
    """… up to this."""
    hasten_s: float = Field(default=5.0, gt=0, le=3600)
    """A gap in a receipt hastens only what the broker took at least this long ago."""
    stuck_s: float = Field(default=20.0, ge=1, le=3600)
    """A connection whose oldest message is unacknowledged for this long is made anew."""
    puback: bool = False
    """The broker's acknowledgement counts as proof: for a broker without Khaen behind it only.
    The status says so."""


class RemoteSettings(Section):
    """Configuration from afar (docs/remote-configuration.md)."""

    enabled: bool = False
    """Obey `khaen/gateway/{eui}/config` of the first gateway: for a broker with accounts, where not
    everybody may write there."""
    path: Path | None = None
    """Where configurations are remembered; beside the outbox where nothing is named."""
    confirm_s: float = Field(default=120.0, ge=10, le=900)
    """A configuration is rolled back unless a heartbeat under it is receipted in this time."""


class EdgeSettings(BaseSettings):
    """All of `edge.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="KHAEN_",
        env_nested_delimiter="__",
        use_attribute_docstrings=True,
    )

    gateway_eui: GatewayEui
    """The packet forwarder's `gateway_ID`: 16 hexadecimal digits; that of the first, where there
    are several."""
    site: str
    """Id of the site whose receipts are obeyed; those of any other are ignored."""
    region: str = Field(default="as923", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """ChirpStack's `topic_prefix` of the region."""
    encoding: Encoding = Encoding.PROTOBUF
    """How messages to the network server are written: `protobuf` or `json`. Khaen's own topics are
    protobuf always."""
    simulated: bool = False
    """Everything that this agent hears is sealed as simulated."""
    trust_clock: bool = False
    """Take the host's clock for true without asking the kernel: for containers and servers whose
    clock somebody else keeps."""
    heartbeat_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds between heartbeat records."""
    status_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds between status documents."""
    metrics_port: int = Field(default=9101, ge=0, le=65535)
    """Prometheus, `/health` and `/status`, on loopback only; 0 takes any free port."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """How much is logged."""
    udp: UdpSettings = UdpSettings()
    mqtt: MqttSettings = MqttSettings()
    outbox: OutboxSettings = OutboxSettings()
    forward: ForwardSettings = ForwardSettings()
    remote: RemoteSettings = RemoteSettings()
    network_server: NetworkServerSettings | None = None
    """Where its table is, the events of a network server on this gateway are heard, too."""
    serial: SerialSettings | None = None
    """Where its table is, a LoRa module on a serial port is heard, too."""
    concentratord: ConcentratordSettings | None = None
    """Where its table is, ChirpStack Concentratord is heard, too."""
    gateways: tuple[GatewaySettings, ...] = Field(default=(), max_length=_MOST_GATEWAYS)
    """Further gateways whose packet forwarders send to this agent."""

    @field_validator("gateway_eui", mode="before")
    @classmethod
    def _eui(cls, value: object) -> str:
        return parse_gateway_eui(str(value))

    @field_validator("site")
    @classmethod
    def _site(cls, value: str) -> str:
        return parse_slug(value)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        euis = [self.gateway_eui, *(gateway.eui for gateway in self.gateways)]
        for eui in euis:
            if euis.count(eui) > 1:
                raise ValueError(f"gateway {eui} is named twice: leave one out")
        return self

    def of_each(self) -> tuple[EdgeSettings, ...]:
        """The settings as each gateway has them, that of `gateway_eui` first."""
        return (self.model_copy(update={"gateways": ()}), *map(self._of, self.gateways))

    @property
    def remote_path(self) -> Path:
        """Where configurations from afar are remembered."""
        outbox = self.outbox.path
        return self.remote.path or outbox.with_name(f"{outbox.stem}-remote.json")

    def _of(self, gateway: GatewaySettings) -> EdgeSettings:
        account = gateway.model_dump(exclude={"eui"}, exclude_none=True)
        path = self.outbox.path
        own = path.with_name(f"{path.stem}-{gateway.eui}{path.suffix}")
        return self.model_copy(
            update={
                "gateway_eui": gateway.eui,
                "gateways": (),
                "mqtt": self.mqtt.model_copy(update=account),
                "remote": RemoteSettings(),
                "outbox": self.outbox.model_copy(update={"path": own}),
            }
        )

    def fingerprint(self) -> str:
        """A hash of the effective configuration, 16 hexadecimal digits; secrets are not in it."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]
