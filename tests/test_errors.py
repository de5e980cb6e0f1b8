"""The error tree: what is caught by what, what survives a pickle, what a person reads."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

import ims_async
from ims_async import errors
from ims_async.model.records import Invoice, RecordKey
from ims_async.model.report import JobReport, RecordFailure
from ims_async.model.status import JobKind, JobState, JobStatus
from ims_async.model.tokens import JobToken
from ims_async.model.vocabulary import Section
from ims_async.rules import check

TOKEN = JobToken(
    gsp="sandbox",
    host="api.sandbox.co.in",
    gstin="29AAACQ3770E1ZF",
    kind=JobKind.SAVE,
    reference_id="0032e479bcb644c",
    submitted=8,
    submitted_at=dt.datetime(2025, 5, 6, 11, 28, 52, tzinfo=dt.UTC),
)
JOB: Any = SimpleNamespace(token=TOKEN, unpicklable=lambda: None)
INVOICE = Invoice(
    section=Section.B2B,
    supplier="29AAACQ3770E1ZF",
    number="",
    date=dt.date(2024, 11, 5),
    return_period="112024",
    value=Decimal("1.10"),
    taxable_value=Decimal(1),
    igst=Decimal("0.10"),
    cgst=Decimal(0),
    sgst=Decimal(0),
    cess=Decimal(0),
)
REPORT = JobReport(
    state=JobState.PARTIAL,
    submitted=1,
    failed=(RecordFailure(record=INVOICE, key=INVOICE.key, code="IMSSAV0010", message="edited"),),
)
GATEWAY: dict[str, Any] = {"code": "AUTH4033", "http_status": 200, "transaction_id": "1ad1d698"}
INSTANCES: dict[type[errors.ImsError], errors.ImsError] = {
    type(error): error
    for error in (
        errors.ImsError("m", advice="do this"),
        errors.InvalidInput("m", problems=["a", "b"]),
        errors.InvalidDecision("m", findings=check([INVOICE])),
        errors.PayloadTooLarge("m", size=5, limit=4),
        errors.NotSupported("m"),
        errors.NotSent("m"),
        errors.JobError("m", job=JOB, advice="do this"),
        errors.OutcomeUnknown("m", job=JOB),
        errors.JobInFlight("m", code="IMSSAV0015", words="one runs", job=JOB),
        errors.JobFailed("m", code="IMSSAV005", words="why", report=REPORT, job=JOB),
        errors.RecordsRejected("m", report=REPORT),
        errors.JobTimeout("m", job=JOB),
        errors.GatewayError("m", **GATEWAY),
        errors.NotAuthorized("m", **GATEWAY),
        errors.SessionExpired("m", **GATEWAY),
        errors.OtpRequired("m", **GATEWAY),
        errors.RateLimited("m", retry_after=2.5, **GATEWAY),
        errors.QuotaExhausted("m", **GATEWAY),
        errors.GatewayUnavailable("m", **GATEWAY),
        errors.RegenerationRefused("m", not_before=dt.date(2026, 11, 14), **GATEWAY),
        errors.Gstr2bUnavailable("m", ready_on=dt.date(2026, 11, 14), **GATEWAY),
        errors.UnexpectedAnswer("m", problems=["data: missing"], body=b"{}"),
        errors.DownloadQueued("m", estimate=60.0),
        errors.WrongEventLoop("m"),
        errors.JournalError("m"),
        errors.ClientClosed("m", token=TOKEN),
    )
}


def _tree(root: type[errors.ImsError]) -> list[type[errors.ImsError]]:
    return [root] + [kind for child in root.__subclasses__() for kind in _tree(child)]


ALL = [kind for kind in _tree(errors.ImsError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_survives_a_pickle_without_its_job(kind: type[errors.ImsError]) -> None:
    """Keep message, type and attributes through a pickle; the live job stays behind, its token travels."""
    error: Any = INSTANCES[kind]
    back: Any = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own bytes
    assert type(back) is kind
    assert str(back) == str(error)
    facts = dict(vars(error))
    if isinstance(error, errors.JobError):
        facts["job"] = None
        assert error.job is None or vars(back)["token"] == TOKEN
    assert vars(back) == facts


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_says_what_happened_to_a_person(kind: type[errors.ImsError]) -> None:
    """Raised without a message too: in words for who reads it, not for who writes a program."""
    assert kind.__doc__
    said = str(kind())
    assert said
    assert not said.isspace()
    assert said not in kind.__doc__
    named = {"`", "_", "message", "estimate", "raise", "root", "except ", "docstring"}
    assert {word for word in named if word in said} == set()


def test_no_two_errors_say_the_same_where_nothing_is_said() -> None:
    """Nor does any fall back on its parent's words."""
    assert len({str(kind()) for kind in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_public(kind: type[errors.ImsError]) -> None:
    """Let each be imported from the package itself."""
    assert getattr(ims_async, kind.__name__) is kind
    assert kind.__name__ in ims_async.__all__


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (errors.InvalidInput, {ValueError}),
        (errors.InvalidDecision, {errors.InvalidInput, ValueError}),
        (errors.JobTimeout, {errors.JobError, TimeoutError}),
        (errors.OutcomeUnknown, {errors.ImsError}),
        (errors.JobInFlight, {errors.JobError}),
        (errors.JobFailed, {errors.JobError}),
        (errors.RecordsRejected, {errors.JobError}),
        (errors.SessionExpired, {errors.NotAuthorized, errors.GatewayError}),
        (errors.OtpRequired, {errors.NotAuthorized, errors.GatewayError}),
        (errors.RateLimited, {errors.GatewayError}),
        (errors.QuotaExhausted, {errors.GatewayError}),
        (errors.GatewayUnavailable, {errors.GatewayError}),
    ],
)
def test_errors_are_caught_by_what_they_promise(
    kind: type[errors.ImsError], parents: set[type[Exception]]
) -> None:
    """Be a ValueError, a TimeoutError, a GatewayError where the public tree says so."""
    assert issubclass(kind, errors.ImsError)
    for parent in parents:
        assert issubclass(kind, parent)


