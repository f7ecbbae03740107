"""A small site, and data directories for it."""

import pytest

from khaen.site.model import Site

ROOF, MAST = "ac1f09fffe000001", "ac1f09fffe000002"


@pytest.fixture
def site() -> Site:
    """Two gateways whose agents run here, and one elsewhere."""
    return Site.model_validate(
        {
            "site": "kk",
            "name": {"th": "ขอนแก่น", "en": "Khon Kaen"},
            "lorawan": {"network_server": True},
            "organisations": [{"id": "city", "name": {"th": "เมือง", "en": "City"}}],
            "gateways": [
                {"eui": ROOF, "name": "roof", "organisation": "city", "agent": {"udp_port": 0}},
                {"eui": MAST, "name": "mast", "organisation": "city", "agent": {"udp_port": 0}},
                {"eui": "ac1f09fffe000003", "name": "far", "organisation": "city"},
            ],
        }
    )
