"""Vayana's tasks: how far one is, how it ended, and into what a download is divided."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ims_async import (
    GatewayError,
    GatewayUnavailable,
    ImsError,
    JobState,
    NotAuthorized,
    RateLimited,
    SessionExpired,
    UnexpectedAnswer,
    Vayana,
)
from ims_async.gsp.base import Response
from ims_async.gsp.evidence import Evidence, settle
from ims_async.model.report import account
from tests.conftest import eas, envelope, from_gstn
from tests.support.recorded import HTML, NOW, answer
from tests.support.vayana_talk import (
    BY_NAME,
    DOWNLOAD,
    HOST,
    INVOICE,
    KEY,
    TASK,
    TASKS,
    converse,
    recorded,
    task,
)


@pytest.mark.parametrize(
    "word", ["queued", "Pending", "in-progress", "PROCESSED", "done", "success", "ER", "P"]
)
@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_an_undocumented_state_is_not_final(word: str, shape: str) -> None:
    """Go on polling, and report the state as undocumented, rather than treat it as an end."""
    said = task(word) if shape == "flat" else answer(200, {"data": {"task": {"status": word}}})
    status, sent = converse(BY_NAME["status"](), said)
    assert (status.state, status.raw_code, status.documented) == (JobState.PROCESSING, word, False)
    assert (status.carrier_done, status.polled_at, len(sent)) == (False, NOW, 1)
    assert converse(BY_NAME["prepared"](), said)[0] is None


@pytest.mark.parametrize("word", ["processing", "Processing", " PROCESSING "])
def test_the_documented_word_for_being_at_work_is_known(word: str) -> None:
    """Read it in any case."""
    status, _ = converse(BY_NAME["status"](), task(word))
    assert (status.state, status.documented) == (JobState.PROCESSING, True)


@pytest.mark.parametrize("word", ["completed", "Completed", " COMPLETED "])
def test_the_documented_word_for_the_end_is_known(word: str) -> None:
    """Read it in any case, and go on to the result."""
    status, sent = converse(BY_NAME["status"](), task(word), recorded("reset-result-200"))
    assert status.carrier_done
    assert [request.target for request in sent] == [
        f"{HOST}{TASKS}/status/{TASK}",
        f"{HOST}{TASKS}/result/{TASK}",
    ]


FAILURES = ["failed", "Failure", "FAIL", "error", " Errored ", "aborted", "cancelled", "CANCELED", "rejected",
            "expired", "terminated", "timed-out", "TIMED_OUT", "timed out", "timeout"]  # fmt: skip
FAILED_RESULT = answer(400, eas("err-task-failed", "ClientRequest"))


@pytest.mark.parametrize("word", FAILURES)
def test_a_state_of_failure_ends_a_job_whose_records_are_unaccounted(word: str) -> None:
    """Read it in any case and spelling; every record is then unaccounted for, with the reason reported."""
    status, _ = converse(BY_NAME["status"](), task(word), FAILED_RESULT)
    assert (status.state, status.raw_code, status.documented) == (JobState.FAILED, word, True)
    assert (status.carrier_done, status.carrier_failed) == (True, True)
    assert (status.error_code, status.error_message) == ("err-task-failed", "err-task-failed")
    report = account(status, [INVOICE.accept()], 1)
    assert (len(report.failed), len(report.unaccounted)) == (0, 1)


@pytest.mark.parametrize(
    ("result", "code", "failed_carrier"),
    [
        (recorded("error-gstn-ret11402-502"), "RET11402", True),
        (attrs.evolve(recorded("error-gstn-ret11402-502"), status=200), "RET11402", True),
        (answer(502, from_gstn("TEC4001")), "TEC4001", True),
        (answer(502, from_gstn("IMSSAV0015")), "IMSSAV0015", False),
        (answer(502, from_gstn("RTN_24")), "", True),
        (recorded("error-resource-not-found-404"), "err-resource-not-found", True),
        (recorded("reset-result-processed-200"), "", True),  # P is no last word where the task broke off
        (answer(200, HTML), "", True),
    ],
)
def test_the_reason_of_a_task_that_broke_off_is_told_where_there_is_one(
    result: Response, code: str, failed_carrier: bool
) -> None:
    """Fetch the result; only where GSTN said that another job runs is it known that nothing was done."""
    status, _ = converse(BY_NAME["status"](), task("failed"), result)
    assert (status.state, status.error_code) == (JobState.FAILED, code)
    assert (status.carrier_done, status.carrier_failed) == (True, failed_carrier)


def test_gstns_last_word_counts_although_the_task_broke_off() -> None:
    """Take PE, ER and S from the result: what became of the records is known."""
    status, _ = converse(BY_NAME["status"](), task("failed"), recorded("reset-result-200"))
    assert (status.state, status.carrier_failed, len(status.error_report)) == (JobState.PARTIAL, False, 2)


def test_a_task_that_completed_with_a_refusal_has_failed() -> None:
    """Never take `completed` alone for a success; what was applied is not known."""
    status, _ = converse(BY_NAME["status"](), task("completed"), recorded("error-gstn-ret11402-502"))
    assert (status.state, status.carrier_done, status.carrier_failed) == (JobState.FAILED, True, True)


def test_a_failure_under_http_200_is_of_the_call_and_asked_again() -> None:
    """Raise it, as under another status: the next poll may have the result."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["status"](), task("completed"), recorded("error-invalid-gstin-format-200"))
    assert caught.value.code == "err-invalid-gstin-format"


