"""Many taxpayers at once: saves, resets and reads of hundreds of GSTINs, each one's trouble its own.

    report = await bulk.save_all(client, {acme: decisions, "29AAACQ3770E1ZF": more}, run="2026-11")
    async for event in bulk.save_all(client, decided_as_they_come()):
        print(event.progress.known, event.gstin, event.kind)

A taxpayer's decisions are cut into as many jobs as their bytes need, sent one at a time, saves before resets.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Collection, Iterable, Sequence
from typing import Final

from ..client import ImsClient, services_of
from ..errors import InvalidInput
from ..journal.location import default_journal
from ..model.records import Decision, Invoice
from ..model.status import JobKind
from ..model.times import QUIET
from ..model.vocabulary import Action, Section
from .gstr2b import Gstr2bProof, Statement, recompute_due
from .inputs import Pairs, Source, Who, source_again, source_of, source_of_statements, taxpayer_of, who_of
from .job_follower import Kept, RunContext
from .pull import Pulled, PullReport, PullRun, sections_of
from .recover import Recovery, Settlement, left_behind
from .report import BulkEvent, BulkReport, EventKind, Progress, TaxpayerReport
from .run import BulkRun, checked_name, new_name

__all__ = [
    "BulkEvent",
    "BulkReport",
    "BulkRun",
    "EventKind",
    "Gstr2bProof",
    "Progress",
    "PullReport",
    "PullRun",
    "Pulled",
    "TaxpayerReport",
    "default_journal",
    "pull_all",
    "recompute_due",
    "recover",
    "regenerate_all",
    "reset_all",
    "resume",
    "retry",
    "save_all",
]

_READERS: Final = 16
MAX_OUTAGE: Final = 3600.0
"""Seconds for which a run waits, unless `max_outage` says otherwise, for a gateway that does not answer."""


def save_all(
    client: ImsClient,
    decisions: Pairs[Iterable[Decision]],
    *,
    run: str | None = None,
    concurrency: int | None = None,
    journal: Kept = None,
    max_bytes: int | None = None,
    max_records: int | None = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
    check: bool = True,
    regenerate: str | None = None,
    confirm: bool = False,
    filed: Collection[str] = (),
    since: int | None = None,
) -> BulkRun:
    """Save the decisions of many taxpayers; those with `Action.NO_ACTION` are reset, after the saves.

    `decisions` is `{taxpayer: decisions}`, or pairs of these, also as an async iterable, read as places come
    free: memory then goes by `concurrency`. A taxpayer may be a GSTIN (`check=False`: of any check digit).

    `run` names the run. Called again with the name and the decisions of an earlier one, this goes on where
    that ended: what was sent is waited for, or looked at, and never sent again. `concurrency` is how many
    taxpayers are worked on at once: 1,000 of a mapping, 100 of what comes as pairs. A job's body has at most
    `max_bytes` bytes (the GSP's own limit otherwise) and `max_records` records; what the gateway refuses for
    its size all the same goes in halves. A change whose answer was lost is settled by looking, after `quiet`
    seconds at the latest (18 minutes if its process may be alive); what was not applied is sent again.

    If something else was sent for a taxpayer, or ended, since this began, or since the journal's revision
    `since` (`(await journal.now()).revision` before the records were read), the records are read again, and
    sent if they still stand as they were decided on. A gateway that does not answer (or with HTTP 5xx, 429)
    is waited for, `max_outage` seconds; then the part ends with its error, or `JobTimeout`, and the job is
    pending; what was not sent is for `retry`. `docs/bulk.md` has the details.

    With `regenerate="102026"` each part that did not break off ends with GSTR-2B of that period computed
    anew, if anything was or may be applied (`gstr2b`), but of the GSTINs in `filed`, whose GSTR-3B of it is
    filed; `confirm` reads it before and after (`gstr2b_proof`; only after, if an earlier call asked for it).
    All is written to the client's journal, or `journal` (the client's from then on), or a SQLite file
    (`default_journal`); with `journal=False`, and no other, a crash loses what was under way. Raises
    `InvalidInput`, `JournalError`.
    """
    context = _context_of(client, run, journal, quiet, max_outage, max_bytes, max_records, since)
    context.statement = None if regenerate is None else Statement(regenerate, confirm=confirm, filed=filed)
    return BulkRun(context, source_of(client, decisions, JobKind.SAVE, check=check), concurrency)


def reset_all(
    client: ImsClient,
    invoices: Pairs[Iterable[Invoice]],
    *,
    run: str | None = None,
    concurrency: int | None = None,
    journal: Kept = None,
    max_bytes: int | None = None,
    max_records: int | None = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
    check: bool = True,
    since: int | None = None,
) -> BulkRun:
    """Take the action on records of many taxpayers back to "no action"; otherwise as `save_all`."""
    context = _context_of(client, run, journal, quiet, max_outage, max_bytes, max_records, since)
    return BulkRun(context, source_of(client, invoices, JobKind.RESET, check=check), concurrency)


def regenerate_all(
    client: ImsClient,
    taxpayers: Iterable[Who] | AsyncIterable[Who],
    period: str,
    *,
    run: str | None = None,
    concurrency: int | None = None,
    journal: Kept = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
    check: bool = True,
    confirm: bool = False,
) -> BulkRun:
    """Have the GSTR-2B of a period (`MMYYYY`) computed anew for many taxpayers, each once.

    `recompute_due(client, period)` names those for which it is due. What came of it stands in
    `report[gstin].gstr2b`, or why it was not in `gstr2b_error` and `report.errors`. A save or reset of the
    taxpayer that is under way is waited for, or settled as `save_all` does; an answer that was lost has it
    asked for again, once the gateway answers. Otherwise as `save_all`: with the `run` of an earlier call it
    goes on where that ended, and asks nothing of those that are done. With `confirm=True` the statement is
    read before and after, a request each (where that call has asked for it, after only): `gstr2b_proof` has
    its day, checksum and credit.
    """
    context = _context_of(client, run, journal, quiet, max_outage)
    context.statement = Statement(period, always=True, confirm=confirm)
    return BulkRun(context, source_of_statements(client, taxpayers, check=check), concurrency)


def pull_all(
    client: ImsClient,
    taxpayers: Iterable[Who] | AsyncIterable[Who],
    *,
    sections: Sequence[Section | str] | None = None,
    status: Action | str | None = None,
    concurrency: int = _READERS,
    check: bool = True,
) -> PullRun:
    """Read the records of many taxpayers, all or those at one action.

    Await it for a `PullReport` with all records, or iterate to have each taxpayer's (`Pulled`) as they come,
    and none kept: memory then goes by `concurrency`. Sections are counted first, and empty ones not asked
    for. What goes wrong with one taxpayer stands in its `error`. Raises `InvalidInput`.
    """
    wanted = None if status is None else Action.parse(status)
    return PullRun(
        client,
        who_of(taxpayers),
        sections=sections_of(sections),
        status=wanted,
        concurrency=concurrency,
        check=check,
    )


def retry(
    client: ImsClient,
    report: BulkReport,
    *,
    run: str | None = None,
    concurrency: int | None = None,
    journal: Kept = None,
    max_bytes: int | None = None,
    max_records: int | None = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
) -> BulkRun:
    """Send again what a run did not get through: what was refused, unaccounted for, or not sent. Once.

    Each record is read again first. Those that still are as they were decided on are sent, with the action
    that they have now; those applied by now are counted as such; those that the supplier edited, or that are
    gone, are `changed`: for a person. Jobs that are pending are for `resume`. It is a run of its own.
    """
    if not isinstance(report, BulkReport):
        raise InvalidInput(f"a {type(report).__name__} is not a BulkReport: pass what a run was awaited for")
    if not report.begun:
        raise InvalidInput(f"{report}; nothing of it can be retried")
    if run == report.run:
        raise InvalidInput(
            f"{run} is the run that is being retried: a retry is a run of its own, name another"
        )
    context = _context_of(client, run, journal, quiet, max_outage, max_bytes, max_records)
    return BulkRun(context, source_again(client, report), concurrency)


def resume(
    client: ImsClient,
    run: str,
    *,
    concurrency: int | None = None,
    journal: Kept = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
) -> BulkRun:
    """Find out what became of all that a run has sent, in this process or another: nothing new is sent.

    But what turns out to have had no effect, since its answer was lost on the way there, is sent again, as it
    stands by then. Decisions that the run had not sent yet are where they came from, and not in the report:
    hand them in again, with the run's name.
    """
    context = _context_of(client, checked_name(run), journal, quiet, max_outage)
    return BulkRun(context, source_of(client, {}, JobKind.SAVE, check=False), concurrency)


def recover(
    client: ImsClient,
    *,
    taxpayers: Iterable[Who] | None = None,
    concurrency: int | None = None,
    journal: Kept = None,
    quiet: float = QUIET,
    max_outage: float = MAX_OUTAGE,
    send: bool = True,
) -> BulkRun:
    """See every change that an earlier process left behind to its end; call it before the first save.

    Jobs that run at the gateway are waited for. A change whose answer was lost is settled by looking, after
    `quiet` seconds at the latest, and what had no effect is sent again where it still stands as it stood.
    So is, once, what was never sent: changes that waited for their turn when their process ended, and those
    that were called off for trouble on the way, a change ahead of them, or their size
    (`job.cause.to_retry`). What its caller cancelled, or what was refused, is left alone
    (`client.called_off()` lists it), and so is a record that was decided on anew since, or to which
    another change has applied the same decision meanwhile. Each stays a part of its run, which so does not
    send it again.

    With `send=False` nothing is sent: what had no effect is in the report as not applied, and what was never
    sent is left to its run. `taxpayers` are those that it is about, all by default. Changes of other living
    processes that wait are taken over; those get `JobInFlight`. Otherwise as `save_all`: await it for a
    `BulkReport` of what was left behind, or follow its events. A job that has ended, by a look too, is not
    touched: of those that were not retried `client.finished(retried=False)` tells. Raises `JournalError` for
    what cannot be read, when all the rest was done.
    """
    context = _context_of(client, f"recovery-{secrets.token_hex(8)}", journal, quiet, max_outage)
    only = None if taxpayers is None else {taxpayer_of(client, who, check=False).gstin for who in taxpayers}
    source = Source(portions=left_behind(client, only, unsent=send))
    return BulkRun(context, source, concurrency, Recovery if send else Settlement)


def _context_of(
    client: ImsClient,
    run: str | None,
    journal: Kept,
    quiet: float,
    max_outage: float,
    max_bytes: int | None = None,
    max_records: int | None = None,
    since: int | None = None,
) -> RunContext:
    if not isinstance(client, ImsClient):
        raise InvalidInput(f"the first argument is a {type(client).__name__}: pass the ImsClient")
    limit = client.gsp.limits.save_bytes
    for name, value in (("max_bytes", max_bytes), ("max_records", max_records)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InvalidInput(f"{name} {value!r} must be a whole number, at least 1")
    if since is not None and (not isinstance(since, int) or isinstance(since, bool) or since < 0):
        raise InvalidInput(f"since {since!r:.60} is no revision: pass (await journal.now()).revision")
    for name, seconds in (("quiet", quiet), ("max_outage", max_outage)):
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise InvalidInput(f"{name} {seconds!r} must be a number of seconds, not negative")
    return RunContext(
        client=client,
        run=new_name(services_of(client).clock()) if run is None else checked_name(run),
        named=run is not None,
        since=since,
        journal=journal,
        limit=min(limit, max_bytes or limit),
        max_records=max_records,
        quiet=quiet,
        max_outage=max_outage,
    )
