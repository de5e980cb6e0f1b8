"""Vayana by hand: what its conversations send, and what they make of the answers to reads."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from ims_async import (
    Action,
    Counts,
    DownloadQueued,
    GatewayError,
    GoodsType,
    InvalidInput,
    JobKind,
    PayloadTooLarge,
    Section,
    SourceForm,
    SupplierSection,
    UnexpectedAnswer,
    Vayana,
)
from ims_async.gsp.base import Accepted, Needs
from ims_async.gsp.gstn import NO_RECORDS
from ims_async.model.secret import Secret
from tests.conftest import eas, envelope, from_gstn
from tests.support import strategies
from tests.support.recorded import HTML, answer, first_request
from tests.support.vayana_talk import (
    AUTHENTICATE,
    BASIC,
    BY_NAME,
    DOWNLOAD,
    ENRICHED,
    FILE,
    GSP,
    GSTIN,
    HOST,
    IMS,
    INVOICE,
    PAGE,
    QUEUED,
    REFERENCE,
    SESSION,
    SSO,
    TASK,
    TASKS,
    V1,
    converse,
    inward,
    recorded,
    task,
)

# -- what is sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "target", "changes", "repeatable"),
    [
        ("authenticate", "POST", f"{SSO}/authtokens", False, True),
        ("account_refresh", "PUT", f"{SSO}/authtokens", False, True),
        ("account_logout", "POST", f"{SSO}/logout", False, True),
        ("otp", "POST", HOST + AUTHENTICATE, False, False),
        ("verify", "POST", HOST + AUTHENTICATE, False, False),
        ("refresh", "POST", HOST + AUTHENTICATE, False, False),
        ("logout", "POST", HOST + AUTHENTICATE, False, False),
        ("save", "PUT", f"{HOST}{ENRICHED}/ims-invoice-status-update", True, False),
        ("reset", "PUT", f"{HOST}{ENRICHED}/ims-invoice-status-reset", True, False),
        ("status", "GET", f"{HOST}{TASKS}/status/{TASK}", False, True),
        ("reference", "GET", f"{HOST}{IMS}/REQSTS?gstin={GSTIN}&int_tran_id={REFERENCE}", False, True),
        ("count", "GET", f"{HOST}{IMS}/GETCNT?gstin={GSTIN}&goods_typ=ALL_OTH", False, True),
        ("invoices", "GET", f"{HOST}{ENRICHED}/ims-invoices?section=DN&status=A", False, True),
        ("getinv", "GET", f"{HOST}{IMS}/GETINV?gstin={GSTIN}&section=CNA", False, True),
        ("prepared", "GET", f"{HOST}{TASKS}/status/{TASK}", False, True),
        ("filedet", "GET", f"{HOST}{IMS}/FILEDET?gstin={GSTIN}&token=d3a5", False, True),
        ("page", "GET", f"{HOST}{TASKS}/result/{TASK}/page/0", False, True),
        ("file", "GET", f"{HOST}/basic/gstn/v1.0/taxpayerapi-doc/{{unique-key}}", False, True),
        (
            "sales", "GET",
            f"{HOST}{IMS}/SUPVIEW?gstin={GSTIN}&ret_period=112024&section=B2B&rtn_typ=R1", False, True,
        ),
    ],
)  # fmt: skip
def test_a_request_goes_where_the_documents_say(
    name: str, method: str, target: str, changes: bool, repeatable: bool
) -> None:
    """Send each operation to its path with the headers of its kind, and mark what changes something."""
    request = first_request(BY_NAME[name]())
    assert (request.method, request.target) == (method, target)
    assert (request.changes, request.repeatable) == (changes, repeatable)
    assert request.operation == ("status" if name == "prepared" else name)
    assert request.headers["accept"] == "application/json"
    assert request.headers.get("content-type") == (None if request.body is None else "application/json")
    ours = {name: value for name, value in request.headers.items() if name.startswith("X-FLYNN")}
    if target.startswith(SSO):
        assert (request.needs, ours) == (Needs.NONE, {})
        return
    assert request.needs is Needs.ACCOUNT
    assert ours.pop("X-FLYNN-N-FILEDET-EKEY", None) == (FILE.key.reveal() if name == "file" else None)  # type: ignore[union-attr] # a file has one
    assert ours == {
        "X-FLYNN-N-ORG-ID": "org-1",
        "X-FLYNN-N-GSTIN": GSTIN,
        "X-FLYNN-N-GSTN-GSP-CODE": "vay",
    }


@pytest.mark.parametrize(
    ("name", "action"),
    [("otp", "OTPREQUEST"), ("verify", "AUTHTOKEN"), ("refresh", "REFRESHTOKEN"), ("logout", "LOGOUT")],
)
def test_a_step_of_the_login_is_named_in_a_header_or_in_the_path(name: str, action: str) -> None:
    """Say it as the version says it, in one place only."""
    request = first_request(BY_NAME[name]())
    assert request.headers["action"] == action
    older: dict[str, Callable[[], Any]] = {
        "otp": lambda: V1.request_otp(GSTIN, "u"),
        "verify": lambda: V1.verify_otp(GSTIN, "u", "1", "r"),
        "refresh": lambda: V1.refresh(GSTIN, SESSION),
        "logout": lambda: V1.logout(GSTIN, SESSION),
    }
    request = first_request(older[name]())
    assert request.url == f"{HOST}/basic/gstn/v1.0/taxpayerapi/v0.2/authenticate/{action}"
    assert "action" not in request.headers


def test_the_session_is_ended_by_its_name() -> None:
    """Send the id of the session in the body, as its refresh is documented."""
    request = first_request(BY_NAME["logout"]())
    assert json.loads(request.body or b"") == {"gst-session-id": SESSION.value.reveal()}


@pytest.mark.parametrize("name", ["account_refresh", "account_logout"])
def test_the_users_token_travels_as_a_bearer_at_its_own_host(name: str) -> None:
    """Send it so to the SSO alone, without a body."""
    request = first_request(BY_NAME[name]())
    assert (request.headers["authorization"], request.body) == ("Bearer old", None)


def test_the_users_token_is_added_on_signing() -> None:
    """Send it in the provider's own header with every request that carries one, and never to the SSO."""
    for name, make in BY_NAME.items():
        request = first_request(make())
        signed = GSP.sign(request, None if request.needs is Needs.NONE else Secret("eyJ0e"))
        expected = None if request.needs is Needs.NONE else "eyJ0e"
        assert signed.headers.get("X-FLYNN-N-USER-TOKEN") == expected, name
        assert "X-FLYNN-N-USER-TOKEN" not in request.headers
        assert "eyJ0e" not in repr(signed)


