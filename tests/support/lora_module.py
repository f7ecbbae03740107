"""Stand-ins for LoRa modules, on a pseudo-terminal: they behave as their vendors' manuals say."""

import contextlib
import os
import re
import select
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

_BANNER = (
    "LoRa (R) is a registered trademark or service mark of Semtech Corporation or its affiliates."
)


class LoraModule:
    """A module that is plugged in at `path`, a link as udev makes it.

    `radio` is what it was last set up with, `asked` every command; its methods may be called from
    any thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        self.radio = ""
        self.echo = False
        self.deaf = False
        """Answers nothing, as one that hangs."""
        self._lock = threading.Lock()
        self._master: int | None = None
        self._thread: threading.Thread | None = None
        self.begin()

    # -- the plug -----------------------------------------------------------

    def plug(self) -> None:
        """Plug it in, with power that it had not."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        self._stop, self._stopped = os.pipe()
        self.begin()
        self._thread = threading.Thread(target=self._serve, name="LoRa module")
        self._thread.start()

    def unplug(self) -> None:
        """Pull it out: the port is gone, and its name."""
        if self._thread is None or self._master is None:
            return
        os.close(self._stopped)
        self._thread.join()
        self.path.unlink()
        for descriptor in (self._master, self._slave, self._stop):
            os.close(descriptor)
        self._master = self._thread = None

    def _serve(self) -> None:
        master, rest = self._master, b""
        assert master is not None
        while True:
            ready, _, _ = select.select([master, self._stop], [], [])
            if self._stop in ready:
                return
            *lines, rest = re.split(b"[\r\n]", rest + os.read(master, 4096))
            for line in lines:
                if line:
                    self._take(line.decode())

    def _take(self, line: str) -> None:
        self.asked.append(line)
        if self.deaf:
            return
        if self.echo:
            self.say(line)
        with self._lock:
            answer = self.answer(line)
        for text in answer:
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line."""
        self.say_bytes(text.encode() + b"\r\n")

    def say_bytes(self, data: bytes) -> None:
        """Print bytes, whatever they are."""
        if self._master is not None:
            os.write(self._master, data)

    # -- the module ---------------------------------------------------------

    @property
    def listens(self) -> bool:
        """Whether it would tell of a packet now."""
        raise NotImplementedError

    def begin(self) -> None:
        """Begin anew, as after power came."""
        raise NotImplementedError

    def restart(self, *, silently: bool = False) -> None:
        """Lose power for a moment; a silent one tells nobody."""
        raise NotImplementedError

    def answer(self, command: str) -> list[str]:
        """What it says to a command."""
        raise NotImplementedError

    def packet(self, payload: bytes, rssi: int, snr: int) -> list[str]:
        """The lines that tell of a packet."""
        raise NotImplementedError

    def hear(self, payload: bytes, *, rssi: int = -57, snr: int = 9) -> bool:
        """Hear a packet; False where it does not listen."""
        if not self.listens:
            return False
        for line in self.packet(payload, rssi, snr):
            self.say(line)
        return True


class Rui3(LoraModule):
    """A RAK3172. `old` is firmware 1.0.x, which tells a packet in two lines and knows less."""

    def __init__(self, path: Path, *, old: bool = False, lorawan: bool = True) -> None:
        self.old, self._lorawan = old, lorawan
        super().__init__(path)

    def begin(self) -> None:
        self._receiving = 0

    @property
    def listens(self) -> bool:
        return not self._lorawan and self._receiving == 65_534

    def restart(self, *, silently: bool = False) -> None:
        self.begin()
        if not silently:
            for line in self._banner():
                self.say(line)

    def _banner(self) -> list[str]:
        mode = "LoRaWAN" if self._lorawan else "LoRa P2P"
        return [_BANNER, "", "| ___ \\/ _ \\ | | / /", f"Current Work Mode: {mode}."]

    def answer(self, command: str) -> list[str]:
        name, _, value = command.partition("=")
        match name, value:
            case "AT", "":
                status = "OK"
            case "AT+NWM", "0" | "1":
                return self._change_mode(lorawan=value == "1")
            case "AT+SYNCWORD", _:
                status = "AT_ERROR" if self.old else "OK"
            case _, _ if self._lorawan:
                status = "AT_MODE_NO_SUPPORT"
            case "AT+PRECV", "0":
                self._receiving, status = 0, "OK"
            case "AT+PRECV", "65534":
                status = "AT_BUSY_ERROR" if self._receiving else "OK"
                self._receiving = 65_534
            case "AT+P2P", _:
                status = self._set_up(value)
            case _:
                status = "AT_COMMAND_NOT_FOUND"
        return ["", status]

    def _change_mode(self, *, lorawan: bool) -> list[str]:
        if lorawan == self._lorawan:
            return ["", "OK"]
        self._lorawan = lorawan
        self.begin()
        return self._banner()

    def _set_up(self, value: str) -> str:
        if self._receiving:
            return "AT_BUSY_ERROR"
        if not re.fullmatch(r"\d{9}:([5-9]|1[0-2]):(125|250|500):[0-3]:\d+:\d+", value):
            return "AT_PARAM_ERROR"
        self.radio = value
        return "OK"

    def packet(self, payload: bytes, rssi: int, snr: int) -> list[str]:
        if self.old:
            return [f"+EVT:RXP2P, RSSI {rssi}, SNR {snr}", f"+EVT:{payload.hex().upper()}"]
        return [f"+EVT:RXP2P:{rssi}:{snr}:{payload.hex().upper()}"]


class WioE5(LoraModule):
    """A Seeed Wio-E5."""

    def begin(self) -> None:
        self._mode, self._receiving = "LWABP", False

    @property
    def listens(self) -> bool:
        return self._receiving

    def restart(self, *, silently: bool = False) -> None:
        self.begin()
        if not silently:
            self.say("+RESET: OK")

    def answer(self, command: str) -> list[str]:
        name, _, value = command.partition("=")
        match name, value.split(","):
            case "AT", _:
                return ["+AT: OK"]
            case "AT+MODE", ["TEST"]:
                self._mode = "TEST"
                return ["+MODE: TEST"]
            case "AT+TEST", _ if self._mode != "TEST":
                return ["+TEST: ERROR(-12)"]
            case "AT+TEST", ["RXLRPKT"]:
                self._receiving = True
                return ["+TEST: RXLRPKT"]
            case "AT+TEST", ["RFCFG", *facts]:
                return [self._set_up(",".join(facts))]
        return ["+AT: ERROR(-10)"]

    def _set_up(self, facts: str) -> str:
        if not re.fullmatch(r"[\d.]+,SF\d+,(125|250|500),\d+,\d+,\d+,ON,OFF,(ON|OFF)", facts):
            return "+TEST: ERROR(-1)"
        self.radio, self._receiving = facts, False
        return f"+TEST: RFCFG F:{facts.partition(',')[0]}, SF7, BW125K"

    def packet(self, payload: bytes, rssi: int, snr: int) -> list[str]:
        return [
            "",
            f"+TEST: LEN:{len(payload)}, RSSI:{rssi}, SNR:{snr}",
            f'+TEST: RX "{payload.hex().upper()}"',
        ]


@contextlib.contextmanager
def plugged(module: LoraModule) -> Iterator[LoraModule]:
    """Have a module plugged in for a while."""
    module.plug()
    try:
        yield module
    finally:
        module.unplug()
