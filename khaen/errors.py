"""What can go wrong, by type: the type decides whether to acknowledge, retry or quarantine."""

from __future__ import annotations


class KhaenError(Exception):
    """Root of all errors that Khaen raises on purpose."""


class DecodeError(KhaenError):
    """Bytes that do not follow their format; `offset` is where, `port` the LoRaWAN port."""

    def __init__(self, message: str, *, offset: int | None = None, port: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.port = port


class WireError(KhaenError):
    """A message that cannot be taken as what its topic says; `reason` goes to the quarantine.

    `reason` is a short snake_case word that is counted and listed (`not_json`, `newer_version`).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class UnknownDevice(KhaenError):
    """No device of the registry answers to this identity."""


class StoreUnavailable(KhaenError):
    """The store cannot take or give anything now: busy, full, or away. No frame's fault: retry."""


class ChannelFailed(KhaenError):
    """A channel to people did not take a notification; `retryable` says whether to try again."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class IllegalTransition(KhaenError):
    """An alarm cannot go that way from the state in which it is."""


class SettingsError(KhaenError):
    """A setting or site file is wrong; the text names the file, the key and the remedy."""


class NotRunnable(KhaenError):
    """The program cannot start here (port taken, no space, no broker); says what to do."""
