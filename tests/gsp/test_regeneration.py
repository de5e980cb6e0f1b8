"""GSTR-2B computed anew, by hand: what is sent, the answers to it, its status, and its codes."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import attrs
import pytest

from ims_async import (
    GatewayError,
    Gstr2bUnavailable,
    InvalidInput,
    JobKind,
    JobState,
    JobStatus,
    NotSupported,
    RegenerationRefused,
    Sandbox,
    SessionExpired,
    UnexpectedAnswer,
    Vayana,
)
from ims_async.gsp.base import Accepted, Needs
from ims_async.gsp.codec import read_regeneration
from ims_async.gsp.gstn import gstn_error
from tests.conftest import envelope, from_gstn
from tests.support import recorded as tape
from tests.support.recorded import FAILED, FINE, NOW, answer, first_request

GSTIN = "29AAACQ3770E1ZF"
PERIOD = "102026"
SANDBOX = Sandbox("key_test_demo", test=True)
KEYS = Sandbox("key_test_demo", test=True, regenerate_body="keys")
SILENT = Vayana("org-1", "user-token", test=True)
VAYANA = Vayana("org-1", "user-token", test=True, regenerate_path="gen2b", regenerate_status_path="/sts2b")
TWO_B = "/gst/compliance/tax-payer/gstrs/gstr-2b"
REFERENCE = "0123456789abcde"


def refusal(code: str, message: str = "") -> dict[str, Any]:
    """A refusal of GSTN's in Sandbox's envelope, as documented for this route."""
    error = {"error_cd": code, "message": message}
    return {"code": 200, "data": {"error": error, "status_cd": "0"}, "transaction_id": "1ad1d698"}


def data(**facts: Any) -> dict[str, Any]:
    """A success in Sandbox's envelope."""
    return {"code": 200, "data": {"data": facts, "status_cd": "1"}, "transaction_id": "1ad1d698"}


# -- what is sent ----------------------------------------------------------------------------------------


def test_sandbox_is_asked_without_a_body() -> None:
    """The period is in the path; as a change, which is sent once, with the taxpayer's token."""
    request = first_request(SANDBOX.regenerate(GSTIN, "092026"))
    assert (request.method, request.body) == ("POST", None)
    assert request.target == f"https://test-api.sandbox.co.in{TWO_B}/2026/09/regenerate"
    assert (request.needs, request.changes, request.repeatable) == (Needs.TAXPAYER, True, True)
    assert "content-type" not in request.headers


def test_sandbox_is_asked_with_a_body_by_the_setting() -> None:
    """The two keys of the vendor's schema."""
    request = first_request(KEYS.regenerate(GSTIN, PERIOD))
    assert json.loads(request.body or b"") == {"rtin": GSTIN, "itcprd": PERIOD}
    assert request.headers["content-type"] == "application/json"
    with pytest.raises(InvalidInput, match="regenerate_body 'some' is unknown; use one of: none, keys"):
        Sandbox("key", regenerate_body="some")  # type: ignore[arg-type]


def test_vayana_is_asked_by_the_routes_of_the_settings_only() -> None:
    """None of its public pages has one: nothing is sent, and the error says what can be set."""
    for ask in (SILENT.regenerate(GSTIN, PERIOD), SILENT.status(GSTIN, REFERENCE, JobKind.REGENERATE)):
        with pytest.raises(NotSupported, match=r"no route .* Vayana\(regenerate_path="):
            next(ask)
    request = first_request(VAYANA.regenerate(GSTIN, PERIOD))
    assert (request.method, request.changes) == ("PUT", True)
    assert request.target == "https://solo.enriched-api.vayana.com/enriched/gstn/v1.0/gen2b"
    assert json.loads(request.body or b"") == {"rtin": GSTIN, "itcprd": PERIOD}
    asked = first_request(VAYANA.status(GSTIN, REFERENCE, JobKind.REGENERATE))
    assert asked.target.endswith(f".vayana.com/sts2b?gstin={GSTIN}&int_tran_id={REFERENCE}")
    other = attrs.evolve(VAYANA, regenerate_method="POST")
    assert first_request(other.regenerate(GSTIN, PERIOD)).method == "POST"


def test_half_of_vayanas_settings_is_refused() -> None:
    """A job whose status cannot be asked for would never end."""
    for half in ("regenerate_path", "regenerate_status_path"):
        with pytest.raises(InvalidInput, match="go together"):
            Vayana("org-1", "user-token", **{half: "gen2b"})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"regenerate_path '\.\./gen2b' is not usable"):
        Vayana("org-1", "user-token", regenerate_path="../gen2b", regenerate_status_path="s")


@pytest.mark.parametrize("period", ["", "2026", "132026", "062017", "1020261", "१०2026", None])
@pytest.mark.parametrize("gsp", [SANDBOX, VAYANA], ids=["sandbox", "vayana"])
def test_a_period_that_is_none_is_refused(gsp: Sandbox | Vayana, period: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInput):
        next(gsp.regenerate(GSTIN, period))


