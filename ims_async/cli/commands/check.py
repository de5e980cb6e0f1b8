"""`check`: files of decisions against every rule that can be asked without a gateway."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

import attrs
from rich.table import Table
from rich.text import Text

from ... import rules, tables
from ...errors import InvalidInput
from ...model.status import JobKind
from ...rules import Finding, Level, RulePolicy
from ...tables import Problem, Row
from ...tables.checking import Beside, closing_periods
from ...tables.problems import raise_all
from ...tables.reading import read_keeping
from .. import options
from ..command import command
from ..inputs.files import read_all
from ..inputs.filings import Filings, ask_filings
from ..inputs.settings import checked_gstin, gather_for
from ..output import tables as show
from ..output.console import BAD_INPUT, OK, Console
from ..output.grouping import and_more, by_kind, first_of_each


@attrs.frozen(kw_only=True)
class Known:
    """What the rules go by beside the files."""

    level: Annotated[
        list[str] | None,
        options.option(
            "--level CODE=LEVEL",
            "Set a rule's level: refuse, warn or off; may be given several times. --rules lists the codes.",
            "not-filed=off --level period-closed=refuse",
        ),
    ] = None
    filed: Annotated[
        list[str] | None,
        options.option(
            "--filed MMYYYY",
            "A GSTR-2B period whose GSTR-3B is filed, so that its records are closed; may be given several "
            "times.",
            "102025",
        ),
    ] = None
    ask_filing: options.AskFilings = False
    gsp: options.GspName = None
    gstin: options.OwnGstin = None
    no_check: options.NoCheck = False

    @property
    def policy(self) -> RulePolicy:
        """The settings of the rules. Raises `InvalidInput`."""
        given = {"supplier": "off"} if self.no_check else {}
        for text in self.level or ():
            code, equals, level = text.partition("=")
            if not equals:
                raise InvalidInput(f"--level {text!r}: write CODE=LEVEL, for example not-filed=off")
            given[code.strip()] = level
        return RulePolicy(levels=given, filed=self.filed or ())


@command(report=options.FindingsReport)
def check(
    console: Console,
    known: Known,
    files: options.CheckedFiles = None,
    list_rules: Annotated[
        bool, options.option("--rules", "List the rules with their levels, and check nothing.")
    ] = False,
) -> int:
    """Check files of decisions offline: nothing is sent, and only with --ask-filing a gateway is asked.

    Exit code 2 if anything in them would be refused before sending, 0 if there are warnings only. What the
    file's columns do not show is not checked: push looks at the records themselves.
    """
    policy = known.policy
    if list_rules:
        return _list_rules(console, policy)
    if not files:
        raise InvalidInput("no file was named: `ims-async check FILE`, or --rules to list the rules")
    own = checked_gstin(known.gstin, check=not known.no_check)
    read, rows, faults = _rows_of(console, files, known.gstin, own, check=not known.no_check)
    filings = None
    if known.ask_filing and faults:
        console.tell("The gateway was not asked what is filed: each request is billed. Mend the file first.")
    elif known.ask_filing:
        filings = _filings_of(console, rows, own, known)
        policy = attrs.evolve(policy, filed=[*policy.filed, *filings.found.values()])
    today = rules.india_date(dt.datetime.now(dt.UTC))
    found = tables.check_rows(rows, policy=policy, gstin=own or None, today=today)
    rewritten = tables.rewritten_count(rows)
    shown = [_Found.of_form(fault) for fault in faults]
    shown += [_Found.of_rule(finding, rows.rows) for finding in found]
    return _Outcome(read, rows.rows, _by_place(shown, read), rewritten, filings).tell(console)


def _filings_of(
    console: Console, rows: Sequence[tuple[Row, dict[str, str]]], own: str, known: Known
) -> Filings:
    """Ask of each taxpayer what is filed of the periods of its rows."""
    wanted: dict[str, list[str]] = {}
    for gstin, periods in closing_periods(rows, gstin=own).items():
        if not gstin:
            raise InvalidInput("--ask-filing: a file does not say whose its records are: pass --gstin")
        wanted[gstin] = periods
    check, named = not known.no_check, bool(known.gstin)
    settings = gather_for(known.gsp, list(wanted), named=named, check=check, rate=None)
    console.asks(settings)
    return ask_filings(console, settings, wanted, at_once=options.READ_AT_ONCE)


def _rows_of(
    console: Console, paths: Sequence[Path], gstin: str | None, own: str, *, check: bool
) -> tuple[list[Path], Beside, list[Problem]]:
    """Read the files that are meant, as push does; return them, their rows with what is beside, and faults.

    The rows are those that can be read; what is wrong with others is no error as long as there are any.
    """
    beside, faults, unnamed = Beside(), list[Problem](), set[str]()

    def read(file: Path, **options: bool) -> list[Row]:
        rows: list[Row] = []

        def keep(row: Row, columns: Sequence[str], texts: Sequence[str]) -> None:
            rows.append(row)
            beside.keep(row, columns, texts)

        try:
            return read_keeping(file, keep, **options)
        except InvalidInput as error:
            found = tables.problems_of(error)
            wrong = {(one.file, one.row) for one in found}
            if not (readable := [row for row in rows if (row.file, row.line) not in wrong]):
                raise
            faults.extend(found)
            # As `by_taxpayer` knows them: no row names its taxpayer.
            unnamed.update({row.file for row in readable} - {row.file for row in readable if row.gstin})
            return readable

    try:
        files, by_gstin = read_all(
            console, paths, JobKind.SAVE, gstin=gstin, check=check, reader=read, otherwise=lambda: own
        )
    except InvalidInput as error:
        if faults:
            raise_all([*faults, *tables.problems_of(error)])
        raise
    beside.rows = [row for named in by_gstin.values() for row in named]
    whose = {row.file: row.gstin for row in beside.rows if row.file in unnamed}
    return files, beside, [_of_owner(fault, whose) for fault in faults]


def _of_owner(fault: Problem, whose: Mapping[str, str | None]) -> Problem:
    """Return what is wrong with a row as that of its file's taxpayer, if the file has only one."""
    return Problem(**{**fault.facts, "gstin": fault.gstin or whose.get(fault.file)})


