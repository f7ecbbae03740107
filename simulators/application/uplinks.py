"""From frames on the air to uplinks with their receptions, as a network server puts them together.

The frames are the radio's own, byte for byte: they are opened with the session's key, and their
MIC is not looked at, for nobody stands between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from khaen.ids import DevEui
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import MIC_SIZE
from khaen.lorawan.join import SessionKeys
from khaen.site.model import Site
from simulators.air.radio import Hearing
from simulators.application.form import Subject, Uplink
from simulators.application.plain import PlainCipher
from simulators.devices.device import Transmission

_F_OPTS_AT: Final = 8
"""LoRaWAN 1.0.4, 4.3: MHDR, DevAddr, FCtrl, FCnt are 1, 4, 1, 2 bytes; FOpts and FPort follow."""
_CONFIRMED_UP: Final = 0x80
_ADR: Final = 0x80
_MTYPE: Final = 0xE0
_F_OPTS_LEN: Final = 0x0F
_DATA_UP: Final = frozenset({0x40, 0x80})


class Uplinks:
    """Opens the frames of a site's devices; `keys` of those that have a DevAddr. `plain` frames
    are those of `PlainMac`.
    """

    def __init__(
        self,
        site: Site,
        keys: Mapping[DevEui, SessionKeys],
        *,
        otaa: frozenset[DevEui] = frozenset(),
        plain: bool = False,
    ) -> None:
        self._devices: dict[DevEui, tuple[Subject, SessionCipher]] = {}
        self._last: dict[DevEui, int] = {}
        for device in site.devices:
            pair = keys.get(device.dev_eui)
            if device.dev_addr is None or pair is None:
                continue
            subject = Subject(
                dev_eui=device.dev_eui,
                dev_addr=device.dev_addr,
                family=device.family,
                organisation=device.organisation,
                otaa=device.dev_eui in otaa,
            )
            cipher: SessionCipher = PlainCipher(device.dev_addr)
            if not plain:
                cipher = SessionCipher(
                    dev_addr=device.dev_addr, nwk_s_key=pair.nwk_s_key, app_s_key=pair.app_s_key
                )
            self._devices[device.dev_eui] = subject, cipher

    def open(
        self, sent: Transmission, hearings: tuple[Hearing, ...], at: datetime
    ) -> Uplink | None:
        """The uplink that a frame is, ended at `at`. None where nobody heard it, for what is no
        data, and for a repetition: a network server passes each counter on once.

        Raises KeyError for a device that the site does not have.
        """
        phy, f_cnt = sent.phy, sent.f_cnt
        if not hearings or phy[0] & _MTYPE not in _DATA_UP:
            return None
        if f_cnt <= self._last.get(sent.dev_eui, -1):
            return None
        self._last[sent.dev_eui] = f_cnt
        subject, cipher = self._devices[sent.dev_eui]
        port_at = _F_OPTS_AT + (phy[5] & _F_OPTS_LEN)
        body = phy[port_at:-MIC_SIZE]
        f_port = body[0] if body else 0
        payload = cipher.crypt(body[1:], f_port=f_port, f_cnt=f_cnt, uplink=True) if f_port else b""
        return Uplink(
            subject=subject,
            at=at,
            f_cnt=f_cnt,
            f_port=f_port,
            payload=payload,
            confirmed=phy[0] & _MTYPE == _CONFIRMED_UP,
            adr=bool(phy[5] & _ADR),
            data_rate=sent.data_rate,
            frequency=sent.frequency,
            hearings=hearings,
        )