def test_extra_headers_win_however_they_are_spelled() -> None:
    """Replace ours and add new ones, but send none to the SSO."""
    extra = {"x-flynn-n-gstn-gsp-code": "tera", "ACCEPT": "application/zip", "X-FLYNN-N-IP-USR": "10.0.0.1"}
    gsp = Vayana("org-1", handle="h", password="p", extra_headers=extra)
    request = gsp.sign(first_request(gsp.counts(GSTIN, GoodsType.OTHERS)), Secret("eyJ0e"))
    ours = {"X-FLYNN-N-ORG-ID": "org-1", "X-FLYNN-N-GSTIN": GSTIN, "X-FLYNN-N-USER-TOKEN": "eyJ0e"}
    assert request.headers == {**ours, **extra}
    assert not {*extra} & {*first_request(gsp.authenticate()).headers}
    extra["X-FLYNN-N-GSTIN"] = "changed later"
    assert "X-FLYNN-N-GSTIN" not in gsp.extra_headers


@pytest.mark.parametrize(
    ("settings", "name", "target"),
    [
        ({"gstn_api_version": "v1.0"}, "count",
         "/basic/gstn/v1.0/taxpayerapi/v1.0/returns/ims/GETCNT?gstin={g}&goods_typ=ALL_OTH"),
        ({"flynn_version": "v2.0"}, "count",
         "/basic/gstn/v2.0/taxpayerapi/v0.3/returns/ims/GETCNT?gstin={g}&goods_typ=ALL_OTH"),
        ({"flynn_version": "v2.0"}, "status", f"/enriched/tasks/v2.0/status/{TASK}"),
        ({"flynn_version": "v2.0"}, "page", f"/enriched/tasks/v2.0/result/{TASK}/page/0"),
        ({"flynn_version": "v2.0"}, "file", "/basic/gstn/v2.0/taxpayerapi-doc/{{unique-key}}"),
        ({"flynn_version": "v2.0"}, "save", "/enriched/gstn/v2.0/ims-invoice-status-update"),
        ({"flynn_version": "v2.0"}, "otp", AUTHENTICATE),
        ({"auth_gstn_api_version": "v1.0"}, "otp", "/basic/gstn/v3.0/taxpayerapi/v1.0/authenticate"),
        ({"save_path": "ims-save"}, "save", "/enriched/gstn/v1.0/ims-save"),
        ({"save_path": "ims-save"}, "reset", "/enriched/gstn/v1.0/ims-invoice-status-reset"),
        ({"section_names": "long"}, "invoices", "/enriched/gstn/v1.0/ims-invoices?section=B2BDN&status=A"),
        ({"goods_types": {GoodsType.OTHERS: "OTH"}}, "count", f"{IMS}/GETCNT?gstin={{g}}&goods_typ=OTH"),
        ({"supplier_section_case": "lower", "return_types": {SourceForm.GSTR1: "GSTR1"}}, "sales",
         f"{IMS}/SUPVIEW?gstin={{g}}&ret_period=112024&section=b2b&rtn_typ=GSTR1"),
        ({"downloads": "basic"}, "invoices", f"{IMS}/GETINV?gstin={{g}}&section=DN&status=A"),
        ({"downloads": "basic", "section_names": "long"}, "invoices",
         f"{IMS}/GETINV?gstin={{g}}&section=B2BDN&status=A"),
    ],
)  # fmt: skip
def test_a_setting_is_heeded(settings: dict[str, Any], name: str, target: str) -> None:
    """Let each thing that the documents leave open be said otherwise."""
    gsp = Vayana("org-1", "t", test=True, **settings)
    makes: dict[str, Callable[[], Any]] = {
        "count": lambda: gsp.counts(GSTIN, GoodsType.OTHERS),
        "status": lambda: gsp.status(GSTIN, TASK, JobKind.SAVE),
        "page": lambda: gsp.part(DOWNLOAD, PAGE, strict=True),
        "file": lambda: gsp.part(QUEUED, FILE, strict=True),
        "save": lambda: gsp.save(GSTIN, [INVOICE.accept()]),
        "reset": lambda: gsp.reset(GSTIN, [INVOICE]),
        "otp": lambda: gsp.request_otp(GSTIN, "u"),
        "invoices": lambda: gsp.invoices(GSTIN, Section.B2BDN, Action.ACCEPT, strict=True),
        "sales": lambda: gsp.sales(GSTIN, 2024, 11, SupplierSection.B2B, SourceForm.GSTR1),
    }
    assert first_request(makes[name]()).target == HOST + target.format(g=GSTIN)


