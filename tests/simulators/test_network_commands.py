"""MAC commands between the stand-in network server and a device of another implementation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pamoja.lorawan as other
import pytest
from chirpstack_api import gw, integration
from hypothesis import given
from hypothesis import strategies as st

from khaen.clock import ManualClock
from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan import mac
from khaen.lorawan.crypto import SessionCipher
from khaen.lorawan.frame import DataFrame, JoinAccept, parse
from khaen.lorawan.join import SessionKeys, open_join_accept
from khaen.lorawan.mac import Cid, Command, DevStatusAns, LinkAdrAns, LinkAdrReq, NewChannelReq
from khaen.lorawan.region import THAI_CHANNELS
from simulators.network.adr import Rates, adapt
from simulators.network.core import NetworkCore
from simulators.network.device import Item, Profile
from simulators.network.link import Sample
from simulators.network.output import Downlink, Event
from simulators.network.plan import Network

START = datetime(2026, 7, 23, 1, 2, 3, tzinfo=UTC)
EUI = DevEui("a1b2c3d4e5f60708")
ADDRESS = DevAddr("00189440")
GATEWAY = GatewayEui("0016c001f153a14c")
KEYS = SessionKeys(nwk_s_key=bytes(16), app_s_key=bytes(range(16)))
INFO = integration.DeviceInfo(application_id="app", dev_eui=EUI)
WEAK, STRONG = -8.0, 9.0


class Bench:
    """A core under virtual time, and one device with a session of its own."""

    def __init__(self, network: Network | None = None, profile: Profile | None = None) -> None:
        self.clock = ManualClock(START)
        self.core = NetworkCore(self.clock, seed="test", network=network)
        self.core.add_gateway(GATEWAY)
        self.core.add_abp(INFO, ADDRESS, KEYS, profile=profile)
        self.cipher = SessionCipher(
            dev_addr=ADDRESS, nwk_s_key=KEYS.nwk_s_key, app_s_key=KEYS.app_s_key
        )
        self.f_cnt = 0
        self.f_cnt_down = 0

    def hear(
        self, phy: bytes, *, snr: float = STRONG, sf: int = 9
    ) -> tuple[dict[str, Any], gw.DownlinkFrame | None]:
        """A gateway hears a frame: the events by kind, and the downlink, of which RX1 is sent."""
        frame = gw.UplinkFrame(phy_payload=phy)
        frame.tx_info.frequency = 923_400_000
        frame.tx_info.modulation.lora.bandwidth = 125_000
        frame.tx_info.modulation.lora.spreading_factor = sf
        frame.tx_info.modulation.lora.code_rate = gw.CR_4_5
        frame.rx_info.gateway_id, frame.rx_info.snr = GATEWAY, snr
        self.core.take_uplink(frame)
        events: dict[str, Any] = {}
        down: gw.DownlinkFrame | None = None
        while (at := self.core.next_at()) is not None:
            self.clock.advance(max(0.0, at - self.clock.monotonic()))
            for one in self.core.step():
                if isinstance(one, Event):
                    events[one.kind] = one.message
                else:
                    assert isinstance(one, Downlink)
                    down = one.frame
        if down is not None:
            sent = gw.DownlinkTxAckItem(status=gw.OK)
            self.core.take_tx_ack(
                gw.DownlinkTxAck(gateway_id=GATEWAY, downlink_id=down.downlink_id, items=[sent])
            )
            self.core.step()
        return events, down

    def say(
        self, *commands: Command, adr: bool = False, sf: int = 9, snr: float = STRONG, **more: Any
    ) -> tuple[dict[str, Any], tuple[Command, ...]]:
        """The device sends commands in FOpts: the events, and the commands that come back."""
        phy = self.cipher.seal_uplink(
            f_cnt=self.f_cnt, f_port=2, payload=b"a", f_opts=mac.render(commands), adr=adr, **more
        )
        self.f_cnt += 1
        events, down = self.hear(phy, sf=sf, snr=snr)
        return events, () if down is None else self.open(down.items[0].phy_payload)

    def open(self, phy: bytes) -> tuple[Command, ...]:
        """The commands of a downlink, wherever they stand."""
        frame = parse(phy)
        assert isinstance(frame, DataFrame)
        payload = self.cipher.open(frame, self.f_cnt_down)
        assert payload is not None
        self.f_cnt_down += 1
        return mac.parse(payload if frame.f_port == 0 else frame.f_opts, uplink=False)

    def learn_channels(self) -> None:
        """Take every channel that is offered."""
        said: tuple[Command, ...] = ()
        while True:
            _, asked = self.say(*said)
            said = tuple(Command(Cid.NEW_CHANNEL, b"\x03") for _ in asked)
            if not asked:
                return


def plain() -> Network:
    """A network without further channels than the two of every device."""
    return Network(channels=THAI_CHANNELS[:2])


def test_a_device_of_its_own_learns_the_thai_channels_three_at_a_time() -> None:
    bench = Bench()
    _, asked = bench.say()
    assert [NewChannelReq.parse(one.body).frequency for one in asked] == [
        923_600_000, 923_800_000, 924_000_000,
    ]  # fmt: skip
    _, again = bench.say()
    assert again == asked  # nobody answered
    _, more = bench.say(*[Command(Cid.NEW_CHANNEL, b"\x03")] * 3)
    assert [NewChannelReq.parse(one.body).index for one in more] == [5, 6, 7]
    _, rest = bench.say(*[Command(Cid.NEW_CHANNEL, b"\x03")] * 3)
    assert rest == ()


def test_a_channel_that_the_device_refuses_is_not_offered_for_ever() -> None:
    bench = Bench()
    refusals: tuple[Command, ...] = ()
    rounds = 0
    while rounds < 10:
        _, asked = bench.say(*refusals)
        if not asked:
            break
        refusals = tuple(Command(Cid.NEW_CHANNEL, b"\x02") for _ in asked)
        rounds += 1
    assert rounds == 2


def test_a_join_accept_carries_five_channels_and_the_sixth_follows_by_command() -> None:
    bench = Bench()
    app_key = bytes(range(1, 17))
    bench.core.add_otaa(INFO, join_eui="01" * 8, app_key=app_key)
    device = other.device(bytes.fromhex(EUI), b"\x01" * 8, app_key)
    _, down = bench.hear(bytes(device.join_request(1)))
    assert down is not None
    accept = parse(down.items[0].phy_payload)
    assert isinstance(accept, JoinAccept)
    grant = open_join_accept(app_key, accept)
    assert grant is not None
    listed = [int.from_bytes(grant.cf_list[at : at + 3], "little") * 100 for at in range(0, 15, 3)]
    assert listed == [923_600_000, 923_800_000, 924_000_000, 924_200_000, 924_400_000]
    assert (grant.cf_list[15], grant.dl_settings, grant.rx_delay) == (0, 2, 1)
    session = device.accept_join(down.items[0].phy_payload, 1).session()
    _, first = bench.hear(bytes(session.encode_uplink(0, 2, b"a")))
    assert first is not None
    (asked,) = mac.parse(bytes(session.decode(first.items[0].phy_payload, 0).fopts), uplink=False)
    assert NewChannelReq.parse(asked.body) == NewChannelReq(
        index=7, frequency=924_600_000, min_dr=0, max_dr=5
    )


def test_a_well_heard_device_is_told_to_go_faster_and_obeys() -> None:
    bench = Bench(plain())
    _, asked = bench.say(adr=True, snr=STRONG)
    request = LinkAdrReq.parse(asked[0].body)
    # SF9 needs -12.5 dB; 9 dB is 11.5 more than that and the margin: three steps, two of rate.
    assert request == LinkAdrReq(data_rate=5, tx_power=1, ch_mask=0b11, nb_trans=1)
    taken = Command(Cid.LINK_ADR, LinkAdrAns().render())
    _, again = bench.say(taken, adr=True, sf=7, snr=2.5)
    assert again == ()
    device = bench.core.registry.device(EUI)
    assert device.session is not None
    link = device.session.link
    assert (link.dr, link.tx_power) == (5, 1)


def test_a_refused_power_is_not_asked_for_again() -> None:
    bench = Bench(plain())
    _, asked = bench.say(adr=True, snr=STRONG)
    assert LinkAdrReq.parse(asked[0].body).tx_power == 1
    refusal = Command(Cid.LINK_ADR, LinkAdrAns(power=False).render())
    _, asked = bench.say(refusal, adr=True, snr=STRONG)
    assert LinkAdrReq.parse(asked[0].body).tx_power == 0


def test_without_adr_nothing_is_asked() -> None:
    assert Bench(plain()).say(adr=False, snr=STRONG)[1] == ()


def test_a_device_that_asks_whether_it_is_heard_gets_a_frame_and_its_channels_anew() -> None:
    bench = Bench(plain())
    phy = bench.cipher.seal_uplink(f_cnt=0, adr=True, adr_ack_req=True)
    _, down = bench.hear(phy, snr=WEAK)
    assert down is not None
    assert bench.open(down.items[0].phy_payload) == ()
    bench = Bench()
    bench.learn_channels()
    _, asked = bench.say(adr_ack_req=True)
    assert [one.cid for one in asked] == [Cid.NEW_CHANNEL] * 3


@pytest.mark.parametrize(
    ("battery", "level", "external", "unavailable"),
    [(0, 0.0, True, False), (127, 50.0, False, False), (255, 0.0, False, True)],
)
def test_a_status_is_asked_for_and_told(
    battery: int, level: float, external: bool, unavailable: bool
) -> None:
    bench = Bench(plain(), Profile(statuses=24))
    _, asked = bench.say()
    assert asked == (Command(Cid.DEV_STATUS),)
    answer = Command(Cid.DEV_STATUS, DevStatusAns(battery=battery, margin=-7).render())
    events, asked = bench.say(answer)
    assert asked == ()
    status = events["status"]
    assert (status.margin, status.battery_level) == (-7, level)
    assert (status.external_power_source, status.battery_level_unavailable) == (
        external, unavailable,
    )  # fmt: skip
    bench.clock.advance(3600)
    assert bench.say()[1] == (Command(Cid.DEV_STATUS),)


def test_a_link_check_and_the_time_are_answered_at_once() -> None:
    bench = Bench(plain())
    _, answers = bench.say(Command(Cid.LINK_CHECK), Command(Cid.DEVICE_TIME), snr=2.5)
    check, at = answers
    assert check == Command(Cid.LINK_CHECK, bytes((15, 1)))
    seconds = int.from_bytes(at.body[:4], "little")
    now = START + timedelta(seconds=0.2)
    assert seconds == int(now.timestamp()) - 315_964_800 + 18
    assert at.body[4] == 256 // 5


def test_commands_on_port_0_count_and_are_no_payload() -> None:
    bench = Bench(plain())
    phy = bench.cipher.seal_uplink(f_cnt=0, f_port=0, payload=mac.render([Command(Cid.LINK_CHECK)]))
    events, down = bench.hear(phy)
    assert (events["up"].f_port, events["up"].data) == (0, b"")
    assert down is not None
    assert bench.open(down.items[0].phy_payload)[0].cid is Cid.LINK_CHECK


def test_dwell_times_are_told_once() -> None:
    bench = Bench(Network(channels=THAI_CHANNELS[:2], uplink_dwell=True))
    _, (asked,) = bench.say()
    assert asked == Command(Cid.TX_PARAM_SETUP, b"\x15")
    assert bench.say(Command(Cid.TX_PARAM_SETUP))[1] == ()


def test_commands_before_payload_and_what_does_not_fit_waits_with_a_sign() -> None:
    bench = Bench()
    bench.core.enqueue(EUI, Item(id="q", f_port=7, data=b"\x2a"))
    _, down = bench.hear(bench.cipher.seal_uplink(f_cnt=0, f_port=2, payload=b"a"))
    assert down is not None
    frame = parse(down.items[0].phy_payload)
    assert isinstance(frame, DataFrame)
    assert (frame.f_port, frame.f_pending) == (0, True)  # three channels are 18 bytes
    assert [item.id for item in bench.core.registry.device(EUI).queue] == ["q"]


def test_an_item_for_rx1_only_is_not_counted_when_rx2_was_sent() -> None:
    bench = Bench(Network(channels=THAI_CHANNELS[:2]))
    bench.core.enqueue(EUI, Item(id="q", f_port=7, data=bytes(200)))
    frame = bench.cipher.seal_uplink(f_cnt=0, f_port=2, payload=b"a")
    _, down = bench.hear(frame, sf=7)
    assert down is not None
    first, second = (parse(item.phy_payload) for item in down.items)
    assert isinstance(first, DataFrame)
    assert isinstance(second, DataFrame)
    assert (first.f_port, second.f_port, second.f_pending) == (7, None, True)


@given(data=st.binary(max_size=15), port_0=st.booleans())
def test_no_commands_make_it_raise(data: bytes, port_0: bool) -> None:
    bench = Bench(profile=Profile(statuses=1000))
    for f_cnt in range(3):
        phy = bench.cipher.seal_uplink(
            f_cnt=f_cnt,
            f_port=0 if port_0 else 2,
            payload=data,
            f_opts=b"" if port_0 else data,
            adr=True,
        )
        events, _ = bench.hear(phy)
        assert "up" in events


def samples(snr: float, *, lost: int = 0, power: int = 0) -> list[Sample]:
    return [
        Sample(f_cnt=index + (lost if index else 0), snr=snr, tx_power=power) for index in range(20)
    ]


@pytest.mark.parametrize(
    ("now", "history", "then"),
    [
        # dr, power, repeats; SF12 needs -20 dB, the margin is 10.
        ((0, 0, 1), samples(-10.0)[:1], (0, 0, 1)),
        ((0, 0, 1), samples(-7.0)[:1], (1, 0, 1)),
        ((0, 0, 1), samples(20.0)[:1], (5, 5, 1)),
        ((5, 3, 1), samples(-19.0, power=3), (5, 0, 1)),
        ((5, 3, 1), samples(-19.0, power=2), (5, 3, 1)),
        ((5, 0, 1), samples(-10.0, lost=1), (5, 0, 1)),
        ((5, 0, 2), samples(-10.0, lost=3), (5, 0, 3)),
        ((5, 0, 1), samples(-10.0, lost=9), (5, 0, 3)),
    ],
)
def test_adr_by_chirpstacks_algorithm(
    now: tuple[int, int, int], history: list[Sample], then: tuple[int, int, int]
) -> None:
    found = adapt(
        Rates(dr=now[0], tx_power=now[1], nb_trans=now[2]),
        history,
        required=-20.0,
        margin=10.0,
        max_dr=5,
        max_tx_power=7,
    )
    assert (found.dr, found.tx_power, found.nb_trans) == then
