"""What an answer to a change proves: that nothing was done, or nothing at all; and what its words say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ims_async import (
    GatewayError,
    ImsClient,
    ImsError,
    JobFailed,
    JobInFlight,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    Section,
)
from ims_async.gsp.base import Request, Response, Verdict, VerdictKind
from ims_async.simulator import Simulator

from ..conftest import eas, envelope, from_gstn
from ..support import sandbox_talk, vayana_talk
from ..support.recorded import HTML, answer, first_request

TALKS = {"sandbox": sandbox_talk, "vayana": vayana_talk}
CHANGES: dict[str, list[Request]] = {
    name: [first_request(talk.BY_NAME[change]()) for change in ("save", "reset")]
    for name, talk in TALKS.items()
}
STRANGERS = [301, 302, 303, 307, 308, 400, 404, 405, 408, 409, 410, 415, 418, 422, 423, 425, 451, 499]
STRANGERS += [500, 501, 502, 503, 504, 520, 599]
BODIES: list[Any] = [
    None, HTML, b"Conflict", b'{"code":', [], {}, {"message": "Conflict"}, {"code": 409},
    {"code": "409", "message": "Conflict"}, {"code": 409, "message": "Conflict"},
    {"error": "Conflict", "status": 409, "path": "/"}, {"error": {"code": 409, "message": "Conflict"}},
    {"error": {"message": "Conflict", "type": "OAuthException"}},
    {"status": "0"}, {"status": "0", "error": None}, {"status": "0", "error": "Conflict"}, {"status_cd": "0"},
    {"errors": [{"detail": "Conflict"}]},
]  # fmt: skip
BOTH = pytest.mark.parametrize("gsp", [*TALKS])


def verdicts(gsp: str, response: Response) -> list[Verdict]:
    """What each change of a GSP makes of an answer."""
    judge: Callable[[Request, Response], Verdict] = TALKS[gsp].GSP.judge
    return [judge(request, response) for request in CHANGES[gsp]]


def proves(gsp: str, response: Response) -> bool:
    """Whether it proves that nothing was done; no answer that is fine does."""
    found = verdicts(gsp, response)
    assert found[0].nothing_done is found[1].nothing_done
    assert not (found[0].nothing_done and found[0].kind is VerdictKind.FINE)
    return found[0].nothing_done


@BOTH
@pytest.mark.parametrize("body", BODIES, ids=repr)
def test_the_answer_of_a_proxy_proves_nothing(gsp: str, body: Any) -> None:
    """Whatever the status, and whatever it is like: the gateway may have acted before."""
    assert [status for status in (200, 201, 202, *STRANGERS) if proves(gsp, answer(status, body))] == []


@BOTH
@pytest.mark.parametrize("status", [401, 403, 413, 429])
@pytest.mark.parametrize("body", BODIES, ids=repr)
def test_a_request_that_was_rejected_was_not_done(gsp: str, status: int, body: Any) -> None:
    """Also by the API gateway in front of the GSP, which has a body of its own."""
    assert proves(gsp, answer(status, body))


def failure(code: int, **rest: Any) -> dict[str, Any]:
    """Sandbox's envelope of an error."""
    return {"code": code, "message": "m", "timestamp": 1687602744185, "transaction_id": "t", **rest}


