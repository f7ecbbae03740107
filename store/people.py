"""Details of the people who are cared for. Their names stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from store.database import Transaction
from store.schema.people import person_detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a carer must know at once. `born` is `YYYY-MM-DD` or `YYYY`, Common Era."""

    person: str
    name: str = ""
    nickname: str = ""
    born: str | None = None
    address: str = ""
    landmark: str = ""
    telephone: str = ""
    note: str = ""

    @property
    def called(self) -> str:
        """What people call them: the nickname, else the name."""
        return self.nickname or self.name


def details(connection: Connection, people: Iterable[str]) -> dict[str, Details]:
    """The details of people, by id; who has none is left out."""
    rows = connection.execute(select(person_detail).where(person_detail.c.person.in_(set(people))))
    return {
        row.person: Details(
            person=row.person,
            name=row.name,
            nickname=row.nickname,
            born=row.born,
            address=row.address,
            landmark=row.landmark,
            telephone=row.telephone,
            note=row.note,
        )
        for row in rows
    }


def put(tx: Transaction, given: Details) -> None:
    """Write a person's details, all of them."""
    values = {
        "name": given.name,
        "nickname": given.nickname,
        "born": given.born,
        "address": given.address,
        "landmark": given.landmark,
        "telephone": given.telephone,
        "note": given.note,
    }
    known = update(person_detail).where(person_detail.c.person == given.person).values(values)
    if tx.connection.execute(known).rowcount == 0:
        tx.connection.execute(insert(person_detail).values(person=given.person, **values))
