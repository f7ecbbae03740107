"""A stand-in for ChirpStack Concentratord, over real ZeroMQ."""

import threading
from pathlib import Path

import zmq
from chirpstack_api import gw

from khaen.ids import GatewayEui


class Concentratord:
    """Publishes events and answers commands, on sockets in `folder`, as libconcentratord does.

    `downlinks` are those it was given; `statuses` what it says of their items, in order. While it
    is `silent` it takes commands and answers none.
    """

    def __init__(self, folder: Path, gateway: GatewayEui) -> None:
        self.event_url = f"ipc://{folder / 'event'}"
        self.command_url = f"ipc://{folder / 'command'}"
        self.gateway = gateway
        self.downlinks: list[gw.DownlinkFrame] = []
        self.statuses = [gw.OK]
        self.silent = False
        self._running = False

    def start(self) -> None:
        """Begin; events are published from now on."""
        self._context = zmq.Context()
        self._events = self._context.socket(zmq.XPUB)  # PUB, and it tells who subscribes
        self._commands = self._context.socket(zmq.ROUTER)
        for socket, url in ((self._events, self.event_url), (self._commands, self.command_url)):
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(url)
        self._running = True
        self._thread = threading.Thread(target=self._serve, name="concentratord")
        self._thread.start()

    def await_subscriber(self) -> None:
        """Return once somebody hears what is published. Raises AssertionError."""
        assert self._events.poll(10_000), "nobody subscribed"
        self._events.recv()

    def stop(self) -> None:
        """End; nothing where it has ended."""
        if self._running:
            self._running = False
            self._thread.join()
            self._events.close()
            self._context.term()

    def publish(self, event: gw.Event) -> None:
        """Publish an event."""
        self._events.send(event.SerializeToString())

    def publish_raw(self, *parts: bytes) -> None:
        """Publish frames, whatever they are."""
        self._events.send_multipart(parts)

    def hear(self, frame: gw.UplinkFrame) -> None:
        """Publish what the concentrator heard."""
        self.publish(gw.Event(uplink_frame=frame))

    def _serve(self) -> None:
        while self._running:
            if self._commands.poll(20):
                peer, empty, command = self._commands.recv_multipart()
                if not self.silent:
                    answer = self._answer(gw.Command.FromString(command))
                    self._commands.send_multipart([peer, empty, answer])
        self._commands.close()

    def _answer(self, command: gw.Command) -> bytes:
        match command.WhichOneof("command"):
            case "get_gateway_id":
                answer = gw.GetGatewayIdResponse(gateway_id=self.gateway)
                return bytes(answer.SerializeToString())
            case "send_downlink_frame":
                frame = command.send_downlink_frame
                self.downlinks.append(frame)
                items = [gw.DownlinkTxAckItem(status=status) for status in self.statuses]
                ack = gw.DownlinkTxAck(
                    gateway_id=self.gateway, downlink_id=frame.downlink_id, items=items
                )
                return bytes(ack.SerializeToString())
        return b""
