"""The first page in a real browser: signed in by link, live, Thai, honest when it is cut off."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from khaen.alarm import AlarmClass, Priority
from tests.console.test_program import start
from tests.support.console import BAND, World, sign_in

pytestmark = pytest.mark.browser

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=user-gesture-required",
)
SIZES = {"desk": (1280, 800), "wall": (1920, 1080), "phone": (390, 844)}
AUDIT = """() => {
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length;
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const channel = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [0, 0, 0];
  };
  const faults = [];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = words.nextNode(); n; n = words.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || !shown(e) || e.closest(".skip, .unseen, script, noscript")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(style.color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${n.data.trim()}`);
    if (parseFloat(style.lineHeight) / parseFloat(style.fontSize) < 1.5)
      faults.push(`line height: ${n.data.trim()}`);
    if (style.letterSpacing !== "normal" || style.fontStyle !== "normal")
      faults.push(`spacing or italics: ${n.data.trim()}`);
  }
  for (const e of document.querySelectorAll("button, summary, .action, .tool, .more-link")) {
    if (!shown(e)) continue;
    const box = e.getBoundingClientRect();
    if (box.height < 44 || box.width < 44)
      faults.push(`${box.width}x${box.height}: ${e.innerText}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen");
  return faults;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is not installed (run: make packages)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def console(world: World) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A console of its own process."""
    process, url = start(world)
    yield process, url
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.communicate()


@pytest.fixture
def page(
    browser: Browser, world: World, console: tuple[subprocess.Popen[str], str]
) -> Iterator[Page]:
    """A page, signed in by a link; errors of scripts and of the policy fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="th-TH")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security" in said.text else None,
    )
    page.goto(f"{console[1]}/sign-in?token={world.link(world.user('สมหญิง'))}")
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    expect(page.locator("#link")).to_have_text("ข้อมูลสด")
    # Every face is fetched at once: with the console gone, none could be.
    await_true(page, "() => [...document.fonts].every((face) => face.status === 'loaded')")
    yield page
    context.close()
    assert faults == []


def await_true(page: Page, predicate: str, argument: object = None) -> None:
    """Ask until it is so. Playwright's own waiting asks from inside, which the page's policy on
    scripts refuses as soon as the first answer is no.
    """
    deadline = time.monotonic() + 10.0
    while not page.evaluate(predicate, argument):
        assert time.monotonic() < deadline, predicate
        page.wait_for_timeout(20)


def keep(page: Page, path: Path) -> None:
    """A picture of the whole page, to be looked at.

    Written here: given a path, Playwright would start a thread that outlives the test.
    """
    path.write_bytes(page.screenshot(full_page=True))


@contextmanager
def colleague(world: World, url: str) -> Iterator[httpx.Client]:
    """Somebody else's console."""
    with httpx.Client(base_url=url) as client:
        sign_in(client, world.link(world.user("สมชาย")))
        yield client


def fill(world: World) -> None:
    """One alarm of each kind."""
    world.raise_alarm(uplink_id=world.hear(), simulated=True)
    world.raise_alarm(subject="person:R-0002", rule="fall", reason="fall_still", ago=700, late=True)
    world.raise_alarm(
        subject="gateway:00800000a0002222",
        rule="gateway_down",
        reason="gateway_silent",
        priority=Priority.P2,
        alarm_class=AlarmClass.TECHNICAL,
        detail={"unseen": ["person:R-0001", "person:R-0002"]},
        ago=400,
    )
    world.raise_alarm(subject=f"device:{BAND}", rule="battery", priority=Priority.P3)


def test_an_alarm_from_the_first_second_to_its_outcome(
    world: World, page: Page, tmp_path: Path
) -> None:
    expect(page.get_by_text("ไม่มีเหตุค้าง")).to_be_visible()
    page.evaluate("window.kept = true")
    case = world.raise_alarm(uplink_id=world.hear())
    card = page.locator(f"#alarm-{case.id}")
    expect(card).to_contain_text("ยายบุญมี กดขอความช่วยเหลือ", timeout=2000)
    expect(page.locator("#announce")).to_contain_text("ยายบุญมี")
    expect(card.locator(".running")).to_contain_text("วินาทีก่อน")
    card.get_by_role("button", name="รับเรื่อง").click()
    expect(card).to_contain_text("คุณรับเรื่องแล้ว")
    card.locator("summary").click()
    # Other alarms must not close what is being chosen.
    other = world.raise_alarm(subject="person:R-0002", ago=60)
    expect(page.locator(f"#alarm-{other.id}")).to_be_visible()
    keep(page, tmp_path / "choosing.png")
    card.get_by_role("button", name="ช่วยเหลือแล้ว").click()
    expect(card).to_have_count(0)
    expect(page.locator("#closed")).to_contain_text("ช่วยเหลือแล้ว")
    assert page.evaluate("window.kept") is True, "the page was loaded anew"


