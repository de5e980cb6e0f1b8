"""The simulator's supplier view and added-back liabilities."""

from __future__ import annotations

from typing import Any

import pytest

from ims_async.simulator import Simulator

from .simulator_portal import BASE, Portal

_ITEMS = {"rt", "txval"}
_INVOICE = {"cflag", "inum", "chksum", "idt", "inv_typ", "pos", "rchrg", "updby", "val", "itms"}
_NOTE = {"cflag", "chksum", "nt_dt", "nt_num", "ntty", "updby", "val", "itms"}
_MONEY = {"val", "txval", "iamt", "camt", "samt", "csamt", "supPrd", "form"}


@pytest.fixture
def portal() -> Portal:
    """Open a simulator."""
    return Portal(Simulator(invoices=0))


def _sales(portal: Portal, section: str, form: str = "gstr-1") -> Any:
    found = portal.payload("GET", f"{BASE}/invoices/2024/10/sales?section={section}&return_type={form}")
    key = form.replace("-", "")
    assert {*found} == {"gstin", "rtnprd", key}
    assert (found["gstin"], found["rtnprd"]) == (portal.gstin, "102024")
    assert [*found[key]] == [section]
    return found[key][section]


@pytest.mark.parametrize("form", ["gstr-1", "gstr-1a"])
@pytest.mark.parametrize(
    ("section", "rows", "needed"),
    [
        ("b2b", "inv", _INVOICE),
        ("b2ba", "inv", _INVOICE | {"oinum", "oidt"}),
        ("cdnr", "nt", _NOTE | {"flag"}),
        ("cdnra", "nt", _NOTE | {"ont_num", "ont_dt"}),
    ],
)
def test_sales_have_the_required_fields(
    portal: Portal, form: str, section: str, rows: str, needed: set[str]
) -> None:
    """Look at every document, at its items, and at the letters of the buyers' actions."""
    actions = set()
    for buyer in _sales(portal, section, form):
        assert "ctin" in buyer
        for document in buyer[rows]:
            assert needed <= {*document}
            assert all({*item["itm_det"]} >= _ITEMS for item in document["itms"])
            actions.add(document.get("imsactn"))
    assert actions == {"A", "R", "P", None}


@pytest.mark.parametrize(("section", "names"), [("ecom", ["b2b", "urp2b"]), ("ecoma", ["b2ba", "urp2ba"])])
def test_ecommerce_sales_are_objects_with_live_and_deleted_documents(
    portal: Portal, section: str, names: list[str]
) -> None:
    """Look at both kinds of buyer; an action is on no deleted document."""
    found = _sales(portal, section)
    assert [*found] == names
    for name, groups in found.items():
        for group in groups:
            assert ("stin" in group) == (not name.startswith("urp"))
            flags = [invoice["flag"] for invoice in group["inv"]]
            assert {*flags} == {"N", "D"}
            for invoice in group["inv"]:
                assert ("itms" in invoice) == (invoice["flag"] == "N")
                assert invoice["flag"] == "N" or "imsactn" not in invoice


def test_notes_may_have_been_deleted_by_the_supplier(portal: Portal) -> None:
    """Find notes with the flag of a deletion."""
    notes = [note for buyer in _sales(portal, "CDNR".lower()) for note in buyer["nt"]]
    assert {note.get("d_flag") for note in notes} == {None, "Y"}


@pytest.mark.parametrize(
    ("section", "needed"),
    [
        ("cdnr", {"ctin", "tradenm", "inv_typ", "nt_num", "nt_dt", "ntty"}),
        ("cdnra", {"ctin", "tradenm", "inv_typ", "nt_num", "nt_dt", "ntty", "ont_num", "ont_dt"}),
        ("b2ba", {"ctin", "tradenm", "inv_typ", "inum", "idt", "oinum", "oidt"}),
        ("ecoma", {"rtin", "rtinNam", "inum", "idt", "oinum", "oidt"}),
    ],
)
def test_added_back_liabilities_have_the_documented_fields(
    portal: Portal, section: str, needed: set[str]
) -> None:
    """Look at every entry."""
    found = portal.payload("GET", f"{BASE}/invoices/added-back-liabilities/2024/10?section={section}")
    assert {*found} == {"gstin", "rtnprd", "rejInvAddBackLiab"}
    for entry in found["rejInvAddBackLiab"][section]:
        assert {*entry} == _MONEY | needed | {"remarks"}
        taxes = entry["iamt"] + entry["camt"] + entry["samt"] + entry["csamt"]
        assert entry["val"] == pytest.approx(entry["txval"] + taxes)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("cdnr", [86138.56, 282020.12]),
        ("b2ba", [134551.51, 148227.79]),
        ("cdnra", [183479.62, 87260.23]),
        ("ecoma", [15458, 94518]),
    ],
)
def test_a_seed_keeps_its_added_back_liabilities(section: str, values: list[float]) -> None:
    """Users' tests name them: what is drawn for one must not move the next."""
    path = f"{BASE}/invoices/added-back-liabilities/2024/10?section={section}"
    found = Portal(Simulator(seed=0, invoices=0)).payload("GET", path)["rejInvAddBackLiab"][section]
    assert [entry["val"] for entry in found] == values


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("2023/01/sales?section=b2b&return_type=gstr-1", "RET11416"),
        ("2024/12/sales?section=cdnr&return_type=gstr-1a", "RET11416"),
        ("added-back-liabilities/2023/01?section=cdnr", "IMS0027"),
    ],
)
def test_no_data_is_an_error_with_http_200(portal: Portal, path: str, code: str) -> None:
    """Ask for periods in which nothing happened."""
    data = portal.data("GET", f"{BASE}/invoices/{path}")
    assert {*data} == {"status_cd", "error"}
    assert (data["status_cd"], data["error"]["error_cd"]) == ("0", code)


@pytest.mark.parametrize(
    "path", ["2024/10/sales?section=b2b&return_type=gstr-1", "added-back-liabilities/2024/10?section=cdnr"]
)
def test_these_two_want_the_version_header(portal: Portal, path: str) -> None:
    """Leave out x-api-version, here and on an endpoint that has a default for it."""
    assert portal.answer("GET", f"{BASE}/invoices/{path}", x_api_version=None)[0] == 400
    assert portal.answer("GET", f"{BASE}/invoices/{path}")[0] == 200
    assert portal.answer("GET", f"{BASE}/invoices?section=b2b", x_api_version=None)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "24/10/sales?section=b2b&return_type=gstr-1",
        "2024/13/sales?section=b2b&return_type=gstr-1",
        "2024/10/sales?section=b2b&return_type=gstr-3b",
        "2024/10/sales?section=b2cs&return_type=gstr-1",
        "added-back-liabilities/2024/10?section=b2b",
    ],
)
def test_values_outside_the_vocabulary_are_422(portal: Portal, path: str) -> None:
    """Ask for months, returns and sections that are none."""
    assert portal.answer("GET", f"{BASE}/invoices/{path}")[0] == 422