def test_an_unexpected_answer_is_no_gateway_error() -> None:
    """Keep "it refused" and "we cannot read it" apart: only the first has a code."""
    assert not issubclass(errors.UnexpectedAnswer, errors.GatewayError)
    assert not issubclass(errors.NotSent, errors.GatewayError)


def test_a_gateway_error_shows_its_code_once() -> None:
    """Put the code before the message, unless the message begins with it."""
    assert str(errors.GatewayError("Invalid Session", code="AUTH4033")) == "AUTH4033: Invalid Session"
    assert (
        str(errors.GatewayError("AUTH4033: Invalid Session", code="AUTH4033")) == "AUTH4033: Invalid Session"
    )
    assert str(errors.GatewayError("down")) == "down"
    assert errors.GatewayError("Invalid Session", code="AUTH4033").message == "Invalid Session"


def test_an_error_about_a_job_takes_its_token() -> None:
    """Fill `token` from the job, unless another is given."""
    other = JobToken(gsp="sandbox", host="h", gstin="g", kind=JobKind.RESET, reference_id="x")
    assert errors.JobTimeout(job=JOB).token is TOKEN
    assert errors.JobTimeout(job=JOB, token=other).token is other
    assert errors.JobTimeout().token is None


def test_invalid_input_always_names_a_problem() -> None:
    """Give the message as the one problem where no list was given."""
    assert errors.InvalidInput("a wrong month").problems == ("a wrong month",)
    assert errors.InvalidInput("x", problems=["a", "b"]).problems == ("a", "b")


def test_an_unexpected_answer_begins_with_its_problems() -> None:
    """Say the first five problems where no message was given, and keep all of them."""
    problems = [f"data.data.b2b[{place}].idt: missing" for place in range(9)]
    error = errors.UnexpectedAnswer(problems=problems)
    assert str(error) == "; ".join(problems[:5])
    assert error.problems == tuple(problems)


def test_a_key_reads_as_a_sentence() -> None:
    """Name section, number, date, supplier and period, also where the date is not known."""
    key = RecordKey(Section.B2BCN, "29AAACQ3770E1ZF", "CN/7", None, None)
    assert str(key) == "b2bcn CN/7 of ? from 29AAACQ3770E1ZF (None)"
    assert str(INVOICE.key) == "b2b  of 05-11-2024 from 29AAACQ3770E1ZF (112024)"


def test_what_a_gateway_says_is_bounded_wherever_it_is_kept() -> None:
    """Its name for the request and a status code too: an error reporter and a journal take all of them."""
    error = errors.GatewayError("no", code="x" * 100_000, transaction_id="y" * 100_000)
    status = JobStatus(state=JobState.PROCESSING, raw_code="z" * 100_000)
    assert error.transaction_id is not None
    assert {len(error.code), len(error.transaction_id), len(status.raw_code)} == {errors.LONGEST_WORDS}
