"""The catalogue of quantities: what can be measured, in which unit, within which plausible range.

Units are UCUM codes. Ids are snake_case. A value outside `low`..`high` is kept and marked
suspect. References name the vocabulary a quantity was taken from first: The Things Network's
normalised payload (TTN), LOINC, OMA LwM2M/IPSO objects, FIWARE smart data models.
"""

from khaen.quantity import city, device, environment, people
from khaen.quantity.model import Quantity

__all__ = ["QUANTITIES", "Quantity", "quantity"]

QUANTITIES: dict[str, Quantity] = {
    entry.id: entry for entry in (*people.ALL, *device.ALL, *environment.ALL, *city.ALL)
}


def quantity(name: str) -> Quantity:
    """The catalogue's entry. Raises KeyError for an id that is not in it."""
    return QUANTITIES[name]
