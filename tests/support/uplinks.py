"""Uplinks of the application level, made by hand and by hypothesis."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from khaen.ids import DevAddr, DevEui, GatewayEui
from khaen.lorawan.region import DATA_RATES, THAI_CHANNELS
from khaen.site.model import Gateway, Organisation, Position, Site, Text
from simulators.air.radio import Hearing
from simulators.application.form import Subject, Uplink
from simulators.devices.device import Transmission

AT = datetime(2026, 7, 23, 1, 2, 3, 456000, tzinfo=UTC)
DEV_EUI = DevEui("024b4b0000000001")
GATEWAYS = (GatewayEui("024b4bfffe000001"), GatewayEui("024b4bfffe000002"))
SUBJECT = Subject(
    dev_eui=DEV_EUI, dev_addr=DevAddr("014b0001"), family="khaen_wristband", organisation="ward"
)
SITE = Site(
    site="trial",
    name=Text(th="ทดลอง", en="Trial"),
    organisations=(
        Organisation(id="ward", name=Text(th='วอร์ด "4"', en='Ward "4"'), simulated=True),
    ),
    gateways=(
        Gateway(
            eui=GATEWAYS[0],
            name="roof",
            organisation="ward",
            position=Position(latitude=16.4722, longitude=102.8232, height=38.0),
        ),
        Gateway(eui=GATEWAYS[1], name="mast", organisation="ward"),
    ),
)


def make_uplink(
    *,
    subject: Subject = SUBJECT,
    at: datetime = AT,
    f_cnt: int = 42,
    f_port: int = 2,
    payload: bytes = bytes.fromhex("01480e4258"),
    confirmed: bool = False,
    data_rate: int = 5,
    frequency: int = 923_600_000,
    levels: Sequence[tuple[int, float]] = ((-57, 9.5), (-108, -4.25)),
) -> Uplink:
    """An uplink that the first gateways heard, each with its RSSI and SNR."""
    sent = Transmission(
        at=0.0,
        dev_eui=subject.dev_eui,
        number=f_cnt,
        f_cnt=f_cnt,
        f_port=f_port,
        phy=b"",
        data_rate=DATA_RATES[data_rate],
        frequency=frequency,
        eirp=16.0,
        airtime=0.05,
    )
    return Uplink(
        subject=subject,
        at=at,
        f_cnt=f_cnt,
        f_port=f_port,
        payload=payload,
        confirmed=confirmed,
        adr=True,
        data_rate=DATA_RATES[data_rate],
        frequency=frequency,
        hearings=tuple(
            Hearing(gateway_eui=eui, transmission=sent, rssi=rssi, snr=snr)
            for eui, (rssi, snr) in zip(GATEWAYS, levels, strict=False)
        ),
    )


ANY_UPLINK = st.builds(
    make_uplink,
    at=st.integers(min_value=0, max_value=10**15).map(lambda n: AT + timedelta(microseconds=n))
    | st.just(AT.replace(microsecond=0)),
    f_cnt=st.integers(min_value=0, max_value=0xFFFF_FFFF),
    f_port=st.integers(min_value=0, max_value=255),
    payload=st.binary(max_size=242),
    confirmed=st.booleans(),
    data_rate=st.integers(min_value=0, max_value=6),
    frequency=st.sampled_from([channel.frequency for channel in THAI_CHANNELS]),
    levels=st.lists(
        st.tuples(
            st.integers(min_value=-148, max_value=0),
            st.integers(min_value=-120, max_value=60).map(lambda quarters: quarters / 4),
        ),
        min_size=1,
        max_size=2,
    ),
)
