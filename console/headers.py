"""What stands on every answer, and which names this console answers to."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
KEEP = "public, max-age=31536000, immutable"
"""For files whose address changes with their content."""


class Headed:
    """Refuses foreign Host headers, and puts the security headers on every answer.

    A page of another site can make a browser ask us under a name that its owner points here
    (DNS rebinding); it cannot do so with an address, localhost or this machine's own name.
    """

    def __init__(self, app: ASGIApp, *, public_url: str) -> None:
        self._app = app
        public = urlsplit(public_url)
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", (public.hostname or "localhost")}
        self._secure = public.scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                versioned = scope["path"].startswith("/static/") and b"v=" in scope["query_string"]
                self._put(MutableHeaders(scope=message), KEEP if versioned else "no-store")
            await send(message)

        if not self.answers_to(Headers(scope=scope).get("host", "")):
            await Response("421", status_code=421)(scope, receive, headed)
            return
        await self._app(scope, receive, headed)

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names us."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _put(self, headers: MutableHeaders, keep: str) -> None:
        for name, value in SECURITY.items():
            headers[name] = value
        if self._secure:
            headers["strict-transport-security"] = "max-age=31536000"
        if "cache-control" not in headers:
            headers["cache-control"] = keep
