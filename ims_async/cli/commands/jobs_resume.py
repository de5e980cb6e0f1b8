"""`jobs resume`: what became of what was sent, by this machine's journal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ... import bulk, tables
from ...bulk import BulkEvent, EventKind
from ...bulk.accounts import accounts_of
from ...bulk.run import checked_name
from ...errors import InvalidInput, JournalError
from ...journal import Entry
from ...journal.entry import OPEN
from ...model.status import JobKind
from ..inputs.journals import journal as journal_of
from ..inputs.journals import journal_file, journal_if_any
from ..inputs.settings import gather
from ..options import (
    AT_ONCE,
    FIRST_POLL,
    Concurrency,
    Debug,
    FirstPoll,
    GspName,
    JournalFile,
    Json,
    NoCheck,
    Overwrite,
    Rate,
    Report,
)
from ..output.console import OK, Voice
from ..output.tables import counted
from .push_many import tell_of_all
from .runs import Carrier


def resume_jobs(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run's name, as push printed it; all of them otherwise.",
            show_default=False,
        ),
    ] = None,
    report: Report = None,
    overwrite: Overwrite = False,
    concurrency: Concurrency = AT_ONCE,
    rate: Rate = None,
    journal: JournalFile = None,
    gsp: GspName = None,
    no_check: NoCheck = False,
    first_poll: FirstPoll = FIRST_POLL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find out what became of everything that was sent and has not ended, and account for each record.

    Jobs are waited for; where the answer to a change was lost, its records are read again, until they cannot
    change by it any more. Of a RUN, what the gateway turns out never to have taken is sent again, once, as
    push does it; without RUN nothing is sent at all. What a run had not sent yet push sends, with the run's
    name.
    """
    voice = Voice(json, debug, gsp, journal=journal, check=not no_check, overwrite=overwrite)

    def work() -> int:
        if report is not None:
            tables.check_writable(report, overwrite=overwrite)
        kept = journal_if_any(journal)
        if kept is None:
            voice.say(f"There is no journal at {journal_file(journal)}: nothing was sent by it yet.")
            voice.document({"ok": True, "journal": str(journal_file(journal)), "taxpayers": {}})
            return OK
        settings = gather(gsp, None, check=not no_check, need_gstin=False, rate=rate)
        carrier = Carrier(voice=voice, settings=settings, journal=journal, first_poll=first_poll)
        if run is None:
            return _resume_all(carrier, concurrency, report)
        return _resume_run(carrier, checked_name(run), concurrency, report)

    voice.run(work)


def _resume_run(carrier: Carrier, run: str, concurrency: int, file: Path | None) -> int:
    sizes = _sizes(asyncio.run(_batches(carrier, run)))
    if not sizes:
        runs = carrier.voice.commands.runs()
        raise InvalidInput(f"the journal knows of no run {run!r} here: `{runs}` names them")
    found = carrier.carry_out(lambda client: bulk.resume(client, run, concurrency=concurrency), sizes)
    accounts = accounts_of(found, words=carrier.voice.reason)
    return tell_of_all(carrier.voice, accounts, carrier, file, unsent=_the_rest(carrier, run))


def _sizes(entries: Iterable[Entry]) -> Counter[str]:
    """Count the records of batches by GSTIN."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        sizes[entry.token.gstin] += entry.token.submitted or 0
    return sizes


def _the_rest(carrier: Carrier, run: str) -> str:
    """Say how to send what a run had not sent yet: only what was sent is in the journal."""
    resets = all(entry.token.kind is JobKind.RESET for entry in carrier.batches)
    verb = "reset" if resets and carrier.batches else "push"
    command = carrier.voice.commands.push("FILES", "--run", run, verb=verb)
    return f"What it had not sent yet only the files tell: {command}"


async def _batches(carrier: Carrier, run: str) -> Sequence[Entry]:
    async with carrier.settings.client(journal=journal_if_any(carrier.journal)) as client:
        return await client.batches_of(run)


def _resume_all(carrier: Carrier, concurrency: int, file: Path | None) -> int:
    """See to their end all jobs of the journal that have not ended, whatever run they are of."""
    voice = carrier.voice
    entries = asyncio.run(_open_entries(carrier))
    if not entries:
        voice.say("Nothing is unfinished here.")
        voice.document({"ok": True, "taxpayers": {}})
        return OK
    carrier.only = [entry.id for entry in entries]
    carrier.hear = lambda event: _tell_error(voice, event)
    found = carrier.carry_out(
        lambda client: bulk.recover(client, concurrency=concurrency, send=False), _sizes(entries)
    )
    accounts = accounts_of(found, words=voice.reason)
    return tell_of_all(voice, accounts, carrier, file, unsent="What was never sent it cannot tell.")


def _tell_error(voice: Voice, event: BulkEvent) -> None:
    if event.kind is EventKind.FINISHED and event.error is not None:
        voice.tell(f"{event.gstin}: {voice.reason(event.gstin, event.error)}")


async def _open_entries(carrier: Carrier) -> list[Entry]:
    """Return what has not ended here, and tell of what belongs to other gateways, or cannot be read."""
    voice, kept = carrier.voice, journal_of(carrier.journal)
    async with carrier.settings.client(journal=kept) as client:
        try:
            found = list(await kept.entries(phases=tuple(OPEN)))
        except JournalError as error:
            voice.tell(f"Some of the journal cannot be read: {error}")
            found = [entry for entry in error.readable if isinstance(entry, Entry)]
        here = client.gsp.kind, client.host
        own = [entry for entry in found if (entry.token.gsp, entry.token.host) == here]
    others = [entry.token for entry in found if entry not in own]
    if others:
        where = ", ".join(sorted({f"{token.gsp} at {token.host}" for token in others}))
        sent = f"{counted(len(others), 'job')} in the journal, of {where}"
        voice.tell(f"Not looked after: {sent} (--gsp and IMS_BASE_URL choose the gateway).")
    return own
