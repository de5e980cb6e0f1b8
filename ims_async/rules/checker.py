"""Run the rules on a batch: record by record, then on the batch as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InvalidInput
from ..model.records import Decision, Draft, Invoice
from ..model.vocabulary import Action, Section
from .cache import ALL_SUSPECTED, RuleCache
from .catalogue import BATCH_RULES, EARLIER_RULES, FORM_RULES
from .context import Batch, Case, Facts, Rule, case_of
from .finding import Finding, Level, Problem, Record
from .policy import RulePolicy

_DEFAULT = RulePolicy()
_NO_RECORD = FORM_RULES[:1]
_FINDINGS_PER_STEP = 200
# Looked up once: in Python 3.11 that takes as long as a call of a function.
_REJECT, _REFUSE, _OFF = Action.REJECT, Level.REFUSE, Level.OFF


class _FindingDraft(Draft, Finding):
    __slots__ = ()


class Checker:
    """Check one batch: call `one` for each record in order, then `end`.

    `gstin` is the taxpayer. `today` is the date in India (IST is UTC+5:30; `india_date` gives it for a
    moment). `read_at` is when the records were read and `now` the present, both with a time zone. No clock is
    read: the rules that need an argument which is None are skipped. Raises `InvalidInput` for a time without
    a zone.
    """

    def __init__(
        self,
        *,
        policy: RulePolicy | None = None,
        gstin: str | None = None,
        today: dt.date | None = None,
        read_at: dt.datetime | None = None,
        now: dt.datetime | None = None,
    ) -> None:
        self._policy = policy = policy or _DEFAULT
        if not isinstance(policy, RulePolicy):
            raise InvalidInput(f"policy is of type {type(policy).__name__}: pass RulePolicy(levels={{…}})")
        self._facts = Facts(
            gstin=gstin,
            today=today,
            read_at=read_at,
            now=now,
            filed=policy.filed_by(gstin),
            stale_after=policy.stale_after,
        )
        self._cache, self._level_of = RuleCache(self._facts), policy.level_of
        self._places: dict[Section, dict[tuple[Any, ...], int]] = {section: {} for section in Section}
        self._periods: set[Any] = set()
        self._amendments: list[tuple[int, Decision]] = []
        self._rejected: list[tuple[int, Decision]] = []

    def one(self, record: Record, place: int) -> list[Finding]:
        """Return the findings on the next record of the batch; `place` counts from 0."""
        decision = record if isinstance(record, Decision) else None
        invoice = record if decision is None else decision.invoice
        if not isinstance(invoice, Invoice):
            return self._findings(_NO_RECORD, case_of(record, place, place, self._facts))
        first = place
        try:
            # A plain tuple: the garbage collector keeps tracking a named one, 100,000 of them here.
            document = (invoice.supplier, invoice.number, invoice.date, invoice.return_period)
            first = self._places[invoice.section].setdefault(document, place)
            self._periods.add(invoice.return_period)
            rules, known = self._cache.suspects(record, invoice)
        except (KeyError, TypeError):  # an id that is a list, or an unknown section
            rules, known = ALL_SUSPECTED
        if decision is not None:
            if invoice.original_number is not None:
                self._amendments.append((place, decision))
            if decision.action is _REJECT:
                self._rejected.append((place, decision))
        found = self._findings(rules, case_of(record, place, first, self._facts)) if rules else []
        for rule, problem in known:
            if (finding := self._finding(rule, problem, place, record)) is not None:
                found.append(finding)
        if first != place:
            found += self._findings(EARLIER_RULES, case_of(record, place, first, self._facts))
        return found

    def end(self) -> list[Finding]:
        """Return the findings that need all records of the batch."""
        return [finding for found in self.ending() for finding in found]

    def ending(self) -> Iterator[list[Finding]]:
        """Yield the findings that need all records of the batch, after each few milliseconds of work."""
        batch = Batch(self._places, self._periods, self._amendments, self._rejected, self._facts)
        found: list[Finding] = []
        for rule in BATCH_RULES:
            for problem in rule.look(batch):
                if problem is not None:
                    finding = self._finding(rule, problem, problem.place, problem.record)
                    found += [] if finding is None else [finding]
                if problem is None or len(found) == _FINDINGS_PER_STEP:
                    yield found
                    found = []
        yield found

    def _findings(self, rules: Iterable[Rule], case: Case) -> list[Finding]:
        return [
            finding
            for rule in rules
            for problem in rule.look(case)
            if problem is not None
            and (finding := self._finding(rule, problem, case.place, case.record)) is not None
        ]

    def _finding(
        self, rule: Rule, problem: Problem, place: int | None, record: Record | None
    ) -> Finding | None:
        """Return a finding with its level; None if that is off."""
        about = record.invoice if isinstance(record, Decision) else record
        invoice = about if isinstance(about, Invoice) else None
        level = _REFUSE if problem.in_kind else self._level_of(rule.code)
        if level is _OFF:
            return None
        if problem.typed_only and level is _REFUSE and not problem.in_kind:
            level = Level.WARN if invoice and invoice.read_from_gateway is True else level
        draft: Any = object.__new__(_FindingDraft)
        draft.code, draft.level, draft.message, draft.source = rule.code, level, problem.message, rule.source
        draft.place, draft.key, draft.record = place, invoice.key if invoice else None, record
        draft.__class__ = Finding
        finding: Finding = draft
        return finding


def check(
    decisions: Iterable[Record],
    *,
    policy: RulePolicy | None = None,
    gstin: str | None = None,
    today: dt.date | None = None,
    read_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> list[Finding]:
    """Return all findings on a batch of decisions (or, for a reset, invoices), in the order of its records.

    Findings on the batch as a whole come last. The arguments are those of `Checker`.
    """
    checker = Checker(policy=policy, gstin=gstin, today=today, read_at=read_at, now=now)
    found = [finding for place, record in enumerate(decisions) for finding in checker.one(record, place)]
    found += checker.end()
    return sorted(found, key=lambda finding: (finding.place is None, finding.place or 0))