def test_a_save_may_be_sent_by_another_method_and_by_another_name() -> None:
    """Post it, if its page says so one day; it stays a change, and a GSP has its own code."""
    gsp = Vayana("org-1", "t", save_method="POST", gsp_code="abc", logout_action="BYE")
    request = first_request(gsp.save(GSTIN, [INVOICE.accept()]))
    assert (request.method, request.changes, request.repeatable) == ("POST", True, False)
    assert request.headers["X-FLYNN-N-GSTN-GSP-CODE"] == "abc"
    assert first_request(gsp.reset(GSTIN, [INVOICE])).method == "PUT"
    assert first_request(gsp.logout(GSTIN, SESSION)).headers["action"] == "BYE"


@pytest.mark.parametrize("section", Section)
def test_a_section_is_asked_for_by_the_name_that_was_chosen(section: Section) -> None:
    """Say notes in short, as siblings of this GSP do, or as the rows do."""
    short = {"b2bdn": "DN", "b2bdna": "DNA", "b2bcn": "CN", "b2bcna": "CNA"}
    asked = first_request(GSP.invoices(GSTIN, section, None, strict=True)).query
    assert asked == {"section": short.get(section.value, section.value.upper())}
    long = Vayana("org-1", "t", section_names="long")
    asked = first_request(long.invoices(GSTIN, section, None, strict=True)).query
    assert asked == {"section": section.value.upper()}


