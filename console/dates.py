"""Dates and times as a person reads them: Asia/Bangkok, and in Thai the Buddhist era."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

BANGKOK = timezone(timedelta(hours=7), "Asia/Bangkok")
"""Thailand keeps no summer time, and has not since 1920."""
BUDDHIST_ERA = 543
"""พ.ศ. minus ค.ศ., for every date since 1 January 1941."""

# fmt: off
_MONTHS = {
    "th": ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.",
           "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
# fmt: on


def render_date(day: date, language: str) -> str:
    """`20 พ.ย. 2569` or `20 Nov 2026`: the one place where the era is chosen."""
    year = day.year if language == "en" else day.year + BUDDHIST_ERA
    months = _MONTHS["en" if language == "en" else "th"]
    return f"{day.day} {months[day.month - 1]} {year}"


def render(at: datetime, language: str) -> str:
    """Date and time to the second, in Bangkok."""
    local = at.astimezone(BANGKOK)
    return f"{render_date(local.date(), language)} {local:%H:%M:%S}"


def render_brief(at: datetime, language: str, now: datetime) -> str:
    """The time alone on the day that it is in Bangkok; else with its date."""
    local = at.astimezone(BANGKOK)
    if local.date() == now.astimezone(BANGKOK).date():
        return f"{local:%H:%M:%S}"
    return render(at, language)


def machine(at: datetime) -> str:
    """For `<time datetime>`: UTC, milliseconds, which every browser parses."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def years_since(born: str, now: datetime) -> int | None:
    """Whole years since `YYYY-MM-DD` or `YYYY`; None where it is neither, or lies ahead."""
    today = now.astimezone(BANGKOK).date()
    try:
        if len(born) == 4:
            years = today.year - int(born)
        else:
            day = date.fromisoformat(born)
            years = today.year - day.year - ((today.month, today.day) < (day.month, day.day))
    except ValueError:
        return None
    return years if years >= 0 else None
