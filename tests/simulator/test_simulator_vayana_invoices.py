"""The simulator's Vayana API: invoices, saves and resets, counts, files, and the supplier view."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from ims_async.simulator import Simulator
from ims_async.simulator.fields import SHAPES

from .simulator_portal import BASE, Portal, save_line
from .simulator_portal_vayana import ENRICHED, TASKS, UNAUTHORIZED, VayanaPortal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ims_async.simulator import Record

SAVE = f"{ENRICHED}/ims-invoice-status-update"


@pytest.fixture
def portal() -> VayanaPortal:
    """Open a simulator whose jobs and downloads take no time."""
    return VayanaPortal(Simulator(taxpayers=2, job_seconds=0, download_seconds=0))


def _free(portal: VayanaPortal, section: str = "b2b") -> Record:
    records = portal.simulator.records(portal.gstin, section)
    return next(record for record in records if record.action == "N" and not record.blocked)


def _renamed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"ispendactblocked" if name == "ispendactnallwd" else name: value for name, value in row.items()}
        for row in rows
    ]


# -- the enriched API --------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", SHAPES)
def test_both_gsps_show_the_same_invoices(portal: VayanaPortal, section: str) -> None:
    """Compare the pages, the basic list and the other GSP's list; one field has another name."""
    task = portal.start(section.upper())
    assert portal.result(task) == {"pages": 1}
    page = portal.page(task, 0)
    assert [*page] == [section]
    assert page[section] == portal.rows(section)
    assert page[section]
    assert _renamed(page[section]) == Portal(portal.simulator).rows(section)


def test_an_action_through_one_gsp_is_seen_through_the_other(portal: VayanaPortal) -> None:
    """Save through Vayana, see it in Sandbox, and the other way round; the log has both."""
    other = Portal(portal.simulator)
    one = _free(portal)
    task = portal.send("save", {"b2b": portal.lines("A", one)})
    assert portal.result(task)["status_cd"] == "P"
    assert other.row(one)["action"] == "A"
    two = other.free()
    reference = other.send("save", {"b2b": [save_line(other.row(two), "R")]})
    assert {row["inum"]: row["action"] for row in portal.rows()}[two.number] == "R"
    assert portal.basic("REQSTS", int_tran_id=reference) == other.status(reference)
    assert [job.reference for job in portal.simulator.jobs][1] == reference
    assert portal.simulator.count("save", portal.gstin) == 2


@pytest.mark.parametrize("section", ["CN", "cn", "B2BCN", "b2bcn", "Dna", "B2BDNA"])
def test_sections_go_by_all_their_names(portal: VayanaPortal, section: str) -> None:
    """Ask for notes in upper and lower case, by short and long names."""
    (name,) = portal.page(portal.start(section), 0)
    assert name in {"b2bcn", "b2bdna"}


def test_a_status_filters_by_its_letter(portal: VayanaPortal) -> None:
    """Get all invoices by asking for each of the four actions."""
    parts = {letter: portal.page(portal.start(status=letter), 0)["b2b"] for letter in "ARPN"}
    assert all(row["action"] == letter for letter, rows in parts.items() for row in rows)
    assert sum(map(len, parts.values())) == len(portal.rows())
    assert portal.rows(status="A") == parts["A"]


@pytest.mark.parametrize(
    ("query", "name"),
    [("", "section"), ("section=b2cs", "section"), ("section=b2b&status=accepted", "status")],
)
def test_unknown_sections_and_letters_are_refused(portal: VayanaPortal, query: str, name: str) -> None:
    """Ask for what is not in the vocabulary."""
    expected = (400, "err-issue-with-parameter", "ClientRequest", {"parameter-name": name})
    assert portal.error("GET", f"{ENRICHED}/ims-invoices?{query}") == expected


def test_a_reset_takes_an_action_back(portal: VayanaPortal) -> None:
    """Save and reset one invoice; the result of the reset says SAV, as documented."""
    record = _free(portal)
    (line,) = portal.lines("A", record)
    portal.send("save", {"b2b": [line]})
    del line["action"]
    result = portal.result(portal.send("reset", {"b2b": [{**line, "prev_status": "A"}]}))
    assert (result["status_cd"], result["transTypCd"], result["proc_cnt"]) == ("P", "SAV", "1")
    assert portal.simulator.record(portal.gstin, "b2b", *record.key) == record
    assert [job.kind for job in portal.simulator.jobs] == ["save", "reset"]


def test_errors_of_records_are_in_the_result(portal: VayanaPortal) -> None:
    """Send one line with another previous action than the record has."""
    (line,) = portal.lines("A", _free(portal))
    result = portal.result(portal.send("save", {"b2b": [{**line, "prev_status": "P"}]}))
    assert (result["status_cd"], result["err_cnt"]) == ("PE", "1")
    assert result["error_report"]["b2b"][0]["error_cd"] == "IMSSAV0010"


def test_a_second_save_is_refused_while_one_runs() -> None:
    """Get GSTN's error in the reply."""
    portal = VayanaPortal(Simulator())
    portal.send("save", {"b2b": []})
    code, _ = portal.gstn_error("PUT", SAVE, portal.body("save", {"b2b": []}))
    assert code == "IMSSAV0015"


