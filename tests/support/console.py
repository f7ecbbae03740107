"""A small ledger with organisations that must not see each other, and a console in a thread."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvicorn
from sqlalchemy import insert

from console.app import build
from console.connections import Impatient
from console.house import House
from khaen.alarm import Alarm, AlarmClass, Change, Priority, State
from khaen.clock import from_micros
from khaen.evaluation import AlarmChange
from khaen.ids import AlarmId, OrganisationId, SubjectId, UplinkId
from store import alarms, people, users
from store.database import Database
from store.people import Details
from store.schema.accounts import gateway_state
from store.schema.registry import assignment, device, gateway, organisation, person, place
from store.schema.traffic import latest, reception, uplink
from store.users import User

BAND = "a81758fffe000001"
GATEWAYS = ("00800000a0001111", "00800000a0002222")
NAMES = ("ศาลากลางบ้าน", "รพ.สต. โนนหัน")


@dataclass(frozen=True)
class World:
    """The ledger, and what tests do to it beside the console."""

    database: Database
    path: Path

    def raise_alarm(
        self,
        *,
        subject: str = "person:R-0001",
        of: str = "chum-phae",
        rule: str = "sos",
        reason: str = "press",
        priority: Priority = Priority.P1,
        alarm_class: AlarmClass = AlarmClass.CARE,
        ago: float = 4,
        late: bool = False,
        simulated: bool = False,
        uplink_id: UplinkId | None = None,
        detail: dict[str, object] | None = None,
    ) -> Alarm:
        """As the engine does, in one transaction."""
        with self.database.write() as tx:
            now = from_micros(tx.now)
            raised = Alarm(
                id=AlarmId(uuid.uuid4()),
                organisation=OrganisationId(of),
                subject=SubjectId(subject),
                rule=rule,
                alarm_class=alarm_class,
                priority=priority,
                state=State.UNACKNOWLEDGED,
                event_at=now - timedelta(seconds=ago),
                raised_at=now,
                reason=reason,
                late=late,
                simulated=simulated,
            )
            alarms.states(tx, [raised.subject])
            alarms.change(
                tx,
                AlarmChange(
                    alarm=raised,
                    change=Change.RAISED,
                    at=now,
                    notify=True,
                    uplink_id=uplink_id,
                    detail=detail or {},
                ),
            )
        return raised

    def hear(self, *, subject: str = "person:R-0001", gateways: int = 2) -> UplinkId:
        """Store an uplink that several gateways heard."""
        uplink_id = UplinkId(uuid.uuid4())
        with self.database.write() as tx:
            seq = tx.connection.execute(
                insert(uplink).values(
                    id=uplink_id.bytes,
                    dev_eui=BAND,
                    dev_addr="26011b0d",
                    generation=0,
                    f_cnt=1,
                    f_port=2,
                    payload=b"\x01",
                    confirmed=True,
                    origin="simulated",
                    organisation="chum-phae",
                    place="ban-12",
                    subject=subject,
                    received_at=tx.now - 2_000_000,
                    clock="gps",
                    ingested_at=tx.now,
                    late=False,
                    family="khaen_wristband",
                    receptions=gateways,
                )
            ).inserted_primary_key
            assert seq is not None
            for index in range(gateways):
                tx.connection.execute(
                    insert(reception).values(
                        uplink=seq[0],
                        gateway_eui=GATEWAYS[index],
                        context=b"",
                        way="live",
                        received_at=tx.now - 2_000_000,
                        clock="gps",
                        ingested_at=tx.now,
                    )
                )
        return uplink_id

    def user(self, name: str = "สมหญิง", *, of: str = "chum-phae") -> User:
        """Somebody who works here."""
        with self.database.write() as tx:
            return users.create_user(tx, name=name, organisation=of, role=users.OPERATOR)

    def link(self, user: User) -> str:
        """The token of a sign-in link."""
        with self.database.write() as tx:
            return users.make_sign_in_link(tx, user.id)

    def audit(self) -> list[tuple[str, str, str]]:
        """Actor, action and reference of every entry."""
        with self.database.read() as connection:
            return [(e.actor, e.action, e.ref) for e in users.audited(connection)]

    def rename(self, name: str, nickname: str = "") -> None:
        """Give the first person another name."""
        with self.database.write() as tx:
            people.put(tx, Details(person="R-0001", name=name, nickname=nickname))


def furnish(database: Database) -> None:
    """Two districts under one city, and one city beside it; three people, a band, two gateways."""
    with database.write() as tx:
        rows = [
            ("khon-kaen", None, "เทศบาลนครขอนแก่น", "Khon Kaen"),
            ("chum-phae", "khon-kaen", "เทศบาลเมืองชุมแพ", "Chum Phae"),
            ("udon", None, "เทศบาลนครอุดรธานี", "Udon Thani"),
        ]
        for key, parent, th, en in rows:
            tx.connection.execute(
                insert(organisation).values(
                    id=key, parent=parent, name_th=th, name_en=en, simulated=False
                )
            )
        tx.connection.execute(
            insert(place).values(
                id="ban-12",
                organisation="chum-phae",
                name_th="บ้าน 12 หมู่ 3 ใกล้วัดโพธิ์",
                name_en="House 12, Moo 3",
            )
        )
        for key, of in (("R-0001", "chum-phae"), ("R-0002", "chum-phae"), ("R-0900", "udon")):
            where = "ban-12" if of == "chum-phae" else None
            tx.connection.execute(
                insert(person).values(id=key, organisation=of, place=where, seeded=True)
            )
        tx.connection.execute(
            insert(device).values(
                dev_eui=BAND,
                family="khaen_wristband",
                organisation="chum-phae",
                place="ban-12",
                counter_restarts=False,
                valid_from=0,
            )
        )
        tx.connection.execute(
            insert(assignment).values(
                dev_eui=BAND, person="R-0001", valid_from=tx.now - 1000, seeded=True
            )
        )
        for eui, name, age in zip(GATEWAYS, NAMES, (20, 400), strict=True):
            tx.connection.execute(
                insert(gateway).values(
                    eui=eui, name=name, organisation="chum-phae", simulated=False
                )
            )
            tx.connection.execute(
                insert(gateway_state).values(
                    gateway_eui=eui,
                    heartbeat_at=tx.now - age * 1_000_000,
                    heartbeat_seen_at=tx.now - age * 1_000_000,
                )
            )
        for quantity, value, quality, age in (
            ("heart_rate", 112, "good", 40),
            ("spo2", 20, "suspect", 40),
            ("worn", 1, "good", 40),
            ("battery_level", 64, "good", 7300),
        ):
            tx.connection.execute(
                insert(latest).values(
                    dev_eui=BAND,
                    quantity=quantity,
                    channel="",
                    value=value,
                    quality=quality,
                    at=tx.now - age * 1_000_000,
                    uplink=bytes(16),
                )
            )
        people.put(
            tx,
            Details(
                person="R-0001",
                name="บุญมี ใจดี",
                nickname="ยายบุญมี",
                born="1948",
                address="12 หมู่ 3 ต.ชุมแพ",
                landmark="ตรงข้ามวัดโพธิ์",
                telephone="081-000 0001",
            ),
        )
        people.put(tx, Details(person="R-0900", name="คนอุดร", nickname="ตาแดง"))


@contextmanager
def serve(house: House, *, public_url: str = "") -> Iterator[str]:
    """A console in a thread, at the address that is given; `public_url` as its settings say."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = build(house, public_url=public_url or address)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Impatient,
                log_config=None,
                lifespan="on",
                timeout_graceful_shutdown=2,
            )
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started:
                assert thread.is_alive(), "the console ended"
                assert time.monotonic() < deadline, "no console came up"
                time.sleep(0.002)
            yield address
        finally:
            app.state.hub.close()
            server.should_exit = True
            thread.join()


def sign_in(client: httpx.Client, token: str) -> None:
    """Press the button behind the link, and bring the CSRF token from then on."""
    answer = client.post("/sign-in", data={"token": token})
    assert answer.status_code == 303, answer.text
    page = client.get("/").text
    client.headers["x-csrf-token"] = page.split('"X-CSRF-Token": "')[1].split('"')[0]


def utc(seconds: float = 0) -> datetime:
    """Now, and so many seconds on."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
