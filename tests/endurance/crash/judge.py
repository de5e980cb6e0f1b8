"""What the journal says after a kill, held against what was promised, and in the end against the truth."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from ims_async import ImsClient, JobKind, JobReport
from ims_async.gsp.base import Gsp
from ims_async.journal import Change, ChangeState, SqliteJournal
from ims_async.model.records import Record
from ims_async.simulator import Effect, Simulator

from .notes import noted
from .plan import Plan, Where, action, statement, where
from .worker import POLL, journal_in

_TICKETED: Final = {ChangeState.ACCEPTED, ChangeState.BROKEN_OFF, ChangeState.ENDED}
_CLOCKS: Final = 0.005  # seconds by which the simulator's clock and a worker's may differ


@attrs.define
class Seen:
    """The journal at a moment when no worker lives, read from a copy, which spares the file a recovery."""

    changes: list[Change]
    records: dict[str, list[Record]]
    reports: dict[str, JobReport]
    problems: list[str]

    def words(self) -> dict[Where, tuple[Change, str | None]]:
        """Return the last word on each record: None for applied, else the code, empty after a look."""
        last: dict[Where, tuple[Change, str | None]] = {}
        for change, report in self._ended():
            for record in report.succeeded:
                last[where(change.token.gstin, record)] = change, None
            for failure in report.failed:
                assert failure.record is not None
                last[where(change.token.gstin, failure.record)] = change, failure.code
        return last

    def left(self, plan: Plan) -> set[Where]:
        """Return the records of which it is not known what became, or that are to be sent again."""
        words = self.words()
        return (
            {
                place
                for place in plan.decisions
                if place not in words or (words[place][1] == "" and place not in plan.edited)
            }
            | {place for change, place in self._handed_in() if change.open}
            | (plan.statements - self.computed())
        )

    def handed_in(self) -> Counter[Where]:
        """Return how often each record, or GSTR-2B, was handed in."""
        return Counter(place for _, place in self._handed_in())

    def computed(self) -> set[Where]:
        """Return each GSTR-2B that was computed anew."""
        return {
            statement(change.token.gstin, change.token.period)
            for change, report in self._ended()
            if report.gstr2b is not None and report.ok
        }

    def broken_verdicts(self, sim: Simulator) -> Iterator[str]:
        """Say which reports differ from the truth."""
        effects = _by_record(sim.effects)
        for change, report in self._ended():
            assert change.changed_at is not None
            said = change.changed_at.timestamp()
            if report.gstr2b is not None:
                done = sim.returns.asked(change.token.reference_id or "")
                if done is None or not done.done or done.due_at > said + _CLOCKS:
                    yield f"{change.id} says that GSTR-2B was computed anew, too early or wrongly"
            for record in report.succeeded:
                found, reference = effects[where(change.token.gstin, record)], change.token.reference_id
                if not found or found[0].at > said + _CLOCKS:
                    yield f"{change.id} says applied, too early or wrongly: {record.key}"
                elif reference and found[0].job != sim.job(reference).reference:
                    yield f"{change.id} says applied, but another job did it: {record.key}"
            for failure in report.failed:
                assert failure.record is not None
                found = effects[where(change.token.gstin, failure.record)]
                if found and found[0].at < said - _CLOCKS:
                    yield f"{change.id} says {failure.code or 'not applied'}, but it was: {failure.key}"
            if report.unaccounted_count:
                yield f"{change.id} leaves {report.unaccounted_count} records unaccounted"

    def _ended(self) -> Iterator[tuple[Change, JobReport]]:
        return ((change, self.reports[change.id]) for change in self.changes if change.id in self.reports)

    def _handed_in(self) -> Iterator[tuple[Change, Where]]:
        for change in self.changes:
            if change.token.kind is JobKind.REGENERATE:
                yield change, statement(change.token.gstin, change.token.period)
            for record in self.records[change.id]:
                yield change, where(change.token.gstin, record)


async def look(folder: Path, gsp: Gsp, sim: Simulator) -> Seen:
    """Read the journal of a round as it stands, and see that it holds what the workers were promised."""
    path = copied(folder)
    seen = Seen([], {}, {}, [])
    if path is not None:
        await _read(path, gsp, sim, seen)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        seen.problems += [f"integrity check: {line}" for line in found if line != "ok"]
    seen.problems += _broken_promises(folder, seen)
    return seen


def copied(folder: Path) -> Path | None:
    """Copy the file and its log; what processes shared of it in memory died with them."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in (journal_in(folder), journal_in(folder).with_name(f"{journal_in(folder).name}-wal")):
        if path.exists():
            shutil.copy(path, copy)
    return journal_in(copy) if journal_in(copy).exists() else None


