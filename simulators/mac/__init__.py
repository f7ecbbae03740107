"""A LoRaWAN 1.0.x end device of class A, as a state machine under told time."""

from simulators.mac.machine import Mac, Received
from simulators.mac.memory import JoinKeys, Memory
from simulators.mac.settings import Settings

__all__ = ["JoinKeys", "Mac", "Memory", "Received", "Settings"]
