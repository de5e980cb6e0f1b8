"""Settling by looking: what the gateway shows now, set against what was decided. Pure; it sends nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final

import attrs

from ..model.records import Decision, Invoice, ItcReduction, Record, RecordKey
from ..model.vocabulary import Action, Section
from ..steps import Steps, free, run, sliced

_Detail = str | ItcReduction
_PER_STEP: Final = 400  # records of two or three microseconds each


class Effect(StrEnum):
    """What a second look says of one decision."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    CHANGED = "changed"
    """The supplier edited or withdrew the record, the gateway does not show it, or (for `retry`) another
    decision was taken on it since: a person has to look."""
    CANNOT_TELL_YET = "cannot tell yet"


def _how_many(records: tuple[object, ...]) -> str:
    return f"<{len(records):,}>"


@attrs.frozen(kw_only=True)
class Reconciliation:
    """Every decision in exactly one of four piles. `settled` is True when none is left open."""

    # Shown as counts, as in a report: a few hundred records are a screen without end otherwise.
    applied: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    not_applied: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    changed: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)
    cannot_tell_yet: tuple[Record, ...] = attrs.field(default=(), repr=_how_many)

    @property
    def settled(self) -> bool:
        """True when no decision is left open."""
        return not self.cannot_tell_yet


def compare(
    records: Sequence[Record],
    current: Mapping[RecordKey, Invoice],
    *,
    quiet: bool,
    unread: Collection[Section] = (),
    as_read: Collection[RecordKey] = (),
) -> Reconciliation:
    """Set decisions (or, for a reset, invoices) against what the gateway shows now.

    `Comparing` does the same with rows as they come in.

    `quiet` says that enough time has passed for a job that was still running to have ended; before that,
    a record that stands as it stood, or is not shown, may still change, and the answer is "cannot tell
    yet". So it is for records missing from the sections that were not read to the last row (`unread`).
    `as_read` names the records that had the action they were read with when the change was sent, or was to
    be: one that has a third action now, not the wanted one either, was decided on since, and is "changed".
    """
    comparing = Comparing(records, quiet=quiet, as_read=as_read.__contains__)
    run(comparing.begin())
    comparing.take(list(current.values()))
    return run(comparing.found(unread))