async def _read(path: Path, gsp: Gsp, sim: Simulator, seen: Seen) -> None:
    journal = SqliteJournal(path)
    async with ImsClient(gsp, journal=journal, transport=sim.transport, poll=POLL) as client:
        seen.changes = await journal.find()
        seen.records = {change.id: await journal.records(change.id) for change in seen.changes}
        ended = [change.id for change in seen.changes if change.state is ChangeState.ENDED]
        reports = [job.report async for job in client.finished()]
        seen.reports = {name: report for name, report in zip(ended, reports, strict=True) if report}


def _broken_promises(folder: Path, seen: Seen) -> Iterator[str]:
    states = {change.id: change.state for change in seen.changes}
    named = {change.token.reference_id: change.state for change in seen.changes if change.token.reference_id}
    for what, about in noted(folder):
        if what == "handed" and about not in states:
            yield f"batch {about} was handed in and is not in the journal"
        if what == "ticket" and named.get(about) not in _TICKETED:
            yield f"the ticket of job {about} was given out and is not in the journal"
        if what == "told" and named.get(about) is not ChangeState.ENDED:
            yield f"the report of job {about} was told and is not in the journal"


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of a round's decisions; all but the first three are counts of violations."""

    applied: int
    refused: int
    changed: int
    lost: int
    """Not applied, though it was due, or without a word on it in the journal."""
    not_settled: int
    """Without a last word: neither applied nor refused."""
    applied_twice: int
    sent_twice: int
    computed: int
    """GSTR-2B that were computed anew."""
    asked_again: int
    """How many more of them reached the gateway than the journal names: their answers were lost."""
    problems: list[str]


def judge(seen: Seen, plan: Plan, sim: Simulator) -> Verdict:
    """Hold what the journal says in the end against the truth, record by record."""
    effects, words = _by_record(sim.effects), seen.words()
    arrivals = Counter((e.gstin, e.section, e.supplier, e.number, e.period) for e in sim.effects)
    for job in sim.jobs:
        arrivals.update((job.gstin, e.section, e.supplier, e.number, e.period) for e in job.errors)
    due = plan.decisions.keys() - plan.refused
    lost = (due - effects.keys()) | (plan.decisions.keys() - words.keys())
    left = seen.left(plan)
    twice = {place for place, found in effects.items() if len(found) > 1}
    sent_twice = {place for place in due if arrivals[place] > 1}
    problems = [*seen.problems, *seen.broken_verdicts(sim)]
    problems += [f"lost: {place}" for place in lost]
    problems += [f"not settled: {place}" for place in left]
    problems += [f"applied twice: {place}" for place in twice]
    problems += [f"sent twice: {place}" for place in sent_twice]
    problems += [f"applied, though not decided so: {place}" for place in _wrong(plan, effects)]
    problems += [f"job {job.reference}: {job.failure}" for job in sim.jobs if job.failure]
    named = {change.token.reference_id for change in seen.changes}
    # Of a request whose answer was lost nobody knows how long GSTN is at work on it.
    beside = [one for one in sim.returns.overlaps if one.asked == "regenerate" or one.running in named]
    problems += [f"in flight at once: {overlap}" for overlap in beside]
    sent = Counter(
        statement(change.token.gstin, change.token.period)
        for change in seen.changes
        if change.token.kind is JobKind.REGENERATE and change.sent
    )
    problems += [f"sent by two changes: {place}" for place, count in sent.items() if count > 1]
    problems += [
        f"the journal says {words[place][1] or 'applied'}, GSTN does not: {place}"
        for place in words
        if (words[place][1] is None) != (place in effects)
    ]
    verdicts = Counter("applied" if code is None else "refused" if code else "" for _, code in words.values())
    return Verdict(
        applied=verdicts["applied"],
        refused=verdicts["refused"],
        changed=verdicts[""],
        lost=len(lost),
        not_settled=len(left),
        applied_twice=len(twice),
        sent_twice=len(sent_twice),
        computed=len(seen.computed()),
        asked_again=sum(one.reference not in named for one in sim.returns.regenerations),
        problems=problems,
    )


def _wrong(plan: Plan, effects: dict[Where, list[Effect]]) -> Iterator[Where]:
    decisions = plan.decisions
    for place, found in effects.items():
        decided = place in decisions and place not in plan.refused
        if not decided or any(effect.after != action(decisions[place]) for effect in found):
            yield place


def _by_record(effects: list[Effect]) -> dict[Where, list[Effect]]:
    found: dict[Where, list[Effect]] = defaultdict(list)
    for effect in effects:
        found[effect.gstin, effect.section, effect.supplier, effect.number, effect.period].append(effect)
    return found
