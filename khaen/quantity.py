"""The catalogue of quantities: what can be measured, in which unit, within which plausible range.

Units are UCUM codes. Ids are snake_case. A value outside `low`..`high` is kept and marked
suspect. References name the vocabulary a quantity was taken from first: The Things Network's
normalised payload (TTN), LOINC, OMA LwM2M/IPSO objects, FIWARE smart data models.
"""

from __future__ import annotations

from dataclasses import dataclass

from khaen.reading import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One entry: `precision` is the number of decimals a person sees."""

    id: str
    domain: str
    """The series' measurement."""
    unit: str
    """UCUM code; `1` for counts and states."""
    symbol: str
    """The unit as a person reads it."""
    precision: int
    low: float
    high: float
    th: str
    en: str
    reference: str
    personal: bool = False
    """Health data about a person: hidden from roles that may not see it."""

    def quality(self, value: float) -> Quality:
        """Good within the plausible range, else suspect (NaN is suspect)."""
        return Quality.GOOD if self.low <= value <= self.high else Quality.SUSPECT


def _vital(
    id: str,
    unit: str,
    symbol: str,
    precision: int,
    low: float,
    high: float,
    th: str,
    en: str,
    reference: str,
) -> Quantity:
    return Quantity(
        id=id,
        domain="vitals",
        unit=unit,
        symbol=symbol,
        precision=precision,
        low=low,
        high=high,
        th=th,
        en=en,
        reference=reference,
        personal=True,
    )


def _city(
    id: str,
    domain: str,
    unit: str,
    symbol: str,
    precision: int,
    low: float,
    high: float,
    th: str,
    en: str,
    reference: str,
) -> Quantity:
    return Quantity(
        id=id,
        domain=domain,
        unit=unit,
        symbol=symbol,
        precision=precision,
        low=low,
        high=high,
        th=th,
        en=en,
        reference=reference,
    )


# fmt: off
_ALL = (
    _vital("heart_rate", "/min", "bpm", 0, 20, 300, "ชีพจร", "Heart rate", "LOINC 8867-4"),
    _vital("spo2", "%", "%", 0, 50, 100, "ออกซิเจนในเลือด", "Blood oxygen", "LOINC 59408-5"),
    _vital("skin_temperature", "Cel", "°C", 1, 10, 45, "อุณหภูมิผิวหนัง", "Skin temperature",
           "IPSO 3303"),
    _vital("steps", "1", "", 0, 0, 200_000, "จำนวนก้าว", "Steps", "LOINC 55423-8"),
    _vital("worn", "1", "", 0, 0, 1, "สวมอยู่", "Worn", "IPSO 3302"),
    _vital("motion", "1", "", 0, 0, 1, "เคลื่อนไหว", "Motion", "TTN action.motion.detected"),
    _city("battery_level", "device", "%", "%", 0, 0, 100, "แบตเตอรี่", "Battery", "OMA 3411"),
    _city("battery_voltage", "device", "V", "V", 2, 0, 60, "แรงดันแบตเตอรี่", "Battery voltage",
          "TTN battery"),
    _city("air_temperature", "air", "Cel", "°C", 1, -40, 85, "อุณหภูมิอากาศ", "Air temperature",
          "TTN air.temperature"),
    _city("relative_humidity", "air", "%", "%", 0, 0, 100, "ความชื้นสัมพัทธ์", "Relative humidity",
          "TTN air.relativeHumidity"),
    _city("pressure", "air", "hPa", "hPa", 1, 300, 1100, "ความกดอากาศ", "Air pressure",
          "TTN air.pressure"),
    _city("pm2_5", "air", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM2.5", "PM2.5",
          "FIWARE AirQualityObserved"),
    _city("pm10", "air", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM10", "PM10",
          "FIWARE AirQualityObserved"),
    _city("water_level", "water", "m", "m", 2, -10, 100, "ระดับน้ำ", "Water level",
          "FIWARE FloodMonitoring"),
    _city("rain_cumulative", "weather", "mm", "mm", 1, 0, 100_000, "ฝนสะสม", "Cumulative rain",
          "TTN rain.cumulative"),
    _city("wind_speed", "weather", "m/s", "m/s", 1, 0, 100, "ความเร็วลม", "Wind speed",
          "TTN wind.speed"),
    _city("fill_level", "waste", "%", "%", 0, 0, 100, "ปริมาณขยะ", "Fill level", "OMA 3435"),
    _city("energy_import", "energy", "Wh", "Wh", 0, 0, 1e12, "พลังงานที่ใช้", "Energy imported",
          "IPSO 3331"),
    _city("power_active", "energy", "W", "W", 0, -1e7, 1e7, "กำลังไฟฟ้า", "Active power",
          "IPSO 3328"),
    _city("light_on", "light", "1", "", 0, 0, 1, "ไฟติด", "Light on", "FIWARE Streetlight"),
)
# fmt: on

QUANTITIES: dict[str, Quantity] = {quantity.id: quantity for quantity in _ALL}


def quantity(id: str) -> Quantity:
    """The catalogue's entry. Raises KeyError for an id that is not in it."""
    return QUANTITIES[id]