GSTN = {"status_cd": "0", "error": {"error_cd": "RET11401", "message": "no"}}
OWN: list[tuple[str, int, Any, bool]] = [
    ("sandbox", 400, failure(400), True),
    ("sandbox", 422, failure(422), True),
    ("sandbox", 404, failure(404), True),
    ("sandbox", 409, failure(409), True),
    ("sandbox", 400, {"code": 400, "message": "m"}, True),
    ("sandbox", 200, failure(422), True),
    ("sandbox", 500, failure(422), True),  # documented: HTTP 500 whose body says 422
    ("sandbox", 302, failure(422), False),
    ("sandbox", 408, failure(408), False),
    ("sandbox", 499, failure(499), False),
    *[("sandbox", status, failure(422), False) for status in (408, 499)],
    # Without the rest of the envelope, and another status than HTTP's: this may be a proxy's.
    *[
        ("sandbox", status, {"code": code, "message": "m"}, False)
        for status in (200, 409, 423, 500, 502, 504)
        for code in (400, 403, 404, 422, 429)
    ],
    ("sandbox", 400, failure(400, data={"data": {"reference_id": "r"}}), False),
    *[("sandbox", code, failure(code), False) for code in (500, 502, 503, 504)],
    ("sandbox", 200, failure(503), False),
    ("sandbox", 200, {"code": 200, "data": GSTN}, True),
    ("sandbox", 200, {"code": 200, "data": {**GSTN, "error": {}}}, True),
    ("sandbox", 400, {"code": 400, "data": GSTN}, True),
    ("sandbox", 200, {"code": 200, "data": {**GSTN, "error": {"error_cd": "TEC4001"}}}, False),
    ("vayana", 400, eas("err-issue-with-parameter", "ClientRequest"), True),
    ("vayana", 404, eas("err-resource-not-found", "ResourceNotFound"), True),
    ("vayana", 409, eas("err-some-key", "ClientRequest"), True),
    ("vayana", 200, eas("err-some-key", "ClientRequest"), True),
    ("vayana", 400, {"error": {"message": "err-some-key", "type": "ClientError"}}, True),
    ("vayana", 400, {"error": {"message": "wrong", "type": "ClientRequest"}}, True),
    ("vayana", 502, from_gstn("RET11401"), True),
    ("vayana", 502, from_gstn("IMSSAV0015"), True),
    ("vayana", 502, eas("err-gstn-returned-error", "Gstn"), True),
    ("vayana", 502, from_gstn("TEC4001"), False),
    ("vayana", 500, eas("err-aes-decryption-failed", "Runtime"), True),
    ("vayana", 500, eas("err-some-key", "Runtime"), False),
    ("vayana", 200, eas("err-some-key", "Runtime"), False),
    ("vayana", 302, eas("err-some-key", "ClientRequest"), False),
    ("vayana", 408, eas("err-some-key", "ClientRequest"), False),
    *[(gsp, 200, GSTN, True) for gsp in TALKS],
    *[(gsp, 200, {"data": GSTN}, True) for gsp in TALKS],
    *[(gsp, 200, {"data": {"data": GSTN}}, True) for gsp in TALKS],
    *[(gsp, 200, {**GSTN, "error": {"message": "no code"}}, False) for gsp in TALKS],
]


@pytest.mark.parametrize(("gsp", "status", "body", "proof"), OWN)
def test_a_refusal_in_the_envelope_of_the_gsp_proves_that_nothing_was_done(
    gsp: str, status: int, body: Any, proof: bool
) -> None:
    """Unless it reports an outage, a time-out or a redirect, after which the gateway may have acted."""
    assert proves(gsp, answer(status, body)) is proof


# -- the code and the words ------------------------------------------------------------------------------

