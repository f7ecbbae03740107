"""A LoRa module on a serial port: set up, listened to, unplugged, hung, and full of noise."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from pydantic import ValidationError

from edge.modem.port import ModuleLost, SerialPort
from edge.source_settings import SerialSettings
from edge.sources.serial_module import AWAY, SerialModule
from khaen.uplink import Kind
from tests.edge.sources.bench import Station, eventually, make_station
from tests.support.lora_module import LoraModule, Rui3, WioE5, plugged

SENDER = "a81758ff00000001"
MODULES: dict[str, Callable[[Path], LoraModule]] = {
    "rui3": Rui3,
    "rui3-old": lambda path: Rui3(path, old=True),
    "rui3-p2p": lambda path: Rui3(path, lorawan=False),
    "wio_e5": WioE5,
}
each_module = pytest.mark.parametrize("kind", MODULES)


def make(kind: str, folder: Path) -> LoraModule:
    return MODULES[kind](folder / "ttyLoRa")


def describe(module: LoraModule, **facts: Any) -> SerialSettings:
    dialect = "wio_e5" if isinstance(module, WioE5) else "rui3"
    return SerialSettings(device=module.path, dialect=dialect, **{"sender": SENDER, **facts})


@asynccontextmanager
async def listening(
    module: LoraModule, folder: Path, *, check_s: float = 0.2, **facts: Any
) -> AsyncIterator[Station]:
    """A station that listens by a module, from the moment on at which it does."""
    async with make_station(folder) as station:
        source = SerialModule(describe(module, **facts), station, check_s=check_s)
        async with source.listening():
            await await_listening(module, station)
            yield station


async def await_listening(module: LoraModule, station: Station) -> None:
    await eventually(
        lambda: (module.listens, AWAY in station.warnings, module.asked[-8:]),
        lambda state: state[:2] == (True, False),
    )


@each_module
async def test_what_it_hears_is_a_record(kind: str, tmp_path: Path) -> None:
    with plugged(make(kind, tmp_path)) as module:
        async with listening(module, tmp_path) as station:
            assert module.hear(b"\x01\x67\x00\xe6", rssi=-101, snr=-7)
            (record,) = await station.await_records(1)
            frame = gw.UplinkFrame.FromString(record.frame)
            assert (record.kind, record.device) == (Kind.P2P, SENDER)
            assert frame.phy_payload == b"\x01\x67\x00\xe6"
            assert (frame.rx_info.rssi, frame.rx_info.snr) == (-101, -7)
            assert frame.rx_info.gateway_id == station.gateway
            assert frame.tx_info.frequency == 923_200_000
            assert frame.tx_info.modulation.lora.spreading_factor == 7
            assert frame.tx_info.modulation.lora.bandwidth == 125_000


@pytest.mark.parametrize(
    ("kind", "facts", "radio"),
    [
        ("rui3", {}, "923200000:7:125:0:8:14"),
        (
            "rui3",
            {"frequency": 921_437_500, "spreading_factor": 12, "bandwidth": 250,
             "coding_rate": "4/8", "preamble": 16, "public": True},
            "921437500:12:250:3:16:14",
        ),
        ("wio_e5", {}, "923.2,SF7,125,8,8,14,ON,OFF,OFF"),
        (
            "wio_e5",
            {"frequency": 921_437_500, "spreading_factor": 10, "public": True},
            "921.4375,SF10,125,8,8,14,ON,OFF,ON",
        ),
    ],
)  # fmt: skip
async def test_the_radio_is_set_up(
    kind: str, facts: dict[str, Any], radio: str, tmp_path: Path
) -> None:
    with plugged(make(kind, tmp_path)) as module:
        async with listening(module, tmp_path, **facts):
            assert module.radio == radio
            if kind == "rui3":
                assert f"AT+SYNCWORD={3444 if facts.get('public') else 1424}" in module.asked


@each_module
async def test_unplugged_and_plugged_in_again(kind: str, tmp_path: Path) -> None:
    module = make(kind, tmp_path)
    with plugged(module):
        async with listening(module, tmp_path) as station:
            module.unplug()
            await eventually(lambda: AWAY in station.warnings, bool)
            began, busy = time.monotonic(), time.process_time()
            await asyncio.sleep(0.3)
            # It looks for its port now and then, and does nothing else.
            assert time.process_time() - busy < 0.5 * (time.monotonic() - began)
            module.plug()
            await await_listening(module, station)
            assert module.hear(b"back")
            await station.await_records(1)


async def test_it_waits_for_a_module_that_comes_later(tmp_path: Path) -> None:
    module = Rui3(tmp_path / "ttyLoRa")
    async with make_station(tmp_path) as station:
        source = SerialModule(describe(module), station)
        async with source.listening():
            await eventually(lambda: AWAY in station.warnings, bool)
            with plugged(module):
                await await_listening(module, station)


@each_module
@pytest.mark.parametrize("silently", [False, True])
async def test_set_up_again_when_it_began_anew(kind: str, silently: bool, tmp_path: Path) -> None:
    with plugged(make(kind, tmp_path)) as module:
        async with listening(module, tmp_path) as station:
            module.restart(silently=silently)
            assert not module.listens
            await eventually(lambda: module.listens, bool)
            await await_listening(module, station)
            assert module.hear(b"again")
            await station.await_records(1)


async def test_set_up_again_when_it_did_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.sources.serial_module._ANSWER_S", 0.1)
    with plugged(Rui3(tmp_path / "ttyLoRa")) as module:
        async with listening(module, tmp_path) as station:
            module.deaf = True
            await eventually(lambda: AWAY in station.warnings, bool)
            module.deaf = False
            await await_listening(module, station)


@each_module
async def test_echo_noise_halves_and_what_is_too_long(kind: str, tmp_path: Path) -> None:
    with plugged(make(kind, tmp_path)) as module:
        module.echo = True
        async with listening(module, tmp_path, check_s=60) as station:
            assert module.hear(b"one")
            module.say_bytes(b'\x00\xff\xfe garbage \r\n\r\n+EVT:RXP2P\r\n+TEST: RX "0\r\n')
            module.say_bytes(b"x" * 5000 + b"\r\n")
            whole = "\r\n".join(module.packet(b"halves", -80, 3)).encode() + b"\r\n"
            for at in range(0, len(whole), 7):
                module.say_bytes(whole[at : at + 7])
                await asyncio.sleep(0.002)
            module.say_bytes(b"\xf0\x9f")
            assert module.hear(b"last")
            await station.await_records(3)
            assert await station.payloads() == [b"one", b"halves", b"last"]
            assert station.refused("bad_line") >= 1


async def test_a_wio_e5_s_packet_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    with plugged(WioE5(tmp_path / "ttyLoRa")) as module:
        async with listening(module, tmp_path) as station:
            module.say("+TEST: LEN:9, RSSI:-57, SNR:9")
            module.say('+TEST: RX "0102"')
            module.hear(b"whole")
            await station.await_records(1)
            assert await station.payloads() == [b"whole"]
            assert station.refused("bad_line") == 1


async def test_senders_are_told_by_their_payloads(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"sender": "70b3d5000000", "sender_offset": 1}
    with plugged(Rui3(tmp_path / "ttyLoRa")) as module:
        async with listening(module, tmp_path, **facts) as station:
            for payload in (b"\x01\xab\xcd\x00", b"\x01\x00\x07", b"\x01\x02"):
                assert module.hear(payload)
            records = await station.await_records(3)
            # Who is not told is for the other end to say: nothing that was heard is thrown away.
            senders = ["70b3d5000000abcd", "70b3d50000000007", None]
            assert [record.device for record in records] == senders


async def test_a_port_that_is_in_use_or_forbidden_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plugged(Rui3(tmp_path / "ttyLoRa")) as module:
        with (
            SerialPort(module.path, 9600, lambda _: None, lambda _: None),
            pytest.raises(ModuleLost, match="another program uses it"),
        ):
            SerialPort(module.path, 9600, lambda _: None, lambda _: None)

        def forbid(*_arguments: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", forbid)
        with pytest.raises(ModuleLost, match="group dialout"):
            SerialPort(module.path, 9600, lambda _: None, lambda _: None)
    monkeypatch.undo()
    with pytest.raises(ModuleLost, match="no such port"):
        SerialPort(tmp_path / "none", 9600, lambda _: None, lambda _: None)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"sender": SENDER, "dialect": "hayes"}, "there are: rui3, wio_e5"),
        ({"sender": ""}, "sender_offset"),
        ({"sender": "a81758ff"}, "sender_offset"),
        ({"sender": SENDER, "sender_offset": 0}, "fewer than 16 digits"),
        ({"sender": "a81"}, "hexadecimal"),
        ({"sender": SENDER, "bandwidth": 62}, "125"),
    ],
)
def test_wrong_settings_say_what_to_do(facts: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        SerialSettings(device=Path("/dev/ttyUSB0"), **facts)
