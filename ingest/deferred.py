"""Uplinks of families that may take long: read here, outside any transaction, many at once.

They were admitted raw and receipted; each has a row that says so (`store.pending`). What is read
first is evaluated, however late. A codec that hangs delays nobody but the uplinks of its family.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from decoders.collection import Collection
from decoders.javascript.codec import Fault
from decoders.javascript.codec import Outcome as Answer
from decoders.javascript.family import Family, decode_many
from ingest.judgement import Judgement
from ingest.ledger import Ledger
from khaen import log
from khaen.backoff import Backoff
from khaen.clock import Clock, to_micros
from khaen.errors import NotRunnable, StoreUnavailable
from khaen.reading import Decoded
from khaen.uplink import Uplink
from store import pending
from store.accounts import AccountCache
from store.database import Database
from store.pending import Pending
from store.registry import Registry
from store.uplinks import Outcome

_log = log.logger()
BATCH = 64
LEASE_S = 30.0
"""Longer than a batch can take in which several codecs must be stopped from outside."""
AGAIN_S = 5.0
"""After this a codec that could not be asked (quarantined, missing) is tried again, in seconds."""
READ_WITHIN_S = 5.0
"""An uplink that may be a call and is not read by then raises an alarm."""
_IDLE_S = 1.0
_LONGEST = 300
_Read = tuple[Pending, Outcome]


class Deferred:
    """`count` hears what became of uplinks. For one thread, but for `tell`."""

    def __init__(
        self,
        database: Database,
        families: Collection,
        judgement: Judgement,
        registry: Callable[[], Registry],
        clock: Clock,
        count: Callable[[Counter[str]], None],
    ) -> None:
        self._database, self._families, self._judgement = database, families, judgement
        self._registry, self._clock, self._count = registry, clock, count
        self._read: list[_Read] = []
        self._later: list[Pending] = []

    def begin(self) -> None:
        """Find again what an earlier process left. Raises StoreUnavailable."""
        with self._database.write() as tx:
            pending.release(tx)

    def turn(self) -> bool:
        """Read and commit one batch; False where nothing is due. Raises StoreUnavailable.

        What was read and not committed is committed by the next turn.
        """
        if not self._read:
            self._later = []
            claimed = self._claim()
            if not claimed:
                return False
            self._decode(claimed)
        self._commit(self._read)
        self._read = []
        if self._later:
            with self._database.write() as tx:
                pending.put_off(tx, self._later, AGAIN_S)
        return True

    def tell(self) -> None:
        """Say aloud what may be a call and was not read in time. Raises StoreUnavailable."""
        before = to_micros(self._clock.now()) - int(READ_WITHIN_S * 1e6)
        with self._database.read() as connection:
            waiting = pending.untold(connection, before, BATCH)
        if not waiting:
            return
        with self._database.write() as tx:
            ledger = Ledger(tx, AccountCache())
            for each in waiting:
                if self._judgement.may_call(each.family):
                    ledger.alert(self._judgement.unreadable(each.organisation, each.subject))
            pending.tell(tx, waiting)
            ledger.flush()

    # -- inside -------------------------------------------------------------

    def _claim(self) -> list[Pending]:
        with self._database.read() as connection:
            if not pending.is_due(connection, to_micros(self._clock.now())):
                return []
        with self._database.write() as tx:
            return pending.claim(tx, lease_s=LEASE_S, limit=BATCH)

    def _decode(self, claimed: Sequence[Pending]) -> None:
        """Read what can be read; the rest is for later."""
        asked: list[tuple[Pending, Family]] = []
        for each in claimed:
            scripted = self._families.scripted(each.family)
            if scripted is not None:
                asked.append((each, scripted))
            elif each.family in self._families.names():
                self._read.append((each, self._judgement.decode(each.family, each.uplink)))
            else:
                self._later.append(each)
        try:
            self._ask(asked)
        except NotRunnable as error:
            _log.error("codecs_not_runnable", error=str(error))
            self._later += [each for each, _ in asked]

    def _ask(self, asked: Sequence[tuple[Pending, Family]]) -> None:
        """Read a batch: whole, or uplink by uplink where one of the answers cannot be taken."""
        try:
            answers = decode_many(
                self._families.engine, [(family, each.uplink) for each, family in asked]
            )
        except NotRunnable:
            raise
        except Exception as error:  # noqa: BLE001 - one of them: each by itself tells which
            if len(asked) > 1:
                for one in asked:
                    self._ask([one])
            else:
                ((each, _),) = asked
                _log.exception("decoding_failed", family=each.family)
                self._read.append((each, Outcome(decode_error=type(error).__name__)))
            return
        for (each, family), (answer, decoded) in zip(asked, answers, strict=True):
            if answer.fault is Fault.QUARANTINED:
                self._later.append(each)
            else:
                self._read.append((each, _outcome(family, each.uplink, answer, decoded)))

    def _commit(self, read: Sequence[_Read]) -> None:
        """Commit a batch: whole, or uplink by uplink where one of them cannot be written."""
        try:
            self._write(read)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one of them: each by itself tells which
            if len(read) > 1:
                for each in read:
                    self._commit([each])
            elif read[0][1].decode_error is None:
                _log.exception("decoding_failed", family=read[0][0].family)
                self._commit([(read[0][0], Outcome(decode_error=type(error).__name__))])
            else:
                _log.exception("decoding_failed", family=read[0][0].family)  # its lease ends

    def _write(self, read: Sequence[_Read]) -> None:
        with self._database.write() as tx:
            ledger = Ledger(tx, AccountCache())
            for each, outcome in read:
                if pending.take(tx, each):
                    self._close(ledger, each, outcome)
            ledger.flush()
        self._count(ledger.committed().counts)

    def _close(self, ledger: Ledger, each: Pending, outcome: Outcome) -> None:
        registry, organisation = self._registry(), each.subject.organisation
        subject = replace(each.subject, simulated=registry.is_simulated(organisation))
        if outcome.decode_error is None:
            self._judgement.evaluate(
                ledger, subject, each.family, each.uplink, each.id, outcome, registry
            )
        elif self._judgement.may_call(each.family):
            ledger.alert(self._judgement.unreadable(organisation, subject.id))
        if outcome.decode_error or outcome.rule_error:
            ledger.count("decode_error" if outcome.decode_error else "rule_error")
            ledger.alert(self._judgement.alert(organisation, each.uplink.dev_eui))
        pending.record(ledger.tx, each, outcome)
        ledger.count("decoded")


def _outcome(family: Family, uplink: Uplink, answer: Answer, decoded: Decoded) -> Outcome:
    """What to keep. Where calls come, a codec that has nothing but errors has not read them."""
    mapping, kind = family.mapping, answer.fault
    empty = answer.data is None and bool(answer.errors)
    if kind is None and not (empty and uplink.f_port in mapping.priority_f_ports):
        return Outcome(decoded=decoded, version=mapping.version)
    why = f"{kind or 'errors'}: {'; '.join(answer.errors)}"
    return Outcome(decode_error=why[:_LONGEST], version=mapping.version)


class Decoding:
    """The thread in which deferred uplinks are read."""

    def __init__(self, deferred: Deferred) -> None:
        self._deferred = deferred
        self._backoff = Backoff(base=0.05, cap=2.0, floor=0.02)
        self._work, self._stop = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="decoding")

    def start(self) -> None:
        """Begin, with what an earlier process left. Raises StoreUnavailable."""
        self._deferred.begin()
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stop.set()
        self._work.set()
        self._thread.join()

    def wake(self) -> None:
        """Say that there is work."""
        self._work.set()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except Exception as error:  # noqa: BLE001 - the thread's outermost border
            _log.exception("decoding_ended")
            self.error = error

    def _turn(self) -> None:
        self._work.clear()
        try:
            if not self._deferred.turn():
                self._work.wait(_IDLE_S)
        except StoreUnavailable as error:
            _log.warning("store_unavailable", error=str(error))
            self._stop.wait(self._backoff.next())
        else:
            self._backoff.reset()
