"""One GSTIN: its reads, its changes one at a time, its session."""

from __future__ import annotations

import asyncio
import datetime as dt
import urllib.parse
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, TypeVar

import attrs

from . import rules
from .credentials import CredentialStore
from .errors import InvalidInput, JobInFlight, JobTimeout, OutcomeUnknown
from .exchange import Credentials, Exchange
from .job import ImsJob
from .line import Line
from .reconcile import Reconciliation, compare
from .records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, RecordKey, SalesInvoice
from .report import Record
from .retry import PollPolicy
from .session import AccountCredential, TaxpayerCredential
from .status import ErrorEntry, JobKind, JobState, JobStatus, JobToken
from .vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection
from .wire import Gsp

_CHECKS_PER_TURN: Final = 500

R = TypeVar("R", Decision, Invoice)


@attrs.frozen(kw_only=True)
class Services:
    """What a client's taxpayers share."""

    gsp: Gsp
    exchange: Exchange
    account: AccountCredential
    store: CredentialStore
    poll: PollPolicy
    clock: Callable[[], float]


class Taxpayer:
    """One GSTIN at one GSP. Made by `client.taxpayer(…)`, which returns the same object each time."""

    def __init__(self, gstin: str, services: Services) -> None:
        self.gstin = gstin
        self._services = services
        self._session = TaxpayerCredential(
            services.exchange, services.gsp, services.store, services.clock, gstin, services.account
        )
        self._credentials = Credentials(account=services.account, taxpayer=self._session, gstin=gstin)
        self._line = Line()
        self._sending: asyncio.Task[ImsJob] | None = None
        self._left = False
        self._open: list[ImsJob] = []
        self._handles: weakref.WeakValueDictionary[str, ImsJob] = weakref.WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Taxpayer {self.gstin}>"

    # -- reads -----------------------------------------------------------------------------------------

    async def counts(self, goods_type: GoodsType | str = GoodsType.OTHERS) -> Counts:
        """Count documents by section and action."""
        conversation = self._services.gsp.counts(self.gstin, GoodsType.parse(goods_type))
        return await self._services.exchange.run(conversation, self._credentials)

    async def invoices(
        self, section: Section | str, status: Action | str | None = None, *, strict: bool = True
    ) -> InvoiceList:
        """Fetch one section's documents, all or those at one action.

        Raises `UnexpectedAnswer` naming each field that does not fit; with `strict=False` those rows are
        told in the list's `problems` instead.
        """
        wanted = section if isinstance(section, Section) else Section.parse(section)
        action = None if status is None else Action.parse(status)
        conversation = self._services.gsp.invoices(self.gstin, wanted, action, strict=strict)
        return await self._services.exchange.run(conversation, self._credentials)

    async def all_invoices(
        self, status: Action | str | None = None, *, strict: bool = True
    ) -> AsyncIterator[Invoice]:
        """Yield the documents of every section, fetched one answer at a time."""
        for section in Section:
            for invoice in await self.invoices(section, status, strict=strict):
                yield invoice

    async def sales(
        self,
        year: int,
        month: int,
        section: SupplierSection | str,
        *,
        form: SourceForm = SourceForm.GSTR1,
    ) -> list[SalesInvoice]:
        """Fetch what recipients did about this taxpayer's own documents of one return period."""
        conversation = self._services.gsp.sales(self.gstin, year, month, _supplier_section(section), form)
        return await self._services.exchange.run(conversation, self._credentials)

    async def added_back_liabilities(
        self, year: int, month: int, section: SupplierSection | str
    ) -> list[AddedBackLiability]:
        """Fetch documents whose rejection was added back to this taxpayer's liability."""
        wanted = _supplier_section(section)
        if wanted in (SupplierSection.B2B, SupplierSection.ECOM):
            raise InvalidInput(
                f"section {wanted} has no added-back liabilities; use cdnr, cdnra, b2ba or ecoma"
            )
        conversation = self._services.gsp.added_back_liabilities(self.gstin, year, month, wanted)
        return await self._services.exchange.run(conversation, self._credentials)

    # -- changes ---------------------------------------------------------------------------------------

    async def save(self, decisions: Iterable[Decision], *, queue: bool = True) -> ImsJob:
        """Submit decisions and return the job: accepted for processing, not yet applied.

        Waits for this GSTIN's turn, since the gateway takes one job at a time (`queue=False` raises
        `JobInFlight` instead). Raises `InvalidDecision` with every finding, `PayloadTooLarge`, and
        `OutcomeUnknown` where the change may have left and no readable answer came.
        """
        records = _batch(
            decisions, Decision, "save takes what invoice.accept(), .reject() and .keep_pending() give"
        )
        return await self._submit(JobKind.SAVE, records, queue=queue)

    async def reset(self, invoices: Iterable[Invoice], *, queue: bool = True) -> ImsJob:
        """Take the action on these records back to "no action"; otherwise as `save`."""
        records = _batch(invoices, Invoice, "reset takes invoices as they were read")
        return await self._submit(JobKind.RESET, records, queue=queue)

    async def _submit(self, kind: JobKind, records: Sequence[Record], *, queue: bool) -> ImsJob:
        if not records:
            raise InvalidInput(f"nothing to {kind.value.lower()}: the batch is empty")
        if not queue:
            self._refuse_if_busy()
        place = self._line.join()
        try:
            await self._check(records)
            await place.turn()
            await self._wait_for_jobs()
            return await self._send_until_taken(kind, records, queue=queue)
        finally:
            place.leave()

    async def _send_until_taken(self, kind: JobKind, records: Sequence[Record], *, queue: bool) -> ImsJob:
        delays, ends_at = self._services.poll.delays(), None
        while True:
            try:
                return await self._send_shielded(kind, records)
            except JobInFlight as error:  # IMSSAV0015: another job runs, nothing was done with this one
                now, delay = self._services.clock(), next(delays)
                ends_at = ends_at or now + self._services.poll.deadline
                if not queue or now + delay > ends_at:
                    raise JobInFlight(
                        f"nothing was done: a job of {self.gstin} from elsewhere is running ({error})"
                    ) from error
            await asyncio.sleep(delay)

    async def _send_shielded(self, kind: JobKind, records: Sequence[Record]) -> ImsJob:
        """Send the change. A caller cancelled before it leaves calls it off; one cancelled later loses no
        reply: the job stands in `unfinished`."""
        self._may_have_left(False)
        sending = self._sending = asyncio.create_task(self._send(kind, records))
        sending.add_done_callback(_heard)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if not self._left:
                sending.cancel()
            raise

    def _may_have_left(self, left: bool) -> None:
        self._left = left

    def _refuse_if_busy(self) -> None:
        running = self.unfinished()
        if running or self._line.busy or self._is_sending():
            raise JobInFlight(f"another job of {self.gstin} is running", job=running[0] if running else None)

    def _is_sending(self) -> bool:
        return self._sending is not None and not self._sending.done()

    async def _check(self, records: Sequence[Record]) -> None:
        findings: list[rules.Finding] = []
        seen: dict[tuple[object, ...], int] = {}
        for place, record in enumerate(records):
            findings.extend(rules.check_one(record, place, seen))
            if place % _CHECKS_PER_TURN == _CHECKS_PER_TURN - 1:
                await asyncio.sleep(0)
        rules.refuse(findings)

    async def _wait_for_jobs(self) -> None:
        """Wait until this GSTIN has no job in flight, driving those ahead if nobody else does."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])  # its caller is gone, its reply is not
        for ahead in self.unfinished():
            if ahead.reference_id is None:
                raise JobInFlight(
                    f"what became of the last change of {self.gstin} is not known: "
                    "call taxpayer.reconcile(error.job) first",
                    job=ahead,
                )
            try:
                await ahead.wait()
            except JobTimeout as error:
                raise JobInFlight(
                    f"nothing was sent, the job ahead still runs: {error}", job=ahead
                ) from error

    async def _send(self, kind: JobKind, records: Sequence[Record]) -> ImsJob:
        gsp, exchange = self._services.gsp, self._services.exchange
        if kind is JobKind.SAVE:
            conversation = gsp.save(self.gstin, [r for r in records if isinstance(r, Decision)])
        else:
            conversation = gsp.reset(self.gstin, [r for r in records if isinstance(r, Invoice)])
        try:
            reference = await exchange.run(conversation, self._credentials, leaving=self._may_have_left)
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                f"{error}; {len(records)} records of {self.gstin}: call taxpayer.reconcile(error.job), "
                "do not send them again",
                job=self._opened(kind, None, records),
            ) from error
        except asyncio.CancelledError:
            if self._left:  # the whole program is stopping: what is known is said in `unfinished`
                self._opened(kind, None, records)
            raise
        return self._opened(kind, reference, records)

    def _opened(self, kind: JobKind, reference_id: str | None, records: Sequence[Record]) -> ImsJob:
        """Return the handle of a job that holds this GSTIN's turn until it ends."""
        job = self._handle(self._token(kind, reference_id, len(records)), records)
        self._open.append(job)
        return job

    # -- jobs ------------------------------------------------------------------------------------------

    def job(self, reference_id: str, *, kind: JobKind = JobKind.SAVE, submitted: int | None = None) -> ImsJob:
        """Return a handle on a job known by its reference only; what it carries is then unknown.

        `submitted` is how many records were sent. Without it a status P cannot be told from a job still
        at work until its counts stand still, and no report can say that every record was applied.
        """
        if not isinstance(reference_id, str) or not reference_id.strip():
            raise InvalidInput("reference_id is empty: it is what the gateway answered to the save or reset")
        token = attrs.evolve(self._token(kind, reference_id.strip(), submitted), submitted_at=None)
        return self._handle(token, None)

    def resume(self, token: JobToken) -> ImsJob:
        """Return a handle on the job of a token, which holds this GSTIN's turn until it ends. No I/O."""
        if token.gstin != self.gstin:
            raise InvalidInput(f"this is a job of {token.gstin}, not of {self.gstin}")
        job = self._handle(token, None)
        if job not in self._open and not job.done:
            self._open.append(job)
        return job

    def unfinished(self) -> list[ImsJob]:
        """The jobs that this process sent or resumed and that have not ended."""
        self._open = [job for job in self._open if not job.done]
        return list(self._open)

    async def reconcile(
        self, job: ImsJob, decisions: Iterable[Record] | None = None, *, quiet: float = 1800.0
    ) -> Reconciliation:
        """Re-read the records and say which decisions took effect. Sends no change.

        The gateway may still be working on a job whose reference was lost, so "not applied" is said only
        once `quiet` seconds have passed since it was submitted; before that it is "cannot tell yet".
        `decisions` are needed for a job that was resumed without its records.
        """
        if job.gstin != self.gstin:
            raise InvalidInput(f"this is a job of {job.gstin}, not of {self.gstin}")
        records = list(decisions) if decisions is not None else list(job.records or ())
        if not records:
            raise InvalidInput("the job does not carry its records: pass them as reconcile(job, decisions)")
        current: dict[RecordKey, Invoice] = {}
        for section in dict.fromkeys(record.section for record in records):
            for invoice in await self.invoices(section, strict=False):
                current[invoice.key] = invoice
        sent_at = job.submitted_at
        age = 0.0 if sent_at is None else self._services.clock() - sent_at.timestamp()
        found = compare(records, current, quiet=job.done or age >= quiet)
        if found.settled and (job.submitted is None or len(records) >= job.submitted):
            if job.reference_id is None:
                job.settle_by_looking(_status_of(found))
            self._open = [other for other in self._open if other is not job]  # the turn is free
        return found

    def _token(self, kind: JobKind, reference_id: str | None, submitted: int | None) -> JobToken:
        gsp = self._services.gsp
        return JobToken(
            gsp=gsp.kind,
            host=urllib.parse.urlsplit(gsp.base_url).netloc,
            gstin=self.gstin,
            kind=kind,
            reference_id=reference_id,
            submitted=submitted,
            submitted_at=dt.datetime.fromtimestamp(self._services.clock(), dt.UTC),
        )

    def _handle(self, token: JobToken, records: Sequence[Record] | None) -> ImsJob:
        """Return the one handle on a job in this process, so that it has one driver."""
        reference = token.reference_id
        if reference is not None and (known := self._handles.get(reference)) is not None:
            known.learn(token, records)
            return known
        job = ImsJob(token, poll=self._poll, policy=self._services.poll, records=records)
        if reference is not None:
            self._handles[reference] = job
        return job

    async def _poll(self, reference_id: str, kind: JobKind) -> JobStatus:
        conversation = self._services.gsp.status(self.gstin, reference_id, kind)
        return await self._services.exchange.run(conversation, self._credentials, retry=False)

    # -- session ---------------------------------------------------------------------------------------

    def use_token(self, token: str) -> None:
        """Use an access token that was had elsewhere."""
        self._session.hold(token)

    async def request_otp(self, username: str) -> None:
        """Have GSTN send an OTP to the taxpayer; `username` is the one on the GST portal."""
        await self._session.request_otp(username)

    async def verify_otp(self, otp: str, *, username: str | None = None) -> None:
        """Begin the session with the OTP that came; digits, as text: leading zeros count."""
        await self._session.verify_otp(otp, username)

    async def refresh(self) -> None:
        """Renew the session now; it renews itself ahead of its end otherwise."""
        await self._session.refresh()

    async def logout(self, *, wait: bool = False) -> None:
        """End the session. Raises `JobInFlight` while a job runs, or waits for it with `wait=True`."""
        if not wait:
            running = self.unfinished()
            if running or self._line.busy or self._is_sending():
                raise JobInFlight(
                    f"a job of {self.gstin} is running; logging out might fail it: pass wait=True",
                    job=running[0] if running else None,
                )
        place = self._line.join()
        try:
            await place.turn()
            await self._wait_for_jobs()
            await self._session.logout()
        finally:
            place.leave()

    async def aclose(self) -> None:
        """Let a change that is being sent be answered, and stop polling. Nobody is logged out."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])
        for job in list(self._handles.values()):
            await job.aclose()


def _batch(records: Iterable[R], kind: type[R], hint: str) -> list[R]:
    """Return a batch as a list. Raises `InvalidInput` for anything that is not of the kind."""
    if not isinstance(records, Iterable):
        raise InvalidInput(f"a {type(records).__name__} is not a batch: pass a list; {hint}")
    batch = list(records)
    for place, record in enumerate(batch, start=1):
        inner = record.invoice if isinstance(record, Decision) else record
        if not (isinstance(record, kind) and isinstance(inner, Invoice)):
            raise InvalidInput(f"item {place} of the batch is of type {type(record).__name__}: {hint}")
    return batch


def _heard(sending: asyncio.Task[ImsJob]) -> None:
    if not sending.cancelled():
        sending.exception()


def _supplier_section(section: SupplierSection | str) -> SupplierSection:
    try:
        return SupplierSection(str(section).strip().lower())
    except ValueError:
        known = ", ".join(SupplierSection)
        raise InvalidInput(f"section {section!r} is not in the supplier view; use one of: {known}") from None


def _status_of(found: Reconciliation) -> JobStatus:
    """Put what a second look found into the words of a job's status."""
    failed = [
        ErrorEntry(
            section=record.section,
            supplier=record.supplier,
            number=record.number,
            return_period=record.return_period,
            code="",
            message=message,
        )
        for records, message in (
            (found.not_applied, "not applied, as a second look showed"),
            (found.changed, "changed by the supplier, or gone, as a second look showed"),
        )
        for record in records
    ]
    return JobStatus(
        state=JobState.PARTIAL if failed else JobState.SUCCEEDED,
        processed=len(found.applied),
        errors=len(failed),
        error_report=tuple(failed),
    )