def _list_rules(console: Console, policy: RulePolicy) -> int:
    names = ("code", "summary", "source", "since")
    facts = [
        {**{name: getattr(rule, name) for name in names}, "level": policy.level_of(rule.code).value}
        for rule in rules.RULES
    ]
    rows = [[rule[name] for name in ("code", "level", "summary", "source")] for rule in facts]
    console.show(show.table("The offline checks", ("code", "level", "what should be so", "source"), rows))
    console.document({"ok": True, "rules": facts})
    return OK


@attrs.frozen(kw_only=True)
class _Found:
    """One thing that is wrong: a cell that cannot be read, or what a rule found."""

    level: Level
    problem: Problem
    """The place, the kind or the rule's code, and the sentence of the report."""
    message: str
    record: str = ""
    source: str = ""
    row: Row | None = None

    @classmethod
    def of_form(cls, fault: Problem) -> Self:
        """What is wrong with a row that is not read, or with a file."""
        return cls(level=Level.REFUSE, problem=fault, message=fault.message)

    @classmethod
    def of_rule(cls, finding: Finding, rows: Sequence[Row]) -> Self:
        """What a rule found in a row, or in all of them."""
        row = None if finding.place is None else rows[finding.place]
        problem = Problem(finding.message, kind=finding.code)
        key = finding.key
        named = "the batch" if key is None else f"{key.section} {key.number} from {key.supplier}"
        if row is not None:
            column = tables.column_of(finding.code)
            place: dict[str, Any] = {"file": row.file, "row": row.line, "column": column, "gstin": row.gstin}
            problem = Problem(f"{named}: {finding.message}", kind=finding.code, **place)
        level, said = finding.level, finding.message
        return cls(level=level, problem=problem, message=said, record=named, source=finding.source, row=row)

    @property
    def code(self) -> str:
        """The rule's code, or the kind of the fault."""
        return self.problem.kind

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        place = self.problem.facts
        return {
            **{name: place[name] or None for name in ("file", "gstin", "row", "column")},
            "level": self.level.value,
            **{name: getattr(self, name) for name in ("code", "message", "source")},
            **{name: getattr(self.row, name, None) for name in _OF_ROW},
        }


_OF_ROW: Final = ("section", "supplier", "number", "return_period")


