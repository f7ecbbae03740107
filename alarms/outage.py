"""Whom a gateway's silence concerns: its own organisation, and each whose people it alone heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from alarms.subject import find_subject
from khaen.evaluation import Silence, Subject, SubjectState
from khaen.ids import OrganisationId, SubjectId, gateway_subject, parse_gateway_subject
from store.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """The silence as one organisation may see it: with its own people only."""

    subject: Subject
    silence: Silence


def share(
    registry: Registry, silence: Silence, told: Collection[SubjectId], now: datetime
) -> list[Concern]:
    """The silence of one gateway, shared out: the gateway's own organisation first.

    `told` are the subjects of alarms that are open: whoever was told before learns how it goes on,
    also where none of its people is unseen now. Of whom no organisation is known, none is shown.
    """
    gateway = registry.gateways[silence.gateway_eui]
    unseen: defaultdict[OrganisationId, list[SubjectId]] = defaultdict(list)
    for subject in silence.unseen:
        found = find_subject(registry, subject, SubjectState(subject=subject), now)
        if found is not None:
            unseen[found.organisation].append(subject)
    before = (parse_gateway_subject(subject) for subject in told)
    others = {other for eui, other in before if other and eui == gateway.eui} | unseen.keys()
    return [
        Concern(
            subject=Subject(
                id=gateway_subject(gateway.eui, None if own else organisation),
                organisation=organisation,
                place=gateway.place if own else None,
                simulated=registry.is_simulated(organisation),
            ),
            silence=replace(silence, unseen=tuple(unseen.get(organisation, ()))),
        )
        for organisation, own in [
            (gateway.organisation, True),
            *((other, False) for other in sorted(others - {gateway.organisation})),
        ]
    ]