@pytest.mark.parametrize("action", Action)
def test_an_action_is_asked_for_by_its_letter(action: Action) -> None:
    """Ask as the page does, whose example is A."""
    asked = first_request(GSP.invoices(GSTIN, Section.B2B, action, strict=True)).query
    assert asked == {"section": "B2B", "status": action.value}


def test_a_body_over_the_limit_is_not_sent() -> None:
    """Count bytes of save and reset, say how many, and send nothing."""
    small = Vayana("org-1", "t", save_bytes=300)
    with pytest.raises(PayloadTooLarge, match="3 records make a body of") as caught:
        next(small.reset(GSTIN, [INVOICE] * 3))
    assert (caught.value.limit, caught.value.size > 300) == (300, True)
    exact = Vayana("org-1", "t", save_bytes=caught.value.size)
    assert len(first_request(exact.reset(GSTIN, [INVOICE] * 3)).body or b"") == caught.value.size


NO_TASK = answer(404, eas("err-resource-not-found", "ClientRequest"))
NAMES = [REFERENCE, "0032E479BCB644", TASK, "task 7", "9f86d081-884c-4d63-a5e0-9ec4ff9a2d21", "१२"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("route", "operation"), [("task", "status"), ("gstn", "reference"), ("", "status")])
def test_a_job_is_asked_about_as_was_told_when_it_was_taken_in(name: str, route: str, operation: str) -> None:
    """However its name looks: names are opaque."""
    assert first_request(GSP.status(GSTIN, name, JobKind.SAVE, route)).operation == operation


@pytest.mark.parametrize("name", [REFERENCE, TASK])
@pytest.mark.parametrize(("key", "route"), [("task-id", "task"), ("reference_id", "gstn")])
def test_a_change_tells_by_what_its_job_is_carried(name: str, key: str, route: str) -> None:
    """By the word under which the gateway gives the name."""
    for kind in ("save", "reset"):
        accepted, _ = converse(BY_NAME[kind](), answer(200, envelope({key: name})))
        assert accepted == Accepted(name, route)


@pytest.mark.parametrize("name", NAMES)
def test_for_an_unknown_route_both_are_tried(name: str) -> None:
    """First as a task, then, if there is none, as GSTN's reference; the status has the route."""
    ended = answer(200, envelope({"status_cd": "P", "proc_cnt": "1", "transTypCd": "SAV"}))
    conversation = GSP.status(GSTIN, name, JobKind.SAVE)
    status, sent = converse(conversation, NO_TASK, ended)
    assert [request.operation for request in sent] == ["status", "reference"]
    assert (status.raw_code, status.route) == ("P", "gstn")
    status, sent = converse(GSP.status(GSTIN, name, JobKind.SAVE), task("processing"))
    assert (len(sent), status.route) == (1, "task")


def test_for_an_unknown_reference_the_answer_about_tasks_is_raised() -> None:
    """Most jobs are tasks; and a task that is known to be one is not asked about elsewhere."""
    denied = answer(502, from_gstn("RET11416", "no such reference"))
    with pytest.raises(GatewayError, match="no such task") as caught:
        converse(GSP.status(GSTIN, TASK, JobKind.SAVE), NO_TASK, denied)
    assert caught.value.code == "err-resource-not-found"
    with pytest.raises(GatewayError, match="no such task"):
        converse(GSP.status(GSTIN, TASK, JobKind.SAVE, "task"), NO_TASK)


