"""`jobs resume`: what became of what was sent, by this machine's journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from ... import bulk
from ...bulk import BulkEvent, EventKind
from ...bulk.accounts import accounts_of
from ...bulk.run import checked_name
from ...client import services_of
from ...errors import InvalidInput, JournalError
from ...journal import Change, Query
from ...model.moves import OPEN_STATES
from ...model.status import JobKind
from .. import options
from ..command import command
from ..inputs.settings import gather, journal_file, journal_if_any
from ..inputs.settings import journal as journal_of
from ..output.console import OK, Console
from ..output.tables import counted
from .change import tell_of_all
from .runs import Carrier


@command(report=options.Report)
def resume_jobs(
    console: Console,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run's name, as push printed it; all of them otherwise.",
        ),
    ] = None,
    concurrency: options.Concurrency = options.AT_ONCE,
    rate: options.Rate = None,
    journal: options.JournalFile = None,
    gsp: options.GspName = None,
    no_check: options.NoCheck = False,
    first_poll: options.FirstPoll = options.FIRST_POLL,
) -> int:
    """Find out what became of everything that was sent and has not ended, and account for each record.

    Jobs are waited for; where the answer to a change was lost, its records are read again, until they cannot
    change by it any more. Of a RUN, what the gateway turns out never to have taken is sent again, once, as
    push does it; without RUN nothing is sent at all. What a run had not sent yet push sends, with the run's
    name.
    """
    kept = journal_if_any(journal)
    if kept is None:
        console.say(f"There is no journal at {journal_file(journal)}: nothing was sent by it yet.")
        console.document({"ok": True, "journal": str(journal_file(journal)), "taxpayers": {}})
        return OK
    settings = gather(gsp, None, check=not no_check, need_gstin=False, rate=rate)
    carrier = Carrier(console=console, settings=settings, journal=journal, first_poll=first_poll)
    if run is None:
        return _resume_all(carrier, concurrency)
    return _resume_run(carrier, checked_name(run), concurrency)


def _resume_run(carrier: Carrier, run: str, concurrency: int) -> int:
    sizes = _sizes(carrier.console.wait_for(_batches(carrier, run)))
    if not sizes:
        runs = carrier.console.commands.runs()
        raise InvalidInput(f"the journal knows of no run {run!r} here: `{runs}` names them")
    found = carrier.carry_out(lambda client: bulk.resume(client, run, concurrency=concurrency), sizes)
    accounts = accounts_of(found, words=carrier.console.reason)
    return tell_of_all(carrier.console, accounts, carrier, unsent=_the_rest(carrier, run))


def _sizes(entries: Iterable[Change]) -> Counter[str]:
    """Count the records of batches by GSTIN."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        sizes[entry.token.gstin] += entry.token.submitted or 0
    return sizes


def _the_rest(carrier: Carrier, run: str) -> str:
    """Say how to send what a run had not sent yet: only what was sent is in the journal."""
    resets = all(entry.token.kind is JobKind.RESET for entry in carrier.batches)
    verb = "reset" if resets and carrier.batches else "push"
    command = carrier.console.commands.push("FILES", "--run", run, verb=verb)
    return f"What it had not sent yet only the files tell: {command}"


async def _batches(carrier: Carrier, run: str) -> Sequence[Change]:
    async with carrier.settings.client(journal=journal_if_any(carrier.journal)) as client:
        return await services_of(client).find(run=run)


def _resume_all(carrier: Carrier, concurrency: int) -> int:
    """See to their end all jobs of the journal that have not ended, whatever run they are of."""
    console = carrier.console
    entries = carrier.console.wait_for(_open_entries(carrier))
    if not entries:
        console.say("Nothing is unfinished here.")
        console.document({"ok": True, "taxpayers": {}})
        return OK
    carrier.only = [entry.id for entry in entries]
    carrier.hear = lambda event: _tell_error(console, event)
    found = carrier.carry_out(
        lambda client: bulk.recover(client, concurrency=concurrency, send=False), _sizes(entries)
    )
    accounts = accounts_of(found, words=console.reason)
    return tell_of_all(console, accounts, carrier, unsent="What was never sent is not looked at.")


def _tell_error(console: Console, event: BulkEvent) -> None:
    if event.kind is EventKind.FINISHED and event.error is not None:
        console.tell(f"{event.gstin}: {console.reason(event.gstin, event.error)}")


async def _open_entries(carrier: Carrier) -> list[Change]:
    """Return what has not ended here, and tell of what belongs to other gateways, or cannot be read."""
    console, kept = carrier.console, journal_of(carrier.journal)
    async with carrier.settings.client(journal=kept) as client:
        trouble: JournalError | None = None
        try:
            found = await kept.find(Query(states=OPEN_STATES))
        except JournalError as error:
            found, trouble = list(error.readable), error
        here = client.gsp.kind, client.host
    own = [entry for entry in found if (entry.token.gsp, entry.token.host) == here]
    others = [entry.token for entry in found if (entry.token.gsp, entry.token.host) != here]
    if trouble is not None and not own:  # where there are some here, the run itself says it
        console.tell(f"Some of the journal cannot be read: {trouble}")
    if others:
        where = ", ".join(sorted({f"{token.gsp} at {token.host}" for token in others}))
        sent = f"{counted(len(others), 'job')} in the journal, of {where}"
        console.tell(f"Not looked after: {sent} (--gsp and IMS_BASE_URL choose the gateway).")
    return own
