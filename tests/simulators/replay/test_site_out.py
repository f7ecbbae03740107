"""The site of those who stand for others tells nothing of the recorded one, not even its order."""

from pathlib import Path

import pytest

from khaen.site.model import Organisation, Place, Site, Text
from simulators.replay.identities import Anonymous
from simulators.replay.site_out import make_site
from tests.support.site import GATEWAYS, Band, describe


def recorded(bands: int) -> Site:
    """A site of four homes in four organisations, each with a gateway and a band."""
    site = describe(
        [Band(n) for n in range(1, bands + 1)],
        dict.fromkeys(GATEWAYS, 0),
        keys_file=Path("keys.csv"),
        simulated=False,
    )
    homes = range(len(GATEWAYS))
    organisations = tuple(
        Organisation(id=f"home-{n}", name=Text(th=f"บ้าน {n}", en=f"Home {n}")) for n in homes
    )
    places = tuple(
        Place(id=f"room-{n}", organisation=f"home-{n}", name=Text(th="ห้อง", en="Room"))
        for n in homes
    )
    gateways = tuple(
        gateway.model_copy(update={"organisation": f"home-{n}", "place": f"room-{n}"})
        for n, gateway in enumerate(site.gateways)
    )
    lorawan = site.lorawan.model_copy(update={"topic_prefix": "as923-nong-kham"})
    return site.model_copy(
        update={
            "organisations": (*site.organisations, *organisations),
            "places": (*site.places, *places),
            "gateways": gateways,
            "lorawan": lorawan,
        }
    )


@pytest.mark.parametrize("secret", ["a long secret of one", "a long secret of two"])
def test_numbers_do_not_follow_the_recorded_order(secret: str) -> None:
    anonymous, source = Anonymous(secret), recorded(3)
    for gateway in source.gateways:
        anonymous.gateway(gateway.eui)
    for device in source.devices:
        anonymous.device(device.dev_eui)
    made = make_site(anonymous, source).site
    euis = [gateway.eui for gateway in made.gateways]
    assert euis == sorted(euis)
    backwards = source.model_copy(
        update={
            "gateways": source.gateways[::-1],
            "places": source.places[::-1],
            "organisations": source.organisations[::-1],
            "devices": source.devices[::-1],
        }
    )
    assert make_site(anonymous, backwards).site == made
    assert made.lorawan.topic_prefix == "as923"
