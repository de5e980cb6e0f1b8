"""One GSTIN: its reads, its changes one at a time, its session; and all that a client has of these."""

from __future__ import annotations

import operator
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import attrs

from .. import rules
from ..errors import InvalidInput
from ..jobs.context import Services
from ..jobs.job import ImsJob
from ..jobs.reconcile import Reconciliation
from ..jobs.recovery import Retry
from ..jobs.sending import Batch
from ..jobs.taxpayer_state import Remembered, TaxpayerState
from ..loop_owner import on_one_loop
from ..model.change import Change
from ..model.records import Decision, Invoice, Record
from ..model.report import JobReport
from ..model.secret import without_frames
from ..model.status import JobKind
from ..model.times import QUIET
from ..model.tokens import JobToken
from ..rules.periods import month_of_ims
from .reads import Reads

R = TypeVar("R", Decision, Invoice)


@on_one_loop
class Taxpayer(Reads):
    """One GSTIN at one GSP. Made by `client.taxpayer(…)`, which returns the same object each time."""

    def __init__(self, gstin: str, services: Services, state: TaxpayerState) -> None:
        self.gstin = gstin
        self._services, self._loop_owner = services, services.loop_owner
        self._state, self._session, self._credentials = state, state.session, state.credentials
        self._jobs, self._changes, self._downloads = state.jobs, state.changes, state.downloads
        self._recovery = state.recovery

    def __repr__(self) -> str:
        return f"<Taxpayer {self.gstin}>"

    # -- changes ---------------------------------------------------------------------------------------

    async def save(self, decisions: Iterable[Decision], *, queue: bool = True) -> ImsJob:
        """Submit decisions and return the job: accepted for processing, not yet applied.

        Waits for this GSTIN's turn, since the gateway takes one job at a time (`queue=False` raises
        `JobInFlight` instead). Raises `InvalidDecision` with every finding, `PayloadTooLarge` (then use
        `ims_async.bulk`, which cuts a batch), and `OutcomeUnknown` where the change may have left and no
        readable answer came.
        """
        records = _batch(
            decisions, Decision, "save takes what invoice.accept(), .reject() and .keep_pending() give"
        )
        return await self._changes.submit(Batch(kind=JobKind.SAVE, records=records), queue=queue)

    async def reset(self, invoices: Iterable[Invoice], *, queue: bool = True) -> ImsJob:
        """Take the action on these records back to "no action"; otherwise as `save`.

        GSTN compares each record with how it stands: read them again after a save, and reset those.
        """
        records = _batch(invoices, Invoice, "reset takes invoices as they were read")
        return await self._changes.submit(Batch(kind=JobKind.RESET, records=records), queue=queue)

    async def regenerate_gstr2b(self, period: str, *, queue: bool = True) -> ImsJob:
        """Have the GSTR-2B of a period (`MMYYYY`) computed anew from the actions as they are; return the job.

        Needed for actions taken after the draft of the 14th; possible until GSTR-3B of the period is filed.
        It waits for this GSTIN's turn, as `save` does. Its report has no records: `str(report)` says what
        came of it. If no action has changed since the statement was made, the job has ended at once. Asking
        twice does no harm: after a lost answer it is asked for again, as the `RetryPolicy` has it; then this
        raises `OutcomeUnknown`, and the next call, or a save, asks once more. Raises `RegenerationRefused`
        before the draft and once GSTR-3B is filed, `NotSupported`, `InvalidInput`, otherwise as `save`.
        Source: GSTN's additional FAQ on IMS of 17-10-2024, question 3, and GSTN's advisory of 08-10-2025.
        """
        month_of_ims(period)
        batch = Batch(kind=JobKind.REGENERATE, period=period)
        return await self._recovery.regenerate(batch, queue=queue)

    async def check(self, records: Iterable[Record]) -> list[rules.Finding]:
        """Do the offline checks on decisions, or on invoices that are to be reset. No I/O.

        Returns what is only warned about. Raises `InvalidDecision` with all findings where any of them
        refuses, as `save` and `reset` would.
        """
        return await self._services.check(self.gstin, list(records))

    # -- jobs ------------------------------------------------------------------------------------------

    def job(self, reference_id: str, *, kind: JobKind = JobKind.SAVE, submitted: int | None = None) -> ImsJob:
        """Return a handle on a job known by its reference only; what it carries is then unknown.

        `submitted` is how many records were sent. Without it a status P cannot be told from a job still
        at work until its counts stand still, and no report can say that every record was applied. A
        computation of GSTR-2B (`kind=JobKind.REGENERATE`) has none.
        """
        if not isinstance(reference_id, str) or not reference_id.strip():
            raise InvalidInput("reference_id is empty: it is what the gateway answered to the save or reset")
        token = self._jobs.token(kind, reference_id.strip(), 0 if kind.repeatable else submitted)
        return self._jobs.handle(attrs.evolve(token, submitted_at=None, results_until=None))

    def resume(self, token: JobToken) -> ImsJob:
        """Return a handle on the job of a token, which holds this GSTIN's turn until it ends. No I/O."""
        return self._jobs.resume(token)

    def unfinished(self) -> list[ImsJob]:
        """The jobs that this process sent, resumed or found in the journal, and that have not ended."""
        return self._jobs.unfinished() + self._jobs.waiting()

    async def reconcile(
        self, job: ImsJob, decisions: Iterable[Record] | None = None, *, quiet: float = QUIET
    ) -> Reconciliation:
        """Re-read the records and say which decisions took effect. Sends no change.

        The gateway may still be working on a job whose reference was lost, so "not applied" is said only
        once `quiet` seconds have passed since it was submitted; before that it is "cannot tell yet". A job
        that has a reference, and can be asked, holds the turn until then, whatever its records look like.
        `decisions` are needed for a job that was resumed without its records; where there are none, or a
        section cannot be read to its last row, `let_go(job)` frees the turn. A look at fewer than all records
        of a job, or at others, ends nothing. A GSTR-2B to be computed anew has no records: if it was lost, it
        is asked for again, and its end is waited for. Raises `DownloadQueued` where the rows are not ready
        within the poll policy's deadline.
        """
        return await self._recovery.reconcile(job, decisions, quiet=quiet)

    async def retry(self, report: JobReport | ImsJob, *, queue: bool = True) -> Retry:
        """Send again what a finished job did not apply, once, as it stands now; it never retries by itself.

        Every record that failed or is unaccounted for is read again, when this GSTIN's turn has come. Those
        that still are as they were decided on are sent with the action they have now as the previous one;
        those applied by now are left alone; those that the supplier edited, that are gone, or that have an
        action by now which is neither the one they had nor the one wanted, are `changed`: for a person. (Of a
        record that was refused with IMSSAV0010 it is not known which action it had: it is sent.) In place of
        a report it takes a job that has one, or one that was called off, all records of which are looked at
        so; a job that did not compute GSTR-2B anew is asked for again. Raises as `save` and `reset` do, and
        `InvalidInput` for a report that has no records, or a job of which it is not known what became.
        """
        return await self._recovery.retry(report, queue=queue)

    async def let_go(self, job: ImsJob) -> None:
        """Let the next change go although it is not known what became of this job.

        For a job of which no decisions are at hand to `reconcile` with, or whose records a person has looked
        at. Sending its decisions again is then safe only for records that still stand as they were read.
        """
        self._jobs.check(job.token)
        await job._apply(Change.abandoned)

    # -- session ---------------------------------------------------------------------------------------

    @without_frames
    def use_token(self, token: str) -> None:
        """Use an access token that was had elsewhere."""
        self._session.hold(token)

    async def request_otp(self, username: str) -> str | None:
        """Have GSTN send an OTP to the taxpayer; `username` is the one on the GST portal.

        Returns the request's name, which some GSPs give it and `verify_otp` in another process needs.
        """
        return await self._session.request_otp(username)

    async def verify_otp(self, otp: str, *, username: str | None = None, request: str | None = None) -> None:
        """Begin the session with the OTP that came; digits, as text: leading zeros count.

        `username` and `request` are needed where `request_otp` was called in another process.
        """
        begun = self._session.verify_otp(otp, username, request)
        del otp  # what reports errors with local variables would show it, here and below
        await begun

    async def refresh(self) -> None:
        """Renew the session now; it renews itself ahead of its end otherwise."""
        await self._session.refresh()

    async def keep_alive(self) -> None:
        """Renew the session if its end is near; no I/O otherwise. Whoever asks each few minutes keeps it.

        Raises `OtpRequired` or `SessionExpired` where there is none to keep: a person has to log in.
        """
        await self._session.current()

    async def logout(self, *, wait: bool = False) -> None:
        """End the session, unless a job runs or rows are being prepared: either might fail by it.

        Raises `JobInFlight` then, or with `wait=True` waits for them (`DownloadQueued` past the deadline).
        """
        if not wait:
            self._changes.refuse_if_busy(
                f"a job of {self.gstin} is running; logging out might fail it: pass wait=True", watched=True
            )
        with self._changes.gate.join() as turn:
            await turn()
            await self._changes.wait_for_jobs(watched=True)
            async with self._downloads.none_under_way(wait=wait):
                await self._session.logout()


