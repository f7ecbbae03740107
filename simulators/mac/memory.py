"""What a device is made with, and what it keeps in flash."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinKeys:
    """What a device joins with: 16 lower-case hex digits, and 16 bytes that no repr shows."""

    join_eui: str
    app_key: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Memory:
    """Counters that no restart may set back: the next DevNonce, and of a session the next ones."""

    dev_nonce: int = 0
    f_cnt: int = 0
    f_cnt_down: int = 0