def test_a_result_that_is_not_there_is_told() -> None:
    """Raise what the gateway says of the result of a task that completed, and poll again later."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["status"](), task("completed"), recorded("error-resource-not-found-404"))
    assert caught.value.code == "err-resource-not-found"


@pytest.mark.parametrize(
    ("code", "state"),
    [("P", "processing"), ("PE", "partial"), ("ER", "failed"), ("S", "succeeded"), ("IP", "processing"),
     ("REC", "processing"), ("ZZ", "processing")],
)  # fmt: skip
def test_a_completed_task_means_what_gstn_says_of_the_job(code: str, state: str) -> None:
    """Look into the result, of one job or of a list of one: P is done, ER failed, IP is still at work."""
    data = {"status_cd": code, "proc_cnt": "1"}
    for body in (envelope(data), envelope([envelope(data)]), {"data": data}, {"data": [{"data": data}]}):
        status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, body))
        assert (status.state, status.raw_code, status.documented) == (state, code, code != "ZZ")
        assert (status.carrier_done, status.carrier_failed, status.polled_at) == (True, False, NOW)
        settled = settle(status, submitted=None, evidence=Evidence(), now=0.0)
        assert settled.state == ("succeeded" if code == "P" else state)


def job(code: str, **rest: Any) -> dict[str, Any]:
    """One job's envelope in the result of a task."""
    return envelope({"status_cd": code, "transTypCd": "SAV", **rest})


ONE_WRONG = {"b2b": [{"stin": "s", "error_cd": "IMSSAV0010", "error_msg": "m", "inv": [{"inum": "1"}]}]}
BROKEN = from_gstn("RET11402")