@pytest.mark.parametrize("spaces", [0, 1])
def test_a_body_may_have_four_million_bytes_and_no_more(portal: VayanaPortal, spaces: int) -> None:
    """Send a body of just that size, and one byte more."""
    body = json.dumps(portal.body("save", {"b2b": []})).encode()
    body += b" " * (4_000_000 - len(body) + spaces)
    status, _, content = portal.answer("PUT", SAVE, body)
    assert status == (413 if spaces else 200)
    assert (content["error"] is None) == (not spaces)


def test_a_save_for_another_taxpayer_or_without_json_is_refused(portal: VayanaPortal) -> None:
    """Get the simulator's own code, and the error of a bad parameter."""
    body = {**portal.body("save", {"b2b": []}), "rtin": portal.simulator.gstins[1]}
    assert portal.gstn_error("PUT", SAVE, body)[0] == "IMSSIM002"
    assert portal.error("PUT", SAVE, b"[]")[3] == {"parameter-name": "body"}
    assert portal.simulator.jobs == []


async def test_both_gsps_are_on_one_socket() -> None:
    """Log in and start a download with a real HTTP client, and call the other GSP's API next to it."""
    simulator = Simulator(invoices=20)
    with pytest.raises(RuntimeError, match="async with"):
        _ = simulator.vayana_url
    with pytest.raises(RuntimeError, match="async with"):
        _ = simulator.sso_url
    async with simulator, aiohttp.ClientSession() as session:
        assert simulator.vayana_url == simulator.url
        login = {"handle": "demo@example.com", "password": "password_test_demo", "handleType": "email"}
        async with session.post(f"{simulator.sso_url}/authtokens", json=login) as response:
            assert response.status == 200
            token = (await response.json())["data"]["token"]
        gstin = simulator.gstins[0]
        headers = {"X-FLYNN-N-ORG-ID": "org-demo", "X-FLYNN-N-USER-TOKEN": token, "X-FLYNN-N-GSTIN": gstin}
        headers |= {"accept": "application/json", "x-api-key": "key_test_demo"}
        headers["Authorization"] = simulator.token(gstin)
        url = f"{simulator.vayana_url}{ENRICHED}/ims-invoices?section=B2B"
        async with session.get(url, headers=headers) as response:
            assert (response.status, response.content_type) == (200, "application/json")
        async with session.get(f"{simulator.url}{BASE}/invoices?section=B2B", headers=headers) as response:
            assert response.status == 200
    assert [request.operation for request in simulator.requests] == ["authenticate", "invoices", "invoices"]


# -- the basic API -----------------------------------------------------------------------------------------


def test_a_count_has_two_groups(portal: VayanaPortal) -> None:
    """Compare the first with the other GSP's count; the supplies of ISDs are zero."""
    counts = portal.basic("GETCNT", goods_typ="ALL_OTH")
    assert [*counts] == ["all_oth", "inv_supp_isd"]
    theirs = Portal(portal.simulator).payload("GET", f"{BASE}/invoices/count?type_of_goods=others")
    assert counts["all_oth"] == theirs["all_oth"]
    assert counts["inv_supp_isd"]["ttl_cnt"] == 0
    path = portal.address("GETCNT", goods_typ="IMP_GDS")
    assert portal.error("GET", path)[3] == {"parameter-name": "goods_typ"}


def test_a_job_is_known_by_gstns_reference(portal: VayanaPortal) -> None:
    """Ask for the reference behind a task, for an unknown one and for one of another taxpayer."""
    portal.send("save", {"b2b": []})
    (job,) = portal.simulator.jobs
    portal.simulator.script_status(job.reference, {"status_cd": "IP"})
    assert portal.basic("REQSTS", int_tran_id=job.reference) == {"status_cd": "IP"}
    assert portal.basic("REQSTS", int_tran_id=job.reference)["status_cd"] == "P"
    other = VayanaPortal(portal.simulator, portal.simulator.gstins[1])
    for caller, reference in ((portal, "0032e479bcb644c"), (other, job.reference)):
        path = caller.address("REQSTS", int_tran_id=reference)
        assert caller.gstn_error("GET", path)[0] == "IMSSIM003"


@pytest.mark.parametrize("action", ["GETCNT", "REQSTS", "GETINV", "FILEDET", "SUPVIEW"])
def test_the_gstin_of_the_query_is_that_of_the_headers(portal: VayanaPortal, action: str) -> None:
    """Leave it out, malform it, and name another taxpayer; then be without a session."""
    malformed = (400, "err-invalid-gstin-format", "ClientRequest", {"parameter-name": "gstin"})
    for gstin in ("", "29AAACQ3770E000"):
        assert portal.error("GET", portal.address(action, gstin=gstin)) == malformed
    theirs = portal.address(action, gstin=portal.simulator.gstins[1])
    assert portal.gstn_error("GET", theirs)[0] == "IMSSIM004"
    portal.simulator.end_session(portal.gstin)
    assert portal.gstn_error("GET", portal.address(action)) == UNAUTHORIZED


