"""`jobs list`: what the journal holds, without asking any gateway."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
from rich.table import Table

from ...bulk.recover import handed_in_again
from ...errors import InvalidInput, JournalError
from ...journal import Change, ChangeState, Query, SqliteJournal
from ...model.moves import OPEN_STATES
from ...model.status import JobState
from .. import options
from ..command import command
from ..inputs.settings import journal_file, journal_if_any
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console

_MAY_BE_LEFT: Final = (*OPEN_STATES, ChangeState.CALLED_OFF)


@command()
def list_jobs(
    console: Console,
    all_jobs: Annotated[bool, options.option("--all", "Everything that was ever handed in.")] = False,
    run: Annotated[str | None, options.option("--run NAME", "All jobs of this run.", "2026-11")] = None,
    runs: Annotated[bool, options.option("--runs", "A line for each run, with its counts.")] = False,
    journal: options.JournalFile = None,
) -> int:
    """List what the journal holds: the jobs that have not ended, or were not sent, or all of them.

    Needs no credentials and asks nobody. `jobs resume` finds out what became of those that are open. What
    was not sent, and neither cancelled nor refused, push sends: the same files, with the run's name.
    """
    kept = journal_if_any(journal)
    if kept is None:
        console.say(f"There is no journal at {journal_file(journal)}: nothing was sent by it yet.")
        console.document({"ok": True, "journal": str(journal_file(journal)), "jobs": [], "runs": []})
        return OK
    whole = all_jobs or runs or run is not None
    found, trouble = console.wait_for(_entries(kept, run, whole=whole))
    if run is not None and not found and trouble is None:
        raise InvalidInput(
            f"the journal knows of no run {run!r} here: `{console.commands.runs()}` names them"
        )
    _show(console, _title(kept.path, run, whole=whole), found, runs=runs)
    if trouble is not None:
        console.tell(f"Error: {trouble}")
    facts = {"ok": trouble is None, "journal": str(kept.path), "jobs": [_facts(entry) for entry in found]}
    console.document({**facts, "runs": [_run_facts(name, own) for name, own in _by_run(found).items()]})
    return OK if trouble is None else NOT_ALL_WELL


async def _entries(
    kept: SqliteJournal, run: str | None, *, whole: bool
) -> tuple[list[Change], JournalError | None]:
    """Return what can be read, of the jobs that are left or of all, and what is the matter with the rest."""
    async with kept:
        try:
            query = Query(run=run, states=None if whole else _MAY_BE_LEFT)
            found, trouble = await kept.find(query), None
        except JournalError as error:
            if not error.readable:
                raise
            found, trouble = list(error.readable), error
        again = await handed_in_again(kept, [entry for entry in found if entry.to_retry])
        found = [attrs.evolve(entry, retried=True) if entry.id in again else entry for entry in found]
        if not whole:
            found = [entry for entry in found if entry.open or entry.to_retry]
        return found, trouble


def _show(console: Console, title: str, found: Sequence[Change], *, runs: bool) -> None:
    if not found:
        console.say(f"{title}: none.")
    elif runs:
        console.show(_runs_table(title, _by_run(found)))
    else:
        console.show(_jobs_table(title, found))


def _title(path: Path, run: str | None, *, whole: bool) -> str:
    which = "" if whole else " that have not ended, or were not sent"
    return f"jobs{which if run is None else f' of run {run}'} in {path}"


def _jobs_table(title: str, found: Iterable[Change]) -> Table:
    rows = [
        (
            entry.run,
            entry.token.gstin,
            entry.token.kind.value.lower(),
            entry.token.reference_id or "",
            _phase(entry),
            entry.token.submitted,
            _local(entry.token.submitted_at),
            _next(entry),
        )
        for entry in found
    ]
    return show.table(title, ("run", "GSTIN", "kind", "reference", "phase", "records", "since", "next"), rows)


def _phase(entry: Change) -> str:
    """Name the phase, and how it ended, or why it was not sent."""
    if entry.cause is not None:
        return f"{entry.state}, {entry.cause}"
    if entry.state is ChangeState.ENDED and entry.status is not None:
        return f"ended, {entry.status.state}"
    return entry.state.value


def _next(entry: Change) -> str:
    """Say what may be done about it; empty where there is nothing to do."""
    if entry.state is ChangeState.QUEUED or entry.to_retry:
        return f"push --run {shlex.quote(entry.run)}" if entry.run else "push again"
    if entry.state is ChangeState.SENDING:
        return "wait, then jobs resume"
    if entry.open:
        return "jobs resume"
    failed = entry.status is not None and entry.status.state is not JobState.SUCCEEDED
    return "pull, decide again" if entry.state is ChangeState.ENDED and failed and not entry.retried else ""


def _local(moment: dt.datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%d-%m-%Y %H:%M}"


def _by_run(found: Iterable[Change]) -> dict[str, list[Change]]:
    """Sort by run; what was sent without one has the empty name."""
    runs: dict[str, list[Change]] = {}
    for entry in found:
        runs.setdefault(entry.run, []).append(entry)
    return runs


def _runs_table(title: str, runs: dict[str, list[Change]]) -> Table:
    rows: list[tuple[object, ...]] = []
    for name, own in runs.items():
        facts = _run_facts(name, own)
        counts = (facts[of] for of in ("jobs", "open_jobs", "records", "open_records"))
        since = min((at for entry in own if (at := entry.token.submitted_at)), default=None)
        news = max((at for entry in own if (at := entry.changed_at)), default=None)
        rows.append((name or "(none)", len(facts["gstins"]), *counts, _local(since), _local(news)))
    columns = ("run", "GSTINs", "jobs", "open jobs", "records", "open records", "since", "last news")
    return show.table(title, columns, rows)


def _records(entries: Iterable[Change]) -> int:
    return sum(entry.token.submitted or 0 for entry in entries)


def _facts(entry: Change) -> dict[str, Any]:
    token = entry.token
    return {
        "run": entry.run or None,
        "gsp": token.gsp,
        "host": token.host,
        "gstin": token.gstin,
        "kind": token.kind.value,
        "reference_id": token.reference_id,
        "phase": entry.state.value,
        "open": entry.open,
        "state": None if entry.status is None else str(entry.status.state),
        "cause": entry.cause,
        "reason": entry.reason,
        "retried": entry.retried,
        "next": _next(entry),
        "records": token.submitted,
        "submitted_at": token.submitted_at.isoformat() if token.submitted_at else None,
        "changed_at": entry.changed_at.isoformat() if entry.changed_at else None,
        "token": token.dumps(),
    }


def _run_facts(name: str, own: Sequence[Change]) -> dict[str, Any]:
    return {
        "run": name or None,
        "gstins": sorted({entry.token.gstin for entry in own}),
        "jobs": len(own),
        "open_jobs": sum(entry.open for entry in own),
        "records": _records([entry for entry in own if entry.state is not ChangeState.CALLED_OFF]),
        "open_records": _records([entry for entry in own if entry.open]),
    }
