"""Sending one batch: claim the turn, send, and write down what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

import attrs

from ..errors import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    InvalidInput,
    JobInFlight,
    NotAuthorized,
    NotSupported,
    OutcomeUnknown,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    bounded,
)
from ..gsp.base import Accepted, Conversation
from ..journal.base import Claim
from ..model.change import Change
from ..model.moves import Cause
from ..model.records import Decision, Invoice, Record
from ..model.status import JobKind, JobStatus
from ..model.tokens import JobToken
from ..net.credentials import Credentials
from ..net.outgoing import Outgoing
from .context import Services
from .facts import SEND_AGAIN
from .job import ImsJob
from .journaled import JournaledChange, Move
from .registry import JobRegistry

if TYPE_CHECKING:
    from ..gsp.codec import PackedBody

_Answer = Accepted | JobStatus
"""A reference; or a final status, where there was nothing to be done."""


@attrs.define(kw_only=True, eq=False, repr=False)
class Batch:
    """What goes out in one request, and what has become of it by now.

    `run` is its bulk run, `body` the records as a body, if they were written already; `checked` records are
    not checked again; `period` is that of a GSTR-2B to be computed anew. `journaled` is its change, once that
    is written down; `handed_in` its token while it waits; `job` its handle, once it was sent. One that is
    handed in once more replaces what was called off. `in_doubt` is one that was lost, may be repeated, and is
    sent again: until it is accepted it stays lost.
    """

    kind: JobKind
    records: Sequence[Record] = ()
    run: str = ""
    body: PackedBody | None = None
    checked: bool = False
    period: str = ""
    journaled: JournaledChange | None = None
    handed_in: JobToken | None = None
    job: ImsJob | None = None
    in_doubt: bool = False

    @property
    def sent(self) -> bool:
        """Whether some of it may be at the gateway."""
        return self.journaled is not None and self.journaled.change.sent

    def __str__(self) -> str:
        if self.kind is JobKind.REGENERATE:
            return f"GSTR-2B of {self.period}"
        return f"{len(self.records)} records"

    @property
    def unsent_id(self) -> str:
        """The journal's name for what was handed in and not sent, or an empty text."""
        return "" if self.journaled is None or self.sent else self.journaled.name or ""

    def calling_off(self, error: BaseException, *, dropped: bool = False) -> Move:
        """Return the move by which nothing was done with it, and why; `dropped`: its caller is gone."""
        reason, cause, token = _reason(error), _cause(error, self), self.handed_in
        if dropped and cause.to_retry:
            cause = Cause.CANCELLED
        return lambda change: change.called_off(reason, cause, token)


