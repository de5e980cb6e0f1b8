"""GSTR-2B and filed returns by hand: what is asked, what the answers mean, statements in files."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ims_async import (
    Filing,
    GatewayError,
    Gstr2b,
    Gstr2bUnavailable,
    InvalidInput,
    NotAuthorized,
    QuotaExhausted,
    RulePolicy,
    Sandbox,
    SessionExpired,
    UnexpectedAnswer,
    Vayana,
    decide,
)
from ims_async.gsp.base import Needs, Response
from ims_async.gsp.returns import files_of, whole
from tests.conftest import eas, envelope, from_gstn
from tests.support import statements as samples
from tests.support.recorded import FINE, answer, converse, first_request
from tests.support.statements import GSTIN, PERIOD, at_sandbox, at_vayana

SANDBOX = Sandbox("key_live_demo")
CANNED = Sandbox("key_test_demo", test=True)
VAYANA = Vayana("org-1", "user-token", test=True)
BOTH = pytest.mark.parametrize("gsp", [SANDBOX, VAYANA], ids=["sandbox", "vayana"])
Either = Sandbox | Vayana


def told(gsp: Either, statement: object, checksum: str = "0a1b2c3d4e5f") -> Response:
    """An answer with a statement, or with a file of one."""
    at = at_sandbox if isinstance(gsp, Sandbox) else at_vayana
    return answer(200, at(statement, checksum))


def data(gsp: Either, facts: dict[str, Any]) -> Response:
    """A success with other data."""
    if isinstance(gsp, Vayana):
        return answer(200, envelope(facts))
    return answer(200, {"code": 200, "data": {"data": facts, "status_cd": "1"}, "transaction_id": "1ad1d698"})


def refused(gsp: Either, code: str, message: str = "no", key: str = "error_cd") -> Response:
    """A refusal of GSTN's."""
    if isinstance(gsp, Vayana):
        return answer(502, from_gstn(code, message))
    error = {key: code, "message": message}
    return answer(
        200, {"code": 200, "data": {"error": error, "status_cd": "0"}, "transaction_id": "1ad1d698"}
    )


# -- what is asked ---------------------------------------------------------------------------------------


def test_sandbox_is_asked_by_year_and_month() -> None:
    """And by the number of a file."""
    path = "https://api.sandbox.co.in/gst/compliance/tax-payer/gstrs/gstr-2b/2026/09"
    request = first_request(SANDBOX.gstr2b(GSTIN, "092026"))
    assert (request.method, request.target, request.needs) == ("GET", path, Needs.TAXPAYER)
    assert (request.changes, request.repeatable) == (False, True)
    assert first_request(SANDBOX.gstr2b(GSTIN, "092026", 3)).target == f"{path}?file_number=3"


def test_vayana_is_asked_with_the_parameters_of_gstn() -> None:
    """In the version that the page shows, or another."""
    host = "https://solo.enriched-api.vayana.com/basic/gstn/v1.0/taxpayerapi"
    query = f"returns?gstn_ret_type=gstr2b&action=GET2B&gstin={GSTIN}&rtnprd=092026"
    request = first_request(VAYANA.gstr2b(GSTIN, "092026"))
    assert (request.method, request.target) == ("GET", f"{host}/v3.0/{query}")
    assert first_request(VAYANA.gstr2b(GSTIN, "092026", 3)).target.endswith(f"{query}&file_num=3")
    older = Vayana("org-1", "user-token", test=True, gstr2b_api_version="v0.3")
    assert first_request(older.gstr2b(GSTIN, "092026")).target == f"{host}/v0.3/{query}"


@BOTH
@pytest.mark.parametrize("period", ["2026-10", "132026", "062017", ""])
def test_a_period_that_is_none_is_refused(gsp: Either, period: str) -> None:
    """Before anything is asked."""
    for ask in (gsp.gstr2b, gsp.filings):
        with pytest.raises(InvalidInput):
            first_request(ask(GSTIN, period))


# -- the answers -----------------------------------------------------------------------------------------


