"""The commands that change something: `push`, `reset`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import bulk, tables
from ...bulk.run import checked_name
from ...model.status import JobKind
from ..inputs.files import of_which_decided, rows_of
from ..inputs.journals import journal as journal_of
from ..inputs.settings import gather
from ..options import (
    AT_ONCE,
    FIRST_POLL,
    Concurrency,
    Debug,
    Decided,
    DecisionFiles,
    FirstPoll,
    GspName,
    JournalFile,
    Json,
    MaxOutage,
    MaxRecords,
    NoCheck,
    Overwrite,
    OwnGstin,
    PulledFiles,
    Rate,
    Report,
    RunName,
    Yes,
)
from ..output.console import Voice
from .push_many import Change, Plan


def push(
    files: DecisionFiles,
    yes: Yes = False,
    report: Report = None,
    overwrite: Overwrite = False,
    run: RunName = None,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    max_records: MaxRecords = None,
    max_outage: MaxOutage = bulk.MAX_OUTAGE,
    journal: JournalFile = None,
    gsp: GspName = None,
    gstin: OwnGstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the decisions of files, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.

    The column 'GSTIN' says whose a record is: files may hold many taxpayers. What is wrong with one taxpayer
    (no session, a stale row) then skips that one, and the others go on. Every push is a run: one that was
    broken off, however that happened, goes on with the same command and the name that it printed (--run).
    """
    voice = Voice(json, debug, gsp, sends=True, report=report, overwrite=overwrite, journal=journal)
    plan = Plan(
        kind=JobKind.SAVE,
        yes=yes,
        report=report,
        first_poll=first_poll,
        run=run,
        journal=journal,
        concurrency=concurrency,
        max_records=max_records,
        max_outage=max_outage,
    )
    voice.run(lambda: _change(voice, plan, files, gstin=gstin, rate=rate, check=not no_check))


def reset(
    files: PulledFiles,
    yes: Yes = False,
    decided: Decided = False,
    report: Report = None,
    overwrite: Overwrite = False,
    run: RunName = None,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    max_records: MaxRecords = None,
    max_outage: MaxOutage = bulk.MAX_OUTAGE,
    journal: JournalFile = None,
    gsp: GspName = None,
    gstin: OwnGstin = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take every record of files back to "no action", whatever their column 'action' says.

    With --decided only the rows that are decided in the files: those that a push of them sent.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent. Of many taxpayers each is on its own, as with push.
    """
    voice = Voice(json, debug, gsp, sends=True, report=report, overwrite=overwrite, journal=journal)
    plan = Plan(
        kind=JobKind.RESET,
        decided=decided,
        yes=yes,
        report=report,
        first_poll=first_poll,
        run=run,
        journal=journal,
        concurrency=concurrency,
        max_records=max_records,
        max_outage=max_outage,
    )
    voice.run(lambda: _change(voice, plan, files, gstin=gstin, rate=rate, check=not no_check))


def _change(
    voice: Voice, plan: Plan, files: Sequence[Path], *, gstin: str | None, rate: int | None, check: bool
) -> int:
    """Read the files, and send what is in them as one run, of however many taxpayers."""
    if plan.run is not None:
        checked_name(plan.run)
    if plan.report is not None:
        tables.check_writable(plan.report, overwrite=voice.overwrite)
    journal_of(plan.journal)  # before the work that it is to hold
    rows = rows_of(voice, files, plan.kind, gstin=gstin, check=check)
    if plan.kind is JobKind.RESET:
        rows = of_which_decided(voice, rows, only=plan.decided)
    settings = gather(voice.gsp, gstin, check=check, need_gstin=False, rate=rate)
    if len(rows) == 1:
        settings = settings.of(*rows)
    voice.asks(settings)
    return Change(voice, settings, plan).carry_out(rows)
