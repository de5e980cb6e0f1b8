"""GSTR-2B in runs: what came of it for each taxpayer, and of which it is due to be computed anew."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final

import attrs

from ..client import ImsClient, services_of
from ..errors import InvalidInput
from ..jobs.job import ImsJob
from ..journal import Journal, Query
from ..journal.base import EVERYTHING
from ..model.change import Change
from ..model.gstr2b import Gstr2b, TaxAmounts
from ..model.moves import ChangeState
from ..model.plain import Plain
from ..model.report import account
from ..model.status import JobState
from ..model.times import QUIET
from ..model.vocabulary import year_and_month
from ..rules.periods import DRAFT_DAY, IST, day_in, is_before_ims, month_of, month_of_ims

_DOCUMENTS_PER_TURN: Final = 2000


@attrs.frozen
class Statement:
    """The GSTR-2B that a run is to have computed anew: of a period (`MMYYYY`).

    `always`, or only for a taxpayer of which the run has changed something, or may have. `confirm` reads it
    before and after. `filed` are those whose GSTR-3B of the period is filed: theirs is final, and left.
    """

    period: str = attrs.field()
    always: bool = False
    confirm: bool = False
    filed: Collection[str] = ()

    @period.validator
    def _check(self, _: object, period: str) -> None:
        month_of_ims(period)  # raises `InvalidInput`


@attrs.frozen(kw_only=True)
class Gstr2bProof(Plain):
    """What GSTR-2B said of itself before it was computed anew, and after; None where it was not read.

    `credit_before` and `credit` are in rupees: what its documents give, or where it has none in the first
    answer (it is split into files) the credit available less that to be reversed, as the gateway sums it up.
    """

    generated_on_before: dt.date | None = None
    checksum_before: str | None = None
    generated_on: dt.date | None = None
    checksum: str | None = None
    credit_before: TaxAmounts | None = None
    credit: TaxAmounts | None = None

    @property
    def credit_change(self) -> TaxAmounts | None:
        """What the credit is more than before, in rupees; None where it was not read both times."""
        if self.credit is None or self.credit_before is None:
            return None
        return self.credit - self.credit_before

    @property
    def changed(self) -> bool | None:
        """True if its day or checksum is another one; None where it was not read before, or after.

        On one day the checksum alone can tell.
        """
        before = self.generated_on_before, self.checksum_before
        after = self.generated_on, self.checksum
        return None if (None, None) in (before, after) else after != before

    def __str__(self) -> str:
        return (
            f"generated on {self.generated_on}, checksum {self.checksum} "
            f"(before: {self.generated_on_before}, {self.checksum_before})"
        )


@attrs.frozen(kw_only=True)
class Marks:
    """What is kept of a GSTR-2B that was read before or after: the credit of its documents, and its sums."""

    generated_on: dt.date | None = None
    checksum: str | None = None
    by_documents: TaxAmounts | None = None
    by_sums: TaxAmounts | None = None


NOT_READ: Final = Marks()


async def marks_of(found: Gstr2b) -> Marks:
    """Return what is kept of a GSTR-2B, letting others have a turn meanwhile."""
    by_documents = None
    if not found.summary_only:
        by_documents = TaxAmounts()
        for place, document in enumerate(found.documents, start=1):
            by_documents += document.credit
            if place % _DOCUMENTS_PER_TURN == 0:
                await asyncio.sleep(0)
    return Marks(
        generated_on=found.generated_on,
        checksum=found.checksum,
        by_documents=by_documents,
        by_sums=credit_by_sums(found) if found.summary else None,
    )


def credit_by_sums(found: Gstr2b) -> TaxAmounts:
    """Return the credit of a GSTR-2B as the gateway sums it up: what is available less what is reversed."""
    nothing = TaxAmounts()
    return found.summary.get("available", nothing) - found.summary.get("reversal", nothing)


def proof_of(before: Marks, after: Marks) -> Gstr2bProof:
    """Put together what was read before and after; the credit is counted alike both times."""
    given = (before.by_documents, after.by_documents)
    if after.by_documents is None or (before.by_documents is None and before != NOT_READ):
        given = (before.by_sums, after.by_sums)
    return Gstr2bProof(
        generated_on_before=before.generated_on,
        checksum_before=before.checksum,
        generated_on=after.generated_on,
        checksum=after.checksum,
        credit_before=given[0],
        credit=given[1],
    )


@attrs.frozen
class LastChange:
    """Until when the records of a taxpayer may have been changed, None for never; and the journal's order."""

    at: dt.datetime | None = None
    revision: int = 0

    def then(self, change: Change) -> LastChange:
        """Return it with one more save or reset that was applied, or may have been."""
        at = applied_by(change)
        return LastChange(at if self.at is None else max(at, self.at), max(change.revision, self.revision))

    def is_in(self, computed: Change) -> bool:
        """Say whether a GSTR-2B was computed anew, and asked for after that.

        By the times; and by the order in the journal, since two processes may have two clocks.
        """
        well = computed.status is not None and computed.status.state is JobState.SUCCEEDED
        if computed.state is not ChangeState.ENDED or not well:
            return False
        asked, known = computed.token.submitted_at, 0 not in (computed.revision, self.revision)
        if known and computed.revision < self.revision:
            return False
        return self.at is None or (asked is not None and asked >= self.at)


@attrs.define
class StatementTally:
    """What came of one taxpayer's GSTR-2B, and when its records were changed last."""

    job: ImsJob | None = None
    """The last that was to compute it anew."""
    error: Exception | None = None
    proof: Gstr2bProof | None = None
    changed: LastChange = LastChange()

    def ended(self, job: ImsJob) -> None:
        """Note a job whose end is known, or need not be."""
        if job.kind.repeatable:
            self.job, self.error, self.proof = job, None, None
        elif may_have_applied(job.change):
            self.changed = self.changed.then(job.change)

    @property
    def is_current(self) -> bool:
        """Whether it was computed anew, and nothing was changed since."""
        return self.job is not None and self.changed.is_in(self.job.change)