def test_a_task_id_is_quoted_in_the_path() -> None:
    """Ask for no other address than the one of the task, whatever its name holds."""
    download = attrs.evolve(DOWNLOAD, reference="task/a b/../é?x")
    quoted = "a%20b%2F..%2F%C3%A9%3Fx"
    assert first_request(GSP.prepared(download)).url == f"{HOST}{TASKS}/status/{quoted}"
    (part,), sent = converse(GSP.prepared(download), task("completed"), recorded("task-result-pages-200"))
    assert sent[1].url == f"{HOST}{TASKS}/result/{quoted}"
    assert first_request(GSP.part(download, part, strict=True)).url == f"{HOST}{TASKS}/result/{quoted}/page/0"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_task_id_that_leads_elsewhere_is_refused(name: str) -> None:
    """Quoting leaves dots as they are: a token that was tampered with asks for nothing."""
    with pytest.raises(InvalidInput, match="no task's name"):
        first_request(GSP.status(GSTIN, name, JobKind.SAVE))
    with pytest.raises(InvalidInput, match="no task's name"):
        first_request(GSP.prepared(attrs.evolve(DOWNLOAD, reference=f"task/{name}")))


# -- what comes back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(NO_RECORDS))
@pytest.mark.parametrize(
    ("name", "nothing"), [("count", Counts(total=0)), ("invoices", []), ("getinv", []), ("sales", [])]
)
def test_no_records_is_an_empty_answer_and_no_error(name: str, nothing: object, code: str) -> None:
    """Read GSTN's "nothing found" as nothing."""
    value, _ = converse(BY_NAME[name](), answer(502, from_gstn(code)))
    assert value == nothing


def test_no_records_as_the_result_of_a_task_is_an_empty_answer_too() -> None:
    """Have no parts, whether the task is said to have gone well or not."""
    for word in ("completed", "failed"):
        status = answer(200, {"data": {"task": {"status": word}}})
        for http_status in (200, 502):
            said = attrs.evolve(recorded("error-gstn-ret11416-502"), status=http_status)
            assert converse(BY_NAME["prepared"](), status, said)[0] == []


@pytest.mark.parametrize("name", ["count", "invoices", "getinv", "sales", "filedet", "page"])
def test_any_other_refusal_of_a_read_is_raised(name: str) -> None:
    """Take no other error for "nothing found"."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME[name](), answer(502, from_gstn("RET99999")))
    assert caught.value.code == "RET99999"


def test_counting_nothing_keeps_the_kind_of_goods() -> None:
    """Answer zero of what was asked about."""
    value, _ = converse(inward(), answer(502, from_gstn("IMS0027")))
    assert value == Counts(total=0, goods_type=GoodsType.INWARD_SUPPLIES)


def test_rows_that_come_later_as_files_are_waited_for() -> None:
    """Remember GSTN's token, and how long it will take, in place of rows."""
    body = envelope({"token": "d3a5", "est": "30"})
    begun, _ = converse(BY_NAME["getinv"](), answer(200, body))
    assert begun == attrs.evolve(QUEUED, section=Section.B2BCNA, estimate=1800.0)
    assert pickle.loads(pickle.dumps(begun)) == begun  # noqa: S301 # ours


@pytest.mark.parametrize("name", ["getinv", "invoices"])
def test_rows_that_are_being_made_without_a_token_are_told_so(name: str) -> None:
    """Raise, rather than wait for what has no name."""
    with pytest.raises(DownloadQueued, match=r"rows of b2b.*RTN_24.*: ask again later") as caught:
        converse(BY_NAME[name](), recorded("error-gstn-rtn24-502"))
    assert caught.value.download is None