@BOTH
def test_a_statement_is_read_at_its_level(gsp: Either) -> None:
    """Three nested members at one, two at the other; of another taxpayer or period it is refused."""
    found, _ = converse(gsp.gstr2b(GSTIN, PERIOD), told(gsp, samples.WHOLE), gsp=gsp)
    assert (len(found.documents), found.checksum) == (13, "0a1b2c3d4e5f")
    other = SANDBOX if gsp is VAYANA else VAYANA
    with pytest.raises(UnexpectedAnswer):
        converse(gsp.gstr2b(GSTIN, PERIOD), told(other, samples.WHOLE), gsp=gsp)
    for gstin, period in (("29AAACQ3770E1ZF", PERIOD), (GSTIN, "092026")):
        with pytest.raises(UnexpectedAnswer, match="was asked for"):
            converse(gsp.gstr2b(gstin, period), told(gsp, samples.WHOLE), gsp=gsp)


def test_an_example_of_the_test_host_is_of_somebody_else() -> None:
    """It is read all the same: its reports are `canned`."""
    asked = CANNED.gstr2b("29AAACQ3770E1ZF", "092026")
    found, _ = converse(asked, told(CANNED, samples.BEFORE_OCTOBER), gsp=CANNED)
    assert (found.gstin, found.period) == (GSTIN, "032024")


@BOTH
def test_a_long_statement_is_not_read_twice(gsp: Either) -> None:
    """The verdict on a long answer without a mark of a refusal does not parse it."""
    long = {**samples.FRAME, "docdata": {"b2b": [{**samples.SUPPLIER, "inv": [samples.INVOICE] * 200}]}}
    response = told(gsp, long)
    assert gsp.judge(first_request(gsp.gstr2b(GSTIN, PERIOD)), response).kind is FINE
    assert response._parsed is None
    found, _ = converse(gsp.gstr2b(GSTIN, PERIOD), response, gsp=gsp)
    assert len(found.documents) == 200


@BOTH
def test_no_details_are_an_empty_statement(gsp: Either) -> None:
    """RET2B1016 alone, and not for a file; codes that mean so for other reads are refusals here."""
    found, _ = converse(gsp.gstr2b(GSTIN, PERIOD), refused(gsp, "RET2B1016"), gsp=gsp)
    assert found == Gstr2b(gstin=GSTIN, period=PERIOD)
    assert not found.summary_only
    with pytest.raises(Gstr2bUnavailable):
        converse(gsp.gstr2b(GSTIN, PERIOD, 1), refused(gsp, "RET2B1016"), gsp=gsp)
    with pytest.raises(GatewayError) as caught:
        converse(gsp.gstr2b(GSTIN, PERIOD), refused(gsp, "RET11416"), gsp=gsp)
    assert type(caught.value) is GatewayError


@BOTH
@pytest.mark.parametrize("code", ["GTR2B-002", "GTR2B-001", "RET2B1023", "RET2B1018", "RET2B7777"])
def test_no_statement_is_no_empty_one(gsp: Either, code: str) -> None:
    """With the gateway's date, in whatever envelope."""
    response = refused(gsp, code, "it should be available by 14/11/2026")
    with pytest.raises(Gstr2bUnavailable) as caught:
        converse(gsp.gstr2b(GSTIN, PERIOD), response, gsp=gsp)
    assert (caught.value.code, caught.value.ready_on) == (code, dt.date(2026, 11, 14))


def test_the_older_envelope_of_vayana_is_read_too() -> None:
    """`err-gstn-returned` with `code` and `message`, and the refusals of its own."""
    older = eas("err-gstn-returned", "Gstn", **{"gstn-err": {"code": "RET2B1018", "message": "not yet"}})
    with pytest.raises(Gstr2bUnavailable, match="not yet"):
        converse(VAYANA.gstr2b(GSTIN, PERIOD), answer(502, older), gsp=VAYANA)
    own = eas("err-invalid-gst-returns-api-version", "ClientRequest")
    with pytest.raises(GatewayError) as caught:
        converse(VAYANA.gstr2b(GSTIN, PERIOD), answer(400, own), gsp=VAYANA)
    assert caught.value.code == "err-invalid-gst-returns-api-version"


@BOTH
def test_a_session_that_ended_is_no_refusal_of_a_statement(gsp: Either) -> None:
    """RET2B1010, in the middle of the others, wants a new login."""
    with pytest.raises(SessionExpired):
        converse(gsp.gstr2b(GSTIN, PERIOD), refused(gsp, "RET2B1010"), gsp=gsp)


