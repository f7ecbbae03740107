"""A packet forwarder over a plain UDP socket: what it sent, and what the agent acknowledged.

Semtech packet_forwarder, PROTOCOL.TXT, version 2. Like a real one it never sends twice: a frame
without PUSH_ACK was not heard, and nobody owes it.
"""

import base64
import json
import socket
import threading
import time
from typing import Any

from khaen.ids import GatewayEui

PUSH_DATA, PUSH_ACK = 0, 1
VERSION = 2


class Forwarder:
    """One gateway's radio side, towards an agent on loopback; may be used from several threads."""

    def __init__(self, eui: GatewayEui, port: int) -> None:
        self.eui, self.port = eui, port
        self.lost = 0
        """Datagrams for which nobody listened."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(0.2)
        self._changed = threading.Condition()
        self._waiting: dict[int, tuple[bytes, ...]] = {}
        self._acked: list[bytes] = []
        self._tokens = 0
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name=f"forwarder {eui}")
        self._thread.start()

    @property
    def acked(self) -> list[bytes]:
        """Every frame that the agent acknowledged: it is on its disk."""
        with self._changed:
            return list(self._acked)

    def push(self, *frames: bytes, **facts: Any) -> int:
        """Send frames in one datagram, with `facts` in each rxpk; its token."""
        return self.send({"rxpk": [rxpk(frame, **facts) for frame in frames]}, frames)

    def send(self, document: dict[str, Any], frames: tuple[bytes, ...] = ()) -> int:
        """Send a PUSH_DATA with any document that holds these frames; its token."""
        with self._changed:
            self._tokens = token = (self._tokens + 1) & 0xFFFF
            self._waiting[token] = frames
        head = bytes((VERSION, *token.to_bytes(2, "little"), PUSH_DATA))
        self.send_raw(head + bytes.fromhex(self.eui) + json.dumps(document).encode())
        return token

    def send_raw(self, datagram: bytes) -> None:
        """Send any bytes."""
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:
            self.lost += 1  # what the kernel says of an earlier one, and this one went nowhere

    def is_acked(self, token: int, timeout_s: float = 10.0) -> bool:
        """Whether the agent acknowledges a datagram within a time."""
        with self._changed:
            return self._changed.wait_for(lambda: token not in self._waiting, timeout_s)

    def hear(self, *frames: bytes, **facts: Any) -> None:
        """Send frames and wait until the agent has them on its disk; AssertionError otherwise."""
        assert self.is_acked(self.push(*frames, **facts)), f"{self.eui}: no PUSH_ACK"

    def close(self) -> None:
        """Go away."""
        self._closed = True
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._closed:
            try:
                answer = self._socket.recv(64)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                self.lost += 1
                continue
            if len(answer) == 4 and answer[3] == PUSH_ACK:
                self._take(int.from_bytes(answer[1:3], "little"))

    def _take(self, token: int) -> None:
        with self._changed:
            self._acked += self._waiting.pop(token, ())
            self._changed.notify_all()


def rxpk(frame: bytes, **facts: Any) -> dict[str, Any]:
    """A frame as a forwarder without a satellite receiver writes it."""
    return {
        "tmst": time.monotonic_ns() // 1000 & 0xFFFF_FFFF,
        "chan": 0,
        "rfch": 0,
        "freq": 923.2,
        "stat": 1,
        "modu": "LORA",
        "datr": "SF9BW125",
        "codr": "4/5",
        "rssi": -90,
        "lsnr": 7.5,
        "size": len(frame),
        "data": base64.b64encode(frame).decode("ascii"),
        **facts,
    }