def _by_place(found: Iterable[_Found], files: Sequence[Path]) -> list[_Found]:
    """Return the findings in the order of the files and their rows, last those of no file."""
    ranks = {str(file): rank for rank, file in enumerate(files)}

    def place(one: _Found) -> tuple[bool, int, str, int]:
        file, row = one.problem.file, one.problem.row or 0
        rank = ranks.get(file, ranks.get(file.rpartition(" [")[0], 0))  # a further sheet: `FILE [SHEET]`
        return not file, rank, file, row

    return sorted(found, key=place)


@attrs.frozen
class _Outcome:
    """What was found in files."""

    files: Sequence[Path]
    rows: Sequence[Row]
    found: Sequence[_Found]
    rewritten: int
    filings: Filings | None

    def tell(self, console: Console) -> int:
        """Show it, refusals first, and return the exit code."""
        counted = show.by_section(self.rows)
        decisions = {
            section: {str(action): count for action, count in own.items()} for section, own in counted.items()
        }
        refused = sum(finding.level is Level.REFUSE for finding in self.found)
        console.show(show.summary_table(f"decisions in {self._name}", "section", counted))
        if self.found:
            several_codes = len({finding.code for finding in self.found}) > 1
            for table in (self._codes_table, self._table) if several_codes else (self._table,):
                console.say()
                console.show(table())
            console.say()
        if console.report is not None:
            lines = ((finding.level.value, finding.problem) for finding in self.found)
            tables.write_problems(console.report, lines, overwrite=console.overwrite)
            console.say(f"All findings are in {console.report}.")
        if self.rewritten:
            console.say(show.recognised(self.rewritten, later=True))
        console.say(self._verdict(refused))
        facts = {
            "ok": not refused,
            "rewritten": self.rewritten,
            "file": None if self._several else str(self.files[0]),
            "files": [str(file) for file in self.files],
            "decisions": decisions,
            "report_file": console.report_file,
            "filing": self.filings and self.filings.facts(console),
        }
        console.document({**facts, "findings": [finding.facts for finding in self.found]})
        return BAD_INPUT if refused else OK

    @property
    def _several(self) -> bool:
        return len(self.files) > 1

    @property
    def _name(self) -> str:
        return show.counted(len(self.files), "file") if self._several else str(self.files[0])

    def _codes_table(self) -> Table:
        """Show how often each rule found something, refusals first."""
        counts = Counter((finding.level is not Level.REFUSE, finding.code) for finding in self.found)
        ordered = sorted(counts.items(), key=lambda one: (one[0][0], -one[1]))
        rows = [("warn" if mild else "refuse", code, count) for (mild, code), count in ordered]
        return show.table("findings by code", ("level", "code", "findings"), rows)

    def _table(self) -> Table:
        worst_first = sorted(self.found, key=lambda finding: finding.level is not Level.REFUSE)
        several = ("file", "GSTIN") if self._several else ()
        title = f"findings in {self._name}"
        rows: list[tuple[object, ...]] = []
        for own, more in first_of_each(worst_first, lambda finding: (finding.level, finding.code)):
            rows += map(self._cells, own)
            if more:
                rest = (None, _level(own[0]), own[0].code, "", and_more(more), "")
                rows.append((*("" for _ in several), *rest))
        if len(rows) < len(self.found):
            title += ", the first three of each code; --report FILE and --json have all"
        return show.table(title, (*several, "row", "level", "code", "column", "record", "message"), rows)

    def _cells(self, found: _Found) -> tuple[object, ...]:
        problem = found.problem
        place = (Path(problem.file).name, problem.gstin or "") if self._several else ()
        what = (_level(found), found.code, problem.column or "", found.record)
        return *place, problem.row, *what, found.message

    def _verdict(self, refused: int) -> str:
        by_code = by_kind(finding.code for finding in self.found)
        warned = len(self.found) - refused
        warnings = show.counted(warned, "warning")
        if refused:
            beside = f" and {warnings}" if warned else ""
            refusal = "The files are refused" if self._several else "The file is refused"
            faults = f"{show.counted(refused, 'fault')}{beside} ({by_code})"
            return f"{refusal}: {faults}. Mend these rows, and check again."
        files, their = ("files", "their") if self._several else ("file", "its")
        looked_up = f"Whether {their} records are still as they were, push looks up."
        beside = f", but {warnings} ({by_code})" if warned else ""
        return f"No fault was found in the {files}{beside}. {looked_up}"


def _level(found: _Found) -> Text:
    return Text(found.level, "bold red" if found.level is Level.REFUSE else "yellow")
