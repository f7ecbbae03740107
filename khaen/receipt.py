"""Commit receipts: what of a gateway's numbers is settled, ingest to agent (docs/wire.md)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from khaen.errors import WireError
from khaen.ids import Epoch
from khaen.wire import MAX_SEQ

MAX_GAPS = 64
_Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]


class EpochReceipt(BaseModel):
    """Of one epoch: settled is all up to `watermark`, and up to `upto` all outside `missing`.

    `missing` is a list of closed ranges, ascending, all above `watermark` and within `upto`;
    nothing is said of numbers above `upto`. Anything else is refused: it would settle what nobody
    has.
    """

    model_config = ConfigDict(frozen=True)

    epoch: Epoch
    watermark: _Seq
    upto: _Seq
    missing: tuple[tuple[_Seq, _Seq], ...] = Field(default=(), max_length=MAX_GAPS)
    conflict: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        last = self.watermark
        for first, end in self.missing:
            if not last < first <= end:
                raise ValueError(f"missing {first} to {end} does not follow {last}")
            last = end
        if last > self.upto:
            raise ValueError(f"upto {self.upto} is below {last}")
        return self

    def settles(self, seq: int) -> bool:
        """Whether the number is committed or gone for good."""
        if seq <= self.watermark:
            return True
        return seq <= self.upto and not any(a <= seq <= b for a, b in self.missing)


class Receipt(BaseModel):
    """All epochs of one gateway that ingest still keeps open.

    `ledger` is made with the database and anew after a restore; `since` is when this connection
    of ingest began.
    """

    model_config = ConfigDict(frozen=True)

    v: int = 1
    site: str
    ledger: str
    since: AwareDatetime
    at: AwareDatetime
    epochs: tuple[EpochReceipt, ...]


def parse(payload: bytes) -> Receipt:
    """Parse a receipt. Raises WireError `bad_receipt` or `newer_version`."""
    try:
        receipt = Receipt.model_validate_json(payload)
    except ValidationError as error:
        raise WireError("bad_receipt", str(error.errors(include_url=False)[0])[:200]) from error
    if receipt.v != 1:
        raise WireError("newer_version", f"receipt v {receipt.v}")
    return receipt
