"""Who may sign in: users, one-use links, web sessions, and the audit of what they did and saw.

Tokens are 256 random bits, handed out once; the ledger keeps their SHA-256 only.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from khaen.clock import from_micros, to_micros
from khaen.errors import KhaenError
from store.database import Transaction
from store.schema.people import audit_entry, sign_in_link, user, web_session

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
"""A session ends this long after it was last used; a screen that is open keeps its own alive."""
TOUCH_AFTER = timedelta(minutes=5)
EVERYWHERE = "*"
"""The organisation of users who see all of them."""
ADMINISTRATOR = "administrator"
OPERATOR = "operator"


class LinkRefused(KhaenError):
    """A sign-in link that does not exist, was used, or is over; it does not say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who works with the console. `language` is `th` or `en`."""

    id: str
    name: str
    organisation: str
    role: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in. `digest` stands for its cookie, `csrf` goes into its forms."""

    digest: bytes
    user: User
    csrf: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did or saw what, and when."""

    at: datetime
    actor: str
    action: str
    ref: str


def digest(token: str) -> bytes:
    """What the ledger keeps of a token."""
    return sha256(token.encode()).digest()


def create_user(
    tx: Transaction, *, name: str, organisation: str, role: str, language: str = "th"
) -> User:
    """A new user, under an opaque id."""
    made = User(
        id=f"u-{secrets.token_hex(6)}",
        name=name,
        organisation=organisation,
        role=role,
        language=language,
    )
    tx.connection.execute(
        insert(user).values(
            id=made.id,
            name=name,
            organisation=organisation,
            role=role,
            language=language,
            created_at=tx.now,
        )
    )
    audit(tx, actor="system", action="user_created", ref=made.id)
    return made


def administrator(
    tx: Transaction, *, name: str = "ผู้ดูแลระบบ", organisation: str = EVERYWHERE
) -> User:
    """The first administrator who may sign in; made here when there is none."""
    row = tx.connection.execute(
        select(user)
        .where(user.c.role == ADMINISTRATOR, user.c.disabled_at.is_(None))
        .order_by(user.c.created_at, user.c.id)
        .limit(1)
    ).one_or_none()
    if row is not None:
        return _user(row)
    return create_user(tx, name=name, organisation=organisation, role=ADMINISTRATOR)


def exist(connection: Connection) -> bool:
    """Whether there is any user yet."""
    return connection.execute(select(user.c.id).limit(1)).first() is not None


def make_sign_in_link(tx: Transaction, user_id: str) -> str:
    """The token of a link that signs `user_id` in, once, within 15 minutes."""
    token = secrets.token_urlsafe(32)
    tx.connection.execute(
        insert(sign_in_link).values(
            digest=digest(token),
            user=user_id,
            created_at=tx.now,
            expires_at=to_micros(from_micros(tx.now) + LINK_LIFE),
        )
    )
    audit(tx, actor="system", action="link_made", ref=user_id)
    return token


def link_works(connection: Connection, token: str, at: datetime) -> bool:
    """Whether the link could be used at `at`, without using it."""
    found = connection.execute(
        select(sign_in_link.c.user).where(
            sign_in_link.c.digest == digest(token),
            sign_in_link.c.used_at.is_(None),
            sign_in_link.c.expires_at > to_micros(at),
        )
    ).one_or_none()
    return found is not None


def use_link(tx: Transaction, token: str) -> tuple[str, User]:
    """Use the link up and open a session: its cookie and its user. Raises LinkRefused."""
    taken = tx.connection.execute(
        update(sign_in_link)
        .where(
            sign_in_link.c.digest == digest(token),
            sign_in_link.c.used_at.is_(None),
            sign_in_link.c.expires_at > tx.now,
        )
        .values(used_at=tx.now)
        .returning(sign_in_link.c.user)
    ).scalar_one_or_none()
    if taken is None:
        raise LinkRefused("no such link")
    row = tx.connection.execute(
        select(user).where(user.c.id == taken, user.c.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        raise LinkRefused("no such user")
    cookie = secrets.token_urlsafe(32)
    tx.connection.execute(
        insert(web_session).values(
            digest=digest(cookie),
            user=row.id,
            csrf=secrets.token_urlsafe(32),
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=to_micros(from_micros(tx.now) + SESSION_LIFE),
        )
    )
    audit(tx, actor=row.id, action="signed_in", ref=row.id)
    return cookie, _user(row)


def session(connection: Connection, cookie: str, at: datetime) -> Session | None:
    """The session of a cookie, while it lasts and its user may sign in."""
    row = connection.execute(
        select(user, web_session.c.digest, web_session.c.csrf, web_session.c.seen_at)
        .join(web_session, web_session.c.user == user.c.id)
        .where(web_session.c.digest == digest(cookie), *_lasting(at))
    ).one_or_none()
    if row is None:
        return None
    return Session(
        digest=row.digest, user=_user(row), csrf=row.csrf, seen_at=from_micros(row.seen_at)
    )


def lasting(connection: Connection, digests: Sequence[bytes], at: datetime) -> set[bytes]:
    """Those of the sessions that still last."""
    rows = connection.execute(
        select(web_session.c.digest)
        .join(user, web_session.c.user == user.c.id)
        .where(web_session.c.digest.in_(digests), *_lasting(at))
    )
    return {row.digest for row in rows}


def touch(tx: Transaction, digests: Iterable[bytes]) -> None:
    """The sessions are in use: they last for another `SESSION_LIFE`. A dead one stays dead."""
    tx.connection.execute(
        update(web_session)
        .where(
            web_session.c.digest.in_(list(digests)),
            web_session.c.revoked_at.is_(None),
            web_session.c.expires_at > tx.now,
        )
        .values(seen_at=tx.now, expires_at=to_micros(from_micros(tx.now) + SESSION_LIFE))
    )


def revoke(tx: Transaction, session_digest: bytes, *, actor: str) -> None:
    """End a session now."""
    tx.connection.execute(
        update(web_session)
        .where(web_session.c.digest == session_digest, web_session.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
    audit(tx, actor=actor, action="signed_out", ref=actor)


def choose_language(tx: Transaction, user_id: str, language: str) -> None:
    """Keep the language in which a user reads."""
    tx.connection.execute(update(user).where(user.c.id == user_id).values(language=language))


def names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The names of users, by id; ids that are nobody's are left out."""
    rows = connection.execute(select(user.c.id, user.c.name).where(user.c.id.in_(set(ids))))
    return {row.id: row.name for row in rows}


def audit(tx: Transaction, *, actor: str, action: str, ref: str) -> None:
    """Put on record that `actor` did `action` to, or saw, `ref`. Never names, never values."""
    tx.connection.execute(
        insert(audit_entry).values(at=tx.now, actor=actor, action=action, ref=ref)
    )


def audited(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[AuditEntry]:
    """The record, oldest first, from the entry after the number `after`."""
    rows = connection.execute(
        select(audit_entry)
        .where(audit_entry.c.seq > after)
        .order_by(audit_entry.c.seq)
        .limit(limit)
    )
    return [
        AuditEntry(at=from_micros(r.at), actor=r.actor, action=r.action, ref=r.ref) for r in rows
    ]


def _lasting(at: datetime) -> tuple[Any, ...]:
    return (
        web_session.c.revoked_at.is_(None),
        web_session.c.expires_at > to_micros(at),
        user.c.disabled_at.is_(None),
    )


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        organisation=row.organisation,
        role=row.role,
        language=row.language,
    )
