"""Air, weather, soil and water."""

from khaen.quantity.model import entries, state

# fmt: off
_AIR = entries(
    "air",
    ("air_temperature", "Cel", "°C", 1, -40, 85, "อุณหภูมิอากาศ", "Air temperature",
     "TTN air.temperature"),
    ("relative_humidity", "%", "%", 0, 0, 100, "ความชื้นสัมพัทธ์", "Relative humidity",
     "TTN air.relativeHumidity"),
    ("pressure", "hPa", "hPa", 1, 300, 1100, "ความกดอากาศ", "Air pressure", "TTN air.pressure"),
    ("illuminance", "lx", "lx", 0, 0, 200_000, "ความสว่าง", "Illuminance",
     "TTN air.lightIntensity"),
    ("pm1_0", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM1", "PM1", "FIWARE AirQualityObserved"),
    ("pm2_5", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM2.5", "PM2.5", "FIWARE AirQualityObserved"),
    ("pm4_0", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM4", "PM4", "FIWARE AirQualityObserved"),
    ("pm10", "ug/m3", "µg/m³", 1, 0, 2000, "ฝุ่น PM10", "PM10", "FIWARE AirQualityObserved"),
    ("co2", "[ppm]", "ppm", 0, 0, 40_000, "คาร์บอนไดออกไซด์", "Carbon dioxide", "TTN air.co2"),
    ("co", "[ppm]", "ppm", 1, 0, 2000, "คาร์บอนมอนอกไซด์", "Carbon monoxide",
     "FIWARE AirQualityObserved"),
    ("o3", "[ppb]", "ppb", 0, 0, 10_000, "โอโซน", "Ozone", "FIWARE AirQualityObserved"),
    ("no2", "[ppb]", "ppb", 0, 0, 20_000, "ไนโตรเจนไดออกไซด์", "Nitrogen dioxide",
     "FIWARE AirQualityObserved"),
    ("so2", "[ppb]", "ppb", 0, 0, 20_000, "ซัลเฟอร์ไดออกไซด์", "Sulphur dioxide",
     "FIWARE AirQualityObserved"),
    ("nh3", "[ppm]", "ppm", 2, 0, 1000, "แอมโมเนีย", "Ammonia", "IPSO 3325"),
    ("h2s", "[ppm]", "ppm", 2, 0, 1000, "ไฮโดรเจนซัลไฟด์", "Hydrogen sulphide", "IPSO 3325"),
    ("formaldehyde", "mg/m3", "mg/m³", 2, 0, 100, "ฟอร์มาลดีไฮด์", "Formaldehyde", "IPSO 3325"),
    ("tvoc", "ug/m3", "µg/m³", 0, 0, 100_000, "สารอินทรีย์ระเหย", "Volatile organic compounds",
     "IPSO 3325"),
    ("tvoc_index", "1", "", 0, 0, 500, "ดัชนีสารระเหย", "VOC index", "own: index of the sensor"),
    ("concentration", "[ppm]", "ppm", 0, 0, 1_000_000, "ความเข้มข้น", "Concentration",
     "IPSO 3325"),
    ("sound_level", "dB[SPL]{A}", "dB(A)", 1, 20, 140, "ระดับเสียง", "Sound level", "FIWARE LAeq"),
)
_WEATHER = entries(
    "weather",
    ("rain_cumulative", "mm", "mm", 1, 0, 100_000, "ฝนสะสม", "Cumulative rain",
     "TTN rain.cumulative"),
    ("rain_intensity", "mm/h", "mm/ชม.", 1, 0, 500, "ความแรงฝน", "Rain intensity",
     "TTN rain.intensity"),
    ("precipitation", "mm", "mm", 1, 0, 500, "ฝนในช่วงวัด", "Rain of the interval",
     "FIWARE WeatherObserved"),
    ("wind_speed", "m/s", "m/s", 1, 0, 100, "ความเร็วลม", "Wind speed", "TTN wind.speed"),
    ("wind_gust", "m/s", "m/s", 1, 0, 120, "ลมกระโชก", "Wind gust", "FIWARE WeatherObserved"),
    ("wind_direction", "deg", "°", 0, 0, 360, "ทิศทางลม", "Wind direction", "TTN wind.direction"),
    ("solar_irradiance", "W/m2", "W/m²", 0, 0, 2000, "ความเข้มแสงอาทิตย์", "Solar irradiance",
     "FIWARE WeatherObserved"),
    ("uv_index", "1", "", 1, 0, 20, "ดัชนียูวี", "UV index", "FIWARE WeatherObserved"),
    ("lightning_strikes", "1", "", 0, 0, 65_535, "ฟ้าผ่า", "Lightning strikes",
     "own: count of the interval"),
    ("lightning_distance", "m", "m", 0, 0, 100_000, "ระยะฟ้าผ่า", "Distance of lightning",
     "own: mean of the interval"),
    ("vapour_pressure", "kPa", "kPa", 2, 0, 47, "ความดันไอน้ำ", "Vapour pressure",
     "own: partial pressure of water"),
)
_SOIL = entries(
    "soil",
    ("soil_moisture", "%", "%", 1, 0, 100, "ความชื้นดิน", "Soil moisture", "TTN soil.moisture"),
    ("soil_temperature", "Cel", "°C", 1, -40, 85, "อุณหภูมิดิน", "Soil temperature",
     "TTN soil.temperature"),
    ("soil_conductivity", "uS/cm", "µS/cm", 0, 0, 50_000, "การนำไฟฟ้าของดิน",
     "Soil conductivity", "TTN soil.ec"),
)
_WATER = entries(
    "water",
    ("water_level", "m", "m", 2, -10, 100, "ระดับน้ำ", "Water level", "FIWARE FloodMonitoring"),
    ("water_temperature", "Cel", "°C", 1, -5, 100, "อุณหภูมิน้ำ", "Water temperature",
     "TTN water.temperature"),
    ("ph", "[pH]", "pH", 2, 0, 14, "ค่า pH", "pH", "IPSO 3326"),
    ("orp", "mV", "mV", 0, -2000, 2000, "ศักย์รีดอกซ์", "Redox potential",
     "FIWARE WaterQualityObserved"),
    ("conductivity", "uS/cm", "µS/cm", 0, 0, 200_000, "การนำไฟฟ้าของน้ำ", "Conductivity",
     "IPSO 3327"),
    ("turbidity", "{NTU}", "NTU", 1, 0, 10_000, "ความขุ่น", "Turbidity",
     "FIWARE WaterQualityObserved"),
    ("dissolved_oxygen", "mg/L", "mg/L", 2, 0, 50, "ออกซิเจนละลายน้ำ", "Dissolved oxygen",
     "FIWARE WaterQualityObserved"),
    state("leak", "น้ำรั่วหรือท่วม", "Water where none should be", "TTN water.leak"),
)
# fmt: on

ALL = (*_AIR, *_WEATHER, *_SOIL, *_WATER)
