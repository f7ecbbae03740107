"""From the radio to the ledger, and from a button to a person who takes the case."""

import json
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.support.programs import wait_for
from tests.support.site import RunningSite, make_bands

pytestmark = pytest.mark.end_to_end


def test_a_frame_becomes_a_reading_and_a_receipt(tmp_path: Path) -> None:
    with RunningSite(folder=tmp_path, bands=make_bands(2)).start(people=False) as site:
        band, other = site.bands
        (gateway,) = site.gateways
        forwarder = site.forwarders[gateway]
        forwarder.hear(band.telemetry(heart_rate=71))
        forwarder.hear(band.telemetry(heart_rate=72), other.telemetry())
        site.await_counter(band, 1)
        site.await_counter(other, 0)

        heart = "SELECT value FROM latest WHERE dev_eui = ? AND quantity = 'heart_rate'"
        assert site.value(heart, band.dev_eui) == 72.0
        subject = "SELECT DISTINCT subject FROM uplink WHERE dev_eui = ?"
        assert site.value(subject, band.dev_eui) == band.subject
        assert site.value("SELECT count(*) FROM uplink WHERE late OR decode_error") == 0

        wait_for(lambda: site.gauge(gateway, "backlog_records") == 0, "a receipt for every frame")
        assert site.gauge(gateway, "held_records") >= 3, "held for a ledger that is restored"
        (account,) = site.await_whole()
        # Three frames, and the heartbeat that every agent begins with.
        assert account.heard == account.committed == 4
        assert (account.gone, account.late, account.conflict) == (0, 0, False)
        assert site.quarantined() == {}


def test_audit_is_whole_on_the_command_line(tmp_path: Path) -> None:
    with RunningSite(folder=tmp_path, bands=make_bands(1)).start(people=False) as site:
        (gateway,) = site.gateways
        site.forwarders[gateway].hear(site.bands[0].telemetry())
        site.await_whole()
        document = json.loads(site.khaen("audit", "--json"))
        assert gateway in json.dumps(document)
        assert document["totals"]["missing"] == 0
        assert document["totals"]["heard"] == document["totals"]["committed"] == 2


def test_a_press_reaches_a_person_who_takes_it(tmp_path: Path) -> None:
    with RunningSite(folder=tmp_path, bands=make_bands(1)).start() as site:
        (band,) = site.bands
        screen, colleague = site.screen(), site.screen()
        site.forwarders[site.gateways[0]].hear(band.sos())

        told = screen.wait_told("alarm", rule="sos", change="raised").data
        assert told["subject"] == band.subject
        assert (told["priority"], told["open"], told["waiting"]) == (1, True, True)
        assert (told["late"], told["simulated"]) == (False, False)
        colleague.wait_told("alarm", id=told["id"])
        assert site.value("SELECT count(*) FROM alarm WHERE alarm_class = 'care'") == 1

        assert screen.accept(told["id"]).status_code == 200
        colleague.wait_told("alarm", id=told["id"], change="accepted", waiting=False)
        refused = colleague.accept(told["id"])
        assert refused.status_code == 409, "somebody has it already"
        assert refused.json()["alarm"]["accepted_by"] is not None

        assert screen.end(told["id"]).status_code == 200
        colleague.wait_told("alarm", id=told["id"], open=False, outcome="assisted")
        assert [alarm for alarm in screen.open_alarms() if alarm["class"] == "care"] == []


def test_whoever_is_not_signed_in_sees_nothing(tmp_path: Path) -> None:
    with RunningSite(folder=tmp_path, bands=make_bands(1)).start() as site:
        (band,) = site.bands
        site.forwarders[site.gateways[0]].hear(band.sos())
        calls = "SELECT id FROM alarm WHERE rule = 'sos'"
        alarm = str(UUID(bytes=wait_for(lambda: site.rows(calls), "an alarm")[0][0]))
        with httpx.Client(base_url=site.console_url) as stranger:
            for path in ("/", f"/alarms/{alarm}", "/board"):
                answer = stranger.get(path)
                assert answer.status_code in (303, 401, 404), path
                assert band.resident not in answer.text
            for path in ("/api/v1/alarms", "/api/v1/events"):
                answer = stranger.get(path)
                assert answer.status_code == 401, path
                assert band.resident not in answer.text
            assert stranger.post(f"/api/v1/alarms/{alarm}/accept").status_code in (401, 403)
            with_a_guess = {"authorization": "Bearer " + "A" * 43}
            assert stranger.get("/api/v1/alarms", headers=with_a_guess).status_code == 401
        assert site.value("SELECT count(*) FROM alarm WHERE accepted_by IS NOT NULL") == 0
