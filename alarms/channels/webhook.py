"""An HTTP POST of a small JSON document, signed; a receiver knows a repeat by its key.

The address's file holds the URL on its first line and the secret of the signature on its second;
without a second line nothing is signed. The header `Khaen-Signature: t=<unix seconds>,v1=<hex>`
carries the HMAC-SHA256 of `<t>.<body>`. Redirects are not followed.
"""

from __future__ import annotations

import hmac
import json
import logging
import ssl
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

import httpx

from alarms.channel import Channel, Message
from khaen.clock import format_time
from khaen.errors import ChannelFailed

TIMEOUT_S = 8.0
RETRYABLE = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})

# It writes each URL at INFO, and these URLs are secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Webhook(Channel):
    """Posts to a URL. 2xx is sent; 408, 429 and 5xx are tried again, all else is not."""

    name = "webhook"

    async def send(self, message: Message, target: Sequence[str]) -> None:
        """Post once. Raises ChannelFailed, which names the status or the kind of failure only."""
        body = render(message)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(message.key),
            "Khaen-Attempt": str(message.attempt),
        }
        if len(target) > 1:
            headers["Khaen-Signature"] = sign(body, target[1], at=int(time.time()))
        status = await _post(target[0], body, headers)
        if not httpx.codes.is_success(status):
            again = status in RETRYABLE or httpx.codes.is_server_error(status)
            raise ChannelFailed(f"status {status}", retryable=again)


def render(message: Message) -> bytes:
    """The body: nothing in it tells who the alarm is about. The same bytes at every try."""
    alarm = message.alarm
    document = {
        "v": 1,
        "notification": str(message.key),
        "alarm": str(alarm.id),
        "rule": alarm.rule,
        "class": alarm.alarm_class,
        "priority": int(alarm.priority),
        "organisation": alarm.organisation,
        "event_at": format_time(alarm.event_at),
        "raised_at": format_time(alarm.raised_at),
        "late": alarm.late,
        "simulated": alarm.simulated,
        "step": message.step,
        "round": message.round,
        "link": message.link,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def sign(body: bytes, secret: str, *, at: int) -> str:
    """The value of the signature's header, made at `at` (Unix seconds)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
    return f"t={at},v1={digest}"


async def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        async with (
            httpx.AsyncClient(verify=_trust(), timeout=TIMEOUT_S) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            return response.status_code
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ChannelFailed("url_file: holds no http(s) URL", retryable=False) from error
    except httpx.HTTPError as error:
        raise ChannelFailed(type(error).__name__) from error


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


CHANNEL = Webhook()
