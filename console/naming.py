"""What a subject is called, where it is, and whose it is, as its reader's language has it."""

from __future__ import annotations

from collections.abc import Mapping

from console.text import say
from khaen.ids import DevEui, OrganisationId, SubjectId, parse_gateway_subject
from store.people import Details
from store.records import OrganisationRecord, PlaceRecord
from store.registry import Registry


def called(
    subject: SubjectId, known: Mapping[str, Details], registry: Registry, language: str
) -> str:
    """What people call a subject: nickname, name, the gateway's or organisation's name, else id."""
    kind, _, name = subject.partition(":")
    match kind:
        case "person":
            found = known[name].called if name in known else ""
            return found or say(language, "who.person", id=name)
        case "device":
            return say(language, "who.device", id=name)
        case "gateway":
            gateway = registry.gateway(parse_gateway_subject(subject)[0])
            return gateway.name if gateway is not None else name
        case "organisation" | "site":
            return named(registry.organisations.get(OrganisationId(name)), language) or name
        case "channel":
            return name.partition("@")[0]
        case _:
            return name or subject


def place_of(subject: SubjectId, registry: Registry, language: str) -> str:
    """The name of the place where a subject is at home; empty where none is known."""
    kind, _, name = subject.partition(":")
    place = None
    if kind == "person" and (someone := registry.persons.get(name)) is not None:
        place = someone.place
    elif kind == "gateway":
        gateway = registry.gateway(parse_gateway_subject(subject)[0])
        place = None if gateway is None else gateway.place
    elif kind == "device":
        place = next((d.place for d in registry.devices if d.dev_eui == DevEui(name)), None)
    return named(registry.places.get(place) if place is not None else None, language)


def organisation_of(subject: SubjectId, registry: Registry) -> OrganisationId | None:
    """The organisation that a subject belongs to now; None for one that is unknown."""
    kind, _, name = subject.partition(":")
    if kind == "person":
        someone = registry.persons.get(name)
        return None if someone is None else someone.organisation
    if kind == "device":
        return next((d.organisation for d in registry.devices if d.dev_eui == name), None)
    return None


def named(record: OrganisationRecord | PlaceRecord | None, language: str) -> str:
    """The name of an organisation or a place; empty for None."""
    if record is None:
        return ""
    return record.name_en if language == "en" else record.name_th