@BOTH
def test_rows_that_do_not_fit_can_be_left_out(gsp: Either) -> None:
    """By `strict=False`, with what is wrong."""
    bad = {
        **samples.FRAME,
        "docdata": {"b2b": [{**samples.SUPPLIER, "inv": [samples.INVOICE, {"inum": "7"}]}]},
    }
    with pytest.raises(UnexpectedAnswer, match=r"1 of 2 documents .*dt: missing; .*igst: missing"):
        converse(gsp.gstr2b(GSTIN, PERIOD), told(gsp, bad), gsp=gsp)
    found, _ = converse(gsp.gstr2b(GSTIN, PERIOD, strict=False), told(gsp, bad), gsp=gsp)
    assert (len(found.documents), len(found.problems)) == (1, 2)


# -- statements in files ---------------------------------------------------------------------------------

FIRST, SECOND = samples.FILES
CHANGED = {**samples.SUMMARY, "gendt": "17-11-2026"}


def fetch(gsp: Either, *statements: Any, strict: bool = True) -> tuple[Gstr2b, list[str]]:
    """Fetch a whole statement by these answers; return it and which files were asked for, "" for none."""
    planned = [one if isinstance(one, Response) else told(gsp, one) for one in statements]
    found, sent = converse(whole(gsp, GSTIN, PERIOD, strict=strict), *planned, gsp=gsp)
    return found, [request.query.get("file_number", request.query.get("file_num", "")) for request in sent]


@BOTH
def test_a_whole_statement_takes_one_request(gsp: Either) -> None:
    """Also one of one file, an empty one, and a mere summary, which is said to be one."""
    for statement in (samples.WHOLE, {**samples.WHOLE, "fc": 1}, {**samples.FRAME, "docdata": {}}):
        found, asked = fetch(gsp, statement)
        assert (asked, found.summary_only) == ([""], False)
    found, asked = fetch(gsp, refused(gsp, "RET2B1016"))
    assert (asked, found.documents, found.summary_only) == ([""], (), False)
    found, asked = fetch(gsp, {**samples.FRAME, "itcsumm": samples.ITC_SUMMARY})
    assert (asked, found.files, found.summary_only) == ([""], 0, True)


@BOTH
def test_the_files_are_joined(gsp: Either) -> None:
    """With the frame of the summary, which is looked at again at the end."""
    found, asked = fetch(gsp, samples.SUMMARY, FIRST, SECOND, samples.SUMMARY)
    assert asked == ["", "1", "2", ""]
    assert [document.number for document in found.documents] == ["S/26-27/001", "77"]
    assert (found.files, found.summary_only, found.generated_on) == (2, False, dt.date(2026, 11, 16))
    assert found.summary["available"].total == 3070
    assert found.other == {"cpsumm": samples.CP_SUMMARY, "itcsumm": samples.ITC_SUMMARY}
    one, asked = fetch(gsp, {**samples.SUMMARY, "fc": 1}, FIRST, {**samples.SUMMARY, "fc": 1})
    assert (asked, len(one.documents)) == (["", "1", ""], 1)


@BOTH
def test_documents_in_the_first_answer_of_several_files_are_not_counted_twice(gsp: Either) -> None:
    """The number of files decides: the first answer may have those of the first file."""
    first = {**samples.SUMMARY, **FIRST}
    found, asked = fetch(gsp, first, FIRST, SECOND, first)
    assert (asked, len(found.documents)) == (["", "1", "2", ""], 2)