class Sender:
    """Sends one batch of a GSTIN at a time; cancelling the caller does not break off what has left."""

    def __init__(self, gstin: str, services: Services, credentials: Credentials, jobs: JobRegistry) -> None:
        self._gstin, self._services, self._credentials = gstin, services, credentials
        self._jobs = jobs
        self._task: asyncio.Task[ImsJob | Claim] | None = None
        self._change_id = ""

    @property
    def busy(self) -> bool:
        """Whether something is being sent; its caller may be gone."""
        return self._task is not None and not self._task.done()

    def sends(self, change_id: str) -> bool:
        """Say whether it is sending this change."""
        return self.busy and change_id == self._change_id

    async def wait(self) -> None:
        """Wait until what is being sent is answered, and that is written down."""
        if self._task is not None and self.busy:
            await asyncio.wait([self._task])

    async def send(
        self, batch: Batch, journaled: JournaledChange, since: int | None = None
    ) -> ImsJob | Claim:
        """Send a batch and return its job; or the claim that was not taken, then nothing was sent.

        Cancelled before the hand-over to the transport, it is called off; later its answer is still noted,
        and the job is in `unfinished`. `since` is the journal's revision when the records were read.
        """
        change = journaled.change
        batch.in_doubt, self._change_id = change.to_send_again, change.id
        outgoing = Outgoing(self._services.exchange, self._conversation(batch), self._credentials)
        task = self._task = asyncio.create_task(self._send(batch, journaled, outgoing, since))
        task.add_done_callback(self._sent)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            outgoing.last_try = True
            if outgoing.can_be_dropped:
                task.cancel()
            raise

    def _sent(self, task: asyncio.Task[ImsJob | Claim]) -> None:
        if not task.cancelled():
            task.exception()  # its caller may be gone
        if self._task is task:
            self._task = None  # its result is a job with all its records

    def _conversation(self, batch: Batch) -> Conversation[_Answer]:
        gsp, records = self._services.gsp, batch.records
        match batch.kind:
            case JobKind.SAVE:
                decisions = [r for r in records if isinstance(r, Decision)]
                return gsp.save(self._gstin, decisions, packed=batch.body)
            case JobKind.RESET:
                invoices = [r for r in records if isinstance(r, Invoice)]
                return gsp.reset(self._gstin, invoices, packed=batch.body)
            case JobKind.REGENERATE:
                return gsp.regenerate(self._gstin, batch.period)
        assert_never(batch.kind)

    async def _send(
        self, batch: Batch, journaled: JournaledChange, outgoing: Outgoing[_Answer], since: int | None
    ) -> ImsJob | Claim:
        """Send, and write down what came of it: the change then says what is returned or raised."""
        came: Move = Change.lost
        try:
            sent = await self._claim_and_send(batch, journaled, outgoing, since)
            if isinstance(sent, Claim):
                return await self._sent_elsewhere(batch, journaled) if outgoing.left else sent
            came = partial(_answered, answer=sent)
            if (reference := sent[0].reference_id) and await self._jobs.knows(reference):
                came = Change.lost
                raise OutcomeUnknown(f"the gateway answered with the name of an earlier job, {reference}")
        except OutcomeUnknown as error:
            if error.job is not None:
                raise
            raise await self._lost(error, batch, journaled) from error
        except ImsError as error:
            # With an answer still out, "another job is running" may be about this one.
            if batch.in_doubt and (outgoing.left or isinstance(error, JobInFlight)):
                raise await self._lost(error, batch, journaled) from error
            if batch.in_doubt and _cause(error, batch) is not Cause.REFUSED:
                await self._opened(batch, journaled, Change.lost)
            else:
                await _note_refusal(error, batch, journaled, last_try=outgoing.last_try)
            # Without a limit of ours it was the gateway that refused it.
            if isinstance(error, PayloadTooLarge) and not error.limit:
                raise _with_its_size(error, batch) from error
            raise
        except BaseException as error:
            # The whole program is stopping: what is known is said in `unfinished`.
            if outgoing.left or batch.in_doubt:
                await self._opened(batch, journaled, came)
            else:
                await journaled.apply(batch.calling_off(error))
            raise
        return await self._opened(batch, journaled, came)

    async def _claim_and_send(
        self, batch: Batch, journaled: JournaledChange, outgoing: Outgoing[_Answer], since: int | None
    ) -> tuple[JobToken, JobStatus | None] | Claim:
        """Return the token with the reference, or a final status; or the claim that was not taken."""
        with outgoing:
            while True:
                async with outgoing.ready():
                    token = self._jobs.token(batch.kind, None, len(batch.records), batch.period)
                    claim = await journaled.claim(token, since)
                    if not claim.taken:
                        return claim
                    answer = await outgoing.send()
                if isinstance(answer, JobStatus):
                    return token, answer
                if answer is not None:
                    return attrs.evolve(token, reference_id=answer.reference_id, route=answer.route), None
                # Nothing was done, or it is sent again all the same: that shows at once, and is written when
                # the token is renewed.
                batch.in_doubt = batch.in_doubt or outgoing.in_doubt
                journaled.owe(Change.lost if batch.in_doubt else _put_back(batch, outgoing.refused_for))
                await outgoing.try_again()
                await journaled.write()
                await outgoing.rest()

    async def _lost(self, error: ImsError, batch: Batch, journaled: JournaledChange) -> OutcomeUnknown:
        """Write down that what became of it is not known, and return the error that says so."""
        advice = "call taxpayer.reconcile(error.job), do not send them again"
        return OutcomeUnknown(
            f"{error}; {batch} of {self._gstin}",
            job=await self._opened(batch, journaled, Change.lost),
            advice=SEND_AGAIN if batch.kind.repeatable else advice,
        )

    async def _sent_elsewhere(self, batch: Batch, journaled: JournaledChange) -> ImsJob:
        """Return the job of what another process has sent again between two tries, and sees through."""
        job = await self._opened(batch, journaled, lambda change: change)
        if job.reference_id is None and not job.done:
            what = f"its answer was lost here, and another process asked for {batch} of {self._gstin} again"
            raise OutcomeUnknown(f"{what}: it is {job.change.state}", job=job, advice=SEND_AGAIN)
        return job

    async def _opened(self, batch: Batch, journaled: JournaledChange, came: Move) -> ImsJob:
        """Return the job of what was sent, after what came of it was written down."""
        journaled.owe(came)
        if batch.job is None or batch.job._journaled is not journaled:
            batch.job = self._jobs.opened(journaled, batch.records)
        await batch.job._write()
        return batch.job


def _answered(change: Change, answer: tuple[JobToken, JobStatus | None]) -> Change:
    """Return a change as the gateway's answer to it leaves it."""
    token, status = answer
    accepted = change.accepted(token)
    return accepted if status is None else accepted.heard(status)


async def _note_refusal(error: ImsError, batch: Batch, journaled: JournaledChange, *, last_try: bool) -> None:
    """Write down that nothing was done: by the gateway or our own rules it was refused, or has to wait."""
    if isinstance(error, JobInFlight):  # IMSSAV0015, say
        await journaled.apply(_put_back(batch, str(error)))
        if not last_try:
            return
    await journaled.apply(batch.calling_off(error, dropped=last_try))


def _put_back(batch: Batch, reason: str) -> Move:
    token = batch.handed_in
    return lambda change: change.put_back(reason, token)


def _with_its_size(error: PayloadTooLarge, batch: Batch) -> PayloadTooLarge:
    """Return the error with the number and size of what the gateway refused."""
    count = len(batch.records)
    return PayloadTooLarge(
        f"{error} ({'1 record' if count == 1 else f'{count:,} records'} in {error.size:,} bytes); "
        "nothing was done",
        size=error.size,
        advice="ims_async.bulk cuts them smaller, see its max_bytes",
    )


def _reason(error: BaseException) -> str:
    """Return why nothing was done, in words that may be stored: the messages of our own errors only."""
    kind = next(cls.__name__ for cls in type(error).__mro__ if not cls.__name__.startswith("_"))
    return bounded(f"{kind}: {error}") if isinstance(error, ImsError) else kind


_ON_THE_WAY: Final = (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited)
_REFUSALS: Final = (GatewayError, InvalidInput, NotSupported, PayloadTooLarge)


def _cause(error: BaseException, batch: Batch) -> Cause:
    """Return the kind of the reason, for a process that goes on after this one."""
    if isinstance(error, asyncio.CancelledError):
        return Cause.CANCELLED
    if isinstance(error, JobInFlight):
        return Cause.IN_THE_WAY
    if isinstance(error, PayloadTooLarge) and len(batch.records) > 1:
        return Cause.NOT_SENT  # a bulk run sends its records in several requests
    refused = isinstance(error, _REFUSALS) and not isinstance(error, _ON_THE_WAY)
    return Cause.REFUSED if refused else Cause.NOT_SENT
