"""Settling by looking: what the gateway shows now, set against what was decided. Pure; it sends nothing."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

import attrs

from ..model.records import Decision, Invoice, ItcReduction, Record, RecordKey
from ..model.vocabulary import Action, Section

_Detail = str | ItcReduction


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
    records: Iterable[Record],
    current: Mapping[RecordKey, Invoice],
    *,
    quiet: bool,
    unread: Collection[Section] = (),
    as_read: Collection[RecordKey] = (),
) -> Reconciliation:
    """Set decisions (or, for a reset, invoices) against what the gateway shows now.

    `quiet` says that enough time has passed for a job that was still running to have ended; before that,
    a record that stands as it stood, or is not shown, may still change, and the answer is "cannot tell
    yet". So it is for records missing from the sections that were not read to the last row (`unread`).
    `as_read` names the records that had the action they were read with when the change was sent, or was to
    be: one that has a third action now, not the wanted one either, was decided on since, and is "changed".
    """
    piles: dict[Effect, list[Record]] = {effect: [] for effect in Effect}
    for record in records:
        now = current.get(record.key)
        if now is None and (not quiet or record.section in unread):
            piles[Effect.CANNOT_TELL_YET].append(record)
        else:
            piles[_look(record, now, quiet=quiet, as_read=record.key in as_read)].append(record)
    return Reconciliation(**{effect.name.lower(): tuple(pile) for effect, pile in piles.items()})


def covers(looked_at: Iterable[Record], sent: Iterable[Record]) -> bool:
    """Say whether all that was sent was looked at, as it was decided, whenever its records were read."""
    return set(map(decided, sent)) <= set(map(decided, looked_at))


def decided(record: Record) -> tuple[object, ...]:
    """Return what is decided on which record, whenever that was read; for a reset the record alone."""
    if isinstance(record, Invoice):
        return (record.key,)
    return record.key, record.action, record.remarks, record.itc_reduction


def _look(record: Record, now: Invoice | None, *, quiet: bool, as_read: bool) -> Effect:
    before = record.invoice if isinstance(record, Decision) else record
    wanted = record.action if isinstance(record, Decision) else Action.NO_ACTION
    if now is None or not same_document(before, now):
        return Effect.CHANGED
    if now.action is not wanted:
        if as_read and now.action is not before.action:
            return Effect.CHANGED
        return Effect.NOT_APPLIED if quiet else Effect.CANNOT_TELL_YET
    if now.action is before.action and isinstance(record, Decision):
        return _look_at_details(record, now, quiet=quiet)
    return Effect.APPLIED


def _look_at_details(decision: Decision, now: Invoice, *, quiet: bool) -> Effect:
    """Only remarks or the credit given up were to change: the action alone would prove nothing."""
    if _has_details(decision, now):
        return Effect.APPLIED
    if not quiet:
        return Effect.CANNOT_TELL_YET
    # A gateway that does not show remarks at all leaves the question to a person.
    not_shown = any(shown is None for _, shown in _details(decision, now))
    return Effect.CHANGED if not_shown else Effect.NOT_APPLIED


def changes_something(record: Record) -> bool:
    """True if the record did not stand so before: that it does now proves that the job was at work."""
    if isinstance(record, Invoice):
        return record.action is not Action.NO_ACTION
    before = record.invoice
    return record.action is not before.action or not _has_details(record, before)


def as_it_stands(record: Record, now: Invoice) -> Record:
    """Return the same decision on the record as the gateway shows it now."""
    return attrs.evolve(record, invoice=now) if isinstance(record, Decision) else now


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
