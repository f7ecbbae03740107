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


def _of(
    name: str,
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
        id=name,
        domain=domain,
        unit=unit,
        symbol=symbol,
        precision=precision,
        low=low,
        high=high,
        th=th,
        en=en,
        reference=reference,
        personal=domain == "vitals",
    )


# fmt: off
_ALL = (
    _of("heart_rate", "vitals", "/min", "bpm", 0, 20, 300, "ชีพจร", "Heart rate", "LOINC 8867-4"),
    _of("spo2", "vitals", "%", "%", 0, 50, 100, "ออกซิเจนในเลือด", "Blood oxygen", "LOINC 59408-5"),
    _of("skin_temperature", "vitals", "Cel", "°C", 1, 10, 45, "อุณหภูมิผิวหนัง",
        "Skin temperature", "IPSO 3303"),
    _of("steps", "vitals", "1", "", 0, 0, 200_000, "จำนวนก้าว", "Steps", "LOINC 55423-8"),
    _of("worn", "vitals", "1", "", 0, 0, 1, "สวมอยู่", "Worn", "IPSO 3302"),
    _of("motion", "vitals", "1", "", 0, 0, 1, "เคลื่อนไหว", "Motion", "TTN action.motion.detected"),
    _of("activity", "vitals", "%", "%", 0, 0, 100, "ช่วงที่เคลื่อนไหว", "Time in movement",
        "own: share of the interval"),
    _of("still_time", "vitals", "min", "min", 0, 0, 100_000, "อยู่นิ่งนาน", "Still for",
        "own: minutes since the last movement"),
    _of("signal_quality", "vitals", "%", "%", 0, 0, 100, "คุณภาพสัญญาณชีพ", "Signal quality",
        "own: share of usable samples"),
    _of("battery_level", "device", "%", "%", 0, 0, 100, "แบตเตอรี่", "Battery", "OMA 3411"),
    _of("battery_voltage", "device", "V", "V", 2, 0, 60, "แรงดันแบตเตอรี่", "Battery voltage",
        "TTN battery"),
    _of("charging", "device", "1", "", 0, 0, 1, "กำลังชาร์จ", "Charging", "OMA 3/0/20"),
    _of("tilt", "device", "1", "", 0, 0, 1, "เอียง", "Tilted", "FIWARE WasteContainer"),
    _of("air_temperature", "air", "Cel", "°C", 1, -40, 85, "อุณหภูมิอากาศ", "Air temperature",
        "TTN air.temperature"),
    _of("relative_humidity", "air", "%", "%", 0, 0, 100, "ความชื้นสัมพัทธ์", "Relative humidity",
        "TTN air.relativeHumidity"),
    _of("pressure", "air", "hPa", "hPa", 1, 300, 1100, "ความกดอากาศ", "Air pressure",
        "TTN air.pressure"),
    _of("pm1_0", "air", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM1", "PM1",
        "FIWARE AirQualityObserved"),
    _of("pm2_5", "air", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM2.5", "PM2.5",
        "FIWARE AirQualityObserved"),
    _of("pm10", "air", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM10", "PM10",
        "FIWARE AirQualityObserved"),
    _of("water_level", "water", "m", "m", 2, -10, 100, "ระดับน้ำ", "Water level",
        "FIWARE FloodMonitoring"),
    _of("rain_cumulative", "weather", "mm", "mm", 1, 0, 100_000, "ฝนสะสม", "Cumulative rain",
        "TTN rain.cumulative"),
    _of("wind_speed", "weather", "m/s", "m/s", 1, 0, 100, "ความเร็วลม", "Wind speed",
        "TTN wind.speed"),
    _of("wind_direction", "weather", "deg", "°", 0, 0, 360, "ทิศทางลม", "Wind direction",
        "TTN wind.direction"),
    _of("distance", "level", "m", "m", 2, 0, 100, "ระยะถึงพื้นผิว", "Distance to the surface",
        "IPSO 3330"),
    _of("fill_level", "waste", "%", "%", 0, 0, 100, "ปริมาณขยะ", "Fill level", "OMA 3435"),
    _of("energy_import", "energy", "Wh", "Wh", 0, 0, 1000000000000.0, "พลังงานที่ใช้",
        "Energy imported", "IPSO 3331"),
    _of("power_active", "energy", "W", "W", 0, -10000000.0, 10000000.0, "กำลังไฟฟ้า",
        "Active power", "IPSO 3328"),
    _of("voltage", "energy", "V", "V", 1, 0, 1000, "แรงดันไฟฟ้า", "Voltage", "IPSO 3316"),
    _of("current", "energy", "A", "A", 2, -1000, 1000, "กระแสไฟฟ้า", "Current", "IPSO 3317"),
    _of("power_factor", "energy", "1", "", 2, -1, 1, "ตัวประกอบกำลัง", "Power factor", "IPSO 3329"),
    _of("latitude", "position", "deg", "°", 5, -90, 90, "ละติจูด", "Latitude",
        "TTN position.latitude"),
    _of("longitude", "position", "deg", "°", 5, -180, 180, "ลองจิจูด", "Longitude",
        "TTN position.longitude"),
    _of("position_fix", "position", "1", "", 0, 0, 1, "พิกัดเป็นปัจจุบัน", "Position is current",
        "own: whether the satellites were seen"),
    _of("position_accuracy", "position", "m", "m", 0, 0, 10_000, "ความแม่นของพิกัด",
        "Position accuracy", "OMA 6/0/3"),
    _of("speed", "position", "m/s", "m/s", 1, 0, 100, "ความเร็ว", "Speed", "OMA 6/0/6"),
    _of("heading", "position", "deg", "°", 0, 0, 360, "ทิศที่มุ่งไป", "Heading", "FIWARE Vehicle"),
    _of("ignition", "position", "1", "", 0, 0, 1, "เครื่องยนต์ติด", "Ignition on",
        "FIWARE Vehicle"),
    _of("light_on", "light", "1", "", 0, 0, 1, "ไฟติด", "Light on", "FIWARE Streetlight"),
)
# fmt: on

QUANTITIES: dict[str, Quantity] = {quantity.id: quantity for quantity in _ALL}


def quantity(name: str) -> Quantity:
    """The catalogue's entry. Raises KeyError for an id that is not in it."""
    return QUANTITIES[name]
