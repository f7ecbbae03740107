"""One MQTT client for every room: manual acknowledgement, reconnection, nothing kept in between.

Each connection is a client of its own, with its own connection epoch, so that an acknowledgement
that comes after a reconnect cannot acknowledge another message, and so that nothing handed to a
dead connection is sent again behind the caller's back. Callbacks run in the network thread; a
callback that blocks holds the reader, and so the broker, back.
"""

from khaen.mqtt.client import Client, Connect
from khaen.mqtt.session import Answer, Handlers, Message, Session, Will
from khaen.mqtt.settings import MqttSettings, Version

__all__ = [
    "Answer",
    "Client",
    "Connect",
    "Handlers",
    "Message",
    "MqttSettings",
    "Session",
    "Version",
    "Will",
]
