"""What gateways last said: frames, heartbeats, their own status."""

from __future__ import annotations

from khaen.clock import to_micros
from khaen.ids import GatewayEui
from khaen.status import GatewayStatus
from store.database import Transaction


class GatewayStates:
    """What one transaction learns of gateways."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._heard: set[GatewayEui] = set()
        self._heartbeats: dict[GatewayEui, tuple[int, int | None]] = {}
        self._statuses: dict[GatewayEui, GatewayStatus] = {}

    def hear(self, gateway: GatewayEui) -> None:
        """A frame of this gateway is committed."""
        self._heard.add(gateway)

    def beat(self, gateway: GatewayEui, made_at: int, *, fresh: bool) -> None:
        """A heartbeat is committed; only a `fresh` one says that the gateway is reached now."""
        known_at, known_seen = self._heartbeats.get(gateway, (0, None))
        seen = self._tx.now if fresh else known_seen
        self._heartbeats[gateway] = max(known_at, made_at), seen

    def note_status(self, gateway: GatewayEui, status: GatewayStatus) -> None:
        """Keep an agent's newest word of itself."""
        self._statuses[gateway] = status

    def flush(self) -> None:
        """Write it all."""
        tx = self._tx
        tx.many(_HEARD, [(gateway, tx.now) for gateway in self._heard])
        tx.many(_BEAT, [(gateway, *beat) for gateway, beat in self._heartbeats.items()])
        tx.many(
            _STATUS,
            [
                (gateway, status.model_dump_json(), to_micros(status.at))
                for gateway, status in self._statuses.items()
            ],
        )


_HEARD = (
    "INSERT INTO gateway_state (gateway_eui, frame_at) VALUES (?, ?)"
    " ON CONFLICT (gateway_eui) DO UPDATE SET frame_at = excluded.frame_at"
)
_BEAT = (
    "INSERT INTO gateway_state (gateway_eui, heartbeat_at, heartbeat_seen_at) VALUES (?, ?, ?)"
    " ON CONFLICT (gateway_eui) DO UPDATE SET"
    " heartbeat_at = max(coalesce(gateway_state.heartbeat_at, 0), excluded.heartbeat_at),"
    " heartbeat_seen_at = coalesce(excluded.heartbeat_seen_at, gateway_state.heartbeat_seen_at)"
)
_STATUS = (
    "INSERT INTO gateway_state (gateway_eui, status, status_at) VALUES (?, ?, ?)"
    " ON CONFLICT (gateway_eui) DO UPDATE SET status = excluded.status,"
    " status_at = excluded.status_at"
)
