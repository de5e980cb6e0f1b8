"""Every refusal's code and words reach the error, wherever they stand; both GSPs judge in one order."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from ims_async import (
    GatewayError,
    ImsClient,
    ImsError,
    JobFailed,
    NotAuthorized,
    OutcomeUnknown,
    PayloadTooLarge,
    QuotaExhausted,
    RateLimited,
    Section,
)
from ims_async.cli.output import outcomes
from ims_async.cli.output.next_commands import Commands
from ims_async.gsp.base import VerdictKind
from ims_async.gsp.verdicts import LONGEST_REFUSAL
from ims_async.model.reasons import Reason, completed, together
from ims_async.model.report import account
from ims_async.model.status import ErrorEntry, JobState, JobStatus
from ims_async.simulator import Simulator

from ..conftest import eas, envelope, from_gstn
from ..model.test_report import batch
from ..support.recorded import answer, first_request
from .test_nothing_done import BOTH, TALKS, proves, verdicts

WORDS = "the words"


def judged(gsp: str, name: str, status: int, body: Any) -> Any:
    """The verdict of a GSP on an answer to a call."""
    talk: Any = TALKS[gsp]
    return talk.GSP.judge(first_request(talk.BY_NAME[name]()), answer(status, body))


def sandbox(status: int) -> list[dict[str, Any]]:
    """Refusals whose words stand in the data of Sandbox's envelope."""
    inside: list[dict[str, Any]] = [
        {"status_cd": "0", "error": {"message": WORDS}},
        {"status_cd": "0", "error": WORDS},
        {"status_cd": "0", "message": WORDS},
        {"message": WORDS},
        {"error": {"error_cd": "X1", "message": WORDS}},
        {"data": {"status_cd": "0", "error": {"message": WORDS}}},
        {"data": {"error": {"message": WORDS}}},
    ]
    return [{"code": status, "data": data} for data in inside]


VAYANA: list[dict[str, Any]] = [
    {"status": "0", "error": None, "data": {"message": WORDS}},
    {"status": "0", "data": {"error": {"error_cd": "X1", "message": WORDS}}},
    {"status": "0", "data": {"error": WORDS}},
]


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("name", ["count", "save"])
def test_words_inside_the_data_reach_the_error_under_every_status(name: str, status: int) -> None:
    """Of both GSPs, with and without GSTN's mark of a refusal."""
    bodies = [*(("sandbox", body) for body in sandbox(status)), *(("vayana", body) for body in VAYANA)]
    for gsp, body in bodies:
        assert WORDS in str(judged(gsp, name, status, body).error), body


@BOTH
@pytest.mark.parametrize("name", ["count", "invoices"])
@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"code": "X1", "message": WORDS}]},
        {"code": 200, "errors": [{"message": WORDS}]},
        {"data": {"errors": [WORDS]}},
        {"data": {"status_cd": "1", "data": {"error": {"error_cd": "X1", "message": WORDS}}}},
        {"status": "1", "data": {"error": {"message": WORDS}}},
        {"status": "1", "errors": [WORDS], "data": None},
        {"data": {"status_cd": "0", "message": "outer", "data": {"error": WORDS}}},
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_in_place_of_data_is_a_refusal_with_words(gsp: str, name: str, body: Any) -> None:
    """Under HTTP 200 and beside the mark of a success. To a change that proves nothing."""
    verdict = judged(gsp, name, 200, body)
    assert verdict.kind is VerdictKind.FAILED
    assert isinstance(verdict.error, GatewayError)
    assert WORDS in verdict.error.message
    for change in verdicts(gsp, answer(200, body)):
        assert change.kind is VerdictKind.FAILED
        assert WORDS in str(change.error)
    assert not proves(gsp, answer(200, body))


@pytest.mark.both_gsps
@pytest.mark.looptime
async def test_a_change_that_ends_so_is_unknown_and_tells_the_words(
    client: ImsClient, sim: Simulator
) -> None:
    """A success with an error in place of its reference proves nothing: the change is kept as open."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = list(await acme.invoices(Section.B2B))[:1]
    error = {"error": {"error_cd": "X1", "message": WORDS}}
    own = client._services.gsp.kind == "vayana"
    sim.script_answer("save", 200, envelope(error) if own else {"data": {"status_cd": "1", "data": error}})
    with pytest.raises(OutcomeUnknown, match=WORDS) as caught:
        await acme.save([row.reject("not ours") for row in rows])
    assert await client.unfinished() == [caught.value.job]


def test_a_mark_of_gstns_in_the_data_proves_a_refusal_beside_any_status_of_the_gsps() -> None:
    """An error of the GSP's own beside its mark of a success does not."""
    error = {"error_cd": "X1", "message": WORDS}
    assert proves("vayana", answer(200, envelope({"status_cd": "0", "error": error})))
    own = eas("err-some-key", "ClientRequest")
    assert not proves("vayana", answer(200, {**own, "status": "1"}))
    assert proves("vayana", answer(200, own))


