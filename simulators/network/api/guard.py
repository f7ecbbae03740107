"""What stands before every call: the token, and failures on demand."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

import grpc

from simulators.network.api.refusals import Refused

_SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What one call meets: a wait of `delay_s` seconds, then a status; without `code` none."""

    code: str | None
    delay_s: float


class Failures:
    """Failures on demand, by method (`DeviceService/GetActivation`), in the order of demand."""

    def __init__(self) -> None:
        self._by_method: dict[str, deque[Failure]] = {}

    def demand(
        self, method: str, code: str | None = None, *, times: int = 1, delay_s: float = 0.0
    ) -> None:
        """Let the next `times` calls wait, and fail with a gRPC status (`UNAVAILABLE`), if given.

        Raises ValueError for a status that gRPC does not have.
        """
        if code is not None and code not in grpc.StatusCode.__members__:
            raise ValueError(f"{code!r} is no gRPC status")
        failure = Failure(code=code, delay_s=delay_s)
        self._by_method.setdefault(method, deque()).extend([failure] * times)

    def clear(self) -> None:
        """Demand nothing more."""
        self._by_method.clear()

    async def meet(self, method: str) -> None:
        """Take the next failure of a method, if there is one. Raises Refused."""
        waiting = self._by_method.get(method)
        if not waiting:
            return
        failure = waiting.popleft()
        await asyncio.sleep(failure.delay_s)
        if failure.code is not None:
            raise Refused(failure.code, "failed on demand")


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets those in who bring the token, and turns refusals into statuses."""

    def __init__(self, token: str, failures: Failures) -> None:
        self._token, self._failures = token, failures

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Wrap the method that is called."""
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = "/".join(part.rpartition(".")[2] for part in details.method.split("/") if part)
        given = dict(details.invocation_metadata or ())
        work = handler.unary_unary

        async def call(request: Any, context: Any) -> Any:
            try:
                self._check(str(given.get("authorization", "")))
                await self._failures.meet(method)
                if not inspect.iscoroutinefunction(work):
                    raise Refused("UNIMPLEMENTED", f"the stand-in does not know {method}")
                return await work(request, context)
            except Refused as error:
                # `abort` would raise, and what it raises keeps the call's socket open for long.
                context.set_code(grpc.StatusCode[error.code])
                context.set_details(str(error))
                return None

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _check(self, given: str) -> None:
        """Raises Refused without the token."""
        if not given:
            raise Refused("UNAUTHENTICATED", "no authorization provided")
        if not given.startswith(_SCHEME):
            text = "authorization metadata must be in format 'Bearer <TOKEN>"
            raise Refused("UNAUTHENTICATED", text)
        token = given.removeprefix(_SCHEME)
        if not compare_digest(token.encode(), self._token.encode()):
            raise Refused("UNAUTHENTICATED", "InvalidToken")
