"""All errors of ims_async, in one tree; each class says what happened and what the caller may do.

All are plain, picklable exceptions. A job handle is not pickled with its error: the job's `token` is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .lazy import module

if TYPE_CHECKING:
    import ims_async as ims
else:  # imported when somebody asks for the types: what annotations name imports the errors
    ims = module("ims_async")


class ImsError(Exception):
    """The root: `except ImsError` catches all that this library raises on purpose.

    `message` says what happened, `advice` what a program may do about it; `str(error)` has both. `outage` is,
    after `max_outage` seconds, which host did not answer, how long, and what came last; otherwise empty.
    """

    outage: str = ""
    _unsaid: ClassVar[str] = "something went wrong"  # where it is raised without a message

    def __init__(self, message: str = "", *, advice: str = "", words: str = "") -> None:
        super().__init__(bounded(message) or self._unsaid)
        self.message: str = words or self.args[0]  # `words` are the gateway's own
        self.advice = advice

    def without_advice(self) -> str:
        """Return what happened, in one text: the message, with the gateway's code where there is one."""
        return str(self.args[0])

    def __str__(self) -> str:
        joint = "" if not self.advice else ". " if self.advice[0].isupper() else ": "
        return bounded(f"{self.without_advice()}{joint}{self.advice}")


class InvalidInput(ImsError, ValueError):
    """An argument or a file is not usable: the message says what, where and what to do. Nothing was sent."""

    _unsaid = "something handed in is not usable; nothing was sent"

    def __init__(self, message: str = "", *, problems: Sequence[str] = (), advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.problems = tuple(problems) or (str(self),)


class InvalidDecision(InvalidInput):
    """Decisions were refused before sending. Nothing was sent.

    `findings` has all findings, `problems` the messages of those that refuse.
    """

    _unsaid = "decisions were refused before sending; nothing was sent"

    def __init__(self, message: str = "", *, findings: Sequence[ims.Finding] = ()) -> None:
        super().__init__(message, problems=[str(one) for one in findings if one.level == "refuse"])
        self.findings = tuple(findings)


class PayloadTooLarge(ImsError):
    """The body is over the GSP's limit, or the gateway refused its size (413). Nothing was done: send less.

    `size` and `limit` are in bytes; `limit` is 0 if the gateway refused, since it does not report its limit.
    `ims_async.bulk` splits a batch into as many requests as it needs.
    """

    _unsaid = "the body would pass the GSP's limit; nothing was sent: submit in smaller batches"

    def __init__(self, message: str = "", *, size: int = 0, limit: int = 0, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.size, self.limit = size, limit


class NotSupported(ImsError):
    """This GSP documents no route for this operation."""

    _unsaid = "this GSP documents no route for what was asked"


class NotSent(ImsError):
    """The request never left this machine (and was tried again): sending it once more is safe."""

    _unsaid = "the request never left this machine; sending it once more is safe"


class JobError(ImsError):
    """An error of one job. `job` is the handle in this process, `token` resumes the job in any other."""

    _unsaid = "something is the matter with a job"

    def __init__(
        self,
        message: str = "",
        *,
        job: ims.ImsJob | None = None,
        token: ims.JobToken | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.job, self.token = job, (token if token is not None or job is None else job.token)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "job": None}

    def __reduce__(self) -> Any:
        return type(self), self.args, self.__getstate__()


class OutcomeUnknown(JobError):
    """A change left this machine and no readable answer came: it may or may not take effect.

    Call `taxpayer.reconcile(error.job)`, which reads the records again; do not send the change again.
    """

    _unsaid = "a change left this machine and no readable answer came: it may or may not take effect"


class JobInFlight(JobError):
    """A save or reset of this GSTIN is still running; the gateway accepts one at a time.

    Or, at a logout, a download is still being prepared. `code` and `message` are GSTN's own, if it refused.
    """

    _unsaid = "something of this GSTIN is still running"

    def __init__(self, message: str = "", *, code: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.code = code


class JobFailed(JobError):
    """The job failed as a whole: GSTN refused it (ER, no record was applied), or the GSP's task broke off.

    If a task broke off, it is not known what was applied: `report.unaccounted` has every record. Call
    `taxpayer.reconcile(error.job)`, which reads them again, before any is sent. `code` is the gateway's.
    """

    _unsaid = "the job ended as a whole: GSTN refused it, or the task of the GSP broke off"

    def __init__(
        self, message: str = "", *, code: str = "", report: ims.JobReport | None = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.code, self.report = code, report


class RecordsRejected(JobError):
    """Some records of a finished job were not applied. Raised by `report.raise_for_failures()` only."""

    _unsaid = "some records of a finished job were not applied"

    def __init__(self, message: str = "", *, report: ims.JobReport | ims.BulkReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class JobTimeout(JobError, TimeoutError):
    """We stopped waiting; the job runs on at the gateway. Await it again, or resume it from its token."""

    _unsaid = "we stopped waiting; the job runs on at the gateway"


class GatewayError(ImsError):
    """The gateway answered with an error. `code` is the gateway's own, compared as an opaque string."""

    _unsaid = "the gateway answered with an error"

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        http_status: int | None = None,
        transaction_id: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.code, self.http_status = bounded(code), http_status
        self.transaction_id = None if transaction_id is None else bounded(transaction_id)

    def without_advice(self) -> str:
        """Return the code and the message."""
        text, code = super().without_advice(), getattr(self, "code", "")
        return bounded(f"{code}: {text}") if code and not text.startswith(code) else text


class NotAuthorized(GatewayError):
    """A credential is missing, wrong or refused: check the API key, or log in again.

    `of_account` is True for a credential of the account (API key, its token, handle and password), without
    which no taxpayer's request is accepted. For a taxpayer's session see `SessionExpired` and `OtpRequired`.
    """

    _unsaid = "a credential is missing, wrong or refused: check the API key, or log in again"

    def __init__(self, message: str = "", *, of_account: bool = False, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.of_account = of_account


class SessionExpired(NotAuthorized):
    """The taxpayer's session has ended and cannot be renewed: log in again with an OTP."""

    _unsaid = "the taxpayer's session has ended and cannot be renewed: log in again with an OTP"


class OtpRequired(NotAuthorized):
    """There is no session for this taxpayer yet, or the gateway demands a new OTP: log in first."""

    _unsaid = "there is no session for this taxpayer yet, or a fresh OTP is demanded: log in first"


class RateLimited(GatewayError):
    """Too many requests. `retry_after` is the delay that the gateway asks for, in seconds, or None."""

    _unsaid = "too many requests: try again later"

    def __init__(self, message: str = "", *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class QuotaExhausted(GatewayError):
    """The account's credits or quota are used up: top up with the GSP; trying again does not help."""

    _unsaid = "the account's credits or quota are used up: top up with the GSP"


class GatewayUnavailable(GatewayError):
    """The gateway is down, or a read was dropped or timed out (then `http_status` is None)."""

    _unsaid = "the gateway is down, or a read was dropped or timed out"


class RegenerationRefused(GatewayError):
    """GSTR-2B was not computed anew: nothing changed. `not_before` is the gateway's date, if it gave one."""

    _unsaid = "GSTR-2B was not computed anew; nothing changed"

    def __init__(self, message: str = "", *, not_before: dt.date | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.not_before = not_before


class Gstr2bUnavailable(GatewayError):
    """There is none of the period, or not yet; it is not empty. `ready_on` is the gateway's date, if any."""

    _unsaid = "there is no GSTR-2B of the period; this is not an empty one"

    def __init__(self, message: str = "", *, ready_on: dt.date | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.ready_on = ready_on


OUTAGE: Final = (GatewayUnavailable, NotSent, RateLimited)
"""Errors that may pass with time; nothing was done."""

ON_THE_WAY: Final = (GatewayUnavailable, NotAuthorized, QuotaExhausted, RateLimited)
"""Errors of the gateway that are no answer to what was asked: they say nothing about a job or a download."""


class UnexpectedAnswer(ImsError):
    """The answer to a read does not fit the documented contract; `problems` name the field paths."""

    _unsaid = "a read's answer does not fit the documented contract"

    def __init__(self, message: str = "", *, problems: Sequence[str] = (), body: bytes = b"") -> None:
        super().__init__(message or "; ".join(problems[:5]))
        self.problems = tuple(problems)
        self.body = body


class DownloadQueued(ImsError):
    """The rows are still being prepared; this is not an empty answer. `estimate` is in seconds, if known.

    `taxpayer.collect(error.download)` returns them once they are ready; `download` is None if the GSP
    documents no route to them. `token` is GSTN's own name for the file, if it gave one.
    """

    _unsaid = "the rows are still being prepared: neither rows nor none"

    def __init__(
        self,
        message: str = "",
        *,
        estimate: float | None = None,
        download: ims.Download | None = None,
        token: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.estimate, self.download, self.token = estimate, download, token


class WrongEventLoop(ImsError, RuntimeError):
    """An object was used in another event loop or thread than the one that it belongs to. Nothing was sent.

    A client, its taxpayers, jobs and runs belong to the loop that first used the client. Run all of it in one
    loop (`asyncio.Runner`), or make one client for each loop.
    """

    _unsaid = "the client belongs to another event loop or thread; nothing was sent"


class JournalError(ImsError):
    """The journal cannot be read or written; what it held is intact. `readable`: what of it could be read."""

    _unsaid = "the journal could not be read or written; what it held before is intact"

    def __init__(self, message: str = "", *, readable: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.readable = tuple(readable)

    def __reduce__(self) -> Any:
        return type(self), self.args  # handles of jobs do not travel


class ClientClosed(ImsError):
    """The client was closed while this was waiting.

    In another client `token` resumes the job, `taxpayer.collect(error.download)` returns a download's rows.
    """

    _unsaid = "the client was closed while this was waiting"

    def __init__(
        self, message: str = "", *, token: ims.JobToken | None = None, download: ims.Download | None = None
    ) -> None:
        super().__init__(message)
        self.token, self.download = token, download


LONGEST_WORDS: Final = 2_000  # characters; no error's text is longer, even if the gateway's message is


def bounded(words: str) -> str:
    """Shorten a text, and replace lone surrogates, which JSON allows and which cannot be printed."""
    # Secrets are masked before: a shortened one would not be recognised.
    if len(words) > LONGEST_WORDS:
        words = words[: LONGEST_WORDS - 1] + "…"
    return words if words.isascii() else words.encode(errors="replace").decode()
