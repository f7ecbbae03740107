"""What a city counts: distances, waste, electricity, water meters, lights."""

from khaen.quantity.model import entries, state

# fmt: off
_LEVEL = entries(
    "level",
    ("distance", "m", "m", 2, 0, 100, "ระยะถึงพื้นผิว", "Distance to the surface", "IPSO 3330"),
)
_WASTE = entries(
    "waste",
    ("fill_level", "%", "%", 0, 0, 100, "ปริมาณขยะ", "Fill level", "OMA 3435"),
    state("full", "ถังเต็ม", "Full", "FIWARE WasteContainer"),
    state("fire", "ไฟไหม้", "On fire", "FIWARE WasteContainer"),
)
_ENERGY = entries(
    "energy",
    ("energy_import", "W.h", "Wh", 0, 0, 1e12, "พลังงานที่ใช้", "Energy imported", "IPSO 3331"),
    ("energy_export", "W.h", "Wh", 0, 0, 1e12, "พลังงานที่ส่งออก", "Energy exported", "IPSO 3331"),
    ("power_active", "W", "W", 0, -1e7, 1e7, "กำลังไฟฟ้า", "Active power", "IPSO 3328"),
    ("power_reactive", "V.A{reactive}", "var", 0, -1e7, 1e7, "กำลังรีแอกทีฟ", "Reactive power",
     "OMA 10242"),
    ("power_apparent", "V.A", "VA", 0, 0, 1e7, "กำลังปรากฏ", "Apparent power", "OMA 10242"),
    ("electric_charge", "A.h", "Ah", 2, 0, 1e9, "ประจุไฟฟ้า", "Electric charge",
     "own: current summed over time"),
    ("voltage", "V", "V", 1, 0, 1000, "แรงดันไฟฟ้า", "Voltage", "IPSO 3316"),
    ("current", "A", "A", 2, -1000, 1000, "กระแสไฟฟ้า", "Current", "IPSO 3317"),
    ("frequency", "Hz", "Hz", 2, 0, 1e9, "ความถี่", "Frequency", "IPSO 3318"),
    ("power_factor", "1", "", 2, -1, 1, "ตัวประกอบกำลัง", "Power factor", "IPSO 3329"),
)
_METERING = entries(
    "metering",
    ("volume", "m3", "m³", 3, 0, 1e9, "ปริมาตรสะสม", "Volume", "TTN metering.water.total"),
    ("flow", "m3/h", "m³/ชม.", 2, -100_000, 100_000, "อัตราการไหล", "Flow",
     "FIWARE WaterConsumptionObserved"),
    ("pulses", "1", "", 0, 0, 1e12, "จำนวนพัลส์", "Pulses", "IPSO 3346"),
    state("pump_on", "ปั๊มทำงาน", "Pump on", "IPSO 3343"),
)
_LIGHT = entries(
    "light",
    state("light_on", "ไฟติด", "Light on", "FIWARE Streetlight"),
    ("dim_level", "%", "%", 0, 0, 100, "ระดับหรี่ไฟ", "Dimmed to", "FIWARE Streetlight"),
    ("burning_hours", "h", "ชม.", 0, 0, 1_000_000, "ชั่วโมงใช้งานหลอด", "Burning hours",
     "FIWARE Streetlight"),
    state("lamp_fault", "หลอดชำรุด", "Lamp fault", "FIWARE Streetlight"),
)
# fmt: on

ALL = (*_LEVEL, *_WASTE, *_ENERGY, *_METERING, *_LIGHT)
