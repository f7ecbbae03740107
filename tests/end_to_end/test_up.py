"""README's next steps as people take them: `khaen up`, a plain mosquitto_pub, a screen."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.support.ports import find_free_udp_port
from tests.support.programs import ROOT, Program, wait_for
from tests.support.readme import block_with

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

STOP_S = 5.0
CALLS = "กดขอความช่วยเหลือ"
"""What the card of a call for help says."""
KHAEN = f"{sys.executable} -m commands.main"


@dataclass
class Up:
    """A running `khaen up` on the example's site; its home is where README keeps `~/khaen`."""

    home: Path
    program: Program
    udp_port: int

    def address(self, name: str) -> str:
        """What it printed as the address of a process."""

        def find() -> re.Match[str] | None:
            assert self.program.is_running, self.program.tail()
            return re.search(rf"^{name} +(?:udp )?(\S+)", self.program.output, re.M)

        found = wait_for(find, lambda: f"{name} in {self.program.tail()}", timeout_s=60)
        assert found is not None
        return found[1]

    def type(self, commands: str) -> str:
        """What a shell says to commands; AssertionError where they fail."""
        typed = commands.replace(".venv/bin/khaen", KHAEN).replace("/1700", f"/{self.udp_port}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=ROOT,
            env={**os.environ, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def link(self) -> str:
        """A sign-in link."""
        return self.type(".venv/bin/khaen console link --config ~/khaen/khaen.toml").strip()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """`khaen up` with the example's site, on ports of its own; stopped in good order."""
    block = block_with("khaen up --site")
    assert "--site examples/site/site.yaml --data ~/khaen" in block
    site = shutil.copytree(ROOT / "examples" / "site", tmp_path / "site") / "site.yaml"
    udp_port = find_free_udp_port()
    text = site.read_text()
    assert "udp_port: 1700" in text
    site.write_text(text.replace("udp_port: 1700", f"udp_port: {udp_port}"))
    arguments = ("-m", "commands.main", "up", "--site", site, "--data", tmp_path / "khaen")
    ports = ("--mqtt-port", "0", "--console-port", "0")
    program = Program("up", (*arguments, *ports), folder=tmp_path)
    program.launch()
    try:
        running = Up(tmp_path, program, udp_port)
        running.address("sign in:")
        yield running
        assert program.stop() < STOP_S
    finally:
        program.kill()
        print(program.tail())
        for log in sorted((tmp_path / "khaen" / "log").glob("*.log")):
            print(f"==> {log.name}\n{log.read_text()[-2000:]}")


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Debian's Chromium; errors of scripts fail the test."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is not installed (run: make packages)"
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-sync",
            ],
        )
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="th-TH")
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        context.close()
        browser.close()
    assert faults == []


def test_a_button_of_the_site_file_rings_on_the_screen(up: Up, page: Page) -> None:
    page.goto(up.link())
    page.get_by_role("button", name="เข้าสู่ระบบ").click()
    expect(page.locator("#link")).to_have_text("ข้อมูลสด")
    expect(page.locator("article.card")).to_have_count(0)

    typed = block_with("mosquitto_pub")
    up.type(typed)
    calls = page.locator("article.card", has_text=CALLS)
    card = calls.and_(page.locator(".waiting"))
    expect(card).to_have_count(1)
    expect(card).to_contain_text("P1")
    expect(card).to_contain_text("R-0001")
    expect(card).to_contain_text("บ้านเลขที่ 12")

    up.type(typed)  # the same event once more: it is known
    card.get_by_role("button", name="รับเรื่อง").click()
    expect(calls.and_(page.locator(".taken"))).to_have_count(1)
    expect(calls).to_have_count(1)
    expect(calls).not_to_contain_text("กด 2 ครั้ง")

    # And the system says aloud that nobody would have been called: the site file has no plan.
    expect(page.locator("article.card h2", has_text="ยังไม่มีแผนตามตัวผู้ดูแล")).to_have_count(1)

    # Nobody who is not signed in sees any of it.
    with httpx.Client(base_url=up.address("console")) as stranger:
        assert stranger.get("/").status_code == 303
        assert stranger.get("/api/v1/alarms").status_code == 401


def test_semtech_s_sample_datagram_is_accounted_for(up: Up) -> None:
    def audit() -> dict[str, dict[str, int]]:
        document: dict[str, dict[str, int]] = json.loads(
            up.type(".venv/bin/khaen audit --json --config ~/khaen/khaen.toml")
        )
        return document

    wait_for(lambda: audit()["totals"]["committed"] == 1, "the first heartbeat committed")
    printed = up.type(block_with("/dev/udp/"))
    assert "ac1f09fffe0a0b01" in printed
    totals = wait_for(
        lambda: found if (found := audit()["totals"])["committed"] == 2 else None,
        lambda: f"the sample committed: {audit()}",
    )
    assert totals is not None
    assert totals["heard"] == 2
    assert totals["missing"] == totals["gone"] == totals["in_flight"] == 0


def test_the_broker_takes_nobody_without_an_account(up: Up) -> None:
    where = "application/1/device/24e124535b316056/event/up"
    host, port = up.address("broker").split(":")
    for name in ("", "-u network-server -P guess"):
        done = subprocess.run(
            ["mosquitto_pub", "-h", host, "-p", port, *name.split(), "-t", where, "-m", "{}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode != 0
        assert "not authori" in (done.stdout + done.stderr).lower()
