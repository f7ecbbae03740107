"""The 32-bit frame counter, of which the air carries only the low half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HIGH_HALVES_WITHOUT_REFERENCE: Final = 16
"""High halves tried for a session whose counter is not known: about a million frames."""

_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFF_FFFF


def candidates(f_cnt16: int, reference: int | None) -> Iterator[int]:
    """Yield the 32-bit counters that `f_cnt16` may stand for, likeliest first, each once.

    `reference` is the session's counter at the frame's time, None while it has none. With it: the
    counter nearest to it, then its own high half, that plus and minus one, and 0 (a device that
    started anew). Without: the high halves 0 to 15. Raises ValueError for what is no counter.
    """
    if not 0 <= f_cnt16 <= _MAX_16:
        raise ValueError(f"{f_cnt16} is no 16-bit counter")
    if reference is None:
        return iter(range(f_cnt16, HIGH_HALVES_WITHOUT_REFERENCE << 16, 0x1_0000))
    if not 0 <= reference <= _MAX_32:
        raise ValueError(f"{reference} is no 32-bit counter")
    return _around(f_cnt16, reference)


def _around(f_cnt16: int, reference: int) -> Iterator[int]:
    own = reference >> 16
    # Half a turn and more behind counts as ahead: traffic goes forward.
    ahead = (f_cnt16 - reference) & _MAX_16
    nearest = (reference + ahead - (0x1_0000 if ahead > 0x8000 else 0)) >> 16
    tried: list[int] = []
    for high in (nearest, own, own + 1, own - 1, 0):
        if 0 <= high <= _MAX_16 and high not in tried:
            tried.append(high)
            yield high << 16 | f_cnt16
