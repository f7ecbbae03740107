"""What is measured of a person, and of a room where one lives."""

from khaen.quantity.model import entries, state

# fmt: off
_VITALS = entries(
    "vitals",
    ("heart_rate", "/min", "bpm", 0, 20, 300, "ชีพจร", "Heart rate", "LOINC 8867-4"),
    ("spo2", "%", "%", 0, 50, 100, "ออกซิเจนในเลือด", "Blood oxygen", "LOINC 59408-5"),
    ("body_temperature", "Cel", "°C", 1, 25, 45, "อุณหภูมิร่างกาย", "Body temperature",
     "LOINC 8310-5"),
    ("skin_temperature", "Cel", "°C", 1, 10, 45, "อุณหภูมิผิวหนัง", "Skin temperature",
     "IPSO 3303"),
    ("systolic_pressure", "mm[Hg]", "mmHg", 0, 40, 300, "ความดันตัวบน", "Systolic blood pressure",
     "LOINC 8480-6"),
    ("diastolic_pressure", "mm[Hg]", "mmHg", 0, 20, 200, "ความดันตัวล่าง",
     "Diastolic blood pressure", "LOINC 8462-4"),
    ("respiratory_rate", "/min", "/min", 0, 0, 80, "อัตราการหายใจ", "Respiratory rate",
     "LOINC 9279-1"),
    state("irregular_pulse", "ชีพจรไม่สม่ำเสมอ", "Irregular pulse", "own: flag of the device"),
    ("steps", "1", "", 0, 0, 200_000, "จำนวนก้าว", "Steps", "LOINC 55423-8"),
    state("worn", "สวมอยู่", "Worn", "IPSO 3302"),
    state("motion", "เคลื่อนไหว", "Motion", "TTN action.motion.detected"),
    ("motion_count", "1", "", 0, 0, 1e10, "จำนวนการเคลื่อนไหว", "Movements",
     "TTN action.motion.count"),
    ("activity", "%", "%", 0, 0, 100, "ช่วงที่เคลื่อนไหว", "Time in movement",
     "own: share of the interval"),
    ("still_time", "min", "min", 0, 0, 100_000, "อยู่นิ่งนาน", "Still for",
     "own: minutes since the last movement"),
    ("signal_quality", "%", "%", 0, 0, 100, "คุณภาพสัญญาณชีพ", "Signal quality",
     "own: share of usable samples"),
    state("in_bed", "อยู่บนเตียง", "In bed", "own: state of a bed or fall sensor"),
    state("lying", "นอนอยู่", "Lying", "own: posture of the wearer"),
    personal=True,
)
_PRESENCE = entries(
    "presence",
    state("occupancy", "มีคนอยู่", "Occupied", "IPSO 3302"),
    state("contact_open", "เปิดอยู่", "Open", "TTN action.contactState"),
    ("people_count", "1", "", 0, 0, 10_000, "จำนวนคน", "People", "FIWARE CrowdFlowObserved"),
    ("people_in", "1", "", 0, 0, 10_000_000, "คนเข้า", "People in", "FIWARE CrowdFlowObserved"),
    ("people_out", "1", "", 0, 0, 10_000_000, "คนออก", "People out", "FIWARE CrowdFlowObserved"),
    state("parking_occupied", "มีรถจอด", "Parking place taken", "FIWARE ParkingSpot"),
)
# fmt: on

ALL = (*_VITALS, *_PRESENCE)
