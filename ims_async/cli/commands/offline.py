"""`pull --from`, `push --to` and `outcome`: the JSON files of the offline tool, without a gateway."""

from __future__ import annotations

import datetime as dt
import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from ... import rules, tables
from ...bulk import Pulled
from ...errors import InvalidInput
from ...model.records import Decision, InvoiceList, Record
from ...model.status import JobKind
from ...model.vocabulary import Action, Section
from ...tables import Outcome, Problem, Row
from ...tables.matching import without_standing
from ...tables.offline import OfflineSettings, PortalFile, Upload, read_outcome, read_portal, write_upload
from ...tables.offline.writing import check_target, remarks_problem
from ...tables.problems import raise_all
from ...tables.reports import decided_action
from .. import options
from ..command import command
from ..inputs.files import of_which_decided, read_all
from ..inputs.settings import ask_gstin
from ..output import outcomes
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.tables import are, counted

_UPLOAD_IT = "Upload it at the portal: IMS dashboard, 'Offline', 'Upload'"


def records_of(
    console: Console,
    source: Path,
    gstins: Sequence[str],
    sections: Sequence[Section] | None,
    action: Action | None,
    *,
    check: bool,
) -> Pulled:
    """Read the portal's download as a pull of the taxpayer whose it is. Raises `InvalidInput`."""
    if len(gstins) > 1:
        raise InvalidInput(f"{source} has the records of one taxpayer, and several are named: name that one")
    portal = read_portal(source, gstin=next(iter(gstins), None), strict=False, check=check)
    if portal.gstin is None:
        portal = read_portal(source, gstin=ask_gstin(None, check=check), strict=False, check=check)
    _say_what_else(console, portal)
    rows = [one for one in portal.invoices if action in (None, one.action)]
    found = {
        section: InvoiceList(
            [one for one in rows if one.section is section],
            problems=tuple(text for text in portal.problems if text.kind.endswith(f"-{section}")),
        )
        for section in sections or list(Section)
    }
    for section, own in found.items():
        console.tell(f"{section}: {counted(len(own), 'record')}")
    return Pulled(gstin=portal.gstin or "", sections=found, count=sum(map(len, found.values())))


def _say_what_else(console: Console, portal: PortalFile) -> None:
    for key, value in portal.other.items():
        records = f", {counted(len(value), 'record')}," if isinstance(value, list) else ""
        left = "it is left as it is, and not uploaded"
        console.tell(
            f"{portal.file} also holds {key!r:.60}{records} which this release does not know: {left}"
        )


@attrs.frozen
class ToPortal:
    """Sheets whose decisions go into a file to upload at the portal."""

    sheets: Sequence[Path]
    source: Path | None
    target: Path | None
    settings: OfflineSettings
    gstin: str | None

    def write(self, console: Console, kind: JobKind, *, only_decided: bool, check: bool) -> int:
        """Match the rows with the download's records, write what has changed, and show it."""
        if self.source is None or self.target is None:
            what = "write both: --from portal.json (the portal's download) and --to upload.json"
            raise InvalidInput(f"--from, --to and --set go together: {what}")
        check_target(self.target, overwrite=console.overwrite)
        portal, rows = self._read(console, self.source, kind, only_decided=only_decided, check=check)
        standing, decided = self._decided(portal, rows, kind)
        upload = write_upload(
            self.target,
            portal,
            decided,
            settings=self.settings,
            today=rules.india_date(dt.datetime.now(dt.UTC)),
            overwrite=console.overwrite,
        )
        return _tell(console, portal, upload, standing, kind)

    def _read(
        self, console: Console, source: Path, kind: JobKind, *, only_decided: bool, check: bool
    ) -> tuple[PortalFile, list[Row]]:
        """Read the sheets, then the download as that of their taxpayer."""

        def read(gstin: str | None) -> PortalFile:
            return read_portal(source, gstin=gstin, strict=False, check=check)

        @functools.cache
        def named_by_download() -> str:
            return read(None).gstin or ask_gstin(None, check=check)

        given: dict[str, Any] = {"gstin": self.gstin, "check": check, "otherwise": named_by_download}
        _, rows = read_all(console, self.sheets, kind, **given)
        if kind is JobKind.RESET:
            rows = of_which_decided(console, rows, only=only_decided)
        if len(rows) > 1:
            what = f"the sheets have records of {len(rows):,} taxpayers, and a download those of one"
            raise InvalidInput(f"{what}: push the sheets of each with its own download")
        ((gstin, own),) = rows.items()
        portal = read(gstin)
        _say_what_else(console, portal)
        for problem in portal.problems:
            console.tell(f"a record cannot be decided on: {problem}")
        return portal, own

    def _decided(
        self, portal: PortalFile, rows: Sequence[Row], kind: JobKind
    ) -> tuple[int, Sequence[Record]]:
        """Return how many rows stand as decided, and what the others decide. Raises `InvalidFile`."""
        if kind is JobKind.RESET:
            return 0, tables.match_records(rows, portal.invoices)
        left, standing = without_standing(rows, portal.invoices)
        decisions = tables.match(left, portal.invoices)
        faults = [
            Problem(what, kind="remarks-on-accept", file=row.file, row=row.line, column="remarks")
            for row, decision in zip(left, decisions, strict=True)
            if (what := remarks_problem(decision, self.settings))
        ]
        raise_all(faults)
        return len(standing), decisions