def test_files_that_are_still_being_made_are_not_ready() -> None:
    """Read GSTN's own word for it, under 502, as a wait."""
    assert converse(BY_NAME["filedet"](), recorded("error-gstn-rtn24-502"))[0] is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://host/taxpayerapi-doc/a1", "/taxpayerapi-doc/a1"),
        ("/taxpayerapi-doc/a1", "/taxpayerapi-doc/a1"),
        ("https://host/doc/a1?sig=x%2By&n=1", "/doc/a1?sig=x%2By&n=1"),
    ],
)
def test_a_file_is_fetched_from_the_gateway_by_its_path(url: str, path: str) -> None:
    """Send the path of the file, and its query, to the host that we know."""
    details = {"ek": "key", "urls": [{"ul": url}]}
    (part,), _ = converse(BY_NAME["filedet"](), answer(200, envelope(details)))
    request = first_request(GSP.part(QUEUED, part, strict=True))
    assert request.target == f"{HOST}/basic/gstn/v1.0{path}"
    assert "key" not in f"{part!r} {request!r}".replace("key=", "").replace("EKEY", "")


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("https://host/doc/a b", "/doc/a%20b", {}),
        ("https://host/doc/é", "/doc/%C3%A9", {}),
        ("https://host/doc/a%20b", "/doc/a%20b", {}),
        ("/doc/{unique-key}", "/doc/{unique-key}", {}),
        ("https://host/a b?sig=planted%2By&n=&m=é#part", "/a%20b", {"sig": "planted+y", "n": "", "m": "é"}),
    ],
)
def test_the_address_of_a_file_is_quoted_and_its_signature_is_hidden(
    url: str, path: str, query: dict[str, str]
) -> None:
    """Send a path that fits on the wire, and let the query travel beside it, where no repr shows it."""
    (part,), _ = converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "key", "urls": [{"ul": url}]})))
    request = first_request(GSP.part(QUEUED, part, strict=True))
    assert (request.url, request.query) == (f"{HOST}/basic/gstn/v1.0{path}", query)
    assert request.target.isascii()
    assert "planted" not in f"{part!r} {request!r} {request.url}"
    assert "/doc" not in repr(part)


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        ({"urls": []}, "data.ek"),
        ({"ek": ["planted"], "urls": []}, "data.ek"),
        ({"ek": "", "urls": []}, "data.ek"),
        ({"ek": "planted"}, "data.urls"),
        ({"ek": "planted", "urls": {}}, "data.urls"),
        ({"ek": "planted", "urls": [5]}, "data.urls[0]"),
        ({"ek": "planted", "urls": [{"ul": "/a"}, {}]}, "data.urls[1].ul"),
        ({"ek": "planted", "urls": [{"ul": "https://host"}]}, "data.urls[0].ul"),
        ({"ek": "planted", "urls": [{"ul": "https://[::1/doc"}]}, "data.urls[0].ul"),
        (None, "data"),
    ],
    ids=str,
)
def test_details_of_files_that_do_not_fit_are_named(details: Any, problem: str) -> None:
    """Raise `UnexpectedAnswer` that says where, and nothing of what was read: the key is in it."""
    with pytest.raises(UnexpectedAnswer, match="FILEDET does not fit: data") as caught:
        converse(BY_NAME["filedet"](), answer(200, envelope(details)))
    assert caught.value.problems == (problem,)
    assert "planted" not in f"{caught.value} {caught.value.body!r}"


def test_no_files_are_no_rows() -> None:
    """Have no parts where GSTN lists none."""
    assert converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": []})))[0] == []


@pytest.mark.parametrize("name", ["page", "file"])
def test_rows_are_read_strictly_or_with_their_problems(name: str) -> None:
    """Pass `strict` on to the reader of rows, in pages, files and direct answers."""
    body = envelope({"b2b": [5, strategies.documented_row(Section.B2B)]})
    part = PAGE if name == "page" else FILE
    with pytest.raises(UnexpectedAnswer, match="1 of 2 rows cannot be read"):
        converse(GSP.part(DOWNLOAD, part, strict=True), answer(200, body))
    rows, _ = converse(GSP.part(DOWNLOAD, part, strict=False), answer(200, body))
    assert (len(rows), rows.problems) == (1, ("data.b2b[0]: 5 is not an object",))
    rows, _ = converse(BASIC.invoices(GSTIN, Section.B2B, None, strict=False), answer(200, body))
    assert (len(rows), rows.problems) == (1, ("data.b2b[0]: 5 is not an object",))