def test_the_status_is_asked_at_its_own_route() -> None:
    """By the reference alone; without a kind of its own the route would be that of a save."""
    request = first_request(SANDBOX.status(GSTIN, REFERENCE, JobKind.REGENERATE))
    assert request.target == f"https://test-api.sandbox.co.in{TWO_B}/regenerate?reference_id={REFERENCE}"
    assert (request.method, request.changes, request.repeatable) == ("GET", False, True)
    assert "gstr-2b" not in first_request(SANDBOX.status(GSTIN, REFERENCE, JobKind.SAVE)).target


# -- the answers -----------------------------------------------------------------------------------------


def test_a_reference_is_read() -> None:
    """In each of the documented envelopes; Vayana's also by GSTN's own name for it."""
    value, _ = tape.converse(
        SANDBOX.regenerate(GSTIN, PERIOD), answer(200, data(reference_id=REFERENCE)), gsp=SANDBOX
    )
    assert value == Accepted(REFERENCE)
    for name in ("reference_id", "int_tran_id"):
        answered = answer(200, envelope({name: REFERENCE}))
        value, _ = tape.converse(VAYANA.regenerate(GSTIN, PERIOD), answered, gsp=VAYANA)
        assert value == Accepted(REFERENCE)


def test_nothing_new_is_a_success_at_once() -> None:
    """IMS2005 has no reference: the statement is up to date. For a save the code is a refusal."""
    wanted = JobStatus(state=JobState.SUCCEEDED, raw_code="IMS2005", polled_at=NOW)
    told = "2B cannot be generated as there are no changes"
    value, _ = tape.converse(
        SANDBOX.regenerate(GSTIN, PERIOD), answer(200, refusal("IMS2005", told)), gsp=SANDBOX
    )
    assert value == wanted
    for status in (200, 502):
        answered = answer(status, from_gstn("IMS2005", told))
        value, _ = tape.converse(VAYANA.regenerate(GSTIN, PERIOD), answered, gsp=VAYANA)
        assert value == wanted
    save = SANDBOX.request("save", "POST", "/save", changes=True)
    assert SANDBOX.judge(save, answer(200, refusal("IMS2005", told))).kind is FAILED


@pytest.mark.parametrize(
    ("code", "message", "day", "advice"),
    [
        (
            "IMS2B007",
            "Either the entered ITC period is incorrect or it has 3B filed",
            None,
            "taxpayer.filing(period)",
        ),
        (
            "IMS2B009",
            "Kindly generate 2b after 14/05/2025",
            dt.date(2025, 5, 14),
            "Ask again from that day on",
        ),
        ("IMS2B009", "Kindly generate 2b after 31/02/2025", None, "Ask again later"),
        ("IMS2B001", "a code of which nobody has heard", None, ""),
    ],
)
def test_a_refusal_says_what_to_do(code: str, message: str, day: dt.date | None, advice: str) -> None:
    """Typed and final, with the gateway's date; nothing was done, so the change is called off."""
    request = first_request(SANDBOX.regenerate(GSTIN, PERIOD))
    verdict = SANDBOX.judge(request, answer(200, refusal(code, message)))
    assert (verdict.kind, verdict.nothing_done) == (FAILED, True)
    error = verdict.error
    assert isinstance(error, RegenerationRefused)
    assert (error.code, error.message, error.not_before) == (code, message, day)
    assert (error.transaction_id, error.http_status) == ("1ad1d698", 200)
    assert advice in error.advice
    verdict = VAYANA.judge(first_request(VAYANA.regenerate(GSTIN, PERIOD)), answer(502, from_gstn(code)))
    assert (verdict.kind, verdict.nothing_done) == (FAILED, True)
    assert isinstance(verdict.error, RegenerationRefused)


