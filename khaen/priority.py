"""Which frames an agent without keys sends first (docs/wire.md)."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from khaen.errors import WireError
from khaen.ids import DevAddr, parse_dev_addr


class PriorityList(BaseModel):
    """Priority are joins, listed DevAddrs, and listed ports within the listed prefixes.

    A prefix is `AABBCCDD/bits` over the DevAddr's leading bits.
    """

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    v: int = 1
    prefixes: tuple[str, ...] = ()
    dev_addrs: tuple[DevAddr, ...] = ()
    f_ports: tuple[int, ...] = Field(default=())

    @field_validator("prefixes")
    @classmethod
    def _check(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in prefixes:
            parse_prefix(prefix)
        return prefixes

    @cached_property
    def _addresses(self) -> frozenset[DevAddr]:
        return frozenset(self.dev_addrs)

    @cached_property
    def _ranges(self) -> tuple[tuple[int, int], ...]:
        return tuple(parse_prefix(prefix) for prefix in self.prefixes)

    def within(self, dev_addr: DevAddr) -> bool:
        """Whether the address lies in one of the prefixes."""
        value = int(dev_addr, 16)
        return any(value & mask == start for start, mask in self._ranges)

    def covers(self, dev_addr: DevAddr, f_port: int | None) -> bool:
        """Whether a data frame of this address and port goes first."""
        if dev_addr in self._addresses:
            return True
        return f_port in self.f_ports and self.within(dev_addr)


def parse_prefix(text: str) -> tuple[int, int]:
    """`AABBCCDD/bits` as (start, mask). Raises ValueError."""
    address, slash, bits = text.partition("/")
    if not slash or not bits.isdigit() or int(bits) > 32:
        raise ValueError(f"{text!r} is not a DevAddr prefix like 26010000/16")
    mask = (0xFFFFFFFF << (32 - int(bits))) & 0xFFFFFFFF
    return int(parse_dev_addr(address), 16) & mask, mask


def parse(payload: bytes) -> PriorityList:
    """Parse a priority list. Raises WireError `bad_priority`."""
    try:
        return PriorityList.model_validate_json(payload)
    except ValidationError as error:
        raise WireError("bad_priority", str(error.errors(include_url=False)[0])[:200]) from error
