"""A device with a session whose keys the test knows, and the network's side of it."""

from dataclasses import dataclass, field

from khaen.ids import DevAddr, DevEui
from khaen.lorawan import mac
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, parse
from khaen.lorawan.region import THAI_CHANNELS
from simulators.agenda import NEVER
from simulators.devices.device import Message, Transmission
from simulators.mac import Mac, Received, Settings
from simulators.mac.machine import CONFIRMED_TRIES

DEV_EUI = DevEui("024b4b0000000001")
DEV_ADDR = DevAddr("014b0001")
TELEMETRY = Message(f_port=10, payload=bytes(11))
CALL = Message(f_port=11, payload=b"help", confirmed=True)


def make_cipher() -> SessionCipher:
    return SessionCipher(dev_addr=DEV_ADDR, nwk_s_key=bytes(range(16)), app_s_key=bytes(16))


def make_mac(
    data_rate: int = 2, *, adaptive: bool = False, tries: int = CONFIRMED_TRIES, key: bytes = b"k"
) -> Mac:
    return Mac(
        dev_eui=DEV_EUI,
        settings=Settings.with_channels(data_rate, THAI_CHANNELS),
        key=key,
        cipher=make_cipher(),
        adaptive=adaptive,
        tries=tries,
    )


def open_frame(sent: Transmission) -> tuple[DataFrame, bytes]:
    frame = parse(sent.phy)
    assert isinstance(frame, DataFrame)
    payload = make_cipher().open(frame, sent.f_cnt)
    assert payload is not None
    return frame, payload


def commands_of(sent: Transmission) -> list[mac.Command]:
    """What a frame says to the network, in FOpts or on port 0."""
    frame, payload = open_frame(sent)
    told = payload if frame.f_port == 0 else frame.f_opts
    return list(mac.parse(told, uplink=True))


@dataclass
class Network:
    """The other side: counts its downlinks and seals them."""

    f_cnt: int = 0
    cipher: SessionCipher = field(default_factory=make_cipher)

    def seal(
        self,
        commands: list[mac.Command] | None = None,
        *,
        f_port: int | None = None,
        payload: bytes = b"",
        ack: bool = False,
        confirmed: bool = False,
        f_pending: bool = False,
    ) -> bytes:
        phy = self.cipher.seal_downlink(
            f_cnt=self.f_cnt,
            f_port=f_port,
            payload=payload,
            f_opts=mac.render(commands or []),
            ack=ack,
            confirmed=confirmed,
            f_pending=f_pending,
        )
        self.f_cnt += 1
        return phy

    def answer(
        self,
        device: Mac,
        sent: Transmission,
        commands: list[mac.Command] | None = None,
        *,
        f_port: int | None = None,
        payload: bytes = b"",
        ack: bool = False,
        confirmed: bool = False,
    ) -> Received | None:
        """Send a downlink into RX1 of an uplink; what the device made of it."""
        at = sent.ends + 1.0
        return device.hear(
            self.seal(commands, f_port=f_port, payload=payload, ack=ack, confirmed=confirmed),
            at + 0.05,
            snr=4.0,
            battery=200,
        )


def send(device: Mac, message: Message, at: float) -> Transmission:
    """Send what must go at once."""
    sent = device.send(message, at)
    assert sent is not None
    return sent


def run(device: Mac, until: float, limit: int = 1000) -> list[Transmission]:
    """Wake a device whenever it wants to be; what it sends."""
    sent: list[Transmission] = []
    for _ in range(limit):
        if device.wake_at > until or device.wake_at == NEVER:
            return sent
        transmission = device.wake(device.wake_at)
        if transmission is not None:
            sent.append(transmission)
    raise AssertionError("it wakes without end")
