"""What a device says of itself: its power, its attitude, where it is."""

from khaen.quantity.model import entries, state

# fmt: off
_DEVICE = entries(
    "device",
    ("battery_level", "%", "%", 0, 0, 100, "แบตเตอรี่", "Battery", "OMA 3411"),
    ("battery_voltage", "V", "V", 2, 0, 60, "แรงดันแบตเตอรี่", "Battery voltage", "TTN battery"),
    state("battery_low", "แบตเตอรี่ต่ำ", "Battery low", "own: flag of the device"),
    state("charging", "กำลังชาร์จ", "Charging", "OMA 3/0/20"),
    ("device_temperature", "Cel", "°C", 1, -40, 125, "อุณหภูมิเครื่อง", "Device temperature",
     "IPSO 3303"),
    ("probe_temperature", "Cel", "°C", 1, -200, 850, "อุณหภูมิหัววัด", "Probe temperature",
     "IPSO 3303"),
    ("gauge_pressure", "kPa", "kPa", 1, -101, 100_000, "ความดันของเหลว", "Gauge pressure",
     "IPSO 3323"),
    state("tilt", "เอียง", "Tilted", "FIWARE WasteContainer"),
    state("tampered", "ถูกงัดแงะ", "Tampered with", "IPSO 3302"),
    ("acceleration_x", "[g]", "g", 2, -16, 16, "ความเร่ง X", "Acceleration X", "IPSO 3313"),
    ("acceleration_y", "[g]", "g", 2, -16, 16, "ความเร่ง Y", "Acceleration Y", "IPSO 3313"),
    ("acceleration_z", "[g]", "g", 2, -16, 16, "ความเร่ง Z", "Acceleration Z", "IPSO 3313"),
    ("rotation_x", "deg/s", "°/s", 1, -4000, 4000, "การหมุน X", "Rotation X", "IPSO 3334"),
    ("rotation_y", "deg/s", "°/s", 1, -4000, 4000, "การหมุน Y", "Rotation Y", "IPSO 3334"),
    ("rotation_z", "deg/s", "°/s", 1, -4000, 4000, "การหมุน Z", "Rotation Z", "IPSO 3334"),
    ("generic", "1", "", 2, -1e12, 1e12, "ค่าทั่วไป", "Generic value", "IPSO 3300"),
    ("percentage", "%", "%", 0, 0, 100, "ร้อยละ", "Percentage", "IPSO 3320"),
    ("digital_input", "1", "", 0, 0, 255, "อินพุตดิจิทัล", "Digital input", "IPSO 3200"),
    ("digital_output", "1", "", 0, 0, 255, "เอาต์พุตดิจิทัล", "Digital output", "IPSO 3201"),
    ("analog_input", "1", "", 2, -1e6, 1e6, "อินพุตแอนะล็อก", "Analogue input", "IPSO 3202"),
    ("analog_output", "1", "", 2, -1e6, 1e6, "เอาต์พุตแอนะล็อก", "Analogue output", "IPSO 3203"),
)
_POSITION = entries(
    "position",
    ("latitude", "deg", "°", 5, -90, 90, "ละติจูด", "Latitude", "TTN position.latitude"),
    ("longitude", "deg", "°", 5, -180, 180, "ลองจิจูด", "Longitude", "TTN position.longitude"),
    ("altitude", "m", "m", 0, -500, 9000, "ความสูง", "Altitude", "OMA 6/0/2"),
    state("position_fix", "พิกัดเป็นปัจจุบัน", "Position is current",
          "own: whether the satellites were seen"),
    ("position_accuracy", "m", "m", 0, 0, 10_000, "ความแม่นของพิกัด", "Position accuracy",
     "OMA 6/0/3"),
    ("speed", "m/s", "m/s", 1, 0, 100, "ความเร็ว", "Speed", "OMA 6/0/6"),
    ("heading", "deg", "°", 0, 0, 360, "ทิศที่มุ่งไป", "Heading", "FIWARE Vehicle"),
    state("ignition", "เครื่องยนต์ติด", "Ignition on", "FIWARE Vehicle"),
    ("odometer", "m", "m", 0, 0, 1e10, "ระยะทางสะสม", "Distance driven", "FIWARE Vehicle"),
)
# fmt: on

ALL = (*_DEVICE, *_POSITION)