@pytest.mark.parametrize("told", ["Missing request body", "rtin is required", "itcprd: required key"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_missing_body_is_named_with_the_setting(status: int, told: str) -> None:
    """Only where none was sent, and the gateway complains of that."""
    refused = answer(status, {"code": status, "message": told, "transaction_id": "1"})
    verdict = SANDBOX.judge(first_request(SANDBOX.regenerate(GSTIN, PERIOD)), refused)
    assert verdict.nothing_done
    assert 'Sandbox(regenerate_body="keys")' in str(verdict.error)
    verdict = SANDBOX.judge(first_request(KEYS.regenerate(GSTIN, PERIOD)), refused)
    assert "regenerate_body" not in str(verdict.error)
    other = answer(status, {"code": status, "message": "Invalid GSTIN pattern", "transaction_id": "1"})
    verdict = SANDBOX.judge(first_request(SANDBOX.regenerate(GSTIN, PERIOD)), other)
    assert "regenerate_body" not in str(verdict.error)


# -- its status ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "state", "documented"),
    [
        ({"status_cd": "P", "err_cd": "", "err_msg": ""}, JobState.SUCCEEDED, True),
        ({"status_cd": "P"}, JobState.SUCCEEDED, True),
        ({"status_cd": " p "}, JobState.SUCCEEDED, True),
        ({"status_cd": "P", "err_msg": "2B regenerated"}, JobState.SUCCEEDED, True),
        ({"status_cd": "P", "err_cd": "IMS2B111", "err_msg": "no"}, JobState.FAILED, True),
        ({"status_cd": "IP"}, JobState.PROCESSING, True),
        ({"status_cd": "REC"}, JobState.PROCESSING, True),
        ({"status_cd": "ER", "err_cd": "IMS2B111", "err_msg": "no"}, JobState.FAILED, True),
        ({"status_cd": "PE", "err_cd": "IMS2B111", "err_msg": "no"}, JobState.FAILED, True),
        ({"status_cd": "C"}, JobState.PROCESSING, False),
        ({"status_cd": "F"}, JobState.PROCESSING, False),
        ({"status_cd": "S"}, JobState.PROCESSING, False),
        ({"status_cd": ""}, JobState.PROCESSING, False),
        ({"status_cd": "ꟼ"}, JobState.PROCESSING, False),
    ],
)
def test_each_status_code_means_what_it_means_here(
    facts: dict[str, str], state: JobState, documented: bool
) -> None:
    """P is an end, where that of a save needs evidence; what no page has is not final."""
    status = read_regeneration(facts, "data", polled_at=NOW)
    assert (status.state, status.documented) == (state, documented)
    assert (status.raw_code, status.error_code) == (facts["status_cd"], facts.get("err_cd", ""))
    assert status.error_message == facts.get("err_msg", "")
    assert (status.polled_at, status.raw, status.in_the_way) == (NOW, facts, False)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({}, "data.status_cd: missing"),
        ({"status_cd": None}, "data.status_cd: None is not text"),
        ([], "data: [] is not an object"),
    ],
)
def test_what_is_no_status_is_named(facts: Any, problem: str) -> None:
    """By its path."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read_regeneration(facts, "data")
    assert caught.value.problems == (problem,)


def test_a_reference_that_cannot_be_seen_yet_is_polled_on() -> None:
    """IMS0008 is no end; any other refusal is raised."""
    told = "No records found for requested internal transaction Id"
    for gsp, body in ((SANDBOX, refusal("IMS0008", told)), (VAYANA, from_gstn("IMS0008", told))):
        ask = gsp.status(GSTIN, REFERENCE, JobKind.REGENERATE)
        status, _ = tape.converse(ask, answer(200, body), gsp=gsp)
        assert (status.state, status.raw_code, status.documented) == (JobState.PROCESSING, "IMS0008", True)
        assert (status.error_code, status.error_message) == ("IMS0008", told)
        done, _ = tape.converse(
            gsp.status(GSTIN, REFERENCE, JobKind.REGENERATE),
            answer(200, data(status_cd="P") if gsp is SANDBOX else envelope({"status_cd": "P"})),
            gsp=gsp,
        )
        assert (done.state, done.polled_at) == (JobState.SUCCEEDED, NOW)
    with pytest.raises(SessionExpired):
        tape.converse(
            SANDBOX.status(GSTIN, REFERENCE, JobKind.REGENERATE),
            answer(200, refusal("RET2B1010", "no session")),
            gsp=SANDBOX,
        )


# -- codes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "day", "advice"),
    [
        (
            "GTR2B-002",
            "Either there is no record or GSTR-3B was not filed",
            None,
            "regenerate_gstr2b(period)",
        ),
        ("GTR2B-001", "2B not applicable", None, "quarterly (QRMP)"),
        (
            "RET2B1023",
            "GSTR2B is being generated and should be available by 14/11/2026",
            dt.date(2026, 11, 14),
            "Ask again from that day on",
        ),
        ("RET2B1018", "asked before the cut-off date", None, "the 14th"),
        ("RET2B9999", "not heard of by anybody", None, ""),
        ("GTR2B-777", "not heard of by anybody", None, ""),
    ],
)
def test_no_statement_is_an_error_and_not_an_empty_one(
    code: str, message: str, day: dt.date | None, advice: str
) -> None:
    """Code and text are kept; the date in the text is the gateway's own."""
    error = gstn_error(code, message, http_status=200)
    assert type(error) is Gstr2bUnavailable
    assert (error.code, error.message, error.ready_on) == (code, message, day)
    assert advice in str(error)


def test_the_codes_of_others_are_what_they_were() -> None:
    """A session's in the middle of them, and one that only begins alike."""
    assert type(gstn_error("RET2B1010", "m", http_status=None)) is SessionExpired
    assert type(gstn_error("IMS2005", "m", http_status=None)) is GatewayError
    assert type(gstn_error("RET12345", "m", http_status=None)) is GatewayError
    assert SANDBOX.judge(first_request(SANDBOX.regenerate(GSTIN, PERIOD)), answer(200, data())).kind is FINE