def _tell(console: Console, portal: PortalFile, upload: Upload, standing: int, kind: JobKind) -> int:
    """Show what is in the upload, and say what to do with it."""
    unchanged = standing + len(upload.unchanged)
    if upload.written:
        noun = "decisions" if kind is JobKind.SAVE else "resets"
        console.show(
            show.summary_table(f"{noun} for {portal.gstin}", "section", show.by_section(upload.written))
        )
        decisions = [one for one in upload.written if isinstance(one, Decision)]
        if decisions:
            console.say()
            console.show(show.itc_table(decisions))
        console.say()
    for warning in upload.warnings:
        console.tell(f"Mind: {warning}.")
    rest = f"; {counted(unchanged, 'row')} {are(unchanged)} as at the download, and not in it"
    if upload.file is None:
        console.say(
            f"Nothing differs from {portal.file}, so no file was written: {counted(unchanged, 'row')}."
        )
    else:
        records = counted(len(upload.written), "record")
        written = f"{records} {are(len(upload.written))} in {upload.file}{rest if unchanged else ''}."
        console.say(f"{written} {_UPLOAD_IT}; then look at the outcome there.")
    if console.report is not None:
        _write_report(console, portal, upload)
    console.document(
        {
            "ok": True,
            "gstin": portal.gstin,
            "file": None if upload.file is None else str(upload.file),
            "records": len(upload.written),
            "unchanged": unchanged,
            "sections": Counter(str(one.section) for one in upload.written),
            "itc": show.itc_by_action([one for one in upload.written if isinstance(one, Decision)]),
            "not_uploaded": sorted(portal.other),
            "problems": list(portal.problems),
            "warnings": list(upload.warnings),
            "report_file": console.report_file,
        }
    )
    return OK


def _write_report(console: Console, portal: PortalFile, upload: Upload) -> None:
    def write(file: Path) -> None:
        lines = [
            Outcome(outcome=outcome, key=one.key, action=decided_action(one))
            for outcome, records in (("written", upload.written), ("unchanged", upload.unchanged))
            for one in records
        ]
        with tables.writing_outcomes(file, overwrite=console.overwrite) as add:
            add(portal.gstin or "", lines)

    console.write_report(write, jobs=0)


@command(report=options.Report)
def outcome(
    console: Console,
    upload: Annotated[
        Path,
        typer.Argument(metavar="UPLOAD", help="The JSON file that push --to wrote, and that was uploaded."),
    ],
    errors: Annotated[
        Path,
        options.option(
            "--errors FILE",
            "The error file that the portal offers for an upload that is 'processed with error'.",
            "errors.json",
        ),
    ],
    no_check: options.NoCheck = False,
) -> int:
    """Show what became of an upload at the portal, record by record.

    A record that the portal's error file names has failed, with the portal's words; the others count as
    applied, which a new download shows. Correct the failed rows in the sheets, and push them again.
    """
    gstin, report = read_outcome(upload, errors, check=not no_check)
    console.show(*outcomes.record_tables(report))
    lines: dict[str, Any] = {"gstin": gstin, "overwrite": console.overwrite}
    written = console.write_report(lambda file: tables.write_report(file, report, **lines), jobs=0)
    applied, failed = tables.applied_count(report) or 0, len(report.failed)
    unknown = f", nothing is known of {report.unaccounted_count:,}" if report.unaccounted_count else ""
    said = f"Of {counted(report.submitted or 0, 'record')} {applied:,} count as applied, {failed:,} failed"
    console.say(f"{said}{unknown}. Correct what failed in the sheets, and push --to another file.")
    facts = {"ok": report.ok, "gstin": gstin, "submitted": report.submitted, "applied": applied}
    console.document({**facts, **outcomes.record_facts(report), "report_file": console.report_file})
    return OK if report.ok and written else NOT_ALL_WELL
