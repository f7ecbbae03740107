"""What every Browan TABS sensor says first: a state, its battery, its own warmth.

Source: https://github.com/TheThingsNetwork/lorawan-devices, vendor/browan, one codec per device.
Byte 0, bit 0 is the state; the low four bits of byte 1 are tenths of a volt above 2.5 V; byte 2 is
°C above −32. Numbers of several bytes are little-endian.
"""

from __future__ import annotations

from decoders.layout import Field

STATE = 0x01

HEAD = (
    Field(quantity="battery_voltage", at=1, mask=0x0F, divide=10, plus=2.5),
    Field(quantity="device_temperature", at=2, mask=0x7F, plus=-32),
)