@BOTH
def test_a_statement_that_changes_between_files_is_fetched_again(gsp: Either) -> None:
    """By the day or the version of a file, or the checksum, day or sums of the summary at the end."""
    other_version, other_day = {**SECOND, "version": "1.1"}, {**SECOND, "gendt": "17-11-2026"}
    for file in (other_version, other_day):
        found, asked = fetch(gsp, samples.SUMMARY, FIRST, file, CHANGED, FIRST, SECOND, CHANGED)
        assert asked == ["", "1", "2", "", "1", "2", ""]
        assert found.generated_on == dt.date(2026, 11, 17)
    other_sum = {**samples.SUMMARY, "itcsumm": {"itcavl": samples.heads(7)}}
    for last in (told(gsp, samples.SUMMARY, "ffff"), told(gsp, CHANGED), told(gsp, other_sum)):
        again = [told(gsp, samples.SUMMARY, "ffff"), FIRST, SECOND, told(gsp, samples.SUMMARY, "ffff")]
        found, asked = fetch(gsp, samples.SUMMARY, FIRST, SECOND, last, *again)
        assert (len(asked), found.checksum) == (8, "ffff")


@BOTH
def test_the_checksums_of_files_may_differ(gsp: Either) -> None:
    """Each may be that of its own answer."""
    parts = [told(gsp, FIRST, "aaaa"), told(gsp, SECOND, "bbbb")]
    found, _ = fetch(gsp, samples.SUMMARY, *parts, samples.SUMMARY)
    assert found.checksum == "0a1b2c3d4e5f"


@BOTH
def test_a_statement_that_changes_each_time_is_an_error(gsp: Either) -> None:
    """After three tries; and it may be a whole one by then."""
    tries = [answer for _ in range(3) for answer in (samples.SUMMARY, {**FIRST, "version": "2"})]
    with pytest.raises(
        UnexpectedAnswer, match=r"made anew while its files were read \(version 1\.0 became 2\)"
    ):
        fetch(gsp, *tries)
    found, asked = fetch(gsp, *tries[:4], samples.WHOLE)
    assert (len(asked), len(found.documents)) == (5, 13)


@BOTH
def test_a_file_without_documents_is_an_error(gsp: Either) -> None:
    """Whether it is a summary again, or refused."""
    with pytest.raises(UnexpectedAnswer, match=r"file 2 .* has no documents"):
        fetch(gsp, samples.SUMMARY, FIRST, samples.SUMMARY)
    with pytest.raises(Gstr2bUnavailable):
        fetch(gsp, samples.SUMMARY, FIRST, refused(gsp, "RET2B1016"))


@BOTH
def test_a_file_that_is_sent_twice_is_an_error(gsp: Either) -> None:
    """A gateway that does not heed the number of the file sends the same documents each time."""
    whole_each_time = {**samples.WHOLE, "fc": 2}
    for answers in ([samples.SUMMARY, FIRST, FIRST], [whole_each_time] * 3):
        with pytest.raises(UnexpectedAnswer, match="file 2 of the GSTR-2B of 102026 begins as an earlier"):
            fetch(gsp, *answers)


@BOTH
def test_what_is_not_read_is_kept_of_each_file(gsp: Either) -> None:
    """A section that is not known may go on in the next file."""
    parts = [{**part, "docRejdata": {"b2bx": [number]}} for number, part in enumerate((FIRST, FIRST))]
    parts[1]["docdata"] = {"b2ba": samples.DOCUMENTS["b2ba"]}
    found, _ = fetch(gsp, samples.SUMMARY, *parts, samples.SUMMARY)
    assert found.other["docRejdata.b2bx"] == [0]
    assert found.other["file 2: docRejdata.b2bx"] == [1]


@BOTH
def test_problems_say_the_file(gsp: Either) -> None:
    """With `strict=False`."""
    bad = {**FIRST, "docdata": {"b2b": [{**samples.SUPPLIER, "inv": [{"inum": "7"}]}], "b2bx": []}}
    found, _ = fetch(gsp, samples.SUMMARY, bad, SECOND, samples.SUMMARY, strict=False)
    assert [problem.partition(": ")[0] for problem in found.problems] == ["file 1", "file 1"]
    assert (found.other["docdata.b2bx"], len(found.documents)) == ([], 1)


def test_which_files_there_are_to_ask_for() -> None:
    """None for a whole one and for a mere summary."""
    part = Gstr2b(gstin=GSTIN, period=PERIOD)
    asked = {
        (files, mere): [*files_of(Gstr2b(gstin=GSTIN, period=PERIOD, files=files, summary_only=mere))]
        for files in (0, 1, 2)
        for mere in (True, False)
    }
    assert [*files_of(part)] == []
    assert asked == {
        (0, True): [],
        (1, True): [1],
        (2, True): [1, 2],
        (0, False): [],
        (1, False): [],
        (2, False): [1, 2],
    }


