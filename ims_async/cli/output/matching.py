"""What is said while the rows of files are matched with what the gateway shows now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from ... import tables
from ...bulk.from_files import Matched
from ...errors import ImsError, InvalidInput
from ...model.vocabulary import Section
from .console import Console
from .errors import reason_of
from .grouping import Grouped, kind_of
from .run_progress import Tick, ticking
from .tables import counted


@attrs.frozen
class MatchProgress:
    """Says what is found; of like things the first three, and how many more there are."""

    console: Console
    matched: Tick
    grouped: Grouped

    def unreadable(self, gstin: str, section: Section, problem: str) -> None:
        """Say which row of the gateway's cannot be read."""
        what = f"{gstin} {section}: a row cannot be read and is left out: {problem}"
        self.grouped.add(f"{section} row unreadable", what)

    def standing(self, gstin: str, count: int) -> None:
        """Say how many rows need no sending."""
        stand = "stands" if count == 1 else "stand"
        self.console.tell(f"{gstin}: {counted(count, 'row')} {stand} already as decided")

    def skipped(self, gstin: str, error: ImsError) -> None:
        """Say why nothing is sent for a taxpayer."""
        if not isinstance(error, InvalidInput):
            what = f"{gstin} is skipped: {reason_of(error, self.console.gsp, gstin)}"
            self.grouped.add(f"skipped, {kind_of(error)}", what)
            return
        problems = tables.problems_of(error)
        many = len(problems) > 1
        what = f"{len(problems):,} of its rows do not match:" if many else str(error)
        self.grouped.add("skipped, rows do not match", f"{gstin} is skipped: {what}")
        for problem in problems if many else ():
            self.grouped.add(problem.kind, f"  {problem}")


@contextmanager
def match_progress(console: Console, taxpayers: int) -> Iterator[MatchProgress]:
    """Say what is found, and how far it is, for so long as rows are matched."""
    with ticking(console, "pulling again", taxpayers) as tick:
        grouped = Grouped(console.tell)
        yield MatchProgress(console, tick, grouped)
    grouped.end()


def say_what_else_the_run_holds(console: Console, run: str, matched: Matched) -> None:
    """Say what the run holds besides the files: another folder may have gone by the same name."""
    if matched.others:
        records = counted(sum(matched.others.values()), "record")
        others = counted(len(matched.others), "other taxpayer")
        console.tell(f"run {run} also holds {records} of {others}")
    if matched.beside:
        decisions = counted(matched.beside, "decision")
        console.tell(f"run {run} also holds {decisions} of these taxpayers that the files do not hold")
    if matched.earlier:
        sent = counted(matched.earlier, "row")
        console.tell(f"{sent} were sent by an earlier part of run {run}: they are looked after.")
