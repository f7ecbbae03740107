"""What the registry should hold for a site file: rows by table and key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from khaen.site.addressing import prefixes
from khaen.site.model import Plan, Position, Site
from store.schema import registry as table

Key = tuple[str, ...]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Rows of one table. What leaves the file is retired where history names it, else deleted."""

    name: str
    table: Table
    key: tuple[str, ...]
    retires: bool


# In this order what is named exists before what names it; it leaves in the opposite order.
KINDS = (
    Kind(name="plan", table=table.plan, key=("id",), retires=False),
    Kind(name="address", table=table.address, key=("id",), retires=False),
    Kind(name="organisation", table=table.organisation, key=("id",), retires=True),
    Kind(name="place", table=table.place, key=("id",), retires=True),
    Kind(name="gateway", table=table.gateway, key=("eui",), retires=True),
    Kind(name="prefix", table=table.address_prefix, key=("prefix",), retires=False),
    Kind(name="rule", table=table.rule_parameter, key=("rule", "parameter"), retires=False),
)


def rows(site: Site) -> dict[str, dict[Key, Values]]:
    """The wanted rows of each of KINDS, without their keys."""
    positions = {place.id: place.position for place in site.places}
    return {
        "plan": {(plan.id,): _plan(plan) for plan in site.plans},
        "address": {
            (a.id,): {"channel": a.channel, "url_file": str(a.url_file)} for a in site.addresses
        },
        "organisation": {
            (o.id,): {
                "parent": o.parent,
                "name_th": o.name.th,
                "name_en": o.name.en,
                "simulated": o.simulated,
                "plan": o.plan,
            }
            for o in site.organisations
        },
        "place": {
            (p.id,): {
                "organisation": p.organisation,
                "name_th": p.name.th,
                "name_en": p.name.en,
                **_position(p.position),
            }
            for p in site.places
        },
        "gateway": {
            (g.eui,): {
                "name": g.name,
                "organisation": g.organisation,
                "place": g.place,
                "simulated": g.simulated,
                **_position(g.position or positions.get(g.place or "")),
            }
            for g in site.gateways
        },
        "prefix": {(prefix,): {} for prefix in prefixes(site)},
        "rule": {
            (rule, parameter): {"value": value}
            for rule, given in site.rules.items()
            for parameter, value in given.items()
        },
    }


def devices(site: Site) -> dict[str, Values]:
    """The wanted current version of each device, by DevEUI."""
    positions = {place.id: place.position for place in site.places}
    return {
        d.dev_eui: {
            "family": d.family,
            "organisation": d.organisation,
            "place": d.place,
            "counter_restarts": d.counter == "restarts",
            **_position(d.position or positions.get(d.place or "")),
        }
        for d in site.devices
    }


def document(site: Site) -> str:
    """What the ledger keeps of the rest of the file, as one JSON document."""
    rest = {
        "name": site.name.model_dump(),
        "lorawan": {
            "topic_prefix": site.lorawan.topic_prefix,
            "network_server": site.lorawan.network_server,
        },
        "retention": site.retention.model_dump(),
    }
    return json.dumps(rest, ensure_ascii=False, sort_keys=True)


def _plan(plan: Plan) -> Values:
    steps = [
        {"after_us": round(step.after_s * 1_000_000), "channel": step.channel, "to": step.to}
        for step in plan.steps
    ]
    return {"repeat_us": round(plan.repeat_s * 1_000_000), "steps": json.dumps(steps)}


def _position(position: Position | None) -> Values:
    return {
        "latitude": position.latitude if position else None,
        "longitude": position.longitude if position else None,
    }