def test_500_with_a_refusal_of_422_inside_is_judged_by_422() -> None:
    """The vendor documents it without data; GSTN's mark of a refusal beside it says the same."""
    body = {"code": 422, "data": {"status_cd": "0", "message": WORDS}}
    error = judged("sandbox", "save", 500, body).error
    assert (error.code, error.message) == ("422", WORDS)
    assert proves("sandbox", answer(500, body))


# -- one order of judging --------------------------------------------------------------------------------

GSTN_SAYS: list[tuple[str, Any]] = [
    ("sandbox", {"code": 200, "data": {"status_cd": "0", "error": {"error_cd": "X9", "message": WORDS}}}),
    ("vayana", from_gstn("X9", WORDS)),
    *[(gsp, {"status_cd": "0", "error": {"error_cd": "X9", "message": WORDS}}) for gsp in TALKS],
    *[(gsp, {"status_cd": "0", "error": {"message": WORDS}}) for gsp in TALKS],
]


@pytest.mark.parametrize(("gsp", "body"), GSTN_SAYS)
def test_a_status_about_the_call_is_believed_before_gstns_body(gsp: str, body: Any) -> None:
    """Too large is split, too many waits, whichever part refuses; for any other status GSTN's body counts."""
    large, many, wrong = (judged(gsp, "save", status, body) for status in (413, 429, 400))
    assert isinstance(large.error, PayloadTooLarge)
    assert (many.kind, type(many.error)) == (VerdictKind.THROTTLED, RateLimited)
    assert type(wrong.error) is GatewayError
    for verdict in (large, many, wrong):
        assert WORDS in str(verdict.error)
    assert large.nothing_done
    assert many.nothing_done


def test_a_throttled_result_is_asked_for_again() -> None:
    """A poll that is one too many does not say how the task ended; another refusal of GSTN's does."""
    request = attrs.evolve(first_request(TALKS["vayana"].BY_NAME["status"]()), operation="result")
    judge: Any = TALKS["vayana"].GSP.judge
    assert judge(request, answer(429, from_gstn("X9", WORDS))).kind is VerdictKind.THROTTLED
    for status in (200, 413, 502):
        assert judge(request, answer(status, from_gstn("X9", WORDS))).kind is VerdictKind.FINE


@BOTH
@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (403, "Limit Exceeded", QuotaExhausted),
        (403, "Insufficient wallet credits", QuotaExhausted),
        (403, "Forbidden", NotAuthorized),
        (429, "Daily quota exceeded", QuotaExhausted),
        (429, "Request quota per minute exceeded", RateLimited),
        (429, "Quota of 10 requests/second exceeded", RateLimited),
        (429, "quota exceeded: 600 requests every 60 seconds", RateLimited),
        (429, "Quota per hour is used up", RateLimited),
        (429, "Monthly quota used up: buy a plan per month", QuotaExhausted),
    ],
)
def test_a_spent_plan_is_told_from_a_rate(gsp: str, status: int, words: str, kind: type[ImsError]) -> None:
    """By the same words for both GSPs, under 403 too: what is spent in a minute is there in the next."""
    bodies: list[Any] = [{"message": words}, {"status_cd": "0", "error": {"message": words}}]
    bodies += [eas(words, "Runtime")] if gsp == "vayana" else [{"code": status, "data": {"message": words}}]
    for body in bodies:
        assert type(judged(gsp, "count", status, body).error) is kind, body


def test_a_user_tokens_refusal_stays_one_whatever_the_status() -> None:
    """Waiting does not help where ten tokens are alive."""
    body = eas("err-active-tokens-limit-exceeded", "Authorization")
    for status in (200, 403, 429):
        assert isinstance(judged("vayana", "count", status, body).error, NotAuthorized)


# -- long refusals ---------------------------------------------------------------------------------------

LONG = "x" * (LONGEST_REFUSAL + 1)