class Taxpayers:
    """The taxpayers of a client, one object for each GSTIN.

    Those that nobody holds, and of which nothing is under way, are let go: of these only the session and
    the references of their jobs are kept. Each new one has two of the others looked at.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._held: weakref.WeakValueDictionary[str, Taxpayer] = weakref.WeakValueDictionary()
        self._states: dict[str, TaxpayerState] = {}
        self._looked_at: deque[str] = deque()  # the longest ago first
        self._idle: dict[str, Remembered | None] = {}

    def __getitem__(self, gstin: str) -> Taxpayer:
        taxpayer = self._held.get(gstin)
        if taxpayer is None:
            if gstin not in self._states:
                self._drop_idle()
                self._states[gstin] = TaxpayerState(gstin, self._services, self._idle.pop(gstin, None))
                self._looked_at.append(gstin)
            taxpayer = self._held[gstin] = Taxpayer(gstin, self._services, self._states[gstin])
        return taxpayer

    def values(self) -> list[Taxpayer]:
        """Return those that are held, or of which something is under way."""
        return [self[gstin] for gstin in self._states]

    def states(self) -> list[TaxpayerState]:
        """Return what is kept of these."""
        return list(self._states.values())

    def _drop_idle(self) -> None:
        for _ in range(min(2, len(self._looked_at))):
            gstin = self._looked_at.popleft()
            if gstin in self._held or not self._states[gstin].idle:
                self._looked_at.append(gstin)
            else:
                self._idle[gstin] = self._states.pop(gstin).remembered()


def state_of(taxpayer: Taxpayer) -> TaxpayerState:
    """Return what is kept of a taxpayer. For the packages above this one."""
    return taxpayer._state


_invoice_of: Final[Callable[[Any], Any]] = operator.attrgetter("invoice")


def _batch(records: Iterable[R], kind: type[R], hint: str) -> list[R]:
    """Return a batch as a list. Raises `InvalidInput` for anything that is not of the kind."""
    if not isinstance(records, Iterable):
        raise InvalidInput(f"a {type(records).__name__} is not a batch: pass a list; {hint}")
    batch: list[R] = list(records)
    # At once, and so fast: the order of the calls is that of the requests.
    invoices: Iterable[Any] = batch if kind is Invoice else map(_invoice_of, batch)
    if {*map(type, batch)} == {kind} and {*map(type, invoices)} == {Invoice}:
        return batch
    for place, record in enumerate(batch, start=1):
        inner = record.invoice if isinstance(record, Decision) else record
        if not (isinstance(record, kind) and isinstance(inner, Invoice)):
            raise InvalidInput(f"item {place} of the batch is of type {type(record).__name__}: {hint}")
    return batch
