"""How messages to the network server are written; ChirpStack reads both and answers in the same."""

from __future__ import annotations

import enum

from google.protobuf import json_format
from google.protobuf.message import Message


class Encoding(enum.StrEnum):
    """chirpstack-gateway-bridge's `integration.marshaler`."""

    PROTOBUF = "protobuf"
    JSON = "json"

    def render(self, message: Message) -> bytes:
        """The message's bytes; JSON leaves out what is not set, as the bridge does."""
        if self is Encoding.PROTOBUF:
            return message.SerializeToString()
        return json_format.MessageToJson(message, indent=None).encode()
