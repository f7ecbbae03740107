"""Plays exchanges with a network server: what a gateway, an application and an administrator say,
and what must come of it. Nothing here knows whether it is the stand-in or ChirpStack itself.

An exchange is a JSON file of steps. `call` is a method of the API with its request, and the answer
or the status that it must have; `say` is a message by MQTT; `hear` is all messages that come next,
in any order; `until` is a call that is made until it has its answer. Answers and messages are
compared where the exchange says something, texts in angle brackets are `<any>`, `<absent>`,
`<list of 2>`. `keep` names values for later, `${name}`.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chirpstack_api import api, gw, integration
from google.protobuf import descriptor_pool, json_format, message_factory

from simulators.network.encoding import as_json
from tests.support.network_server import Caller, Listener

FOLDER = Path(__file__).parent / "network" / "exchanges"
EXCHANGES = sorted(file.stem for file in FOLDER.glob("*.json") if not file.stem.startswith("site_"))
_TYPES: dict[str, Any] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (gw.UplinkFrame, gw.GatewayStats, gw.DownlinkTxAck, gw.DownlinkFrame,
                 integration.DownlinkCommand)
}  # fmt: skip
_NAME = re.compile(r'"\$\{(\w+)\}"|\$\{(\w+)\}')
_LIST = re.compile(r"<list of (\d+)>")
_PAUSE_S, _PATIENCE_S = 0.05, 10.0
assert api.DeviceServiceStub  # its import registers the services


def load(name: str) -> Any:
    """An exchange, with the steps that it begins with before its own."""
    document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    if "begin" in document:
        document["steps"] = load(document["begin"])["steps"] + document["steps"]
    return document


class Player:
    """Plays steps, one after the other."""

    def __init__(self, caller: Caller, listener: Listener) -> None:
        self._caller, self._listener = caller, listener
        self._kept: dict[str, Any] = {}

    async def play(self, steps: list[Any]) -> None:
        """AssertionError, with the step, where it does not go as the exchange says."""
        for number, raw in enumerate(steps, 1):
            step = json.loads(_NAME.sub(self._fill, json.dumps(raw)))
            try:
                await self._do(step)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"step {number}, {raw}: {error!r}") from error

    def _fill(self, match: re.Match[str]) -> str:
        whole, part = match.groups()
        return json.dumps(self._kept[whole]) if whole else str(self._kept[part])

    async def _do(self, step: Any) -> None:
        if "say" in step:
            await self._say(step["say"])
        elif "hear" in step:
            await self._hear(step["hear"])
        elif "until" in step:
            await self._until(step["until"])
        else:
            await self._call(step)

    # -- the API ------------------------------------------------------------

    async def _call(self, step: Any) -> None:
        request = json_format.ParseDict(step["request"], _request(step["call"])())
        if "status" in step:
            status = await self._caller.status(step["call"], request)
            assert status == step["status"], status
            return
        response = await self._caller.call(step["call"], request)
        found = json_format.MessageToDict(response)
        compare(step.get("answer", {}), found)
        self._keep(step, found)

    async def _until(self, step: Any) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                try:
                    return await self._call(step)
                except AssertionError:
                    await asyncio.sleep(_PAUSE_S)

    # -- MQTT -----------------------------------------------------------------

    async def _say(self, said: Any) -> None:
        message = json_format.ParseDict(said["fields"], _TYPES[said["type"]]())
        payload = as_json(message) if said["encoding"] == "json" else message.SerializeToString()
        await self._listener.publish(said["topic"], payload)

    async def _hear(self, expected: list[Any]) -> None:
        waiting = list(expected)
        while waiting:
            topic, payload = await self._listener.next()
            one = next((one for one in waiting if one["topic"] == topic), None)
            assert one is not None, f"unexpected: {topic} {payload!r}"
            waiting.remove(one)
            if one.get("encoding", "json") == "json":
                found = json.loads(payload)
            else:
                found = json.loads(as_json(_TYPES[one["type"]].FromString(payload)))
            compare(one["fields"], found)
            self._keep(one, found)

    def _keep(self, step: Any, found: Mapping[str, Any]) -> None:
        for name, key in step.get("keep", {}).items():
            self._kept[name] = found[key]


def _request(method: str) -> Any:
    service, name = method.split("/")
    described = descriptor_pool.Default().FindServiceByName(f"api.{service}")
    return message_factory.GetMessageClass(described.methods_by_name[name].input_type)


def compare(wanted: Any, found: Any, at: str = "") -> None:
    """AssertionError, with the place, where `found` is not as `wanted` says."""
    if wanted == "<any>":
        return
    if isinstance(wanted, str) and (size := _LIST.fullmatch(wanted)):
        assert len(found) == int(size.group(1)), f"{at}: {found!r}"
    elif isinstance(wanted, dict):
        assert isinstance(found, dict), f"{at}: {found!r}"
        for key, value in wanted.items():
            if value == "<absent>":
                assert key not in found, f"{at}.{key}: {found[key]!r}"
            else:
                assert key in found, f"{at}.{key} is missing in {found!r}"
                compare(value, found[key], f"{at}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), f"{at}: {found!r}"
        assert len(found) == len(wanted), f"{at}: {found!r}"
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            compare(one, other, f"{at}[{number}]")
    else:
        assert found == wanted, f"{at}: {found!r} is not {wanted!r}"