WHY = {"error_cd": "RETWEB_99", "message": "why"}
REFUSALS: list[tuple[str, int, Any]] = [
    *[(gsp, 200, {"error": WHY, "status_cd": mark}) for gsp in TALKS for mark in (0, "0")],
    *[(gsp, 200, {"data": {"error": WHY, "status_cd": 0}}) for gsp in TALKS],
    *[(gsp, 200, {"data": {"data": {"error": WHY, "status_cd": "0"}, "status_cd": "1"}}) for gsp in TALKS],
    *[(gsp, 200, {"status_cd": "0", "error": [WHY]}) for gsp in TALKS],
    *[(gsp, 200, {"status_cd": "0", "error_report": WHY}) for gsp in TALKS],
    *[(gsp, 200, {"status_cd": "0", "err_cd": "RETWEB_99", "err_msg": "why"}) for gsp in TALKS],
    *[(gsp, 200, {"error": WHY}) for gsp in TALKS],
    *[(gsp, 400, {"error": WHY}) for gsp in TALKS],
    *[(gsp, 400, {"errorCode": "RETWEB_99", "errorMessage": "why"}) for gsp in TALKS],
    ("sandbox", 200, {"code": 200, "data": {"error": WHY}}),
    ("sandbox", 400, {"code": 400, "data": {"status_cd": "0", "error": WHY}}),
    ("sandbox", 500, {"code": 500, "data": {"status_cd": "0", "error": WHY}}),
    ("vayana", 502, from_gstn("RETWEB_99", "why")),
    ("vayana", 200, envelope({"status_cd": "0", "error": WHY})),
    ("vayana", 200, {"status": "0", "data": None, "error": WHY}),
]


@pytest.mark.parametrize(("gsp", "status", "body"), REFUSALS)
@pytest.mark.parametrize("name", ["count", "save"])
def test_the_code_and_words_of_a_refusal_reach_the_error(gsp: str, status: int, body: Any, name: str) -> None:
    """Wherever they stand in the answer."""
    with pytest.raises(ImsError) as caught:
        TALKS[gsp].converse(TALKS[gsp].BY_NAME[name](), answer(status, body))
    error = caught.value
    assert isinstance(error, GatewayError)
    assert (error.code, error.message) == ("RETWEB_99", "why")


@pytest.mark.parametrize("name", ["sales"])
@BOTH
def test_nothing_found_is_an_empty_list_without_the_envelope_too(gsp: str, name: str) -> None:
    """GSTN's own answer, as public clients read it."""
    said = {"error": {"error_cd": "RETWEB_04", "message": "No records"}, "status_cd": 0}
    found, _ = TALKS[gsp].converse(TALKS[gsp].BY_NAME[name](), answer(200, said))
    assert found == []


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        {"message": "only words"}, {"Message": "only words"}, {"error": "only words"},
        {"error": ["only words"]}, {"errors": [{"detail": "only words"}]}, {"desc": "only words"},
        {"error": {"message": "only words"}}, {"code": 400, "message": "only words"},
        {"status": "0", "error": "only words"},
    ],
    ids=repr,
)  # fmt: skip
def test_words_without_a_code_reach_the_error_too(gsp: str, body: Any) -> None:
    """From every layer that has some."""
    (verdict, _) = verdicts(gsp, answer(400, body))
    assert "only words" in str(verdict.error)


@pytest.mark.parametrize("key", ["info", "alert"])
def test_words_in_the_other_places_of_vayanas_envelope_are_told(key: str) -> None:
    """Where the error itself is missing."""
    (verdict, _) = verdicts("vayana", answer(200, {**envelope(None), "status": "0", key: "only words"}))
    assert "only words" in str(verdict.error)


def test_gstns_reason_in_another_form_is_told_as_a_reason() -> None:
    """Say "without saying why" only where nothing was said."""
    for args in ({"gstn-err": "RET11402"}, ["RET11402"], "RET11402"):
        body = eas("err-gstn-returned-error", "Gstn")
        body["error"]["args"] = args
        (verdict, _) = verdicts("vayana", answer(502, body))
        assert "RET11402" in str(verdict.error)
        assert "without saying why" not in str(verdict.error)
    (verdict, _) = verdicts("vayana", answer(502, eas("err-gstn-returned-error", "Gstn")))
    assert "GSTN refused without saying why" in str(verdict.error)


@BOTH
def test_a_job_in_flight_has_gstns_code_and_words(gsp: str) -> None:
    """As attributes, and in the text."""
    busy = {"status_cd": "0", "error": {"error_cd": "IMSSAV0015", "message": "one runs"}}
    (verdict, _) = verdicts(gsp, answer(200, {"data": busy}))
    assert isinstance(verdict.error, JobInFlight)
    assert (verdict.error.code, verdict.error.message) == ("IMSSAV0015", "one runs")
    assert str(verdict.error) == "IMSSAV0015: one runs"


