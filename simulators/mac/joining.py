"""Over-the-air activation: requests that fall back, and the session that an accept makes."""

from __future__ import annotations

from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.airtime import airtime
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import JOIN_REQUEST_SIZE, JoinAccept
from khaen.lorawan.join import derive_session_keys, open_join_accept, seal_join_request
from khaen.lorawan.region import DATA_RATES, DEFAULT_CHANNELS, Channel
from simulators.agenda import NEVER
from simulators.mac.duty import JoinBudget
from simulators.mac.memory import JoinKeys, Memory
from simulators.mac.settings import FASTEST, Settings, in_band

_LAST_NONCE: Final = 0xFFFF
_TRIES_PER_RATE: Final = 2
_FIRST_WAIT_S, _LONGEST_WAIT_S = 8.0, 600.0
_CF_LIST_FREQUENCIES: Final = 5


class Joining:
    """Joins one device. `due` is when the next request may go.

    Each second request goes slower than the ones before, down to the slowest and then from the
    top; the wait between them doubles up to ten minutes.
    """

    __slots__ = ("_budget", "_dev_eui", "_keys", "_nonce", "_rate", "_settings", "_tries", "due")

    def __init__(self, keys: JoinKeys, dev_eui: DevEui, settings: Settings, began: float) -> None:
        self._keys, self._dev_eui, self._settings = keys, dev_eui, settings
        self._budget = JoinBudget(began)
        self._tries = self._nonce = 0
        self._rate = settings.data_rate
        self.due = began

    def start(self, at: float) -> None:
        """Begin anew."""
        self._tries, self.due = 0, at

    def request(self, memory: Memory, at: float) -> tuple[bytes, int] | None:
        """The next request and its data rate, under a DevNonce never used before.

        None where the budget says later, or where every DevNonce was used.
        """
        if memory.dev_nonce > _LAST_NONCE:
            self.due = NEVER
            return None
        fastest = min(self._settings.data_rate, DEFAULT_CHANNELS[0].max_dr)
        rates = range(fastest, self._settings.slowest - 1, -1)
        self._rate = rates[self._tries // _TRIES_PER_RATE % len(rates)]
        seconds = airtime(JOIN_REQUEST_SIZE, DATA_RATES[self._rate])
        self.due = self._budget.free_at(at, seconds)
        if self.due > at:
            return None
        self._nonce, memory.dev_nonce = memory.dev_nonce, memory.dev_nonce + 1
        phy = seal_join_request(
            self._keys.app_key,
            join_eui=self._keys.join_eui,
            dev_eui=self._dev_eui,
            dev_nonce=self._nonce,
        )
        return phy, self._rate

    def requested(self, free_at: float, seconds: float, chance: float) -> None:
        """A request of `seconds` is out, and its windows are over at `free_at`."""
        self._budget.spend(free_at, seconds)
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._tries, 16))
        self._tries += 1
        self.due = free_at + wait * (0.5 + chance)

    def accept(self, frame: JoinAccept) -> tuple[SessionCipher, Settings] | None:
        """The session and the settings that an accept grants; None where it is not for us."""
        grant = open_join_accept(self._keys.app_key, frame)
        if grant is None:
            return None
        keys = derive_session_keys(
            self._keys.app_key,
            join_nonce=grant.join_nonce,
            net_id=grant.net_id,
            dev_nonce=self._nonce,
        )
        cipher = SessionCipher(
            dev_addr=grant.dev_addr, nwk_s_key=keys.nwk_s_key, app_s_key=keys.app_s_key
        )
        settings = Settings.with_channels(
            self._rate, (*DEFAULT_CHANNELS, *_channels(grant.cf_list))
        )
        settings.rx1_dr_offset = grant.dl_settings >> 4 & 0x07
        settings.rx2_data_rate = min(grant.dl_settings & 0x0F, FASTEST)
        settings.rx_delay = grant.rx_delay & 0x0F or 1
        return cipher, settings


def _channels(cf_list: bytes) -> list[Channel]:
    """The channels of a CFList of type 0: five frequencies in units of 100 Hz (RP002-1.0.4)."""
    if not cf_list or cf_list[-1] != 0:
        return []
    frequencies = [
        100 * int.from_bytes(cf_list[3 * n : 3 * n + 3], "little")
        for n in range(_CF_LIST_FREQUENCIES)
    ]
    return [Channel(frequency=frequency) for frequency in frequencies if in_band(frequency)]
