"""Decoders and rules applied to a first copy; whatever they raise is an outcome, not a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from alarms import engine
from decoders import catalogue
from decoders.decode import decode
from ingest.item import Alert, Opened
from ingest.ledger import Ledger
from khaen import log
from khaen.clock import Rung, from_micros
from khaen.evaluation import Evaluation, Observation, SubjectState
from khaen.ids import UplinkId, device_subject
from khaen.reading import Decoded, EventKind
from khaen.uplink import Uplink
from store.database import is_away
from store.registry import Registry
from store.uplinks import Outcome

_log = log.logger()
_CALLS = frozenset({EventKind.SOS, EventKind.FALL, EventKind.MAN_DOWN})


def _version(family: str) -> int:
    return catalogue.family(family).version


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The decoders and rules in use; tests put others in their place."""

    decoder: Callable[[str, Uplink], Decoded] = decode
    version: Callable[[str], int] = _version
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
        opened: Opened,
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
            self._evaluate(ledger, opened, uplink, uplink_id, outcome, registry, fresh=fresh)
        except Exception as error:  # the border of one frame
            if is_away(error):
                raise
            _log.warning("evaluation_failed", error=type(error).__name__)
            outcome.rule_error = f"engine:{type(error).__name__}"

    def is_call(self, decoded: Decoded) -> bool:
        """Whether somebody calls for help, or fell."""
        return any(event.kind in _CALLS for event in decoded.events)

    def alert(self, opened: Opened) -> Alert:
        """The technical alarm that a frame failed in the pipeline."""
        return Alert(
            organisation=opened.subject.organisation,
            subject=device_subject(opened.said.dev_eui),
            rule="pipeline",
            reason="frame_failed",
        )

    def _evaluate(
        self,
        ledger: Ledger,
        opened: Opened,
        uplink: Uplink,
        uplink_id: UplinkId,
        outcome: Outcome,
        registry: Registry,
        *,
        fresh: bool,
    ) -> None:
        state = ledger.state(opened.subject.id)
        head = uplink.receptions[0]
        observation = Observation(
            subject=opened.subject,
            dev_eui=opened.said.dev_eui,
            family=opened.device.family,
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