# -- a used-up plan --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("name", ["count", "save"])
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Limit Exceeded", QuotaExhausted), ("limit exceeded.", QuotaExhausted),
        ("Usage quota exhausted", QuotaExhausted), ("Insufficient wallet credits", QuotaExhausted),
        ("Too Many Requests", RateLimited), ("Rate limit exceeded", RateLimited),
        ("Request limit exceeded, slow down", RateLimited), ("", RateLimited),
    ],
)  # fmt: skip
def test_a_plan_that_is_used_up_is_no_throttle(gsp: str, name: str, words: str, kind: type[ImsError]) -> None:
    """Waiting does not help: it is recognised by the message, which is the API gateway's own."""
    talk: Any = TALKS[gsp]
    for body in ({"message": words}, {"code": 429, "message": words}):
        verdict = talk.GSP.judge(first_request(talk.BY_NAME[name]()), answer(429, body))
        assert type(verdict.error) is kind
        throttled = kind is RateLimited
        assert verdict.kind is (VerdictKind.THROTTLED if throttled else VerdictKind.FAILED)
        assert verdict.nothing_done


# -- as a caller sees it ---------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.both_gsps
async def test_a_change_that_a_proxy_answered_is_unfinished(client: ImsClient, sim: Simulator) -> None:
    """It was applied: it is found by looking, and is not sent again."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = [row for row in await acme.invoices(Section.B2B) if row.action.value == "N"][:2]
    sim.script_answer("save", 409, b"", after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([row.accept() for row in rows])
    assert await client.unfinished() == [caught.value.job]
    sim.advance(60.0)
    found = await acme.reconcile(caught.value.job) if caught.value.job else None
    assert found is not None
    assert len(found.applied) == 2
    assert sim.count("save") == 1


@pytest.mark.looptime
async def test_a_change_that_found_another_job_running_has_gstns_code(
    client: ImsClient, sim: Simulator
) -> None:
    """With `queue=False`."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = list(await acme.invoices(Section.B2B))[:1]
    busy = {"status_cd": "0", "error": {"error_cd": "IMSSAV0015", "message": "one runs"}}
    sim.script_answer("save", 200, {"code": 200, "data": busy})
    with pytest.raises(JobInFlight, match="from elsewhere is running") as caught:
        await acme.save([row.reject("not ours") for row in rows], queue=False)
    assert (caught.value.code, caught.value.message) == ("IMSSAV0015", "one runs")


@pytest.mark.looptime
async def test_a_job_that_was_refused_tells_the_gateways_reason(client: ImsClient, sim: Simulator) -> None:
    """The error has the code and the words, and so has the report: of all, and of each record."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = list(await acme.invoices(Section.B2B))[:2]
    for report, code, words in (
        ({"error_cd": "RET191106", "error_msg": "why"}, "RET191106", "why"),
        ([{"error_cd": "RET191106", "error_msg": "why"}], "RET191106", "why"),
        ("why", "ER", "why"),
        ({"b2b": [{"stin": rows[0].supplier, "error_cd": "E1", "error_msg": "why",
                   "inv": [{"inum": rows[0].number, "rtnprd": rows[0].return_period}]}]}, "ER", "E1: why"),
    ):  # fmt: skip
        sim.script_status(None, {"status_cd": "ER", "transTypCd": "SAV", "error_report": report})
        with pytest.raises(JobFailed, match=f"as a whole: {code} {words}") as caught:
            await (await acme.save([row.reject("not ours") for row in rows]))
        assert (caught.value.code, caught.value.message) == (code, words)
        assert caught.value.report is not None
        assert len(caught.value.report.failed) == 2
        assert caught.value.report.unmatched == ()
