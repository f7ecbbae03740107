"""A carer's screen without a browser: signed in, with the console's event stream open."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.console import sign_in


@dataclass(frozen=True)
class Told:
    """An event of the stream, and when it came by the monotonic clock."""

    event: str
    data: dict[str, Any]
    at: float


class Screen:
    """Opens the stream at once; keeps everything that comes by it."""

    def __init__(self, url: str, token: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20)
        try:
            sign_in(self.client, token)
        except BaseException:
            self.client.close()
            raise
        self._changed = threading.Condition()
        self._told: list[Told] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="screen")
        self._thread.start()

    def await_live(self) -> None:
        """Wait until the stream is open: what happens from now on is told."""
        self.wait_told("beat")

    @property
    def told(self) -> list[Told]:
        """All events so far."""
        with self._changed:
            return list(self._told)

    def alarms(self, rule: str | None = None) -> list[dict[str, Any]]:
        """The alarm events so far, all or of one rule."""
        return [
            told.data
            for told in self.told
            if told.event == "alarm" and rule in (None, told.data["rule"])
        ]

    def wait_told(self, event: str, timeout_s: float = 15.0, **wanted: Any) -> Told:
        """The first event of this kind whose data has these values."""

        def find() -> Told | None:
            for told in self._told:
                if told.event == event and wanted.items() <= told.data.items():
                    return told
            return None

        with self._changed:
            assert self._changed.wait_for(find, timeout_s), (
                f"no {event} with {wanted} on the screen in {timeout_s} s; told: {self._told[-5:]}"
            )
            found = find()
        assert found is not None
        return found

    def open_alarms(self) -> list[dict[str, Any]]:
        """The open alarms, as the API lists them."""
        found: list[dict[str, Any]] = self.client.get("/api/v1/alarms").json()["alarms"]
        return found

    def accept(self, alarm: str) -> httpx.Response:
        """Take a case."""
        return self.client.post(f"/api/v1/alarms/{alarm}/accept")

    def end(self, alarm: str, outcome: str = "assisted") -> httpx.Response:
        """Close a case."""
        return self.client.post(f"/api/v1/alarms/{alarm}/close", json={"outcome": outcome})

    def close(self) -> None:
        """Go away."""
        self._closed = True
        self._thread.join()
        self.client.close()

    def _run(self) -> None:
        while not self._closed:
            try:
                # A beat comes every 3 s: reading longer than that in vain means a dead stream.
                with self.client.stream("GET", "/api/v1/events", timeout=5) as answer:
                    self._read(answer)
            except httpx.HTTPError:
                time.sleep(0.05)

    def _read(self, answer: httpx.Response) -> None:
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if self._closed:
                return
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                self._note(fields)
                fields = {}

    def _note(self, fields: dict[str, str]) -> None:
        told = Told(fields.get("event", ""), json.loads(fields["data"]), time.monotonic())
        with self._changed:
            self._told.append(told)
            self._changed.notify_all()