def test_a_long_list_comes_as_files() -> None:
    """Follow token, details and files; only the right key and the right taxpayer get them."""
    simulator = Simulator(taxpayers=2, file_rows=30, page_rows=20, file_seconds=90)
    portal = VayanaPortal(simulator)
    promise = portal.basic("GETINV", section="B2B")
    assert promise == {"token": promise["token"], "est": 2}
    path = portal.address("FILEDET", token=promise["token"])
    assert portal.gstn_error("GET", path)[0] == "RTN_24"
    simulator.advance(90)
    details = portal.data("GET", path)
    assert (details["fc"], [url["ic"] for url in details["urls"]]) == (3, [20, 20, 10])
    addresses = ["/basic/gstn/v1.0/" + url["ul"].split("/", 3)[3] for url in details["urls"]]
    assert all("/taxpayerapi-doc/" in address for address in addresses)
    files = [portal.data("GET", address, x_flynn_n_filedet_ekey=details["ek"]) for address in addresses]
    rows = [row for file in files for row in file["b2b"]]
    assert _renamed(rows) == Portal(Simulator(taxpayers=2)).rows()  # the same world, listed as rows
    for key in (None, "other"):
        found = portal.error("GET", addresses[0], x_flynn_n_filedet_ekey=key)
        assert found == (500, "err-unable-to-decrypt-message-with-key", "Runtime", None)
    other = VayanaPortal(simulator, simulator.gstins[1])
    assert other.error("GET", addresses[0], x_flynn_n_filedet_ekey=details["ek"])[0] == 404
    assert portal.error("GET", addresses[0] + "9", x_flynn_n_filedet_ekey=details["ek"])[0] == 404
    assert other.gstn_error("GET", other.address("FILEDET", token=promise["token"]))[0] == "IMSSIM005"
    assert [simulator.count(name) for name in ("getinv", "filedet", "file")] == [1, 3, 7]


def test_a_long_list_comes_as_a_token_at_sandbox_too() -> None:
    """Of more rows than the limit; the answer has no address of the file."""
    simulator = Simulator(file_rows=49, file_seconds=1800)
    portal = Portal(simulator)
    promise = portal.payload("GET", f"{BASE}/invoices?section=B2B")
    assert promise == {"token": promise["token"], "est": 30}
    assert len(portal.rows("b2b", "pending")) == 3


def test_a_short_list_comes_as_rows_and_an_unknown_token_has_no_files() -> None:
    """Stay just within the limit; ask for details with a token that was never issued."""
    portal = VayanaPortal(Simulator(file_rows=50))
    assert len(portal.rows()) == 50
    assert portal.gstn_error("GET", portal.address("FILEDET", token="none"))[0] == "IMSSIM005"
    assert portal.error("GET", "/basic/gstn/v1.0/taxpayerapi-doc/none")[0] == 404


@pytest.mark.parametrize(
    ("form", "theirs"), [("R1", "gstr-1"), ("GSTR1", "gstr-1"), ("r1a", "gstr-1a"), ("Gstr1A", "gstr-1a")]
)
def test_the_supplier_view_is_that_of_the_other_gsp(portal: VayanaPortal, form: str, theirs: str) -> None:
    """Ask for the return by all its names."""
    found = portal.basic("SUPVIEW", ret_period="102024", section="B2B", rtn_typ=form)
    path = f"{BASE}/invoices/2024/10/sales?section=b2b&return_type={theirs}"
    assert found == Portal(portal.simulator).payload("GET", path)


def test_a_supplier_view_without_documents_is_gstns_error(portal: VayanaPortal) -> None:
    """Ask for a period in which nothing happened."""
    path = portal.address("SUPVIEW", ret_period="012023", section="b2b", rtn_typ="R1")
    assert portal.gstn_error("GET", path)[0] == "RET11416"


@pytest.mark.parametrize(
    ("name", "value"), [("ret_period", "132024"), ("section", "b2cs"), ("rtn_typ", "R3B"), ("section", "")]
)
def test_a_supplier_view_of_nothing_is_refused(portal: VayanaPortal, name: str, value: str) -> None:
    """Spoil each parameter in turn."""
    query = {"ret_period": "102024", "section": "b2b", "rtn_typ": "R1", name: value}
    assert portal.error("GET", portal.address("SUPVIEW", **query))[3] == {"parameter-name": name}


def test_a_bar_on_pending_has_its_own_name_here(portal: VayanaPortal) -> None:
    """Block Pending and look at the row."""
    record = _free(portal)
    portal.simulator.block_pending(
        portal.gstin, "b2b", record.number, supplier=record.supplier, period=record.period
    )
    keys = {(row["stin"], row["inum"], row["rtnprd"]): row["ispendactnallwd"] for row in portal.rows()}
    assert keys[record.key] == "Y"
    assert "N" in keys.values()
    result = portal.result(portal.send("save", {"b2b": portal.lines("P", record)}))
    assert result["error_report"]["b2b"][0]["error_cd"] == "IMSSIM001"
    assert portal.error("GET", f"{TASKS}/result/none")[0] == 404
