"""ChirpStack's gRPC API in this process, on loopback."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import grpc
from chirpstack_api import api

from khaen.clock import Clock
from khaen.errors import NotRunnable
from simulators.network.api.applications import Applications
from simulators.network.api.devices import Devices
from simulators.network.api.gateways import Gateways
from simulators.network.api.guard import Failures, Guard
from simulators.network.api.profiles import Profiles
from simulators.network.api.records import Records
from simulators.network.api.tenants import Tenants
from simulators.network.core import NetworkCore

HOST: Final = "127.0.0.1"
_GRACE_S: Final = 0.2


class ApiServer:
    """The API of one core, in its loop's thread; `port` 0 is any free one.

    `token` is what callers must bring. Stopped and started again it has what it had.
    """

    def __init__(self, core: NetworkCore, clock: Clock, *, seed: str, port: int = 0) -> None:
        self.token = f"simulated-{Random(f'{seed}|api token').getrandbits(128):032x}"
        self.failures = Failures()
        self.address = ""
        self._records = Records(core, clock)
        self._clock, self._port = clock, port
        self._server: Any = None

    async def start(self) -> None:
        """Listen; `address` is where. Raises NotRunnable when the port is taken."""
        server = grpc.aio.server(
            interceptors=[Guard(self.token, self.failures)],
            options=[("grpc.so_reuseport", 0)],
        )
        api.add_TenantServiceServicer_to_server(Tenants(self._records), server)
        api.add_ApplicationServiceServicer_to_server(Applications(self._records), server)
        api.add_DeviceProfileServiceServicer_to_server(Profiles(self._records), server)
        api.add_DeviceServiceServicer_to_server(Devices(self._records), server)
        gateways = Gateways(self._records, self._clock)
        api.add_GatewayServiceServicer_to_server(gateways, server)
        try:
            bound = server.add_insecure_port(f"{HOST}:{self._port}")
        except RuntimeError as error:
            text = f"port {self._port} of {HOST} is taken: choose another, or 0"
            raise NotRunnable(text) from error
        await server.start()
        self._server, self.address = server, f"{HOST}:{bound}"

    async def stop(self) -> None:
        """End; calls under way have a moment."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(_GRACE_S)
