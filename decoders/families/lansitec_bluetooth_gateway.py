"""Lansitec Bluetooth gateway: relays bracelets; of itself it says only its battery.

Source: decoders/lansitec.py for the bracelets, https://github.com/tago-io/decoders,
decoders/connector/lansitec for the heartbeat (type 2), which its sensors share. Beacons and what
they measure are left out.
"""

from __future__ import annotations

from decoders import lansitec, layout
from decoders.family import Decoder
from decoders.layout import Field
from khaen.reading import Decoded, Warn

HEARTBEAT = 0x2
BATTERY = (Field(quantity="battery_level", at=1),)


def decode(f_port: int, payload: bytes) -> Decoded:
    """Read what the gateway says of itself; bracelets are read by their own family."""
    del f_port
    message = lansitec.message(payload)
    if message == HEARTBEAT:
        return Decoded(
            readings=tuple(layout.read(BATTERY, payload)), warnings=layout.check(payload, 2)
        )
    if message != lansitec.SHORT:
        return Decoded(warnings=(Warn(text=f"unknown message {message:#x}", offset=0),))
    # Behind the bracelets half a byte for each says how long ago it was heard.
    count = payload[0] & lansitec.NIBBLE
    return Decoded(warnings=layout.check(payload, 1 + count * lansitec.SHORT_LENGTH))


DECODER = Decoder(
    id="lansitec_bluetooth_gateway",
    version=1,
    maker="Lansitec",
    model="Smart LoRaWAN Bluetooth Gateway",
    quantities=layout.quantities(BATTERY),
    decode=decode,
    split=lansitec.split_short,
)
