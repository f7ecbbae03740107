"""Channels by their recorded exchanges, over real HTTP."""

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from alarms import channel, channels
from alarms.channel import Channel, Message, read_target
from alarms.channels import webhook
from khaen.alarm import Alarm, AlarmClass, Priority, State
from khaen.clock import parse_time
from khaen.errors import ChannelFailed
from khaen.ids import AlarmId, OrganisationId, SubjectId
from tests.support.alarm_program import Receiver, receiver
from tests.support.ports import find_free_port

__all__ = ["receiver"]

FOLDER = Path(channels.__path__[0])
WEBHOOK: dict[str, Any] = json.loads((FOLDER / "webhook.json").read_text())


def read_message(exchange: dict[str, Any]) -> Message:
    a, m = exchange["alarm"], exchange["message"]
    alarm = Alarm(
        id=AlarmId(UUID(a["id"])),
        organisation=OrganisationId(a["organisation"]),
        subject=SubjectId(a["subject"]),
        rule=a["rule"],
        alarm_class=AlarmClass(a["alarm_class"]),
        priority=Priority(a["priority"]),
        state=State(a["state"]),
        event_at=parse_time(a["event_at"]),
        raised_at=parse_time(a["raised_at"]),
        late=a["late"],
        simulated=a["simulated"],
        reason=a["reason"],
    )
    return Message(
        key=UUID(m["key"]),
        alarm=alarm,
        step=m["step"],
        round=m["round"],
        attempt=m["attempt"],
        link=m["link"],
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_every_channel_is_found_and_has_an_exchange() -> None:
    found = channel.channels()
    assert set(found) == {"terminal", "webhook"}
    assert all(isinstance(each, Channel) for each in found.values())
    assert all((FOLDER / f"{name}.json").exists() for name in found)
    assert [name for name, each in found.items() if each.safe] == ["terminal"]


async def test_webhook_sends_what_was_recorded(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(WEBHOOK["signed_at"]))
    target = (f"{receiver.url}/hook?token=x", WEBHOOK["secret"])
    await webhook.CHANNEL.send(read_message(WEBHOOK), target)
    (call,) = receiver.calls
    assert call.path == "/hook?token=x"
    assert call.body.decode() == WEBHOOK["request"]["body"]
    for name, value in WEBHOOK["request"]["headers"].items():
        assert call.headers[name] == value
    assert WEBHOOK["alarm"]["subject"].split(":")[1] not in call.body.decode()


async def test_address_never_stands_in_a_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await webhook.CHANNEL.send(read_message(WEBHOOK), (f"{receiver.url}/token", "s"))
    assert receiver.calls
    assert "token" not in caplog.text


async def test_webhook_without_a_secret_is_not_signed(receiver: Receiver) -> None:
    await webhook.CHANNEL.send(read_message(WEBHOOK), (receiver.url,))
    assert "Khaen-Signature" not in receiver.calls[0].headers


@pytest.mark.parametrize("answer", WEBHOOK["answers"], ids=lambda a: str(a["status"]))
async def test_webhook_takes_the_answer_as_recorded(
    receiver: Receiver, answer: dict[str, Any]
) -> None:
    receiver.answer = lambda _: int(answer["status"])
    outcome, text = "sent", ""
    try:
        await webhook.CHANNEL.send(read_message(WEBHOOK), (receiver.url, "s"))
    except ChannelFailed as error:
        outcome, text = "retry" if error.retryable else "failed", str(error)
    assert outcome == answer["outcome"]
    assert text == ("" if outcome == "sent" else f"status {answer['status']}")
    assert len(receiver.calls) == 1


async def test_webhook_that_nobody_answers_is_tried_again_and_names_no_url() -> None:
    url = f"http://127.0.0.1:{find_free_port()}/token-in-the-path"
    with pytest.raises(ChannelFailed, match=r"^ConnectError$") as failure:
        await webhook.CHANNEL.send(read_message(WEBHOOK), (url,))
    assert failure.value.retryable


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "not a url", "http://[::1", "file:///etc/x"])
async def test_webhook_refuses_what_is_no_url(url: str) -> None:
    with pytest.raises(ChannelFailed, match="holds no") as failure:
        await webhook.CHANNEL.send(read_message(WEBHOOK), (url,))
    assert not failure.value.retryable


async def test_terminal_prints_what_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    exchange = json.loads((FOLDER / "terminal.json").read_text())
    message = read_message(exchange)
    terminal = channel.channels()["terminal"]
    await terminal.send(message, ())
    await terminal.send(replace(message, alarm=replace(message.alarm, simulated=True)), ())
    assert capsys.readouterr().out.splitlines() == [exchange["line"], exchange["simulated_line"]]


def test_target_is_the_lines_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "a.url"
    for content, expected in (
        ("http://x/\n", ("http://x/",)),
        ("http://x/\r\n s3cret \n\n", ("http://x/", "s3cret")),
    ):
        file.write_text(content)
        assert read_target(str(file)) == expected
    file.write_bytes(b"\xff\xfe")
    for path, text in ((file, "not text"), (tmp_path / "none", "No such file")):
        with pytest.raises(ChannelFailed, match=text) as failure:
            read_target(str(path))
        assert not failure.value.retryable
        assert str(tmp_path) not in str(failure.value)
    file.write_text(" \n")
    with pytest.raises(ChannelFailed, match="is empty"):
        read_target(str(file))
