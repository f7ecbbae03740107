"""Whose uplink it is: the device and its subject as the registry had them when it was heard."""

from __future__ import annotations

from ingest.item import Alert, Opened, Said
from khaen.errors import WireError
from khaen.evaluation import Subject
from khaen.ids import GatewayEui, gateway_subject
from khaen.uplink import Origin
from store.registry import DeviceRecord, Registry

_UNREAL = frozenset({Origin.SIMULATED, Origin.REPLAY, Origin.DRILL})


class OriginRefused(WireError):
    """A frame that is not real, for an organisation that is."""

    def __init__(self, alert: Alert) -> None:
        super().__init__("origin_refused", alert.reason)
        self.alert = alert


class NotItsDevice(WireError):
    """A gateway's word for a device that its organisation has not."""

    def __init__(self, gateway: GatewayEui, device: DeviceRecord) -> None:
        super().__init__("not_its_device", f"gateway {gateway}, device {device.dev_eui}")
        self.gateway = gateway


def attribute(registry: Registry, said: Said, *, word_of: GatewayEui | None = None) -> Opened:
    """The uplink with its device and subject.

    `word_of` is the gateway whose word alone says that it is this device's: no key of the device
    vouches for it. A gateway's word counts for the devices of its organisation and those below.

    Raises UnknownDevice, NotItsDevice, and OriginRefused for frames marked simulated, replayed or
    drilled whose organisation is real: they page nobody and count for nobody.
    """
    head = said.receptions[0]
    # Of a span only its end is near to now: whoever wears the device then can still be helped.
    at = head.received_until or head.received_at
    device = registry.device(said.dev_eui, at)
    if word_of is not None and not _speaks_for(registry, word_of, device):
        raise NotItsDevice(word_of, device)
    subject = registry.subject(said.dev_eui, at)
    if said.origin in _UNREAL and not subject.simulated:
        raise OriginRefused(_origin_alert(said, device, subject))
    return Opened(said, device, subject)


def gateway_alert(registry: Registry, gateway: GatewayEui, rule: str, reason: str) -> list[Alert]:
    """An alarm about a gateway; none for a gateway that nobody owns."""
    record = registry.gateway(gateway)
    if record is None:
        return []
    return [
        Alert(
            organisation=record.organisation,
            subject=gateway_subject(gateway),
            rule=rule,
            reason=reason,
        )
    ]


def _speaks_for(registry: Registry, gateway: GatewayEui, device: DeviceRecord) -> bool:
    record = registry.gateway(gateway)
    return record is not None and device.organisation in registry.below(record.organisation)


def _origin_alert(said: Said, device: DeviceRecord, subject: Subject) -> Alert:
    return Alert(
        organisation=subject.organisation,
        subject=gateway_subject(said.receptions[0].gateway_eui),
        rule="origin",
        reason=f"origin_{said.origin.value}_for_{device.family}",
    )
