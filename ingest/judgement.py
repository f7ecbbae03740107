"""Decoders and rules applied to a first copy; whatever they raise is an outcome, not a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from alarms import engine
from decoders import catalogue
from decoders.collection import Collection
from decoders.decode import decode
from ingest.item import Alert
from ingest.ledger import Ledger
from khaen import log
from khaen.alarm import Priority
from khaen.clock import Rung, from_micros
from khaen.errors import SettingsError
from khaen.evaluation import Evaluation, Observation, Subject, SubjectState
from khaen.ids import DevEui, OrganisationId, SubjectId, UplinkId, device_subject
from khaen.reading import Decoded, EventKind
from khaen.uplink import Uplink
from store.database import is_away
from store.registry import Registry
from store.uplinks import Outcome

_log = log.logger()
_CALLS = frozenset({EventKind.SOS, EventKind.FALL, EventKind.MAN_DOWN})


def _version(family: str) -> int:
    return catalogue.family(family).version


def _native(_family: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The decoders and rules in use; tests put others in their place."""

    decoder: Callable[[str, Uplink], Decoded] = decode
    version: Callable[[str], int] = _version
    is_deferred: Callable[[str], bool] = _native
    """Whether a family's uplinks are decoded later, outside any transaction."""
    may_call: Callable[[str], bool] = _native
    """Whether a deferred family's uplinks may be calls for help."""
    wants: Callable[[Decoded], bool] = engine.wants
    evaluator: Callable[
        [Observation, SubjectState, Mapping[str, Mapping[str, float]], datetime], Evaluation
    ] = engine.evaluate

    def decode(self, family: str, uplink: Uplink) -> Outcome:
        """What the uplink says, or why it cannot be read."""
        try:
            return Outcome(decoded=self.decoder(family, uplink), version=self.version(family))
        except Exception as error:  # noqa: BLE001 - the border of one frame
            _log.warning("decoder_failed", family=family, error=type(error).__name__)
            return Outcome(decode_error=type(error).__name__)

    def evaluate(
        self,
        ledger: Ledger,
        subject: Subject,
        family: str,
        uplink: Uplink,
        uplink_id: UplinkId,
        outcome: Outcome,
        registry: Registry,
        *,
        fresh: bool = True,
    ) -> None:
        """Let the rules look, and write what they make of it; the outcome takes what failed."""
        if not self.wants(outcome.decoded):
            return
        try:
            self._evaluate(
                ledger, subject, family, uplink, uplink_id, outcome, registry, fresh=fresh
            )
        except Exception as error:  # the border of one frame
            if is_away(error):
                raise
            _log.warning("evaluation_failed", error=type(error).__name__)
            outcome.rule_error = f"engine:{type(error).__name__}"

    def is_call(self, decoded: Decoded) -> bool:
        """Whether somebody calls for help, or fell."""
        return any(event.kind in _CALLS for event in decoded.events)

    def alert(self, organisation: OrganisationId, dev_eui: DevEui) -> Alert:
        """The technical alarm that a frame failed in the pipeline."""
        return Alert(
            organisation=organisation,
            subject=device_subject(dev_eui),
            rule="pipeline",
            reason="frame_failed",
        )

    def unreadable(self, organisation: OrganisationId, subject: SubjectId) -> Alert:
        """The alarm that a frame which may be a call for help cannot be read."""
        return Alert(
            organisation=organisation,
            subject=subject,
            rule="unreadable_call",
            reason="undecoded",
            priority=Priority.P2,
        )

    def _evaluate(
        self,
        ledger: Ledger,
        subject: Subject,
        family: str,
        uplink: Uplink,
        uplink_id: UplinkId,
        outcome: Outcome,
        registry: Registry,
        *,
        fresh: bool,
    ) -> None:
        state = ledger.state(subject.id)
        head = uplink.receptions[0]
        observation = Observation(
            subject=subject,
            dev_eui=uplink.dev_eui,
            family=family,
            uplink_id=uplink_id,
            event_at=head.received_at,
            decoded=outcome.decoded,
            late=head.clock is Rung.BETWEEN,
            fresh=fresh,
        )
        now = from_micros(ledger.tx.now)
        evaluation = self.evaluator(observation, state, registry.parameters, now)
        outcome.late = state.event_at is not None and head.received_at < state.event_at
        ledger.apply(evaluation)
        if evaluation.failures:
            outcome.rule_error = ",".join(f"{f.rule}:{f.error}" for f in evaluation.failures)


def judgement_of(families: Collection) -> Judgement:
    """Today's rules, and the decoders of a site, whose codecs' uplinks wait."""

    def is_deferred(name: str) -> bool:
        # One that cannot be read now waits until its files are mended.
        return families.scripted(name) is not None or name in families.broken

    def may_call(name: str) -> bool:
        try:
            family = families.family(name)
        except SettingsError:
            return True  # nobody knows
        return family.sos_capable or family.fall_capable

    return Judgement(
        decoder=families.decode,
        version=lambda name: families.family(name).version,
        is_deferred=is_deferred,
        may_call=may_call,
    )
