"""Names that public codecs give to what they measure, for drafts that a person looks through.

Counted over the cases of some 490 public codecs (ChirpStack's and The Things Network's
catalogues). A name says little: `battery` is a percentage with one maker and volts with the next;
so nothing but a draft is ever made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from khaen.reading import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A quantity that a name may mean, the codec's unit (UCUM), and the factor between them."""

    quantity: str
    unit: str = ""
    factor: float = 1.0


def _guesses(quantity: str, *names: str, unit: str = "", factor: float = 1.0) -> dict[str, Guess]:
    return {name: Guess(quantity=quantity, unit=unit, factor=factor) for name in names}


QUANTITIES: dict[str, Guess] = {
    **_guesses("air_temperature", "temperature", "airtemperature", "tempcsht", "temp", "tempc",
               "sensortemperature", "ambienttemperature", "boardtemperature"),
    **_guesses("relative_humidity", "humidity", "humsht", "relativehumidity", "rh", "airhumidity"),
    **_guesses("pressure", "pressure", "barometricpressure", "airpressure", "atmosphericpressure"),
    **_guesses("pm1_0", "pm1", "pm10massconcentration", "pm1massconcentration"),
    **_guesses("pm2_5", "pm25", "pm25massconcentration"),
    **_guesses("pm10", "pm100", "pm10", "pm100massconcentration"),
    **_guesses("battery_voltage", "batteryvoltage", "volt", "batv", "bat", "vbat", "battvolt"),
    **_guesses("battery_voltage", "vdd", "batterymv", "batmv", unit="mV", factor=0.001),
    **_guesses("battery_level", "battery", "batterylevel", "batterypct", "batterypercent",
               "batterypercentage"),
    **_guesses("charging", "charging", "ischarging"),
    **_guesses("heart_rate", "heartrate", "hr", "bpm", "pulse"),
    **_guesses("spo2", "spo2", "bloodoxygen", "oxygen"),
    **_guesses("skin_temperature", "skintemperature", "wristtemperature"),
    **_guesses("steps", "steps", "stepcount", "pedometer"),
    **_guesses("worn", "worn", "wear", "wearing", "onwrist"),
    **_guesses("motion", "motion", "moving", "pir", "occupied", "motiondetected"),
    **_guesses("latitude", "latitude", "lat", "latitudedeg", "gpslatitude"),
    **_guesses("longitude", "longitude", "lon", "lng", "long", "longitudedeg", "gpslongitude"),
    **_guesses("position_accuracy", "accuracy", "gpsaccm", "horizontalaccuracy", "hdopm"),
    **_guesses("speed", "speed", "speedms"),
    **_guesses("speed", "speedkmph", "speedkmh", unit="km/h", factor=1 / 3.6),
    **_guesses("heading", "heading", "headingdeg", "course", "bearing"),
    **_guesses("ignition", "ignition"),
    **_guesses("distance", "distance", "distancemm", unit="mm", factor=0.001),
    **_guesses("distance", "distancecm", unit="cm", factor=0.01),
    **_guesses("distance", "distancem"),
    **_guesses("water_level", "waterlevel", "depth", "waterdepth", unit="cm", factor=0.01),
    **_guesses("fill_level", "filllevel", "fill", "fillpercentage"),
    **_guesses("wind_speed", "windspeed"),
    **_guesses("wind_direction", "winddirection"),
    **_guesses("rain_cumulative", "rain", "rainfall", "rainaccumulation", "precipitation"),
    **_guesses("energy_import", "energy", "powerconsumption", "activeenergy", "totalenergy"),
    **_guesses("energy_import", "energykwh", unit="kW.h", factor=1000.0),
    **_guesses("power_active", "power", "activepower"),
    **_guesses("voltage", "voltage", "mainsvoltage"),
    **_guesses("current", "current", unit="mA", factor=0.001),
    **_guesses("power_factor", "powerfactor", "cosphi"),
    **_guesses("tilt", "tilt", "tilted"),
}  # fmt: skip
"""By name in small letters, without anything but letters and digits."""

EVENTS: dict[str, EventKind] = {
    "sos": EventKind.SOS,
    "emergency": EventKind.SOS,
    "alarm": EventKind.SOS,
    "panic": EventKind.SOS,
    "fall": EventKind.FALL,
    "mandown": EventKind.MAN_DOWN,
    "button": EventKind.BUTTON,
    "press": EventKind.BUTTON,
    "click": EventKind.BUTTON,
    "tamper": EventKind.TAMPER,
    "demolish": EventKind.TAMPER,
}
"""What a name or a word may contain, the gravest first."""
