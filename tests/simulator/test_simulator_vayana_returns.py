"""The simulator's GSTR-2B and filed returns at Vayana, and the faults that meet these calls at both GSPs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from ims_async.simulator import Fault, Simulator

from .simulator_portal import GSTRS, Portal, again
from .simulator_portal_vayana import UNAUTHORIZED, VayanaPortal

PERIOD = "112024"
RETURNS = "/basic/gstn/v1.0/taxpayerapi/v3.0/returns"
PUBLIC = "/basic/gstn/v1.0/commonapi/v1.0/returns"
PUBLIC_V3 = "/basic/gstn/v3.0/commonapi/v1.0/returns"
OPERATIONS = ("regenerate", "regeneration", "gstr2b", "track", "preference")


def _address(portal: VayanaPortal, **query: str) -> str:
    pairs = {"gstn_ret_type": "gstr2b", "action": "GET2B", "gstin": portal.gstin, "rtnprd": PERIOD, **query}
    return f"{RETURNS}?" + "&".join(f"{name}={value}" for name, value in pairs.items() if value)


@pytest.fixture
def portal() -> VayanaPortal:
    """Open a simulator."""
    return VayanaPortal(Simulator(regenerate_seconds=0, regenerate_unchanged=True))


def test_the_statement_is_that_of_the_other_gsp_one_level_higher(portal: VayanaPortal) -> None:
    """Fetch it at both; the page says which parameter is mandatory."""
    found = portal.data("GET", _address(portal))
    assert found == Portal(portal.simulator).statement(PERIOD)
    assert {"docdata", "gstin"} <= {*found["data"]}
    bare = f"{RETURNS}?gstn_ret_type=gstr2b&rtnprd={PERIOD}"
    assert portal.data("GET", bare) == found
    split = VayanaPortal(Simulator(gstr2b_rows=10, gstr2b_file_rows=10))
    assert split.data("GET", _address(split))["data"]["fc"] > 1
    assert {*split.data("GET", _address(split, file_num="1"))["data"]} == {
        "gstin",
        "rtnprd",
        "version",
        "docdata",
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"gstn_ret_type": ""}, "gstn_ret_type"),
        ({"gstn_ret_type": "gstr2a"}, "gstn_ret_type"),
        ({"action": "GENSTS2B"}, "action"),
        ({"rtnprd": ""}, "rtnprd"),
        ({"rtnprd": "2024-11"}, "rtnprd"),
    ],
)
def test_a_wrong_parameter_is_named(portal: VayanaPortal, query: dict[str, str], name: str) -> None:
    """Leave one out or change it."""
    status, key, _, args = portal.error("GET", _address(portal, **query))
    assert (status, key, args) == (400, "err-issue-with-parameter", {"parameter-name": name})


def test_refusals_of_the_statement_have_their_form(portal: VayanaPortal) -> None:
    """Ask for another taxpayer, a wrong version, without a session, and too early."""
    assert portal.gstn_error("GET", _address(portal, gstin="27AAPFU0939F1ZV"))[0] == "IMSSIM004"
    wrong = _address(portal).replace("v3.0", "8")
    assert portal.error("GET", wrong)[:2] == (400, "err-invalid-gst-returns-api-version")
    closed = VayanaPortal(Simulator(), session=False)
    assert closed.gstn_error("GET", _address(closed)) == UNAUTHORIZED
    assert portal.gstn_error("GET", _address(portal, rtnprd="122099"))[0] == "RET2B1018"


def test_no_route_regenerates_a_statement_by_default(portal: VayanaPortal) -> None:
    """Try GSTN's own way."""
    body = {"action": "GEN2B", "data": {"rtin": portal.gstin, "itcprd": PERIOD}}
    for method, address in (("PUT", f"{RETURNS}/gstr2b"), ("PUT", RETURNS), ("POST", RETURNS)):
        assert portal.error(method, address, body)[:3] == (404, "err-resource-not-found", "ResourceNotFound")
    assert portal.simulator.returns.regenerations == []