def test_who_comes_second_is_told(
    world: World, page: Page, console: tuple[subprocess.Popen[str], str]
) -> None:
    case = world.raise_alarm()
    card = page.locator(f"#alarm-{case.id}")
    expect(card).to_be_visible()
    page.route("**/board", lambda route: route.abort())  # this screen has not heard of it yet
    with colleague(world, console[1]) as other:
        other.post(f"/alarms/{case.id}/accept")
    card.get_by_role("button", name="รับเรื่อง").click()
    expect(page.locator("#told")).to_contain_text("สมชาย รับเรื่องนี้ไปแล้ว")
    expect(card).to_contain_text("สมชาย รับเรื่องแล้ว")


def test_the_case_page_says_what_became_of_a_press_and_stays(
    world: World, page: Page, console: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    case = world.raise_alarm()
    page.goto(f"{console[1]}/alarms/{case.id}")
    expect(page.locator("#link")).to_have_text("ข้อมูลสด")
    page.evaluate("window.kept = true")
    page.route("**/part", lambda route: route.abort())  # this screen hears of nothing more
    with colleague(world, console[1]) as other:
        other.post(f"/alarms/{case.id}/accept")
    page.get_by_role("button", name="รับเรื่อง").click()
    expect(page.locator("#told")).to_contain_text("สมชาย รับเรื่องนี้ไปแล้ว")
    page.locator("summary").click()
    page.get_by_role("button", name="ไม่เร่งด่วน").click()
    expect(page.locator("#told")).to_have_text("ปิดเหตุแล้ว")
    expect(page.locator("#timeline")).to_contain_text("ปิดเหตุ: ไม่เร่งด่วน")
    keep(page, tmp_path / "closed.png")
    assert page.evaluate("window.kept") is True, "the page was loaded anew"


def test_by_keyboard_alone(world: World, page: Page) -> None:
    case = world.raise_alarm()
    expect(page.locator(f"#alarm-{case.id}")).to_be_visible()

    def tab_to(key: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == key:
                return
        raise AssertionError(f"no way to {key} by keyboard")

    tab_to(f"accept-{case.id}")
    page.keyboard.press("Enter")
    expect(page.locator(f"#close-summary-{case.id}")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(f"not_urgent-{case.id}")
    page.keyboard.press("Enter")
    expect(page.locator("#closed")).to_contain_text("ไม่เร่งด่วน")


def test_english_is_one_press_away_and_stays(world: World, page: Page, tmp_path: Path) -> None:
    fill(world)
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_text("calls for help")).to_be_visible()
    expect(page.locator("#link")).to_have_text("Live")
    page.reload()
    expect(page.get_by_role("heading", name="Open alarms")).to_be_visible()
    keep(page, tmp_path / "english.png")


def test_thai_is_set_in_our_own_fonts(world: World, page: Page) -> None:
    fill(world)
    expect(page.locator(".card")).to_have_count(4)
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "[...document.fonts].filter((f) => f.status === 'loaded')"
        ".map((f) => `${f.family.replaceAll('\"', '')} ${f.weight} "
        "${f.unicodeRange.includes('E01')}`)"
    )
    assert {"Sarabun 400 true", "Noto Sans Thai Looped 700 true"} <= set(loaded)
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    for selector in (".what", ".facts .where", ".next", ".action", "#gateways h2", ".tool"):
        node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})
        fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})["fonts"]
        assert fonts, selector
        assert all(font["isCustomFont"] for font in fonts), (selector, fonts)