class Comparing:
    """Records set against the gateway's rows as these come in, of which next to none are kept.

    Call `begin`, then `take` with rows, then `found`; parameters are those of `compare`. Of several rows with
    one key the last counts. With `resending`, `as_they_stand` then has what is to be sent again.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        quiet: bool,
        as_read: Callable[[RecordKey], bool] = lambda _: False,
        resending: bool = False,
    ) -> None:
        self._records, self._resending = records, resending
        self._quiet, self._as_read = quiet, as_read
        self._places: dict[RecordKey, tuple[int, ...]] = {}
        self._effects: list[Effect | None] = [None] * len(records)
        self._shown: dict[int, Invoice] = {}
        """Rows of what is to be sent again and is not shown as it was read."""

    def begin(self) -> Steps[set[Section]]:
        """Note where each record is; return the sections of all."""
        places, sections = self._places, set[Section]()
        for few in sliced(range(len(self._records)), _PER_STEP):
            for place in few:
                record = self._records[place]
                key = record.key
                places[key] = (*places.get(key, ()), place)
                sections.add(record.section)
            yield
        return sections

    def take(self, rows: Sequence[Invoice]) -> None:
        """Look at rows; a hundred take half a millisecond."""
        for now in rows:
            for place in self._places.get(now.key, ()):
                record = self._records[place]
                effect = _look(record, now, quiet=self._quiet, as_read=self._as_read)
                self._effects[place] = effect
                self._shown.pop(place, None)
                if self._resending and effect is Effect.NOT_APPLIED and not _is_as_read(record, now):
                    self._shown[place] = now

    def found(self, unread: Collection[Section]) -> Steps[Reconciliation]:
        """Return how the records stand; `unread` are the sections that were not read to the last row."""
        piles: dict[Effect, list[Record]] = {effect: [] for effect in Effect}
        for few in sliced(range(len(self._records)), _PER_STEP):
            for place in few:
                record, effect = self._records[place], self._effects[place]
                if effect is None:
                    may_come = not self._quiet or record.section in unread
                    effect = Effect.CANNOT_TELL_YET if may_come else Effect.CHANGED
                piles[effect].append(record)
            yield
        yield from free(self._places)
        return Reconciliation(**{effect.name.lower(): tuple(pile) for effect, pile in piles.items()})

    def as_they_stand(self) -> Steps[list[Record]]:
        """Return what was not applied, on the rows as they are shown now; itself, where nothing is new."""
        found: list[Record] = []
        for few in sliced(range(len(self._records)), _PER_STEP):
            found += [self._as_it_stands(at) for at in few if self._effects[at] is Effect.NOT_APPLIED]
            yield
        return found

    def _as_it_stands(self, place: int) -> Record:
        record, now = self._records[place], self._shown.get(place)
        if now is None:
            return record
        return attrs.evolve(record, invoice=now) if isinstance(record, Decision) else now


def keys_of(records: Sequence[Record]) -> Steps[list[RecordKey]]:
    """Return the key of each record."""
    keys: list[RecordKey] = []
    for few in sliced(records, _PER_STEP):
        keys += [record.key for record in few]
        yield
    return keys


def distinct_keys(records: Sequence[Record]) -> Steps[set[RecordKey]]:
    """Return the keys of records."""
    keys: set[RecordKey] = set()
    for few in sliced(records, _PER_STEP):
        keys.update(record.key for record in few)
        yield
    return keys


def covers(looked_at: Sequence[Record], sent: Sequence[Record]) -> Steps[bool]:
    """Say whether all that was sent was looked at, as it was decided, whenever its records were read."""
    if looked_at is sent:
        return True
    seen: set[tuple[object, ...]] = set()
    for few in sliced(looked_at, _PER_STEP):
        seen.update(map(decided, few))
        yield
    covered = True
    for few in sliced(sent, _PER_STEP):
        if not (covered := seen.issuperset(map(decided, few))):
            break
        yield
    yield from free(seen)
    return covered


def decided(record: Record) -> tuple[object, ...]:
    """Return what is decided on which record, whenever that was read; for a reset the record alone."""
    if isinstance(record, Invoice):
        return (record.key,)
    return record.key, record.action, record.remarks, record.itc_reduction


def _look(record: Record, now: Invoice, *, quiet: bool, as_read: Callable[[RecordKey], bool]) -> Effect:
    before = _read(record)
    wanted = record.action if isinstance(record, Decision) else Action.NO_ACTION
    if not same_document(before, now):
        return Effect.CHANGED
    if now.action is not wanted:
        if now.action is not before.action and as_read(record.key):
            return Effect.CHANGED
        return Effect.NOT_APPLIED if quiet else Effect.CANNOT_TELL_YET
    if now.action is before.action and isinstance(record, Decision):
        return _look_at_details(record, now, quiet=quiet)
    return Effect.APPLIED


def shows(now: Invoice, record: Record) -> bool:
    """True if a record is shown as it was decided; remarks or an ITC reduction that are not shown may be."""
    if isinstance(record, Invoice):
        return now.action is Action.NO_ACTION
    details = _details(record, now)
    return now.action is record.action and all(
        there is None or _meant(wanted) == _meant(there) for wanted, there in details
    )


def _read(record: Record) -> Invoice:
    return record.invoice if isinstance(record, Decision) else record


def _is_as_read(record: Record, now: Invoice) -> bool:
    """True if it is shown as it was read, to the last member."""
    before = _read(record)
    return before == now and before.read_from_gateway is now.read_from_gateway


def _look_at_details(decision: Decision, now: Invoice, *, quiet: bool) -> Effect:
    """Only remarks or the credit given up were to change: the action alone would prove nothing."""
    if _has_details(decision, now):
        return Effect.APPLIED
    if not quiet:
        return Effect.CANNOT_TELL_YET
    # A gateway that does not show remarks at all leaves the question to a person.
    not_shown = any(shown is None for _, shown in _details(decision, now))
    return Effect.CHANGED if not_shown else Effect.NOT_APPLIED


def change_something(records: Sequence[Record]) -> Steps[bool]:
    """True if a record did not stand so before: that it does now proves that the job was at work."""
    for few in sliced(records, _PER_STEP):
        if any(map(_changes_something, few)):
            return True
        yield
    return False


def _changes_something(record: Record) -> bool:
    if isinstance(record, Invoice):
        return record.action is not Action.NO_ACTION
    before = record.invoice
    return record.action is not before.action or not _has_details(record, before)


def _details(decision: Decision, shown: Invoice) -> list[tuple[_Detail, _Detail | None]]:
    """Return the remarks and the credit given up, as far as they were decided, beside what is shown."""
    pairs = ((decision.remarks, shown.remarks), (decision.itc_reduction, shown.itc_reduction))
    return [(wanted, there) for wanted, there in pairs if wanted is not None]


def _has_details(decision: Decision, shown: Invoice) -> bool:
    return all(_meant(wanted) == _meant(there) for wanted, there in _details(decision, shown))


def _meant(detail: _Detail | None) -> object:
    """No remarks are empty remarks, and a tax head that is not declared is one of zero rupees."""
    if isinstance(detail, ItcReduction):
        return detail.required, {head: amount for head, amount in detail.amounts.items() if amount}
    return detail or None


def same_document(before: Invoice, now: Invoice) -> bool:
    """True if the supplier has not edited the record: hash, amounts and ids are what they were."""
    if before.hash is not None and now.hash is not None and before.hash != now.hash:
        return False
    return bool(_facts(before) == _facts(now))


_facts: Final = operator.attrgetter(
    "value", "taxable_value", "igst", "cgst", "sgst", "cess", "original_number", "original_date"
)