@pytest.mark.parametrize(
    ("gsp", "body"),
    [
        *[(gsp, {"status_cd": "0", "error": {"error_cd": "X9", "message": LONG}}) for gsp in TALKS],
        *[(gsp, {"error": {"message": LONG, "error_cd": "X9"}, "status_cd": 0}) for gsp in TALKS],
        *[(gsp, {"error": {"message": LONG, "error_cd": "X9"}}) for gsp in TALKS],
        *[(gsp, {"data": {"message": LONG, "status_cd": "0", "error_cd": "X9"}}) for gsp in TALKS],
        ("sandbox", {"code": 422, "message": LONG, "error_code": "X9", "transaction_id": "t"}),
        ("vayana", {"status": "0", "error": {"message": "X9", "type": "Runtime", "args": [LONG]}}),
        ("vayana", from_gstn("X9", LONG)),
    ],
)
def test_a_refusal_under_200_is_one_however_long_it_is(gsp: str, body: Any) -> None:
    """It has its code, the beginning of its words, and no kind of its own."""
    error = judged(gsp, "count", 200, body).error
    assert isinstance(error, GatewayError)
    assert error.code == "X9"
    assert "xxx" in error.message
    assert len(str(error)) < 3_000


@pytest.mark.looptime
async def test_a_long_refusal_is_masked_as_a_short_one(client: ImsClient, sim: Simulator) -> None:
    """In rows only long secrets are taken out, since a short one may stand there by chance."""
    acme = client.taxpayer(sim.gstins[0], token="tok12345")
    said = {"status_cd": "0", "error": {"error_cd": "X9", "message": f"tok12345 is no token; {LONG}"}}
    sim.script_answer("count", 200, {"code": 200, "data": said})
    with pytest.raises(GatewayError, match="is no token") as caught:
        await acme.counts()
    assert "tok12345" not in str(caught.value)


def test_rows_that_quote_a_mark_are_rows() -> None:
    """A text that looks like a refusal's member has its quotes escaped; in doubt it is parsed."""
    text = '"error":{"status_cd":"0","code":400}'
    rows = {"b2b": [{"remarks": text + LONG}], "errors": []}
    assert (
        judged("sandbox", "invoices", 200, {"data": {"status_cd": "1", "data": rows}}).kind
        is VerdictKind.FINE
    )
    assert judged("vayana", "invoices", 200, envelope(rows)).kind is VerdictKind.FINE


# -- a job that was refused as a whole -------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.both_gsps
@pytest.mark.looptime
async def test_a_reason_under_a_section_is_the_jobs(client: ImsClient, sim: Simulator, named: bool) -> None:
    """Whether it names no record, or one that was not sent: the error, each record and the shell have it."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = list(await acme.invoices(Section.B2B))[:2]
    entry = {"error_cd": "RET191106", "error_msg": WORDS}
    if named:
        entry |= {"stin": "29AAACQ3770E1ZF"}
    sim.script_status(None, {"status_cd": "ER", "transTypCd": "SAV", "error_report": {"b2b": [entry]}})
    job = await acme.save([row.reject("not ours") for row in rows])
    with pytest.raises(JobFailed, match=f"as a whole: RET191106 {WORDS}") as caught:
        await job
    assert (caught.value.code, caught.value.message) == ("RET191106", WORDS)
    report = job.report
    assert report is not None
    assert {(failure.code, failure.message) for failure in report.failed} == {("RET191106", WORDS)}
    assert (report.error_code, report.error_message) == ("RET191106", WORDS)
    assert len(report.unmatched) == named
    assert outcomes.job_facts(job)["error_code"] == "RET191106"
    said = outcomes.job_ending(job, Commands())
    assert f"RET191106 {WORDS}" in said
    assert "unaccounted" not in said


def test_a_refused_job_without_its_records_tells_the_reason_too() -> None:
    """As one that was resumed from its token."""
    entry = ErrorEntry(section="b2b", supplier="s", number=None, return_period=None, code="E1", message=WORDS)
    status = JobStatus(state=JobState.FAILED, raw_code="ER", error_report=(entry,))
    for records in (None, batch(2)):
        report = account(status, records, 2)
        assert (report.error_code, report.error_message) == ("E1", WORDS)
        assert (report.unmatched, report.unaccounted_count) == ((entry,), 0)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Reason("A", "a"), Reason(), Reason("A", "a")),
        (Reason("A"), Reason("A", "a"), Reason("A", "a")),
        (Reason("", "a"), Reason("B", "b"), Reason("B", "a; b")),
        (Reason("A", "a"), Reason("B", "b"), Reason("A", "a; B: b")),
        (Reason("A", "a"), Reason("A", "a"), Reason("A", "a")),
        (Reason("", "a"), Reason("", "a"), Reason("", "a")),
    ],
)
def test_a_reason_in_two_places_is_one(one: Reason, other: Reason, both: Reason) -> None:
    """Nothing of it is lost or repeated."""
    assert completed(one, other) == both


def test_of_a_list_the_first_code_that_is_there_counts() -> None:
    """An entry of words only does not hide it."""
    assert together([Reason("", "a"), Reason("B", "b"), Reason("C", "c")]) == Reason("B", "a; b; C: c")