def may_have_applied(change: Change) -> bool:
    """Say whether a save or reset changed something, or may have: where GSTN's counts do not deny it."""
    status = change.status
    if change.token.kind.repeatable or not change.sent:
        return False
    if change.state is not ChangeState.ENDED or status is None:
        return True
    if status.found is not None:
        return status.found.applied > 0
    if status.state is not JobState.PARTIAL or status.carrier_failed:
        return status.state is not JobState.FAILED or status.carrier_failed
    sent, processed = change.token.submitted, status.processed
    if sent is None or status.errors != sent:
        return True
    # Whether `processed` counts refusals too is not documented: where it may, they have to be named.
    named = len(account(status, None, sent).failed)
    return processed != 0 and not processed == sent == named


def applied_by(change: Change) -> dt.datetime:
    """Return until when a save or reset that was sent may have been applied.

    Of one that has ended: when that was heard. Of any other: as long after it was sent as it may take.
    """
    if change.state is ChangeState.ENDED:
        if change.changed_at is not None:
            return change.changed_at
        if change.status is not None and change.status.polled_at is not None:  # no journal has it
            return dt.datetime.fromtimestamp(change.status.polled_at, dt.UTC)
    sent = change.token.submitted_at
    return dt.datetime.max.replace(tzinfo=dt.UTC) if sent is None else sent + _QUIET


_QUIET: Final = dt.timedelta(seconds=QUIET)


def draft_of(period: str, draft: dt.date | None = None) -> dt.datetime:
    """Return when the GSTR-2B of a period is drafted: as the 14th of the next month begins in India.

    `draft` is another day: the one that the gateway named, or that a notification has moved it to. Raises
    `InvalidInput`. Source: GSTN FAQ of 23-09-2024.
    """
    year_and_month(period)
    if draft is not None and (not isinstance(draft, dt.date) or isinstance(draft, dt.datetime)):
        raise InvalidInput(f"draft={draft!r:.60} is no day: pass datetime.date(2026, 11, 14), say")
    month = month_of(period)
    assert month is not None  # noqa: S101 # it was checked
    return dt.datetime.combine(draft or day_in(month + 1, DRAFT_DAY), dt.time(), IST)


def gstins_due(
    changes: Iterable[Change], period: str, *, draft: dt.date | None = None, filed: Collection[str] = ()
) -> list[str]:
    """Return whose GSTR-2B of a period is due to be computed anew, as far as these changes tell. Pure.

    That is: since the draft a save or reset was applied, or may have been, and it was not computed anew from
    what was asked for after that. `filed` are those whose GSTR-3B of the period is filed. Of a period before
    IMS nobody's is: it can only be refused.
    """
    since = draft_of(period, draft)
    if is_before_ims(period):
        return []
    changed: dict[str, LastChange] = {}
    computed: dict[str, list[Change]] = {}
    at_work: set[str] = set()
    for change in changes:
        gstin = change.token.gstin
        if change.token.kind.repeatable:
            if change.token.period == period:
                computed.setdefault(gstin, []).append(change)
        elif may_have_applied(change):
            if change.state is ChangeState.ACCEPTED:  # however long ago it was sent
                at_work.add(gstin)
            if change.state is ChangeState.ACCEPTED or applied_by(change) >= since:
                changed[gstin] = changed.get(gstin, LastChange()).then(change)
    due = (
        gstin
        for gstin, last in changed.items()
        if gstin in at_work or not any(map(last.is_in, computed.get(gstin, ())))
    )
    return [gstin for gstin in due if gstin not in filed]


def by_gateway(changes: Iterable[Change]) -> list[list[Change]]:
    """Return changes by where they went: what one gateway, a test host say, did says nothing of another."""
    found: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        found.setdefault((change.token.gsp, change.token.host), []).append(change)
    return list(found.values())


async def recompute_due(
    client: ImsClient, period: str, *, draft: dt.date | None = None, filed: Collection[str] = ()
) -> list[str]:
    """Return the GSTINs whose GSTR-2B of a period (`MMYYYY`) is due to be computed anew; asks no gateway.

    By the client's journal: what was done elsewhere, on the portal or at another GSP, is not looked at. One
    whose end was heard of late counts as applied as late: it is named rather than left out. `draft` is the
    day of the draft, if not the 14th of the next month: `RegenerationRefused.not_before` has the one that the
    gateway named. `filed` are the GSTINs whose GSTR-3B of the period is filed: theirs is final. Pass the
    others to `regenerate_all`. Raises `InvalidInput`, also without a journal, and `JournalError`.
    """
    services, since = services_of(client), draft_of(period, draft)
    services.loop_owner.check()
    if client.journal is None:
        raise InvalidInput(
            "the client keeps no journal, which would tell what was sent: ImsClient(journal=…)"
        )
    of = Query(gsp=services.kind, host=services.host)
    changes = await changes_since(services.journal, since, of)
    return gstins_due(changes, period, draft=draft, filed=filed)


async def changes_since(journal: Journal, since: dt.datetime, of: Query = EVERYTHING) -> list[Change]:
    """Return the changes of a journal that may have been applied since a time, for `gstins_due`.

    `of` says of which gateway, if not of all. Raises `JournalError`.
    """
    # One that is at work, however long ago it was heard of.
    at_work = await journal.find(attrs.evolve(of, states=(ChangeState.ACCEPTED,)))
    return [*at_work, *await journal.find(attrs.evolve(of, since=since - _QUIET))]