@pytest.mark.parametrize(
    ("parts", "state", "code", "counts", "failed_carrier"),
    [
        ([job("P", proc_cnt="3"), job("P", proc_cnt=4)], "succeeded", "P", (7, None), False),
        ([job("S", proc_cnt="3"), job("S", proc_cnt="4")], "succeeded", "S", (7, None), False),
        ([job("S"), job("P", proc_cnt="4")], "succeeded", "P", (None, None), False),
        ([job("P", proc_cnt="3", err_cnt="0"), job("P", proc_cnt="4", err_cnt=0)],
         "succeeded", "P", (7, 0), False),
        ([job("P", proc_cnt="3"), job("P")], "partial", "PE", (None, None), False),
        ([job("S", proc_cnt="3"), job("P", err_cnt="0")], "partial", "PE", (None, None), False),
        ([job("P"), job("P")], "succeeded", "P", (None, None), False),
        ([job("P", proc_cnt="3", err_cnt="1"), job("P", proc_cnt="4")], "partial", "P", (7, 1), False),
        ([job("S", proc_cnt="3"), job("IP")], "processing", "IP", (None, None), False),
        ([job("REC"), job("ER")], "processing", "REC", (None, None), False),
        ([job("ZZ"), BROKEN], "processing", "ZZ", (None, None), True),
        ([job("P", proc_cnt="3"), job("PE", proc_cnt="1", err_cnt="1", error_report=ONE_WRONG)],
         "partial", "PE", (4, 1), False),
        ([job("P", proc_cnt="3", err_cnt="1", error_report=ONE_WRONG), job("P", proc_cnt="1")],
         "partial", "P", (4, 1), False),
        ([job("PE", proc_cnt="1", err_cnt="1"), BROKEN], "partial", "PE", (None, 1), True),
        ([job("S", proc_cnt="1"), job("ER", err_cd="E1")], "partial", "PE", (None, None), False),
        ([job("S", proc_cnt="1"), job("ER", proc_cnt="1", err_cd="E1")],
         "partial", "PE", (None, None), False),
        ([job("ER", err_cd="E1"), job("ER", err_cd="E2")], "failed", "ER", (None, None), False),
        ([job("ER", err_cd="E1"), BROKEN], "failed", "ER", (None, None), True),
        ([BROKEN, BROKEN], "failed", "completed", (None, None), True),
        ([from_gstn("IMSSAV0015"), from_gstn("IMSSAV0015")], "failed", "completed", (None, None), False),
    ],
)  # fmt: skip
def test_the_jobs_of_one_task_make_one_status(
    parts: list[Any], state: str, code: str, counts: tuple[int | None, int | None], failed_carrier: bool
) -> None:
    """Add up what they did, and lose no part that failed or still runs among those that went well."""
    status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, envelope(parts)))
    settled = settle(status, submitted=None, evidence=Evidence(), now=0.0)
    assert (settled.state, settled.raw_code) == (state, code)
    assert (settled.processed, settled.errors, settled.carrier_failed) == (*counts, failed_carrier)
    assert len(settled.raw["parts"]) == 2
    assert settled.documented is (code != "ZZ")


