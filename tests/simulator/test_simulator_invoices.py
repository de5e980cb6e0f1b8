"""The simulator's list and counts: what a recipient sees."""

from __future__ import annotations

import re

import pytest

from ims_async.simulator import Simulator

from .simulator_portal import BASE, Portal

_COMMON = {
    *("stin", "rtnprd", "srcform", "pos", "val", "txval", "iamt", "camt", "samt", "cess"),
    *("action", "ispendactblocked", "srcfilstatus", "hash"),
}
_OWN = {
    "b2b": {"inum", "idt", "inv_typ"},
    "b2ba": {"inum", "idt", "oinum", "oidt", "inv_typ"},
    "b2bdn": {"nt_num", "nt_dt", "inv_typ"},
    "b2bdna": {"nt_num", "nt_dt", "ont_num", "ont_dt", "inv_typ"},
    "b2bcn": {"nt_num", "nt_dt", "inv_typ"},
    "b2bcna": {"nt_num", "nt_dt", "ont_num", "ont_dt", "inv_typ"},
    "ecom": {"inum", "idt"},
    "ecoma": {"inum", "idt", "oinum", "oidt"},
}


@pytest.fixture
def portal() -> Portal:
    """Open a small simulator."""
    return Portal(Simulator(invoices=200, job_seconds=0))


@pytest.mark.parametrize("section", _OWN)
def test_rows_have_exactly_the_documented_fields(portal: Portal, section: str) -> None:
    """List each section and look at every row."""
    rows = portal.rows(section)
    assert rows
    for row in rows:
        assert {*row} == _COMMON | _OWN[section]
        assert re.fullmatch("[0-9a-f]{64}", row["hash"])
        assert row["ispendactblocked"] in {"Y", "N"}
        assert row["srcfilstatus"] in {"Filed", "Not Filed"}


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        *(("B2B", "b2b"), ("b2ba", "b2ba"), ("CN", "b2bcn"), ("cna", "b2bcna"), ("DN", "b2bdn")),
        *(("dna", "b2bdna"), ("B2BCN", "b2bcn"), ("b2bdna", "b2bdna"), ("ECOM", "ecom"), ("Ecoma", "ecoma")),
    ],
)
def test_sections_are_asked_for_in_any_case_and_by_both_names(portal: Portal, asked: str, key: str) -> None:
    """Take the short names of the query and the long ones of the bodies."""
    assert [*portal.payload("GET", f"{BASE}/invoices?section={asked}")] == [key]


def test_whole_amounts_are_integers_and_others_fractions(portal: Portal) -> None:
    """Write 1000 as 1000, not as 1000.0."""
    amounts = [row["txval"] for row in portal.rows()]
    assert {type(amount) for amount in amounts} == {int, float}
    assert all(
        round(amount, 2) == amount and amount != int(amount) for amount in amounts if type(amount) is float
    )


@pytest.mark.parametrize(
    ("word", "action"), [("accepted", "A"), ("rejected", "R"), ("pending", "P"), ("no_action_taken", "N")]
)
def test_the_list_can_be_filtered_by_action(portal: Portal, word: str, action: str) -> None:
    """Ask for one action, and get all rows of it and no other."""
    wanted = [row for row in portal.rows() if row["action"] == action]
    assert portal.rows(status=word) == wanted


def test_an_empty_section_is_an_empty_list() -> None:
    """Answer an empty array, with status 1."""
    portal = Portal(Simulator(invoices=0))
    data = portal.data("GET", f"{BASE}/invoices?section=CN")
    assert data == {"data": {"b2bcn": []}, "status_cd": "1"}


def test_counts_agree_with_the_rows(portal: Portal) -> None:
    """Count every section by action."""
    counts = portal.payload("GET", f"{BASE}/invoices/count?type_of_goods=others")["all_oth"]
    assert counts.pop("ttl_cnt") == 200
    words = {"A": "accept", "R": "reject", "P": "pending", "N": "noaction"}
    for section in _OWN:
        actions = [row["action"] for row in portal.rows(section)]
        assert counts.pop(section) == {word: actions.count(action) for action, word in words.items()}
    assert counts == {}


@pytest.mark.parametrize(
    ("goods", "key", "section"), [("imports", "imp_gds", "impg"), ("inward_supplies", "inv_supp_isd", "isd")]
)
def test_other_goods_are_counted_as_none(portal: Portal, goods: str, key: str, section: str) -> None:
    """Answer with zeros under the documented keys."""
    found = portal.payload("GET", f"{BASE}/invoices/count?type_of_goods={goods}")
    assert found[key]["ttl_cnt"] == 0
    assert found[key][section] == {"noaction": 0, "reject": 0, "pending": 0, "accept": 0}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/invoices", 400),
        ("/invoices?section=", 400),
        ("/invoices?section=cdnr", 422),
        ("/invoices?section=b2b&status=A", 422),
        ("/invoices/count", 400),
        ("/invoices/count?type_of_goods=services", 422),
        ("/invoices/status", 400),
        ("/invoices/unknown", 404),
    ],
)
def test_a_wrong_question_is_an_http_error(portal: Portal, path: str, status: int) -> None:
    """Miss a parameter, or give one a value that is not in the vocabulary."""
    found, _, content = portal.answer("GET", BASE + path)
    assert (found, content["code"]) == (status, status)


def test_a_known_address_with_another_method_is_not_found(portal: Portal) -> None:
    """Answer 404 to a GET of a save."""
    assert portal.answer("GET", f"{BASE}/invoices/status/save")[0] == 404
    assert portal.simulator.requests[-1].operation == "unknown"


def test_one_taxpayer_does_not_see_the_other() -> None:
    """List the same section for two taxpayers."""
    simulator = Simulator(taxpayers=2)
    one, two = (Portal(simulator, gstin).rows() for gstin in simulator.gstins)
    assert not {row["hash"] for row in one} & {row["hash"] for row in two}


def test_the_log_has_the_taxpayer_and_the_operation(portal: Portal) -> None:
    """Look at one request in the log."""
    portal.rows("CN", "pending")
    (request,) = portal.simulator.requests
    assert (request.operation, request.method, request.path) == ("invoices", "GET", f"{BASE}/invoices")
    assert request.query == {"section": "CN", "status": "pending"}
    assert (request.gstin, request.status, request.body_size) == (portal.gstin, 200, 0)
    assert portal.simulator.count("invoices", portal.gstin) == 1
    assert portal.simulator.count("invoices", "another") == 0
