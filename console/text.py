"""Every word that the console says, Thai and English side by side.

`{name}` stands for a value. Sentences about an alarm are `alarm.RULE.REASON`, else `alarm.RULE`,
else `alarm.other`; likewise the next action under `next.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LANGUAGES = ("th", "en")


class Text(NamedTuple):
    """One thing to say."""

    th: str
    en: str


# fmt: off
_ENGINEER = Text("รับเรื่อง แล้วแจ้งช่าง", "Accept, then tell the engineer")
_LOOK_AND_ENGINEER = Text("รับเรื่อง ติดต่อผู้ที่ต้องเฝ้าระวัง และแจ้งช่าง",
                          "Accept, check on those most at risk, tell the engineer")

TEXTS: Mapping[str, Text] = {
    "product": Text("แคน", "Khaen"),
    "title": Text("เหตุแจ้งเตือน", "Alarms"),
    "skip": Text("ข้ามไปที่รายการเหตุ", "Skip to the alarms"),
    "no_script": Text("ต้องเปิดใช้ JavaScript จึงจะเห็นเหตุใหม่ทันที",
                      "JavaScript must be on, or new alarms will not show"),

    "link.live": Text("ข้อมูลสด", "Live"),
    "link.lost": Text("ขาดการเชื่อมต่อ", "Connection lost"),
    "link.lost_long": Text("ขาดการเชื่อมต่อ ข้อมูลบนจอนี้ไม่เป็นปัจจุบัน เหตุใหม่จะไม่ปรากฏ",
                           "Connection lost. This screen is out of date: new alarms will not show"),
    "link.as_of": Text("ข้อมูลล่าสุดเมื่อ", "Last up to date"),
    "link.store": Text("ฐานข้อมูลไม่ตอบ ข้อมูลบนจอนี้ไม่เป็นปัจจุบัน",
                       "The ledger does not answer. This screen is out of date"),
    "sent.failed": Text("ส่งไม่สำเร็จ ยังไม่ได้บันทึก กรุณากดอีกครั้ง",
                        "Not sent, nothing was recorded. Please press again"),
    "sound.on": Text("เปิดเสียง", "Turn sound on"),
    "sound.off": Text("ปิดเสียง", "Turn sound off"),
    "sound.is_off": Text("จอนี้ยังไม่มีเสียง", "This screen is silent"),
    "sound.is_on": Text("เสียงเปิดอยู่", "Sound is on"),

    "sign_in": Text("เข้าสู่ระบบ", "Sign in"),
    "sign_in.how": Text("ใช้ลิงก์เข้าสู่ระบบที่ได้รับ ลิงก์ใช้ได้ครั้งเดียว ภายใน 15 นาที",
                        "Use the sign-in link that you were given. It works once, for 15 minutes"),
    "sign_in.ready": Text("ลิงก์ถูกต้อง กดปุ่มเพื่อเข้าสู่ระบบ",
                          "Your link is good. Press the button to sign in"),
    "sign_in.refused": Text("ลิงก์นี้ใช้ไม่ได้แล้ว กรุณาขอลิงก์ใหม่",
                            "This link no longer works. Please ask for a new one"),
    "sign_in.wait": Text("ลองผิดหลายครั้งเกินไป กรุณารอหนึ่งนาที",
                         "Too many failed attempts. Please wait a minute"),
    "sign_out": Text("ออกจากระบบ", "Sign out"),
    "language.other": Text("English", "ไทย"),

    "error.404": Text("ไม่พบหน้านี้", "There is no such page"),
    "error.403": Text("คำขอนี้ถูกปฏิเสธ กรุณาโหลดหน้าใหม่แล้วลองอีกครั้ง",
                      "The request was refused. Load the page again and retry"),
    "error.400": Text("คำขอนี้ไม่ถูกต้อง", "The request is not valid"),
    "error.503": Text("ฐานข้อมูลไม่ตอบ กรุณาลองอีกครั้ง",
                      "The ledger does not answer. Please try again"),
    "back": Text("กลับไปรายการเหตุ", "Back to the alarms"),

    "priority.1": Text("ฉุกเฉิน", "Emergency"),
    "priority.2": Text("ด่วน", "Urgent"),
    "priority.3": Text("ตรวจสอบ", "Check"),
    "waiting": Text("รอรับเรื่อง", "waiting"),
    "count.waiting": Text("รอรับเรื่อง {n}", "{n} waiting"),
    "open": Text("เหตุที่ยังไม่ปิด", "Open alarms"),
    "open.more": Text("และอีก {n} เหตุ", "and {n} more"),
    "calm": Text("ไม่มีเหตุค้าง", "All calm"),
    "calm.long": Text("ทุกเหตุได้รับการดูแลแล้ว หน้าจอนี้จะแจ้งทันทีเมื่อมีเหตุใหม่",
                      "Every alarm has been looked after. A new one will show here at once"),
    "closed": Text("ปิดแล้วล่าสุด", "Recently closed"),
    "closed.none": Text("ยังไม่มีเหตุที่ปิด", "None closed yet"),
    "closed.self": Text("หายเอง", "Ended by itself"),
    "gateways": Text("เกตเวย์", "Gateways"),
    "gateways.none": Text("ยังไม่มีเกตเวย์", "No gateways yet"),
    "gateway.never": Text("ยังไม่เคยส่งสัญญาณ", "Not heard yet"),
    "gateway.heartbeat": Text("สัญญาณชีพ", "heartbeat"),
    "gateway.silent": Text("เงียบ", "Silent"),
    "gateway.ok": Text("ปกติ", "OK"),
    "gateway.mute": Text("ข้อมูลล่าสุด", "last frame"),

    "badge.late": Text("ล่าช้า", "Late"),
    "badge.late_long": Text("ข้อมูลมาถึงช้ากว่าเวลาเกิดเหตุ", "Arrived long after it happened"),
    "badge.simulated": Text("ซ้อม", "Drill"),
    "badge.suspect": Text("ค่าน่าสงสัย", "Suspect"),
    "fact.where": Text("ที่", "Where"),
    "fact.where_unknown": Text("ไม่ทราบสถานที่", "Place unknown"),
    "fact.happened": Text("เกิดเหตุ", "Happened"),
    "fact.received": Text("ระบบได้รับ", "Received"),
    "fact.times": Text("เกิดขึ้น {n} ครั้ง", "Happened {n} times"),
    "fact.times.sos": Text("กด {n} ครั้ง", "Pressed {n} times"),
    "fact.times.fall": Text("ล้ม {n} ครั้ง", "Fell {n} times"),
    "fact.others": Text("คนเดียวกันมีอีก {n} เหตุ", "The same person has {n} more"),
    "fact.unseen": Text("ผู้ที่อาจไม่มีสัญญาณ {n} คน", "{n} people may be unseen"),
    "fact.unseen_one": Text("ผู้ที่อาจไม่มีสัญญาณ 1 คน", "1 person may be unseen"),
    "fact.unseen_devices": Text("อุปกรณ์ที่อาจไม่มีสัญญาณ {n} ชิ้น", "Devices that may be unseen: {n}"),
    "over.returned": Text("กลับเป็นปกติแล้ว", "It is back to normal"),
    "over.latched": Text("ผู้สวมแจ้งยกเลิกแล้ว แต่ยังต้องดูให้แน่ใจ",
                         "The wearer cancelled it, but somebody must make sure"),
    "who.person": Text("ผู้รับการดูแล {id}", "Resident {id}"),
    "who.device": Text("อุปกรณ์ {id}", "Device {id}"),
    "fact.heard": Text("ได้ยินโดย {n} เกตเวย์", "Heard by {n} gateways"),
    "fact.heard_one": Text("ได้ยินโดย 1 เกตเวย์", "Heard by 1 gateway"),
    "ago": Text("{age}ก่อน", "{age} ago"),
    "unit.s": Text("{n} วินาที", "{n} s"),
    "unit.m": Text("{n} นาที", "{n} min"),
    "unit.h": Text("{n} ชม.", "{n} h"),
    "unit.d": Text("{n} วัน", "{n} d"),

    "accept": Text("รับเรื่อง", "Accept"),
    "close": Text("ปิดเหตุ", "Close"),
    "close.how": Text("เหตุนี้จบอย่างไร", "How did it end?"),
    "details": Text("รายละเอียด", "Details"),
    "accepted.me": Text("คุณรับเรื่องแล้ว", "You have it"),
    "accepted.other": Text("{who} รับเรื่องแล้ว", "{who} has it"),
    "told.taken": Text("{who} รับเรื่องนี้ไปแล้วเมื่อ {at} คุณไม่ต้องรับอีก",
                       "{who} accepted this at {at}. You need not"),
    "told.closed": Text("เหตุนี้ปิดไปแล้ว", "This alarm was closed already"),
    "told.not_accepted": Text("ต้องรับเรื่องก่อนจึงปิดเหตุได้", "Accept it before you close it"),
    "told.impossible": Text("ทำไม่ได้ในสถานะนี้", "Not possible as things stand"),
    "told.accepted": Text("รับเรื่องแล้ว", "Accepted"),
    "told.closed_now": Text("ปิดเหตุแล้ว", "Closed"),

    "outcome.emergency": Text("ฉุกเฉินจริง ส่งต่อแล้ว", "Emergency, handed on"),
    "outcome.assisted": Text("ช่วยเหลือแล้ว", "Assisted"),
    "outcome.not_urgent": Text("ไม่เร่งด่วน", "Not urgent"),
    "outcome.false_device": Text("เครื่องแจ้งผิด", "False: the device"),
    "outcome.false_wearer": Text("กดโดยไม่ตั้งใจ", "False: by accident"),
    "outcome.test": Text("ทดสอบ", "Test"),

    "alarm.sos": Text("{who} กดขอความช่วยเหลือ", "{who} calls for help"),
    "alarm.sos.press_counter_not_fresh": Text(
        "{who} กดขอความช่วยเหลือ (สัญญาณอาจเป็นของเก่า)",
        "{who} calls for help (the signal may be an old one)"),
    "alarm.fall": Text("{who} อาจล้ม", "{who} may have fallen"),
    "alarm.fall.fall_still": Text("{who} ล้ม และไม่ขยับ", "{who} fell and lies still"),
    "alarm.fall.fall_moving": Text("{who} ล้ม แต่ยังขยับตัว", "{who} fell, and is moving"),
    "alarm.fall.fall_unheard": Text("{who} ล้ม และไม่มีสัญญาณหลังจากนั้น",
                                    "{who} fell, and was not heard since"),
    "alarm.fall.man_down": Text("{who} นอนอยู่หรือไม่ขยับเป็นเวลานาน",
                                "{who} is down, or has not moved for long"),
    "alarm.fall.fall_counter_not_fresh": Text(
        "{who} อาจล้ม (สัญญาณอาจเป็นของเก่า)",
        "{who} may have fallen (the signal may be an old one)"),
    "alarm.gateway_down": Text("เกตเวย์ {who} ไม่ส่งสัญญาณ", "Gateway {who} is silent"),
    "alarm.unreachable": Text("{who} ยังไม่มีแผนตามตัวผู้ดูแล เหตุจะขึ้นที่หน้าจอนี้เท่านั้น",
                              "{who} has no plan: alarms are on this screen only"),
    "alarm.channel": Text("ช่องทางแจ้งเหตุใช้ไม่ได้ ({who})",
                          "A way to call people does not work ({who})"),
    "alarm.pipeline": Text("ระบบรับข้อมูลขัดข้อง ({who})", "The system has a fault ({who})"),
    "alarm.pipeline.rule_error": Text(
        "ระบบตรวจเหตุ {who} ขัดข้อง อาจมีเหตุที่ไม่ขึ้นจอ",
        "The check for {who} has a fault: an alarm may be missing"),
    "alarm.pipeline.ingest_silent": Text(
        "ระบบไม่ได้รับข้อมูล อาจไม่ได้ยินการขอความช่วยเหลือ",
        "No data comes in: calls for help may go unheard"),
    "alarm.pipeline.gateways_silent": Text(
        "เกตเวย์ส่วนใหญ่เงียบพร้อมกัน อาจไม่ได้ยินการขอความช่วยเหลือ",
        "Most gateways are silent: calls for help may go unheard"),
    "alarm.pipeline.frame_failed": Text("อ่านข้อมูลจาก {who} ไม่ได้",
                                        "What {who} sent could not be read"),
    "alarm.unreadable_call": Text(
        "อ่านสัญญาณจาก {who} ไม่ได้ อาจเป็นการขอความช่วยเหลือ",
        "What {who} sent cannot be read: it may be a call for help"),
    "alarm.clock": Text("นาฬิกาของเกตเวย์ {who} ไม่ตรง", "The clock of gateway {who} is wrong"),
    "alarm.origin": Text("เกตเวย์ {who} ส่งสัญญาณซ้อมของผู้ใช้จริง ระบบไม่รับ",
                         "Gateway {who} sent simulated frames for real people: refused"),
    "alarm.replay": Text("{who} ส่งเลขลำดับที่เคยใช้แล้ว", "{who} sent a counter that was used before"),
    "alarm.vouching": Text("เกตเวย์ {who} ส่งข้อมูลแทนอุปกรณ์ที่ไม่ใช่ของตน ระบบไม่รับ",
                           "Gateway {who} spoke for a device that is not its own: refused"),
    "alarm.conflict": Text("เลขลำดับของเกตเวย์ {who} ซ้ำกัน การ์ดความจำอาจถูกคัดลอก",
                           "Two gateways send as {who}: its memory card may have been copied"),
    "alarm.outbox": Text("เกตเวย์ {who} บันทึกลงดิสก์ไม่ได้ ถ้าไฟดับข้อมูลจะหาย",
                         "Gateway {who} cannot write to its disk: a power cut loses what it holds"),
    "alarm.outbox.outbox_shedding": Text(
        "ที่เก็บข้อมูลของเกตเวย์ {who} เต็ม ข้อมูลเก่าที่ไม่เร่งด่วนกำลังถูกทิ้ง",
        "Gateway {who} is full: it gives up old frames that are no calls for help"),
    "alarm.gateway": Text("เกตเวย์ {who} ต้องให้ช่างดูแล", "Gateway {who} needs an engineer"),
    "alarm.gateway.forwarder_silent": Text(
        "เกตเวย์ {who} ไม่ได้รับสัญญาณวิทยุ อาจไม่ได้ยินการขอความช่วยเหลือ",
        "Gateway {who} hears no radio: calls for help may go unheard"),
    "alarm.gateway.publish_refused": Text(
        "ระบบไม่รับข้อมูลสดจากเกตเวย์ {who} การขอความช่วยเหลืออาจมาช้า",
        "What gateway {who} sends live is refused: calls for help may come late"),
    "alarm.other": Text("{who} มีเหตุแจ้งเตือน ({rule})", "{who}: alarm ({rule})"),
    "next.sos": Text("รับเรื่อง แล้วโทรหรือไปหาทันที", "Accept, then call or go at once"),
    "next.fall": Text("รับเรื่อง แล้วไปดูทันที", "Accept, then go and see at once"),
    "next.gateway_down.covered": _ENGINEER,
    "next.returned": Text("รับเรื่องเพื่อรับทราบ แล้วเหตุจะปิดเอง",
                          "Accept to say that you have seen it; it then closes by itself"),
    "next.gateway_down": Text("รับเรื่อง แล้วเยี่ยมผู้ที่อาจไม่มีสัญญาณ และแจ้งช่าง",
                              "Accept, check on those who may be unseen, tell the engineer"),
    "next.unreachable": _ENGINEER,
    "next.channel": _ENGINEER,
    "next.pipeline": _ENGINEER,
    "next.unreadable_call": _LOOK_AND_ENGINEER,
    "next.clock": _ENGINEER,
    "next.origin": _ENGINEER,
    "next.replay": _ENGINEER,
    "next.conflict": _ENGINEER,
    "next.vouching": _ENGINEER,
    "next.outbox": _ENGINEER,
    "next.gateway": _ENGINEER,
    "next.gateway.forwarder_silent": _LOOK_AND_ENGINEER,
    "next.pipeline.ingest_silent": _LOOK_AND_ENGINEER,
    "next.pipeline.gateways_silent": _LOOK_AND_ENGINEER,
    "next.other": Text("รับเรื่อง แล้วตรวจสอบ", "Accept, then check"),
    "next.accepted": Text("เมื่อดูแลเรียบร้อย ปิดเหตุพร้อมบอกผล",
                          "When it is looked after, close it and say how it ended"),
    "next": Text("ขั้นต่อไป", "Next"),

    "case": Text("เหตุ", "Case"),
    "timeline": Text("ลำดับเหตุการณ์", "What happened"),
    "system": Text("ระบบ", "System"),
    "change.raised": Text("แจ้งเหตุ", "Raised"),
    "change.pressed_again": Text("กดซ้ำ", "Pressed again"),
    "change.pressed_again.fall": Text("ล้มอีกครั้ง", "Fell again"),
    "change.condition_cleared.sos": Text("ผู้สวมแจ้งยกเลิก", "The wearer cancelled it"),
    "change.condition_cleared.fall": Text("ผู้สวมแจ้งยกเลิก", "The wearer cancelled it"),
    "change.priority_changed": Text("เปลี่ยนระดับความเร่งด่วน", "Priority changed"),
    "change.condition_cleared": Text("เงื่อนไขหมดไป", "Condition gone"),
    "change.condition_returned": Text("เงื่อนไขกลับมา", "Condition back"),
    "change.accepted": Text("รับเรื่อง", "Accepted"),
    "change.closed": Text("ปิดเหตุ", "Closed"),
    "change.notified": Text("แจ้งผู้รับผิดชอบ", "People told"),
    "change.late_episode": Text("พบเหตุย้อนหลัง", "Found afterwards"),
    "readings": Text("ค่าล่าสุด", "Latest readings"),
    "readings.all": Text("ดูค่าที่วัดได้ทั้งหมด", "All readings"),
    "readings.none": Text("ยังไม่มีค่าที่วัดได้", "No readings yet"),
    "reading.what": Text("รายการ", "What"),
    "reading.value": Text("ค่า", "Value"),
    "reading.when": Text("เมื่อ", "When"),
    "yes": Text("ใช่", "Yes"),
    "no": Text("ไม่", "No"),
    "contact.none": Text("ยังไม่มีข้อมูลติดต่อ", "No contact details yet"),
    "contact": Text("ข้อมูลติดต่อ", "Contact"),
    "contact.address": Text("ที่อยู่", "Address"),
    "contact.landmark": Text("จุดสังเกต", "Landmark"),
    "contact.telephone": Text("โทรศัพท์", "Telephone"),
    "contact.note": Text("หมายเหตุ", "Note"),
    "call": Text("โทร", "Call"),
    "age_years": Text("{n} ปี", "{n} years"),
}
# fmt: on


def say(language: str, key: str, **values: object) -> str:
    """The text in a language, with its values. Raises KeyError for a key that is not there."""
    text = TEXTS[key]
    return (text.en if language == "en" else text.th).format_map(values)


def say_best(language: str, *keys: str, **values: object) -> str:
    """The first of the keys for which there is a text; the last must be there."""
    key = next((key for key in keys[:-1] if key in TEXTS), keys[-1])
    return say(language, key, **values)
