"""Records under other identities: frames opened and sealed again, events told of others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from khaen.capture import Record
from khaen.ids import DevEui
from khaen.lorawan import frame as lorawan
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import FrameError, JoinRequest
from simulators.frames import Frame, frames, rewrite
from simulators.replay.identities import Identities, Target
from simulators.replay.keyring import Keyring, Opened
from simulators.replay.scrub import scrub
from simulators.replay.skip import BROKEN, FAMILY_UNKNOWN, Skip

_CIPHERS: Final = 10_000

Places = Mapping[DevEui, bool]
"""Of each device whose family is known, whether it can say where it is."""


class Remap:
    """Gives each record to those who stand for whom it is about. Raises Skip where it cannot.

    Left out of an anonymous replay is a frame that is nobody's whom we know, of a device that can
    say where it is or of which that is not known, and everything that holds no frame.
    """

    def __init__(
        self, identities: Identities, keyring: Keyring, places: Places | None = None
    ) -> None:
        self._identities, self._keyring, self._places = identities, keyring, places or {}
        self._ciphers: OrderedDict[DevEui, SessionCipher | None] = OrderedDict()

    def __call__(self, record: Record) -> Record:
        """The record about others. Raises Skip."""
        if not frames(record):
            raise Skip("no_frames")
        try:
            changed = rewrite(record, self._change)
            if changed is None:
                raise Skip("no_frames")
            return scrub(changed, self._identities) if self._identities.anonymous else changed
        except BROKEN as error:
            raise Skip("unreadable") from error

    def _change(self, frame: Frame) -> Frame:
        if frame.gateway_eui is not None:
            frame = replace(frame, gateway_eui=self._identities.gateway(frame.gateway_eui))
        if frame.phy is None and frame.dev_eui is not None:
            return self._tell_of(frame)
        if frame.phy is None:  # a heartbeat, a declaration, an event within an envelope
            if self._identities.anonymous:
                raise Skip("no_frames")
            return frame
        if frame.dev_eui is not None:
            return self._join_or_point_to_point(frame, frame.phy, frame.dev_eui)
        opened = self._keyring.open(frame.phy)
        if opened is None:
            if self._identities.anonymous:
                raise Skip("unopened")
            return frame
        return self._reseal(frame, opened)

    def _tell_of(self, frame: Frame) -> Frame:
        """An event, which needs no keys."""
        assert frame.dev_eui is not None
        target = self._identities.device(frame.dev_eui)
        if target is None:
            return frame
        self._hide_places(frame.dev_eui)
        return replace(frame, dev_eui=target.dev_eui, dev_addr=target.dev_addr or frame.dev_addr)

    def _join_or_point_to_point(self, frame: Frame, phy: bytes, dev_eui: DevEui) -> Frame:
        target = self._identities.device(dev_eui)
        if target is None:
            return frame
        try:
            is_join = isinstance(lorawan.parse(phy), JoinRequest)
        except FrameError:
            is_join = False
        if is_join:
            raise Skip("join")
        if self._identities.anonymous:
            raise Skip("point_to_point")
        return replace(frame, dev_eui=target.dev_eui)

    def _reseal(self, frame: Frame, opened: Opened) -> Frame:
        target = self._identities.device(opened.dev_eui)
        if target is None:
            return frame
        cipher, said = self._cipher(target), opened.frame
        if cipher is None:
            raise Skip("no_target_keys")
        self._hide_places(opened.dev_eui)
        phy = cipher.seal_uplink(
            f_cnt=opened.f_cnt,
            f_port=said.f_port,
            payload=opened.payload,
            confirmed=said.confirmed,
            f_opts=said.f_opts,
            adr=said.adr,
            adr_ack_req=said.adr_ack_req,
            ack=said.ack,
            class_b=said.class_b,
        )
        return replace(frame, phy=phy)

    def _hide_places(self, dev_eui: DevEui) -> None:
        if not self._identities.anonymous:
            return
        if dev_eui not in self._places:
            raise Skip(FAMILY_UNKNOWN)
        if self._places[dev_eui]:
            raise Skip("position")

    def _cipher(self, target: Target) -> SessionCipher | None:
        if target.dev_eui not in self._ciphers:
            self._ciphers[target.dev_eui] = target.cipher()
            if len(self._ciphers) > _CIPHERS:
                self._ciphers.popitem(last=False)
        return self._ciphers[target.dev_eui]