@pytest.mark.parametrize("size", SIZES)
def test_it_can_be_read_and_pressed_at_every_size(
    world: World, page: Page, tmp_path: Path, size: str
) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    assert page.evaluate(AUDIT) == []
    fill(world)
    expect(page.locator(".card")).to_have_count(4)
    page.locator(".card").nth(1).get_by_role("button", name="รับเรื่อง").click()
    page.locator(".card summary").first.click()
    page.mouse.move(0, 0)
    keep(page, tmp_path / f"{size}.png")
    assert page.evaluate(AUDIT) == []
    page.locator(".card").first.get_by_role("link", name="รายละเอียด").click()
    expect(page.locator("#timeline")).to_be_visible()
    expect(page.locator("#link")).to_have_text("ข้อมูลสด")
    keep(page, tmp_path / f"{size}-case.png")
    assert page.evaluate(AUDIT) == []


def test_nothing_flashes_too_fast_or_against_ones_wish(world: World, page: Page) -> None:
    fill(world)
    expect(page.locator(".card")).to_have_count(4)
    rhythm = """() => document.getAnimations().map((a) =>
        [a.effect.target.closest(".card").dataset.priority,
         1000 / a.effect.getTiming().duration])"""
    found = page.evaluate(rhythm)
    assert {priority for priority, _ in found} == {"1", "2"}
    for priority, hertz in found:
        low, high = {"1": (1.4, 2.8), "2": (0.4, 0.8)}[priority]  # IEC 60601-1-8
        assert low <= hertz <= high
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(rhythm) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_connection_shows_within_ten_seconds(
    world: World,
    page: Page,
    console: tuple[subprocess.Popen[str], str],
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    world.raise_alarm()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("#lost")).to_be_hidden()
    console[0].send_signal(how)
    started = time.monotonic()
    expect(page.locator("#lost")).to_be_visible(timeout=10_000)
    assert time.monotonic() - started < 10
    expect(page.locator("#lost")).to_contain_text("ขาดการเชื่อมต่อ")
    expect(page.locator("#link")).to_have_text("ขาดการเชื่อมต่อ")
    box = page.locator("#lost").bounding_box()
    assert box is not None
    assert box["width"] >= 1260
    keep(page, tmp_path / "lost.png")
    if how == signal.SIGSTOP:
        console[0].send_signal(signal.SIGCONT)
        expect(page.locator("#lost")).to_be_hidden(timeout=10_000)
        case = world.raise_alarm(subject="person:R-0002")
        expect(page.locator(f"#alarm-{case.id}")).to_be_visible()


def test_what_was_missed_while_the_console_was_down_appears(
    world: World, page: Page, console: tuple[subprocess.Popen[str], str]
) -> None:
    console[0].terminate()
    console[0].communicate(timeout=5)
    case = world.raise_alarm()
    process, _ = start(world, port=int(console[1].rpartition(":")[2]))
    try:
        expect(page.locator(f"#alarm-{case.id}")).to_be_visible(timeout=10_000)
        expect(page.locator("#link")).to_have_text("ข้อมูลสด")
    finally:
        process.kill()
        process.communicate()


def test_signing_out_elsewhere_leads_to_the_door(
    world: World, page: Page, console: tuple[subprocess.Popen[str], str]
) -> None:
    with world.database.write() as tx:
        tx.connection.exec_driver_sql("UPDATE web_session SET revoked_at = 1")
    expect(page.get_by_text("ใช้ลิงก์เข้าสู่ระบบ")).to_be_visible(timeout=20_000)


def test_sound_is_allowed_by_a_press_and_rings_for_a_call(world: World, page: Page) -> None:
    page.evaluate(
        """() => {
            window.tones = 0;
            const start = OscillatorNode.prototype.start;
            OscillatorNode.prototype.start = function (...a) {
                window.tones++;
                start.apply(this, a);
            };
        }"""
    )
    case = world.raise_alarm(subject="person:R-0002")
    expect(page.locator(f"#alarm-{case.id}")).to_be_visible()
    assert page.evaluate("window.tones") == 0, "no gesture has allowed it yet"
    page.get_by_role("button", name="เปิดเสียง").click()
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")
    before = page.evaluate("window.tones")
    assert before > 0
    case = world.raise_alarm()
    expect(page.locator(f"#alarm-{case.id}")).to_be_visible()
    await_true(page, "(before) => window.tones >= before + 30", before)
    # Whoever looks into a case and comes back must not have become deaf by it.
    page.locator(f"#details-{case.id}").click()
    expect(page.locator("#timeline")).to_be_visible()
    page.locator("h1").click()
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="ปิดเสียง").click()
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
    page.locator("h1").click()
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
