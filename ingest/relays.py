"""Relays that speak for many: each wearer in a relay's frame has an uplink of its own.

A wearer's uplink has the identity of the relay's frame with the wearer's own EUI and payload, so
that copies by any way merge, and rules, readings and later decoding know of no relay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from decoders.family import SplitPayload
from ingest import attribution
from ingest.attribution import OriginRefused
from ingest.item import Opened, Said
from khaen.errors import UnknownDevice
from khaen.ids import DevEui
from khaen.uplink import PORTS_OF_THE_NETWORK
from store.quarantine import Refused
from store.registry import Registry

Splits = Mapping[str, SplitPayload]
"""By family."""


def spread(registry: Registry, relay: Opened, splits: Splits) -> None:
    """Add the wearers in a relay's frame; those that are not the relay's to tell are set aside.

    A relay's word counts for the devices of its organisation and those below. A point-to-point
    frame has no counter to be known by, and is not spread.
    """
    said = relay.said
    split = splits.get(relay.device.family)
    if split is None or said.id is not None or said.f_port in PORTS_OF_THE_NETWORK:
        return
    below = registry.below(relay.device.organisation)
    for dev_eui, payload in split(said.f_port, said.payload):
        part = replace(said, dev_eui=dev_eui, payload=payload, phy_payload=None)
        try:
            wearer = attribution.attribute(registry, part)
        except UnknownDevice:
            relay.strangers.append(_refuse(said, dev_eui, "unknown_device"))
        except OriginRefused as error:
            relay.strangers.append(_refuse(said, dev_eui, error.reason))
        else:
            if wearer.device.organisation in below:
                relay.wearers.append(wearer)
            else:
                relay.strangers.append(_refuse(said, dev_eui, "not_its_device"))


def _refuse(said: Said, dev_eui: DevEui, reason: str) -> Refused:
    """The relay's whole message, so that what it said of the wearer can be read again."""
    return Refused(
        reason=reason,
        detail=f"{dev_eui} through {said.dev_eui}",
        topic=said.topic,
        content=said.envelope,
        gateway=said.receptions[0].gateway_eui,
        dev_addr=said.dev_addr,
        digest=sha256(said.envelope + bytes.fromhex(dev_eui)).digest(),
    )