def test_several_kinds_of_goods_in_one_answer_are_counted_apart() -> None:
    """Take the total of what was asked about, and keep the sections of the others."""
    counts, _ = converse(inward(), recorded("getcnt-200"))
    assert (counts.total, counts.goods_type) == (101, GoodsType.INWARD_SUPPLIES)
    assert counts.sections["isd"].accepted == 10
    assert counts[Section.B2B].total == 15


# -- broken answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*BY_NAME} - {"account_logout", "logout"}))
@pytest.mark.parametrize(
    "body",
    [HTML, HTML * 1000, b"", b"null", b"[]", b"7", b"{}", b'{"status":"1"}', b'{"status":"1","data":null}',
     b'{"data":[]}', b'{"status":"1","data":{"task-id":"x', b"\xff" * 9],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_page_that_is_no_answer_is_never_a_success(name: str, body: bytes) -> None:
    """Raise `UnexpectedAnswer` for HTML, emptiness and truncation under HTTP 200, for every operation."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, body))
    assert caught.value.problems


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("authenticate", "data.token: missing"),
        ("account_refresh", "data.token: missing"),
        ("otp", "data.otp-request-id: missing"),
        ("verify", "data.gst-session-id: missing"),
        ("refresh", "data.gst-session-id: missing"),
        ("save", "data.task-id: missing"),
        ("reset", "data.task-id: missing"),
        ("invoices", "data.task-id: missing"),
        ("status", "data.status: missing"),
        ("prepared", "data.status: missing"),
        ("reference", "data.status_cd: missing"),
        ("count", "data.all_oth: missing"),
        ("filedet", "data.ek"),
        ("sales", "data.gstr1: missing"),
    ],
)
def test_an_answer_without_what_was_asked_for_names_the_place(name: str, problem: str) -> None:
    """Raise `UnexpectedAnswer` for a success that holds nothing, or something else."""
    for data in ({}, {"other": 5}):
        with pytest.raises(UnexpectedAnswer) as caught:
            converse(BY_NAME[name](), answer(200, envelope(data)))
        assert caught.value.problems == (problem,)


@pytest.mark.parametrize("reference", [None, "", 5, [], {}])
def test_a_change_without_a_task_is_no_success(reference: object) -> None:
    """Ask for text under `task-id`; the driver makes an unknown outcome of its absence."""
    for name in ("save", "reset", "invoices"):
        with pytest.raises(UnexpectedAnswer, match=r"data\.task-id: .* is not text"):
            converse(BY_NAME[name](), answer(200, envelope({"task-id": reference})))


@pytest.mark.parametrize("name", ["page", "file", "getinv"])
def test_an_answer_without_any_section_is_not_taken_for_no_rows(name: str) -> None:
    """It may be another answer altogether; an empty one, or an empty section, says "no rows"."""
    with pytest.raises(UnexpectedAnswer, match="no section that is known, but pages"):
        converse(BY_NAME[name](), answer(200, envelope({"pages": 1})))
    nothing: list[dict[str, Any]] = [{}, {"b2bdn": []}, {"b2bdn": None, "chksum": "x"}]
    for empty in nothing:
        assert list(converse(BY_NAME[name](), answer(200, envelope(empty)))[0]) == []


UNFIT = ["", " ", "\ud800", "a\nb", "r\u00e9f", "x" * 201, "\u2028"]


@pytest.mark.parametrize("reference", UNFIT)
@pytest.mark.parametrize("name", ["save", "reset", "invoices"])
def test_a_reference_that_nothing_could_be_asked_with_is_none(name: str, reference: str) -> None:
    """Refuse what fits neither a URL nor a token of ours: a change whose answer says so is unknown."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, envelope({"task-id": reference})))
    assert caught.value.problems[0].startswith("data.task-id: ")


def test_a_token_for_files_that_fits_no_url_is_no_download() -> None:
    """Refuse the name of a file that could not be asked for."""
    with pytest.raises(UnexpectedAnswer, match=r"data\.token"):
        converse(BY_NAME["getinv"](), answer(200, envelope({"token": "\ud800"})))


DOTS = ["/a/../b", "/..", "/./a", "/a/%2e%2E/b", "/a/.%2e/b", "/a/%252e%252e/b", "/a%2f..%2fb", "/a/..%2fb",
        "/a\\..\\b", "/a/%5c..%5cb", "/a/..;/b", "/a/..;x=1/b", "/a/.. /b", "/%25252525252e./b"]  # fmt: skip


@pytest.mark.parametrize("path", DOTS)
@pytest.mark.parametrize("host", ["https://host", ""])
def test_an_address_of_a_file_that_climbs_is_refused(host: str, path: str) -> None:
    """However it is written: it would lead to any path of the gateway's host, with the user's token."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": [{"ul": host + path}]})))
    assert caught.value.problems == ("data.urls[0].ul",)


@pytest.mark.parametrize("path", ["/a..b/c", "/a/...", "/..a", "/a.;x/b", "/a%2e%2eb", "/v1.0/doc.zip"])
def test_dots_within_a_name_are_dots(path: str) -> None:
    """Refuse segments that are nothing but dots, and no others."""
    details = {"ek": "k", "urls": [{"ul": f"https://host{path}"}]}
    (part,), _ = converse(BY_NAME["filedet"](), answer(200, envelope(details)))
    assert part.place == path


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "../status", "a/../b", "a%2F..%2Fb"])
def test_a_task_or_file_whose_name_climbs_is_none(name: str) -> None:
    """Refuse the name where it is handed out: a change whose answer has it is unknown, not lost."""
    for operation, body in (("save", {"task-id": name}), ("reset", {"reference_id": name}),
                            ("invoices", {"task-id": name}), ("getinv", {"token": name})):  # fmt: skip
        with pytest.raises(UnexpectedAnswer, match="is not a reference"):
            converse(BY_NAME[operation](), answer(200, envelope(body)))


@pytest.mark.parametrize("name", ["authenticate", "verify", "refresh"])
@pytest.mark.parametrize("value", [" ", "\u2028", "secret-token\r\nx: 1", "secret-token\ud800"])
def test_a_token_that_fits_no_header_is_none_and_is_not_shown(name: str, value: str) -> None:
    """Refuse an empty token and one that no request could carry; say nothing of what is in it."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME[name](), answer(200, envelope({"token": value, "gst-session-id": value})))
    assert "secret" not in str(caught.value)


def test_an_address_of_a_file_that_is_no_text_is_named() -> None:
    """Refuse half a character in the address of a file."""
    with pytest.raises(UnexpectedAnswer) as caught:
        converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": [{"ul": "/\ud800"}]})))
    assert caught.value.problems == ("data.urls[0].ul",)


@pytest.mark.parametrize("name", ["save", "reset"])
def test_a_change_is_refused_whatever_the_words(name: str) -> None:
    """Have GSTN's word about files, in answer to a change, be a refusal and no download."""
    with pytest.raises(GatewayError) as caught:
        converse(BY_NAME[name](), answer(502, from_gstn("RTN_24")))
    assert caught.value.code == "RTN_24"


def test_an_answer_that_is_absurdly_deep_is_not_read() -> None:
    """Refuse what could be read and then be neither shown nor written."""
    deep = b'{"status":"1","data":{"all_oth":{"ttl_cnt":1},"new":' + b"[" * 500 + b"]" * 500 + b"}}"
    with pytest.raises(UnexpectedAnswer, match="64 levels"):
        converse(BY_NAME["count"](), answer(200, deep))
    flat = b'{"status":"1","data":{"all_oth":{"ttl_cnt":1},"new":[' + b"[]," * 500 + b"[]]}}"
    counts, _ = converse(BY_NAME["count"](), answer(200, flat))
    assert counts.total == 1