def test_what_one_job_of_a_task_counted_is_no_proof_for_another_that_failed() -> None:
    """Say of no record that it was applied where a part of the task was refused, whatever the counts."""
    body = envelope([job("S", proc_cnt="1"), job("ER", proc_cnt="1", err_cd="E1", err_msg="no")])
    status, _ = converse(BY_NAME["status"](), task("completed"), answer(200, body))
    report = account(status, [INVOICE.accept()] * 2, 2)
    assert (len(report.succeeded), len(report.unaccounted)) == (0, 2)
    assert (report.error_code, report.error_message) == ("E1", "no")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (envelope(None), "data: None is not an object"),
        (envelope({}), "data.status_cd: missing"),
        (envelope({"status_cd": 5}), "data.status_cd: 5 is not text"),
        (envelope([]), "data: an empty list"),
        (envelope([5]), "data[0]: 5 is not an object"),
        (envelope([job("P"), {}]), "data[1].data: missing"),
        (envelope([job("P"), {"data": []}]), "data[1].data: [] is not an object"),
        ({"status": "1"}, "data: missing"),
        ([], "data: missing"),
    ],
    ids=str,
)
def test_a_result_that_does_not_fit_is_no_end_of_a_job(body: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where; the job is polled again."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["status"](), task("completed"), answer(200, body))
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"data": {"task": {}}}, "data.task.status: missing"),
        ({"data": {"task": {"status": 5}}}, "data.task.status: 5 is not text"),
        ({"data": {"task": "completed"}}, "data.status: missing"),
        ({"data": {"status": ""}}, "data.status: '' is not text"),
        ({"data": {"status": None}}, "data.status: None is not text"),
        ({"data": None}, "data: None is not an object"),
        ({"task": {}}, "data: missing"),
        ([], "$: [] is not an object"),
    ],
    ids=str,
)
def test_a_task_without_a_word_is_not_taken_for_one_that_ended(body: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where, for jobs and downloads."""
    for name in ("status", "prepared"):
        with pytest.raises(UnexpectedAnswer) as caught:
            converse(BY_NAME[name](), answer(200, body))
        assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("pages", "base", "numbers"),
    [(1, 0, [0]), (3, 0, [0, 1, 2]), (3, 1, [1, 2, 3]), ("2", 0, [0, 1]), (0, 0, []), ("0", 1, []),
     (100_000, 0, range(100_000))],
)  # fmt: skip
def test_pages_are_numbered_from_the_base_that_was_chosen(
    pages: object, base: int, numbers: Iterable[int]
) -> None:
    """Ask for as many as there are, from 0 or from 1, in a list of one envelope too."""
    gsp = Vayana("org-1", "t", page_base=base)
    for body in (envelope({"pages": pages}), envelope([envelope({"pages": pages})])):
        old = attrs.evolve(DOWNLOAD, route="")  # one that does not say how its pages are counted
        parts, _ = converse(gsp.prepared(old), task("completed"), answer(200, body))
        assert [part.place for part in parts] == [f"{TASK}/page/{number}" for number in numbers]


NO_PAGES: list[Any] = [None, -1, "-1", True, Decimal("1.5"), "one", "", "١", 100_001, 10**30, "9" * 5000, []]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "data.pages: missing"),
        (None, "data: None is not an object"),
        *[({"pages": pages}, f"data.pages: {pages!r:.60} is not a number of pages") for pages in NO_PAGES],
        ([], "data: 0 envelopes, where a download has one"),
        ([envelope({"pages": 1})] * 2, "data: 2 envelopes, where a download has one"),
        ([5], "data[0]: 5 is not an object"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_a_number_of_pages_that_cannot_be_is_refused(data: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer`, before a million requests are made."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["prepared"](), task("completed"), answer(200, envelope(data)))
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (from_gstn("RTN_24", "not yet"), GatewayError, "broke off (RTN_24: not yet)"),
        (from_gstn("IMSSAV0015", "busy"), GatewayError, "broke off (IMSSAV0015: busy)"),
        (from_gstn("TEC4001", "down"), GatewayError, "broke off (TEC4001: down)"),
        (from_gstn("RET11402", "Unauthorized User"), SessionExpired, "Unauthorized User"),
    ],
)
def test_what_gstn_said_of_a_download_that_has_ended_is_no_word_to_wait_on(
    said: Any, kind: type[ImsError], reason: str
) -> None:
    """Say that it broke off, whatever the word means where GSTN is asked itself."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME["prepared"](), task("completed"), answer(502, said))
    assert type(caught.value) is kind
    assert reason in str(caught.value)


@pytest.mark.parametrize("outage", [answer(503, HTML), answer(429, KEY), answer(502, HTML)])
def test_an_outage_is_not_the_reason_of_a_task_that_broke_off(outage: Response) -> None:
    """Raise it, after one request: the next poll asks again for the reason."""
    with pytest.raises((GatewayUnavailable, RateLimited)):
        converse(BY_NAME["status"](), task("failed"), outage)


def test_a_token_that_has_ended_is_not_the_reason_of_a_task_that_broke_off() -> None:
    """Raise it: the job is polled again with another one."""
    for name in ("error-expired-token-403", "error-invalid-org-403"):
        with pytest.raises(NotAuthorized):
            converse(BY_NAME["status"](), task("failed"), recorded(name))


def test_a_download_that_failed_says_why() -> None:
    """Raise the reason where the result gives one, and the task's own word where it gives none."""
    for word, result, code in (
        ("failed", FAILED_RESULT, "err-task-failed"),
        ("failed", recorded("error-gstn-ret11402-502"), "RET11402"),
        ("completed", recorded("error-gstn-ret11402-502"), "RET11402"),
        ("completed", answer(200, KEY), "err-some-key"),
        ("failed", recorded("task-result-pages-200"), "failed"),
    ):
        with pytest.raises(GatewayError) as caught:
            converse(BY_NAME["prepared"](), task(word), result)
        assert caught.value.code == code


def test_an_outage_while_a_result_is_fetched_is_waited_out_unless_the_task_broke_off() -> None:
    """Ask again for a result that is there; one of a failed download has a reason at most."""
    with pytest.raises(GatewayUnavailable):
        converse(BY_NAME["prepared"](), task("completed"), answer(502, HTML))
    with pytest.raises(GatewayError, match="broke off") as caught:
        converse(BY_NAME["prepared"](), task("failed"), answer(502, HTML))
    assert type(caught.value) is GatewayError
