"""amqtt as a program of its own: `python -m deploy.amqtt_broker CONFIG`.

For machines without mosquitto. It speaks MQTT 3.1.1, keeps messages for absent clients in memory
only, and is slow; what it loses, agents send again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session
from paho.mqtt.client import topic_matches_sub

from khaen import log, ready
from khaen.errors import NotRunnable

Accounts = dict[str, dict[str, Any]]
_log = log.logger()


@dataclass
class AccountsConfig:
    """The accounts by name: `digest` (SHA-256 of the password), `publish` and `read` filters."""

    accounts: Accounts = field(default_factory=dict)


class Authentication(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who knows the password of an account. The passwords are random: SHA-256 will do."""

    Config = AccountsConfig

    async def authenticate(self, *, session: Session) -> bool:
        """Whether the client is who it says."""
        account = self.config.accounts.get(session.username or "")
        given = hashlib.sha256((session.password or "").encode()).hexdigest()
        return account is not None and hmac.compare_digest(given, account["digest"])


class Access(BaseTopicPlugin):  # type: ignore[misc]
    """Holds each account to its topics."""

    Config = AccountsConfig

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        """Whether the account may publish to the topic, subscribe to the filter, or receive."""
        account = self.config.accounts.get((session.username if session else "") or "")
        if account is None or not topic:
            return False
        if action == Action.PUBLISH:
            return any(topic_matches_sub(allowed, topic) for allowed in account["publish"])
        if action == Action.SUBSCRIBE:
            return any(covers(allowed, topic) for allowed in account["read"])
        return any(topic_matches_sub(allowed, topic) for allowed in account["read"])


def covers(allowed: str, wanted: str) -> bool:
    """Whether everything that the filter `wanted` matches is within the filter `allowed`.

    `allowed` holds `+` but never `#`.
    """
    ours, theirs = allowed.split("/"), wanted.split("/")
    return len(ours) == len(theirs) and all(
        a == w or (a == "+" and w != "#") for a, w in zip(ours, theirs, strict=True)
    )


async def run(document: dict[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT. Raises NotRunnable where the port cannot be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = f"{document['host']}:{document['port']}"
    accounts = {"accounts": document["accounts"]}
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": address}},
            "plugins": {
                f"{Authentication.__module__}.Authentication": accounts,
                f"{Access.__module__}.Access": accounts,
            },
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise NotRunnable(f"broker: cannot listen on {address}: {error}") from error
    ready.announce("broker", address=address)
    await stop.wait()
    await broker.shutdown()


def main(arguments: list[str]) -> int:
    """Run; the exit status is 2 where the broker cannot start."""
    log.configure(program="broker")
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(run(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))))
    except NotRunnable as error:
        _log.critical("broker_not_started", reason=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