# -- filed returns ---------------------------------------------------------------------------------------


def filed(**facts: Any) -> dict[str, Any]:
    """A filed return, as documented."""
    row = {"arn": "AA2710260000001", "ret_prd": PERIOD, "mof": "ONLINE", "dof": "19-11-2026"}
    return {**row, "rtntype": "GSTR3B", "status": "Filed", "valid": "Y", **facts}


PREFERENCE = {"response": [{"quarter": "Q2", "preference": "Q"}, {"quarter": "Q3", "preference": "M"}]}


def filing(gsp: Either, track: Response, preference: Response | None = None, period: str = PERIOD) -> Filing:
    """Ask for the filing of a period."""
    found, _ = converse(gsp.filings(GSTIN, period), track, preference or data(gsp, PREFERENCE), gsp=gsp)
    assert isinstance(found, Filing)
    return found


def test_what_is_asked_of_filed_returns() -> None:
    """Two requests each, with the financial year in each GSP's own form."""
    answers = [data(SANDBOX, {"EFiledlist": []}), data(SANDBOX, PREFERENCE)]
    _, sent = converse(SANDBOX.filings(GSTIN, "032027"), *answers, gsp=SANDBOX)
    path = "https://api.sandbox.co.in/gst/compliance/tax-payer/gstrs"
    assert [request.target for request in sent] == [
        f"{path}/2027/03/track",
        f"{path}/preference?financial_year=FY+2026-27",
    ]
    answers = [data(VAYANA, {"EFiledlist": []}), data(VAYANA, PREFERENCE)]
    _, sent = converse(VAYANA.filings(GSTIN, "042026"), *answers, gsp=VAYANA)
    path = "https://solo.enriched-api.vayana.com/basic/gstn"
    assert [request.target for request in sent] == [
        f"{path}/v3.0/commonapi/v1.0/returns?gstin={GSTIN}&fy=2026-27&action=RETTRACK",
        f"{path}/v1.0/commonapi/v1.0/returns?gstin={GSTIN}&fy=2026-27&action=GETPREF",
    ]
    assert {request.method for request in sent} == {"GET"}


@BOTH
def test_a_filed_return_is_read(gsp: Either) -> None:
    """Of the period, filed and valid; and whether the taxpayer is a quarterly one."""
    rows = [filed(), filed(rtntype="GSTR1", dof="10-11-2026", valid=True), filed(ret_prd="092026", dof="x")]
    found = filing(gsp, data(gsp, {"EFiledlist": rows}))
    assert found == Filing(
        gstin=GSTIN,
        period=PERIOD,
        gstr1_filed_on=dt.date(2026, 11, 10),
        gstr3b_filed_on=dt.date(2026, 11, 19),
        quarterly=False,
    )
    assert filing(gsp, data(gsp, {"EFiledlist": []}), period="092026").quarterly is True


@BOTH
@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"rtntype": "gstr-3b", "status": "FILED"}, True),
        ({"valid": None}, True),
        ({"valid": "N"}, False),
        ({"valid": False}, False),
        ({"status": "Submitted"}, False),
        ({"status": None}, False),
        ({"rtntype": "GSTR9"}, False),
        ({"ret_prd": "112026"}, False),
    ],
)
def test_what_counts_as_filed(gsp: Either, facts: dict[str, Any], counts: bool) -> None:
    """Each of its facts."""
    found = filing(gsp, data(gsp, {"EFiledlist": [filed(**facts)]}))
    assert (found.gstr3b_filed_on is not None) is counts


def track_years(gsp: Either, *answers: Response, period: str = PERIOD) -> tuple[Filing, list[str]]:
    """Ask for the filing of a period; return it and the years that were asked for."""
    found, sent = converse(gsp.filings(GSTIN, period), *answers, data(gsp, PREFERENCE), gsp=gsp)
    return found, [request.query["fy"] for request in sent if request.query.get("action") == "RETTRACK"]


