"""What a receipt may say, written as plainly as docs/wire.md has it: the model for the tests."""

from __future__ import annotations

from collections.abc import Iterable

from khaen.ids import Epoch
from khaen.receipt import MAX_GAPS, EpochReceipt


def cover(epoch: Epoch, watermark: int, above: Iterable[int], *, conflict: bool) -> EpochReceipt:
    """The receipt of an epoch with all settled up to `watermark` and those `above` it.

    `above` is ascending, each > `watermark`. `upto` ends before what follows the 64th gap.
    """
    missing: list[tuple[int, int]] = []
    upto = watermark
    for seq in above:
        if seq > upto + 1:
            if len(missing) == MAX_GAPS:
                break
            missing.append((upto + 1, seq - 1))
        upto = seq
    if not missing:
        watermark = upto
    return EpochReceipt(
        epoch=epoch,
        watermark=watermark,
        upto=upto,
        missing=tuple(missing),
        conflict=conflict,
    )
