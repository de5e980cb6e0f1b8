"""`pull`: the records of one taxpayer or of many, in CSV files to be decided on."""

from __future__ import annotations

from pathlib import Path

import attrs

from ... import tables
from ...errors import DownloadQueued, InvalidInput
from ...model.vocabulary import Action, Section
from ..command import command
from ..inputs.gstins import gstins_of
from ..inputs.settings import ask_gstin, gather
from ..options import (
    FIRST_POLL,
    READ_AT_ONCE,
    Concurrency,
    FirstPoll,
    GspName,
    GstinsFile,
    LeftOutReport,
    ManyGstins,
    NoCheck,
    Overwrite,
    PullTo,
    Rate,
    Sections,
    Status,
)
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from .pull_many import ManyPull, check_targets, folder_of, left_out_row, make_folder, without, write_left_out
from .reads import ask, fetch


@command
def pull(
    console: Console,
    out: PullTo,
    section: Sections = None,
    status: Status = None,
    overwrite: Overwrite = False,
    report: LeftOutReport = None,
    gsp: GspName = None,
    gstin: ManyGstins = None,
    gstins: GstinsFile = None,
    concurrency: Concurrency = READ_AT_ONCE,
    rate: Rate = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
) -> int:
    """Write a taxpayer's records to a CSV file, to be decided on; or those of many taxpayers.

    Fill in its column 'action' with A (accept), R (reject) or P (keep pending), in any spreadsheet; rows left
    empty stay undecided. A credit note that is accepted also needs its column 'ITC reduction': none, full, or
    rupees such as igst=10.50. Then push the file. Its column 'GSTIN' says whose the records are.

    Of many taxpayers, all are in one file, or in a folder with a file for each. One whose session has ended
    is named and skipped. No file that is there is replaced without --overwrite.
    """
    if report is not None:
        tables.check_writable(report, overwrite=overwrite)
    wanted = None if section is None else [Section.parse(name) for name in section]
    action = None if status is None else Action.parse(status)
    names = gstins_of(gstin or [], gstins, check=not no_check) or [ask_gstin(None, check=not no_check)]
    folder = folder_of(out)
    if folder is not None:
        make_folder(folder)
    files = {name: folder / f"{name}.csv" if folder else Path(out) for name in names}
    if report is not None and report.resolve() in {file.resolve() for file in files.values()}:
        raise InvalidInput(f"{report} is to hold the records: name another file for --report")
    check_targets(dict.fromkeys(files.values()), overwrite=overwrite)
    settings = gather(gsp, None, check=not no_check, need_gstin=False, rate=rate)
    if len(names) == 1:  # a token is of the one that was asked for, unless IMS_GSTIN says another
        settings = attrs.evolve(settings, gstin=names[0]) if gstin else settings.of(names[0])
    console.asks(settings)
    many = ManyPull(console, settings, wanted, action, concurrency, first_poll)
    if folder is not None:
        return many.into_folder(files, folder)
    return many.into_file(names, Path(out)) if len(names) > 1 else _pull_one(many, Path(out))


def _pull_one(asked: ManyPull, out: Path) -> int:
    console, settings = asked.console, asked.settings
    wanted = asked.sections or list(Section)
    queued: dict[Section, DownloadQueued] = {}
    reading = ask(
        settings,
        lambda t: fetch(t, console, wanted, asked.status, queued=queued),
        first_poll=asked.first_poll,
    )
    found = console.wait_for(reading)
    missing = [asked.missing(settings.gstin, section, error) for section, error in queued.items()]
    if queued and not any(found.values()):
        raise DownloadQueued("; ".join(map(str, missing)))
    for one in missing:
        console.tell(str(one))
    invoices = (invoice for rows in found.values() for invoice in rows)
    written = tables.write_invoices(out, invoices, gstin=settings.gstin, overwrite=console.overwrite)
    left_out = [
        left_out_row(problem, section, settings.gstin)
        for section, rows in found.items()
        for problem in rows.problems
    ]
    left_out += missing
    reported = write_left_out(console, left_out)
    console.say(
        f"{show.counted(written, 'record', be=True)} in {out}{without(queued)}. Fill in the column 'action', "
        f"then: {console.commands.push(out)}"
    )
    sections = {name.value: len(rows) for name, rows in found.items()}
    facts = {"gstin": settings.gstin, "file": str(out), "records": written, "sections": sections}
    facts["missing"] = list(queued)
    problems = [problem for rows in found.values() for problem in rows.problems] + list(map(str, missing))
    findings = [one.facts for one in left_out]
    console.document(
        {"ok": not problems, **facts, "problems": problems, "findings": findings, "report_file": reported}
    )
    return NOT_ALL_WELL if problems else OK