def test_vayana_is_asked_by_the_year_in_which_a_return_was_filed() -> None:
    """That of March is filed in the next one; which is not asked before it has begun, or needlessly."""
    none, march = data(VAYANA, {"EFiledlist": []}), filed(ret_prd="032025", dof="20-04-2025")
    first = filed(ret_prd="032025", dof="11-04-2025", rtntype="GSTR1")  # the answers are of May 2025
    then = data(VAYANA, {"EFiledlist": [march, first]})
    for nothing in (none, refused(VAYANA, "RET13510")):
        found, years = track_years(VAYANA, nothing, then, period="032025")
        assert years == ["2024-25", "2025-26"]
        assert found.filed == {"032025": dt.date(2025, 4, 20)}
        assert found.gstr1_filed_on == dt.date(2025, 4, 11)
    found, years = track_years(VAYANA, then, period="032025")
    assert (years, found.gstr3b_filed_on) == (["2024-25"], dt.date(2025, 4, 20))
    found, years = track_years(VAYANA, none, refused(VAYANA, "RET13510"), period="022025")
    assert (years, found.filed) == (["2024-25", "2025-26"], {})
    found, years = track_years(VAYANA, none, period="042025")
    assert (years, found.filed) == (["2025-26"], {})


@BOTH
@pytest.mark.parametrize("key", ["error_cd", "error_code"])
def test_no_record_is_nothing_filed(gsp: Either, key: str) -> None:
    """RET13510, in either spelling."""
    nothing = [refused(gsp, "RET13510", key=key)] * (1 if gsp is SANDBOX else 2)  # of two years
    found, _ = converse(gsp.filings(GSTIN, PERIOD), *nothing, data(gsp, PREFERENCE), gsp=gsp)
    assert found == Filing(gstin=GSTIN, period=PERIOD, quarterly=False)


@BOTH
def test_a_preference_that_is_not_told_is_unknown(gsp: Either) -> None:
    """The first answer is what was wanted; but for a credential or a quota, which concern both."""
    track = data(gsp, {"EFiledlist": [filed()]})
    unknown = [
        data(gsp, {"response": []}),
        data(gsp, {"response": [{"quarter": "Q3", "preference": "N"}]}),
        data(gsp, {"response": [{"quarter": "Q3"}, 7]}),
        refused(gsp, "RET13510"),
        refused(gsp, "APP9999"),
    ]
    for preference in unknown:
        found = filing(gsp, track, preference)
        assert (found.quarterly, found.gstr3b_filed_on) == (None, dt.date(2026, 11, 19))
    with pytest.raises(NotAuthorized):
        filing(gsp, track, refused(gsp, "AUTH403"))
    spent = answer(403, {"code": 403, "message": "Insufficient credits"})
    with pytest.raises(QuotaExhausted):
        filing(gsp, track, spent)


@BOTH
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "EFiledlist: missing"),
        ({"EFiledlist": {}}, "EFiledlist: {} is not an array"),
        ({"EFiledlist": [5]}, "EFiledlist[0]: "),
        ({"EFiledlist": [filed(ret_prd=102026)]}, "EFiledlist[0].ret_prd: 102026 is not text"),
        ({"EFiledlist": [filed(ret_prd=None)]}, "EFiledlist[0].ret_prd: None is not text"),
        ({"EFiledlist": [filed(dof="19/11/2026")]}, "EFiledlist[0].dof: '19/11/2026' is not a date"),
    ],
)
def test_a_list_of_returns_that_does_not_fit_is_named(
    gsp: Either, content: dict[str, Any], problem: str
) -> None:
    """A day or a period that cannot be read is not "not filed"."""
    with pytest.raises(UnexpectedAnswer) as caught:
        filing(gsp, data(gsp, content))
    assert problem in caught.value.problems[0]


def test_what_was_filed_is_taken_by_the_rules_and_the_dates() -> None:
    """As it is; nothing where nothing is known."""
    day = dt.date(2026, 11, 18)
    found = Filing(gstin=GSTIN, period=PERIOD, gstr3b_filed_on=day)
    assert RulePolicy(filed=found.filed).filed == frozenset({PERIOD})
    assert decide.deadlines(PERIOD, filed=found.filed).last_day.date == day
    assert Filing(gstin=GSTIN, period=PERIOD, gstr1_filed_on=day).filed == {}
