"""Whether status code `P` is an end: read off the evidence of several polls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from ..model.change import Change
from ..model.status import ErrorEntry, JobKind, JobState, JobStatus, PReading
from ..model.tokens import JobToken
from ..steps import STEP, Steps, sliced

MANY: Final = STEP
"""Errors in a list; a longer one is compared in steps."""
STABLE_POLLS: Final = 3
STABLE_SECONDS: Final = 60.0


def with_known_errors(status: JobStatus, last: JobStatus) -> Steps[JobStatus]:
    """Return a status in which the errors that `last` has at the same place too are the same objects.

    Then a comparison of the two lists takes next to no time: objects that are the same are not looked into.
    """
    now, before = status.error_report, last.error_report
    listed: list[ErrorEntry] = []
    for few in sliced(before[: len(now)]):
        place = len(listed)
        both = zip(now[place : place + len(few)], few, strict=True)
        listed += [old if old == new else new for new, old in both]
        yield
    return attrs.evolve(status, error_report=(*listed, *now[len(before) :]))


@attrs.frozen
class Evidence:
    """For how long what a job says of its records has stood still: over `polls` polls, since `since` (s).

    `counts` are those of records processed and of errors, `listed` is the list of errors. Only polls with
    code P count: a job that said meanwhile that it is at work was at work.
    """

    counts: tuple[int, int] = (0, 0)
    polls: int = 0
    since: float = 0.0
    listed: tuple[ErrorEntry, ...] = ()

    def with_poll(self, status: JobStatus, now: float) -> Evidence:
        """Return the evidence after one more poll; `now` is in seconds of any clock that only advances."""
        if not _says_p(status):
            return NO_EVIDENCE
        counts = (status.processed or 0, status.errors or 0)
        if self.polls and (counts, status.error_report) == (self.counts, self.listed):
            return attrs.evolve(self, polls=self.polls + 1)
        return Evidence(counts, 1, now, status.error_report)

    def stands_still(self, now: float) -> bool:
        """True if a count that is not zero, or a list of errors, is the same over three polls and 60 s."""
        return self.may_be_end and self.polls >= STABLE_POLLS and now - self.since >= STABLE_SECONDS

    @property
    def may_be_end(self) -> bool:
        """True if the job may have ended: a code P without counts or errors is never taken for an end."""
        return any(self.counts) or bool(self.listed)


NO_EVIDENCE: Final = Evidence()


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Course:
    """What the polls of a job have shown: what it says of its records, and how long it has been running.

    Moments are in seconds of any clock that only advances, ages in seconds since it was sent.
    """

    sent_at: float | None = None
    """When it was sent, where that is known."""
    may_be_done: bool = False
    """Whether what it said last, with code P, may be the end."""
    _evidence: Evidence = NO_EVIDENCE
    _ran_at: float = 0.0

    def age(self, change: Change, clock: Callable[[], float], now: float) -> float | None:
        """Return for how many seconds the job has been running, if that is known; `clock` is of the day."""
        submitted_at = change.token.submitted_at
        if self.sent_at is None and submitted_at is not None and change.pollable:
            # Of the clock of the day, which may be set, only the first reading counts. The time is rounded to
            # microseconds: it may have been sent just now.
            self.sent_at = now - round(clock() - submitted_at.timestamp(), 3)
        return None if self.sent_at is None else now - self.sent_at

    def heard(
        self, status: JobStatus, token: JobToken, now: float, p_means: PReading
    ) -> tuple[JobStatus, tuple[float, float] | None]:
        """Take an answer in; return what it means.

        If that is the end, and its age is known, also at which age it was last seen running (0: never), and
        at which it was done.
        """
        before = self._evidence
        if token.kind is not JobKind.REGENERATE:  # whose code P is the end
            evidence = self._evidence = before.with_poll(status, now)
            status = settle(status, submitted=token.submitted, evidence=evidence, now=now, p_means=p_means)
            self.may_be_done = p_means is PReading.EVIDENCE and evidence.polls > 0 and evidence.may_be_end
        if self.sent_at is None:
            return status, None
        if before.polls and self._evidence.since != before.since:  # what it says has changed since
            self._ran_at = max(self._ran_at, before.since - self.sent_at)
        if status.done:
            done_at = self._evidence.since if self.may_be_done else now
            return status, (self._ran_at, done_at - self.sent_at)
        if not self.may_be_done:
            self._ran_at = now - self.sent_at
        return status, None


def _says_p(status: JobStatus) -> bool:
    """True for GSTN's own code P; a carrier's word that happens to be the letter is not documented."""
    return status.documented and status.raw_code.strip().upper() == "P"


def settle(
    status: JobStatus,
    *,
    submitted: int | None,
    evidence: Evidence,
    now: float,
    p_means: PReading = PReading.EVIDENCE,
) -> JobStatus:
    """Decide what a status means. Only the code `P` needs evidence; all others mean what they say.

    Errors alone never end a job: where P means "processing", a first error is no end. A success that lists
    refused records, or comes with an error code for the whole job, is a partial one: in every documented
    success that code is empty ("IMS - Get IMS Request Status"), and no page says what one means there.
    """
    if _says_p(status):
        if p_means is PReading.EVIDENCE:
            done = status.carrier_done or _accounts_for(status, submitted) or evidence.stands_still(now)
        else:
            done = p_means is PReading.PROCESSED
        status = attrs.evolve(status, state=JobState.SUCCEEDED if done else JobState.PROCESSING)
    has_errors = bool(status.error_report) or (status.errors or 0) > 0 or bool(status.error_code)
    partial = has_errors and status.state is JobState.SUCCEEDED
    return attrs.evolve(status, state=JobState.PARTIAL) if partial else status


def _accounts_for(status: JobStatus, submitted: int | None) -> bool:
    """True if as many were processed as were sent. A job whose size nobody knows cannot be told so."""
    if not submitted or status.processed is None:
        return False
    return status.processed + (status.errors or 0) >= submitted
