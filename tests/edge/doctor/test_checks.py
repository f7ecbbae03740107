"""Facts, and what the doctor finds in them."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import edge
from edge.doctor import examination, others
from edge.doctor.facts import Facts, OutboxFacts
from edge.health import symptoms
from edge.host import KernelClock
from edge.outbox.owner import Left
from edge.settings import EdgeSettings, GatewaySettings, UdpSettings
from khaen.ids import GatewayEui
from tests.edge.conditions import NOW, make_certificate, make_condition, make_gateway
from tests.edge.fixtures import GATEWAY

OTHER = GatewayEui("0016c001f153a1ff")
SETTINGS = EdgeSettings(gateway_eui=GATEWAY, site="kk", region="as923")
TWO = EdgeSettings(gateway_eui=GATEWAY, site="kk", gateways=(GatewaySettings(eui=OTHER),))
OUTBOX = OutboxFacts(
    gateway=GATEWAY,
    path=Path("/var/lib/khaen/outbox.sqlite"),
    spare=10**10,
    errors=0,
    frequencies=(923_200_000, 923_400_000),
)
WORD = re.compile(r'"([a-z_]+)"')
WARNING = re.compile(r'(?:warnings\.(?:add|put)\(|AWAY: Final = |UNREADABLE = )"([a-z_]+)"')
KEPT = KernelClock(kept=True, offset_ms=0.3, error_ms=12.0)


def make_facts(**over: Any) -> Facts:
    """Facts of a gateway that is well; `over` are those that differ."""
    facts: dict[str, Any] = {
        "settings": SETTINGS,
        "now": NOW,
        "agent": make_condition(),
        "outboxes": (OUTBOX,),
        "udp_holder": "khaen-edge",
        "clock": KEPT,
        "keeper": "chrony",
        "temperature": 50.0,
    }
    return Facts(**(facts | over))


def agent(**over: Any) -> Any:
    """The running agent with one figure of its gateway changed."""
    return make_condition(make_gateway(**over))


@pytest.mark.parametrize(
    ("over", "code", "words"),
    [
        ({"agent": None, "udp_holder": None}, "agent_silent", "systemctl start khaen-edge"),
        (
            {"agent": None, "udp_holder": None, "intruder": "it is no agent"},
            "agent_silent",
            "9101: it is no agent",
        ),
        (
            {"agent": None, "settings": SETTINGS.model_copy(update={"metrics_port": 0})},
            "agent_unasked",
            "Set it to 9101",
        ),
        (
            {"agent": make_condition(faults=("the disk refuses",))},
            "agent_unwell",
            "the disk refuses",
        ),
        ({"agent": None, "hung": True}, "agent_hangs", "systemctl restart khaen-edge"),
        (
            {"agent": None, "udp_holder": "chirpstack-gate"},
            "udp_taken",
            "held by chirpstack-gate",
        ),
        ({"agent": agent(pulled_s=None)}, "forwarder_silent", '"serv_port_up" and'),
        (
            {
                "agent": agent(pulled_s=None),
                "settings": SETTINGS.model_copy(update={"udp": UdpSettings(host="0.0.0.0")}),
            },
            "forwarder_silent",
            '"server_address": this machine\'s own,',
        ),
        ({"agent": agent(pulled_s=75.0)}, "forwarder_silent", "fell silent 75 s ago"),
        (
            {"agent": make_condition(make_gateway(pulled_s=None), stranger=OTHER)},
            "other_gateway",
            f'gateway_eui = "{OTHER}"',
        ),
        (
            {"agent": make_condition(counts={"refused": {"crc_bad": 30}, "heard": {"beat": 1}})},
            "crc_bad_only",
            "antenna",
        ),
        ({"agent": agent(last_frame=None)}, "nothing_heard", "antenna"),
        ({"agent": agent(last_frame=NOW - timedelta(hours=7))}, "nothing_heard", "6 hours"),
        (
            {"settings": SETTINGS.model_copy(update={"region": "thailand"})},
            "region_unknown",
            "'thailand'",
        ),
        (
            {"settings": SETTINGS.model_copy(update={"region": "eu868"})},
            "region_wrong",
            "863 to 870 MHz, but frames are heard at 923.2 to 923.4 MHz",
        ),
        ({"broker": {GATEWAY: "refused: Not authorized"}}, "broker_away", "refused: Not auth"),
        ({"agent": agent(warnings=("twin_agent",))}, "twin_agent", "copied card"),
        ({"agent": agent(warnings=("receipts_absent",))}, "receipts_absent", "site 'kk'"),
        ({"agent": agent(warnings=("backlog_stays",))}, "backlog_stays", "khaen audit"),
        ({"agent": agent(warnings=("puback_is_proof",))}, "puback_is_proof", "forward.puback"),
        ({"agent": agent(warnings=("nobody_subscribes",))}, "nobody_subscribes", "Start ingest"),
        ({"agent": agent(warnings=("publish_refused",))}, "publish_refused", "topic_prefix"),
        ({"agent": agent(warnings=("serial_module_away",))}, "serial_module_away", "dialout"),
        ({"agent": agent(warnings=("message_too_large",))}, "message_too_large", "262144"),
        ({"agent": agent(warnings=("records_damaged",))}, "records_damaged", "khaen audit"),
        ({"agent": agent(warnings=("of_tomorrow",))}, "of_tomorrow", "warns of of_tomorrow"),
        ({"agent": agent(warnings=("outbox_shedding",))}, "outbox_shedding", "quota_mb"),
        (
            {"left": (Left(Path("/o/outbox-1.sqlite"), OTHER, 7),)},
            "other_gateways_outbox",
            f"holds 7 records of gateway {OTHER}, which is not set up here",
        ),
        (
            {"left": (Left(Path("/o/outbox-1.sqlite"), OTHER, 0, 2),)},
            "other_gateways_outbox",
            f"holds 0 records and 2 damaged files of gateway {OTHER}",
        ),
        ({"certificates": (make_certificate(None),)}, "certificate_unreadable", "PEM"),
        ({"certificates": (make_certificate(-3.0),)}, "certificate_expired", "3 days ago"),
        ({"certificates": (make_certificate(20.0),)}, "certificate_expires", "in 20 days"),
        ({"outboxes": (replace(OUTBOX, errors=4),)}, "disk_failing", "counted 4 errors"),
        (
            {"outboxes": (replace(OUTBOX, problem="malformed", damaged=True),)},
            "disk_failing",
            "damaged: malformed",
        ),
        ({"outboxes": (replace(OUTBOX, read_only=True),)}, "disk_read_only", "read-only"),
        ({"outboxes": (replace(OUTBOX, spare=10**7),)}, "disk_low", "10 MB"),
        ({"outboxes": (replace(OUTBOX, problem="no"),)}, "outbox_unreadable", "as root"),
        ({"clock": replace(KEPT, kept=False)}, "clock_untrue", "kept by chrony"),
        ({"clock": replace(KEPT, error_ms=1500.0)}, "clock_loose", "1.5 s"),
        ({"under_voltage": True}, "under_voltage", "supply"),
        ({"temperature": 81.0}, "hot", "81 °C"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    over: dict[str, Any], code: str, words: str
) -> None:
    facts = make_facts(**over)
    findings = examination.examine(facts)
    assert code in [finding.code for finding in findings]
    text = " ".join(" ".join(examination.render(facts, findings)).split())
    assert words in text
    for finding in findings:
        assert finding.cause.endswith(".")
        assert finding.remedy.endswith((".", "?"))


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"settings": SETTINGS.model_copy(update={"region": "as923_2"})},
        {"outboxes": (replace(OUTBOX, frequencies=None),)},
        {"clock": replace(KEPT, kept=False), "agent": agent(clock_source="gps")},
        {
            "clock": replace(KEPT, kept=False),
            "settings": SETTINGS.model_copy(update={"trust_clock": True}),
        },
        {
            "agent": agent(pulled_s=None),
            "settings": SETTINGS.model_copy(update={"udp": UdpSettings(enabled=False)}),
        },
        {"agent": make_condition(counts={"refused": {"crc_bad": 30}, "heard": {"lorawan": 1}})},
        {"agent": make_condition(make_gateway(last_frame=None), uptime_s=600.0)},
    ],
)
def test_who_is_well_is_told_so(over: dict[str, Any]) -> None:
    facts = make_facts(**over)
    assert examination.examine(facts) == []
    last = list(examination.render(facts, []))[-2:]
    assert " ".join(last).startswith("Nothing wrong with: port, agent, forwarder")


def test_the_grave_comes_first_and_each_gateway_has_its_name() -> None:
    silent = make_gateway(OTHER, pulled_s=None)
    facts = make_facts(
        settings=TWO,
        agent=make_condition(make_gateway(), silent),
        outboxes=(replace(OUTBOX, spare=0), replace(OUTBOX, gateway=OTHER)),
    )
    findings = examination.examine(facts)
    assert [(finding.code, finding.grave) for finding in findings] == [
        ("forwarder_silent", True),
        ("disk_low", False),
    ]
    lines = list(examination.render(facts, findings))
    assert lines[0] == f"gateway {GATEWAY}, {OTHER} of site kk"
    assert lines[2].startswith(f"1. {OTHER}: No packet forwarder has sent anything yet")
    assert f"2. (can wait) {GATEWAY}: The disk has only 0 MB" in "\n".join(lines)
    assert max(map(len, lines)) <= 79


def test_what_only_a_running_agent_can_tell_is_not_called_well() -> None:
    facts = make_facts(agent=None, udp_holder=None)
    text = " ".join(examination.render(facts, examination.examine(facts)))
    well = text.split("Nothing wrong with:")[1]
    for name in ("forwarder", "receptions", "twin", "receipts", "agent"):
        assert name not in well


def codes(facts: Facts) -> list[str]:
    return [finding.code for finding in examination.examine(facts)]


def test_the_cause_comes_before_what_follows_of_it() -> None:
    assert codes(make_facts(agent=None, udp_holder="bridge")) == ["udp_taken", "agent_silent"]
    for own in ("systemd", None):
        assert codes(make_facts(agent=None, udp_holder=own)) == ["agent_silent"]
    assert codes(make_facts(agent=None, hung=True, udp_holder="khaen-edge")) == ["agent_hangs"]


def test_a_full_disk_is_grave_and_nobody_is_told_to_restart() -> None:
    well = make_gateway()
    status = well.status.model_copy(update={"volatile": True})
    full = make_condition(well.model_copy(update={"status": status}), faults=("the disk refuses",))
    facts = make_facts(agent=full, outboxes=(replace(OUTBOX, spare=-1),))
    found = {finding.code: finding for finding in examination.examine(facts)}
    assert found["disk_full"].grave
    assert "do not restart" in found["agent_unwell"].remedy
    foreign = replace(OUTBOX, owner="root")
    assert "outbox_of_another" in codes(make_facts(agent=full, outboxes=(foreign,)))


def test_a_forwarder_has_a_minute_to_be_heard() -> None:
    young = make_condition(make_gateway(pulled_s=None)).model_copy(update={"uptime_s": 5.0})
    assert codes(make_facts(agent=young)) == []


def test_every_code_of_an_agent_is_explained_once() -> None:
    """What symptoms and sources can say is in some check's words."""
    explained = others._EXPLAINED | others._TEXTS.keys()
    said = set(WORD.findall(Path(symptoms.__file__).read_text()))
    for file in Path(edge.__path__[0]).rglob("*.py"):
        said |= set(WARNING.findall(file.read_text()))
    assert {"serial_module_away", "twin_agent", "disk_low"} < said
    assert said - explained == set()
    assert not others._EXPLAINED & others._TEXTS.keys()
