"""The 26 districts of Khon Kaen province, where made-up sites stand.

Names and seats are real, positions rounded to a hundredth of a degree; people are thousands of
inhabitants, rounded, and decide only where there is more of everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class District:
    """A district and the middle of its seat."""

    id: str
    th: str
    en: str
    latitude: float
    longitude: float
    people: int


# fmt: off
DISTRICTS: Final = (
    District("mueang", "เมืองขอนแก่น", "Mueang Khon Kaen", 16.43, 102.83, 416),
    District("chum-phae", "ชุมแพ", "Chum Phae", 16.54, 102.10, 124),
    District("nam-phong", "น้ำพอง", "Nam Phong", 16.70, 102.86, 112),
    District("ban-phai", "บ้านไผ่", "Ban Phai", 16.06, 102.73, 100),
    District("nong-ruea", "หนองเรือ", "Nong Ruea", 16.50, 102.44, 93),
    District("phon", "พล", "Phon", 15.82, 102.60, 86),
    District("kranuan", "กระนวน", "Kranuan", 16.71, 103.08, 79),
    District("si-chomphu", "สีชมพู", "Si Chomphu", 16.80, 102.19, 78),
    District("nong-song-hong", "หนองสองห้อง", "Nong Song Hong", 15.73, 102.80, 78),
    District("phu-wiang", "ภูเวียง", "Phu Wiang", 16.66, 102.38, 72),
    District("mancha-khiri", "มัญจาคีรี", "Mancha Khiri", 16.13, 102.54, 71),
    District("ban-fang", "บ้านฝาง", "Ban Fang", 16.45, 102.64, 54),
    District("chonnabot", "ชนบท", "Chonnabot", 16.09, 102.62, 48),
    District("ubolratana", "อุบลรัตน์", "Ubolratana", 16.77, 102.63, 44),
    District("waeng-noi", "แวงน้อย", "Waeng Noi", 15.80, 102.42, 41),
    District("khao-suan-kwang", "เขาสวนกวาง", "Khao Suan Kwang", 16.85, 102.86, 38),
    District("phra-yuen", "พระยืน", "Phra Yuen", 16.32, 102.66, 35),
    District("ban-haet", "บ้านแฮด", "Ban Haet", 16.20, 102.76, 32),
    District("waeng-yai", "แวงใหญ่", "Waeng Yai", 15.96, 102.55, 29),
    District("non-sila", "โนนศิลา", "Non Sila", 15.97, 102.69, 26),
    District("khok-pho-chai", "โคกโพธิ์ไชย", "Khok Pho Chai", 16.07, 102.40, 25),
    District("sam-sung", "ซำสูง", "Sam Sung", 16.53, 103.05, 23),
    District("nong-na-kham", "หนองนาคำ", "Nong Na Kham", 16.78, 102.33, 23),
    District("phu-pha-man", "ภูผาม่าน", "Phu Pha Man", 16.65, 101.90, 22),
    District("pueai-noi", "เปือยน้อย", "Pueai Noi", 15.87, 102.91, 20),
    District("wiang-kao", "เวียงเก่า", "Wiang Kao", 16.68, 102.27, 20),
)
# fmt: on