@pytest.mark.parametrize("path", [RETURNS, "/enriched/gstn/v1.0/gen2b?x=1"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_path_from_the_settings_regenerates_it(path: str, wrapped: bool) -> None:
    """Use the address of the statement, and one of its own."""
    settings: dict[str, Any] = {"vayana_regenerate_path": path, "vayana_regeneration_path": path}
    portal = VayanaPortal(Simulator(regenerate_unchanged=True, **settings))
    data = {"rtin": portal.gstin, "itcprd": PERIOD}
    body = {"action": "GEN2B", "data": data} if wrapped else data
    reply = portal.data("PUT", path, body)
    assert list(reply) == ["int_tran_id"]
    join = "&" if "?" in path else "?"
    asked = f"{path}{join}action=GENSTS2B&int_tran_id={reply['int_tran_id']}"
    assert portal.data("GET", asked)["status_cd"] == "IP"
    portal.simulator.advance(3)
    assert portal.data("GET", asked) == {"status_cd": "P", "err_cd": "", "err_msg": ""}
    assert portal.data("GET", _address(portal))["data"]["gendt"] != "14-12-2024"
    assert portal.gstn_error("GET", asked[:-15] + "0123456789abcde")[0] == "IMS0008"
    for name in data:
        short = {other: value for other, value in data.items() if other != name}
        assert portal.error("PUT", path, short)[3] == {"parameter-name": name}
    operations = [request.operation for request in portal.simulator.requests][:4]
    assert operations == ["regenerate", "regeneration", "regeneration", "gstr2b"]


def test_filed_returns_are_those_of_a_financial_year(portal: VayanaPortal) -> None:
    """That of filing. Ask in both versions, one of which sends JSON as text; no session is needed."""
    portal = VayanaPortal(Simulator(), session=False)
    returns = portal.simulator.returns
    returns.file_gstr1(portal.gstin, "022025", date(2025, 3, 31))
    returns.file_gstr3b(portal.gstin, "032025", date(2025, 4, 20))
    returns.file_gstr3b(portal.gstin, "122024", date(2025, 1, 20))
    address = f"{PUBLIC_V3}?gstin={portal.gstin}&fy=2024-25&action=RETTRACK"
    rows = portal.data("GET", address)["EFiledlist"]
    assert [(row["rtntype"], row["ret_prd"], row["valid"]) for row in rows] == [
        ("GSTR1", "022025", True),
        ("GSTR3B", "122024", True),
    ]
    assert {*rows[0]} == {"arn", "ret_prd", "mof", "dof", "rtntype", "status", "valid"}
    assert portal.data("GET", f"{address}&type=ALL-RTRN")["EFiledlist"] == rows
    assert portal.data("GET", f"{address}&type=GSTR3B")["EFiledlist"] == rows[1:]
    status, _, content = portal.answer("GET", f"{PUBLIC}/{portal.gstin}?fy=2024-25")
    assert (status, list(content), type(content["data"])) == (200, ["data"], str)
    assert json.loads(content["data"])["EFiledlist"] == [{**row, "valid": "Y"} for row in rows]
    assert portal.gstn_error("GET", address.replace("2024-25", "2023-24"))[0] == "RET13510"
    assert portal.gstn_error("GET", address.replace(portal.gstin, "27AAPFU0939F1ZV"))[0] == "RET13510"


def test_the_preference_is_by_quarter(portal: VayanaPortal) -> None:
    """Ask before and after it changed."""
    address = f"{PUBLIC}?gstin={portal.gstin}&fy=2024-25&action=GETPREF"
    monthly = [{"quarter": f"Q{number}", "preference": "M"} for number in range(1, 5)]
    assert portal.data("GET", address) == {"response": monthly}
    portal.simulator.returns.set_quarterly(portal.gstin)
    letters = [row["preference"] for row in portal.data("GET", address)["response"]]
    assert letters == ["Q"] * 4


@pytest.mark.parametrize("address", [PUBLIC_V3, PUBLIC])
@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("gstin={gstin}&fy=2024-26&action={action}", "err-issue-with-parameter"),
        ("gstin={gstin}&fy=FY%202024-25&action={action}", "err-issue-with-parameter"),
        ("gstin={gstin}&fy=2024-25", "err-issue-with-parameter"),
        ("fy=2024-25&action={action}", "err-invalid-gstin-format"),
    ],
)
def test_public_calls_name_what_is_wrong(portal: VayanaPortal, address: str, query: str, key: str) -> None:
    """Send years and actions that there are not."""
    action = "RETTRACK" if address == PUBLIC_V3 else "GETPREF"
    filled = query.format(gstin=portal.gstin, action=action)
    assert portal.error("GET", f"{address}?{filled}")[:2] == (400, key)


# -- faults ------------------------------------------------------------------------------------------------


def _call(operation: str, gsp: str, simulator: Simulator) -> int:
    """Make one call; return its HTTP status."""
    if gsp == "sandbox":
        portal = Portal(simulator)
        address = {
            "regenerate": again(PERIOD),
            "regeneration": f"{GSTRS}/gstr-2b/regenerate?reference_id=0",
            "gstr2b": f"{GSTRS}/gstr-2b/2024/11",
            "track": f"{GSTRS}/2024/11/track",
            "preference": f"{GSTRS}/preference?financial_year=FY+2024-25",
        }[operation]
        return portal.answer("POST" if operation == "regenerate" else "GET", address)[0]
    vayana = VayanaPortal(simulator)
    public = f"?gstin={vayana.gstin}&fy=2024-25&action="
    address = {
        "regenerate": "/basic/gen2b",
        "regeneration": "/basic/gen2b?int_tran_id=0",
        "gstr2b": _address(vayana),
        "track": f"{PUBLIC_V3}{public}RETTRACK",
        "preference": f"{PUBLIC}{public}GETPREF",
    }[operation]
    body = {"rtin": vayana.gstin, "itcprd": PERIOD} if operation == "regenerate" else None
    return vayana.answer("PUT" if body else "GET", address, body)[0]


@pytest.mark.parametrize("gsp", ["sandbox", "vayana"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_fault_meets_the_calls_of_both_gsps(operation: str, gsp: str) -> None:
    """Lose requests and answers, throttle, refuse and break down; the next call is answered."""
    settings: dict[str, Any] = {
        "vayana_regenerate_path": "/basic/gen2b",
        "vayana_regeneration_path": "/basic/gen2b",
    }
    sim = Simulator(regenerate_unchanged=True, **settings)
    faults = (Fault.throttled(1), Fault.outage(504), Fault.refused(), Fault.drop_before(), Fault.drop_after())
    sim.script_fault(operation, *faults)
    assert [_call(operation, gsp, sim) for _ in range(3)] == [429, 504, 403]
    assert sim.returns.regenerations == []
    for kept in (0, 1):
        with pytest.raises(ConnectionResetError):
            _call(operation, gsp, sim)
        assert len(sim.returns.regenerations) == (kept if operation == "regenerate" else 0)
    assert _call(operation, gsp, sim) in {200, 502}  # the last is how Vayana passes on what GSTN says
    assert sim.count(operation) == 6
    assert operation in sim.operations


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_limit_of_requests_counts_these_calls(operation: str) -> None:
    """Use it up."""
    sim = Simulator(rate_limit=1)
    assert [_call(operation, "sandbox", sim) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_expired_token_is_refused(operation: str) -> None:
    """Open a session that has ended at once."""
    assert _call(operation, "sandbox", Simulator(token_seconds=0)) == 403
