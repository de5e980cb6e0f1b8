"""`check`: a file of decisions against every rule that can be asked without a gateway."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer
from rich.table import Table
from rich.text import Text

from .. import rules, tables
from ..errors import InvalidInput
from ..rules import Finding, Level, RulePolicy
from ..tables import Row
from ..vocabulary import parse_gstin
from . import environment, show
from .options import Debug, Gstin, Json, NoCheck
from .voice import BAD_INPUT, OK, Voice

CheckedFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="A file of pull's, its column 'action' filled in with A, R or P.",
        show_default=False,
    ),
]
Levels = Annotated[
    list[str] | None,
    typer.Option(
        "--level",
        metavar="CODE=LEVEL",
        help="Set a rule's level: refuse, warn or off; may be given several times. --rules lists the codes. "
        "Example: --level not-filed=off --level period-closed=refuse",
        show_default=False,
    ),
]
Filed = Annotated[
    list[str] | None,
    typer.Option(
        "--filed",
        metavar="MMYYYY",
        help="A GSTR-2B period whose GSTR-3B is filed, so that its records are closed; may be given several "
        "times. Example: --filed 102025",
        show_default=False,
    ),
]
ListRules = Annotated[
    bool,
    typer.Option("--rules", help="List the rules with their levels, and check nothing. Example: --rules"),
]


def check(
    file: CheckedFile = None,
    level: Levels = None,
    filed: Filed = None,
    list_rules: ListRules = False,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a file of decisions without sending anything or logging in.

    Exit code 2 if anything in it would be refused before sending, 0 if there are warnings only. What the
    file's columns do not tell is not held against it: push looks at the records themselves.
    """
    voice = Voice(json, debug)

    def work() -> int:
        policy = _policy(level or [], filed or [], no_check=no_check)
        if list_rules:
            return _list_rules(voice, policy)
        if file is None:
            raise InvalidInput("no file was named: ims-async check FILE, or --rules to list the rules")
        rows = tables.read_with_information(file, check_suppliers=not no_check)
        own = gstin or environment.Variables().get("IMS_GSTIN")
        if own and not no_check:
            own = parse_gstin(own, what="the taxpayer's GSTIN")
        today = rules.india_date(dt.datetime.now(dt.UTC))
        found = tables.check_rows(rows, policy=policy, gstin=own or None, today=today)
        return _Outcome(file, [row for row, _ in rows], found).tell(voice)

    voice.run(work)


def _policy(levels: Sequence[str], filed: Sequence[str], *, no_check: bool) -> RulePolicy:
    given = {"supplier": "off"} if no_check else {}
    for text in levels:
        code, equals, level = text.partition("=")
        if not equals:
            raise InvalidInput(f"--level {text!r}: write CODE=LEVEL, for example not-filed=off")
        given[code.strip()] = level
    return RulePolicy(levels=given, filed=filed)


def _list_rules(voice: Voice, policy: RulePolicy) -> int:
    levels = {rule.code: policy.level_of(rule.code) for rule in rules.RULES}
    rows = [(rule.code, levels[rule.code], rule.summary, rule.source) for rule in rules.RULES]
    voice.show(show.table("The offline checks", ("code", "level", "what should be so", "source"), rows))
    facts = ("code", "summary", "source", "since")
    listed = [
        {**{name: getattr(rule, name) for name in facts}, "level": levels[rule.code].value}
        for rule in rules.RULES
    ]
    voice.document({"ok": True, "rules": listed})
    return OK


@attrs.frozen
class _Outcome:
    """What the rules found in a file."""

    file: Path
    rows: Sequence[Row]
    found: Sequence[Finding]

    def tell(self, voice: Voice) -> int:
        """Show it, refusals first, and return the exit code."""
        counted = show.summary_of_rows(self.rows)
        refused = sum(finding.level is Level.REFUSE for finding in self.found)
        voice.show(show.summary_table(f"decisions in {self.file}", counted))
        if self.found:
            voice.say()
            voice.show(self._table())
            voice.say()
        voice.say(self._verdict(refused))
        facts = {"ok": not refused, "file": str(self.file), "decisions": show.summary_facts(counted)}
        voice.document({**facts, "findings": [self._facts(finding) for finding in self.found]})
        return BAD_INPUT if refused else OK

    def _table(self) -> Table:
        worst_first = sorted(self.found, key=lambda finding: finding.level is not Level.REFUSE)
        rows = [
            (
                self._line(finding),
                _level(finding),
                finding.code,
                tables.column_of(finding.code),
                _named(finding),
                finding.message,
            )
            for finding in worst_first[: show.MOST_ROWS]
        ]
        title = f"findings in {self.file}"
        if len(self.found) > show.MOST_ROWS:
            title += f": the first {show.MOST_ROWS} of {len(self.found):,}; --json has all"
        return show.table(title, ("row", "level", "code", "column", "record", "message"), rows)

    def _verdict(self, refused: int) -> str:
        counts = Counter(finding.code for finding in self.found)
        by_code = ", ".join(f"{code} {count:,}" for code, count in counts.most_common())
        warned = len(self.found) - refused
        warnings = show.counted(warned, "warning")
        if refused:
            beside = f" and {warnings}" if warned else ""
            return f"The file is refused: {show.counted(refused, 'fault')}{beside} ({by_code})."
        looked_up = "Whether its records are still as they were, push looks up."
        beside = f", but {warnings} ({by_code})" if warned else ""
        return f"No fault was found in the file{beside}. {looked_up}"

    def _line(self, finding: Finding) -> int | None:
        return None if finding.place is None else self.rows[finding.place].line

    def _facts(self, finding: Finding) -> dict[str, Any]:
        row = None if finding.place is None else self.rows[finding.place]
        ids = {name: getattr(row, name, None) for name in ("section", "supplier", "number", "return_period")}
        return {
            "row": row.line if row else None,
            "column": tables.column_of(finding.code) if row else None,
            "level": finding.level.value,
            "code": finding.code,
            "message": finding.message,
            "source": finding.source,
            **ids,
        }


def _level(finding: Finding) -> Text:
    return Text(finding.level, "bold red" if finding.level is Level.REFUSE else "yellow")


def _named(finding: Finding) -> str:
    key = finding.key
    return "the batch" if key is None else f"{key.section} {key.number} from {key.supplier}"
