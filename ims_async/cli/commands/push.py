"""The commands that change something: `push`, `reset`."""

from __future__ import annotations

from ...model.status import JobKind
from ..command import command
from ..options import Decided, DecisionFiles, PulledFiles, Report
from ..output.console import Console
from .change import Plan, send


@command(report=Report)
def push(console: Console, files: DecisionFiles, plan: Plan) -> int:
    """Send the decisions of files, wait for the gateway's word, and account for every record.

    Column 'ITC reduction' says how much input tax credit is given up on accepting a credit note: none, full,
    or rupees such as igst=10.50;cgst=0;sgst=0;cess=0. Without it the gateway refuses the note (IMSSAV0054).
    The records are pulled again first: a row whose record the supplier has edited since, or somebody else
    has acted on, is refused by name, and nothing is sent.

    The column 'GSTIN' says whose a record is: files may hold many taxpayers. What is wrong with one taxpayer
    (no session, a stale row) then skips that one, and the others go on. Every push is a run: one that was
    broken off, however that happened, goes on with the same command and the name that it printed (--run).
    """
    return send(console, JobKind.SAVE, plan, files)


@command(report=Report)
def reset(console: Console, files: PulledFiles, plan: Plan, decided: Decided = False) -> int:
    """Take every record of files back to "no action", whatever their column 'action' says.

    With --decided only the rows that are decided in the files: those that a push of them sent.

    A record may stand as it was pulled or as the file decided; one that was changed otherwise since is
    refused by name, and nothing is sent. Of many taxpayers each is on its own, as with push.
    """
    return send(console, JobKind.RESET, plan, files, only_decided=decided)
