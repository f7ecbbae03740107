"""What if: the same records by today's decoders and rules and by others, and what would change.

Both run the real pipeline side by side over ledgers that are thrown away; nothing of it touches the
ledger of the site, nor the decoders and rules of this process.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from ingest import difference
from ingest.comparison import (
    AlarmDifference,
    Comparison,
    DecodingDifference,
    FamilyChange,
    RuleChange,
    as_json,
    render,
)
from ingest.in_process import Sent
from ingest.trial import Seen, Terms, Trial
from ingest.version import TODAY, Version, load
from khaen import topics
from khaen.alarm import Alarm
from khaen.capture import Record, Road
from khaen.errors import WireError
from khaen.ids import DevEui, UplinkId
from khaen.lorawan.join import SessionKeys
from khaen.settings import IngestSettings
from khaen.site.model import Site
from khaen.topics import ApplicationTopic, GatewayTopic
from khaen.uplink import Uplink, Way

__all__ = [
    "Comparison",
    "Terms",
    "Version",
    "as_json",
    "compare",
    "compare_decodings",
    "load",
    "render",
]

GROUP = timedelta(seconds=1)
"""Messages that follow so closely are committed at once, at the time of the last: a transaction
costs as much as ten messages."""
_LEAVES = {"event/up": Way.LIVE, "live": Way.LIVE, "backlog": Way.BACKLOG}
_REFUSED = "refused:"
_FOREIGN = "foreign"


def compare(
    records: Iterable[Record],
    site: Site,
    keys: Mapping[DevEui, SessionKeys],
    other: Version,
    *,
    today: Version = TODAY,
    examples: int = 20,
    terms: Terms | None = None,
) -> Comparison:
    """Run records through both versions; `keys` are the sessions of the site's ABP devices.

    All organisations count as simulated, so that replayed frames are taken. Raises StoreUnavailable
    where there is no room for the scratch ledgers.
    """
    messages, found = _Messages(records), _Found(examples)
    groups = messages.groups()
    first = next(groups, None)
    if first is None or messages.first_at is None:
        return found.comparison(messages.taken, messages.passed_over, *(Counter[str](),) * 3)
    with tempfile.TemporaryDirectory(prefix="khaen-what-if-") as scratch, ExitStack() as stack:
        trials = []
        for version in (today, other):
            folder = Path(tempfile.mkdtemp(dir=scratch))
            trial = Trial(version, folder, site, keys, messages.first_at, terms or Terms())
            trials.append(stack.enter_context(closing(trial)))
        left, right = trials
        for group in chain([first], groups):
            # Where a timer lies between the messages of a group, each keeps its own moment.
            apart = any(trial.is_due(group) for trial in trials)
            for part in [[each] for each in group] if apart else [group]:
                found.note_uplinks(left.take(part), right.take(part))
        found.note_alarms(left.end(), right.end())
    return found.comparison(
        messages.taken, messages.passed_over, left.counts, left.failures, right.failures
    )


def compare_decodings(
    uplinks: Iterable[tuple[str, Uplink]],
    other: Version,
    *,
    today: Version = TODAY,
    examples: int = 20,
) -> Comparison:
    """Read uplinks, each as its family's, by both versions; no rule is asked."""
    found, taken = _Found(examples), 0
    for family, uplink in uplinks:
        taken += 1
        before, after = ({uplink.id: _read(version, family, uplink)} for version in (today, other))
        found.note_uplinks(before, after)
    return found.comparison(taken, 0, Counter(), Counter(), Counter())


def _read(version: Version, family: str, uplink: Uplink) -> Seen:
    try:
        decoded = version.decode(family, uplink)
    except Exception as error:  # noqa: BLE001 - the border of one frame
        return Seen(family=family, uplink=uplink, error=f"{type(error).__name__}: {error}")
    return Seen(family=family, uplink=uplink, decoded=decoded)


class _Messages:
    """The records that are for ingest, in groups."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self.taken = self.passed_over = 0
        self.first_at: datetime | None = None

    def groups(self) -> Iterator[list[Sent]]:
        """Each group of one moment."""
        most = IngestSettings().group_frames
        group: list[Sent] = []
        begins: datetime | None = None
        for record in self._records:
            way = _way(record)
            if way is None:
                self.passed_over += 1
                continue
            if begins is None or len(group) >= most or abs(record.at - begins) > GROUP:
                if group:
                    yield group
                group, begins = [], record.at
            self.first_at = self.first_at or record.at
            self.taken += 1
            group.append(Sent(topic=record.topic, payload=record.payload, way=way, at=record.at))
        if group:
            yield group


class _Found:
    """What differs, gathered; the first examples of each kind are kept."""

    def __init__(self, examples: int) -> None:
        self._examples = examples
        self._families: dict[str, Counter[str]] = {}
        self._rules: dict[str, Counter[str]] = {}
        self._decodings: list[DecodingDifference] = []
        self._alarms: list[AlarmDifference] = []

    def note_uplinks(self, before: Mapping[UplinkId, Seen], after: Mapping[UplinkId, Seen]) -> None:
        """How both sides read the new uplinks of a group."""
        for uplink_id, seen in before.items():
            counts = self._families.setdefault(seen.family, Counter())
            counts["uplinks"] += 1
            found = difference.of_uplink(seen, after[uplink_id]) if uplink_id in after else None
            if found is not None:
                counts += difference.count(found)
                if len(self._decodings) < self._examples:
                    self._decodings.append(found)

    def note_alarms(self, before: list[Alarm], after: list[Alarm]) -> None:
        """All alarms of both sides."""
        for alarm in before:
            self._rules.setdefault(alarm.rule, Counter())["today"] += 1
        for found in difference.of_alarms(before, after):
            what = "changed" if found.before and found.after else "rise" if found.after else "gone"
            self._rules.setdefault(found.rule, Counter())[what] += 1
            if len(self._alarms) < self._examples:
                self._alarms.append(found)

    def comparison(
        self,
        taken: int,
        passed_over: int,
        counts: Counter[str],
        today: Counter[str],
        other: Counter[str],
    ) -> Comparison:
        """All that was gathered."""
        refused = {
            name.removeprefix(_REFUSED): count
            for name, count in sorted(counts.items())
            if name.startswith(_REFUSED) or name == _FOREIGN
        }
        return Comparison(
            taken=taken,
            passed_over=passed_over,
            refused=refused,
            families={name: FamilyChange(**c) for name, c in sorted(self._families.items())},
            rules={name: RuleChange(**c) for name, c in sorted(self._rules.items())},
            failures_today=dict(today),
            failures_other=dict(other),
            decodings=tuple(self._decodings),
            alarms=tuple(self._alarms),
        )


def _way(record: Record) -> Way | None:
    """By which of its connections ingest gets a message; None for what it does not subscribe to."""
    if record.road is not Road.MQTT:
        return None
    try:
        topic = topics.parse(record.topic)
    except WireError:
        return None
    match topic:
        case ApplicationTopic():
            return Way.LIVE
        case GatewayTopic():
            return _LEAVES.get(topic.leaf)
