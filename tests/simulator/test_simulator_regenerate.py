"""The simulator's GSTR-2B over time: the draft, its regeneration, and what they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ims_async.simulator import Fault, Record, Simulator
from ims_async.simulator.gstr2b.periods import IST, starts_at

from .simulator_portal import GSTRS, Portal, again, save_line

OCTOBER, NOVEMBER, DECEMBER = "102024", "112024", "122024"
TO_2B009 = "Kindly generate 2b after 14/12/2024"
DRAFT = starts_at(date(2024, 12, 14))
DAY = 86400.0


def _open(**settings: Any) -> Portal:
    """Open a simulator without the documents that IMS never shows."""
    facts = {
        "gstr2b_extras": False,
        "job_seconds": 0,
        "start": DRAFT + DAY,
        "token_seconds": 1e9,
        "invoices": 200,
    }
    return Portal(Simulator(**{**facts, **settings}))


def _records(portal: Portal, period: str = NOVEMBER) -> list[Record]:
    """Return the records of a period that its supplier filed in time and on which nobody acted."""
    return [
        record
        for record in portal.simulator.records(portal.gstin, "b2b")
        if (record.period, record.filed, record.action) == (period, True, "N") and record.form != "R1A"
    ]


def _places(portal: Portal, period: str = NOVEMBER) -> dict[tuple[str, str], str]:
    """Return the invoices of a statement, and where they are: A or N, or R for the rejected ones."""
    data = portal.statement(period)["data"]
    return {
        (group["ctin"], invoice["inum"]): invoice.get("imsStatus", "R")
        for part in ("docdata", "docRejdata")
        for group in data.get(part, {}).get("b2b", [])
        for invoice in group["inv"]
    }


def _place(portal: Portal, record: Record, period: str = NOVEMBER) -> str:
    """Return where the document of a record is; empty if it is not in the statement."""
    return _places(portal, period).get((record.supplier, record.number), "")


# -- the draft ---------------------------------------------------------------------------------------------


def test_the_draft_has_the_actions_as_they_are_when_the_14th_begins() -> None:
    """Act before and after midnight, Indian time."""
    portal = _open(start=DRAFT - 3600)
    accepted, rejected, pending, untouched, late, *_ = _records(portal)
    for record, action in ((accepted, "A"), (rejected, "R"), (pending, "P")):
        portal.act(record, action, **({"remarks": "not ours"} if action == "R" else {}))
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")[0] == "RET2B1018"
    portal.simulator.advance(3600)
    portal.act(late, "A")
    records = (accepted, rejected, pending, untouched, late)
    assert [_place(portal, record) for record in records] == ["A", "R", "", "N", "N"]
    data = portal.statement(NOVEMBER)["data"]
    assert (data["gstin"], data["rtnprd"], data["gendt"]) == (portal.gstin, NOVEMBER, "14-12-2024")
    (group,) = [one for one in data["docRejdata"]["b2b"] if one["ctin"] == rejected.supplier]
    assert "not ours" in [invoice.get("remarks") for invoice in group["inv"]]


@pytest.mark.parametrize(("seconds", "action"), [(1800.0, "A"), (5400.0, "N")])
def test_a_save_is_in_the_draft_if_it_takes_effect_before_midnight(seconds: float, action: str) -> None:
    """Start it an hour before, and look only when draft and save are over."""
    portal = _open(start=DRAFT - 3600, job_seconds=seconds)
    record, *_ = _records(portal)
    portal.act(record, "A")
    portal.simulator.advance(7200)
    assert portal.simulator.record(portal.gstin, "b2b", *record.key).action == "A"
    assert _place(portal, record) == action


def test_an_edit_after_the_draft_is_not_in_it() -> None:
    """Let the supplier change an amount before anybody looked at the statement."""
    portal = _open()
    record, *_ = _records(portal)
    sim = portal.simulator
    sim.edit(portal.gstin, "b2b", record.number, supplier=record.supplier, period=record.period)
    assert portal.statement(NOVEMBER) == _open().statement(NOVEMBER)
    portal.regenerate(NOVEMBER)


@pytest.mark.looptime
async def test_the_draft_comes_in_virtual_time() -> None:
    """Sleep through the night of the 14th."""
    portal = _open(start=DRAFT - 3600)
    await asyncio.sleep(3599)
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")[0] == "RET2B1018"
    await asyncio.sleep(2)
    assert portal.statement(NOVEMBER)["data"]["gendt"] == "14-12-2024"


def test_the_draft_takes_the_time_and_is_on_the_day_of_the_settings() -> None:
    """Ask while it is being made, for the statement and for another one."""
    portal = _open(start=starts_at(date(2024, 12, 16)), draft_day=17, draft_seconds=3600.0)
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")[0] == "RET2B1018"
    portal.simulator.advance(DAY)
    code, message = portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")
    assert (code, "17/12/2024" in message) == ("RET2B1023", True)
    assert portal.refusal("POST", again(NOVEMBER)) == ("IMS2B009", "Kindly generate 2b after 17/12/2024")
    portal.simulator.advance(3600)
    assert portal.statement(NOVEMBER)["data"]["gendt"] == "17-12-2024"


def test_without_the_gstr3b_before_there_is_a_statement_on_demand_only() -> None:
    """File the one before too late, and ask for the statement."""
    portal = _open(draft_needs_gstr3b=True)
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")[0] == "GTR2B-002"
    portal.simulator.returns.file_gstr3b(portal.gstin, OCTOBER)
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/2024/11")[0] == "GTR2B-002"
    portal.regenerate(NOVEMBER)
    portal.simulator.advance(3)
    assert portal.statement(NOVEMBER)["data"]["gendt"] == "15-12-2024"
    in_time = _open(draft_needs_gstr3b=True, start=DRAFT - DAY)
    in_time.simulator.returns.file_gstr3b(in_time.gstin, OCTOBER)
    in_time.simulator.advance(2 * DAY)
    assert in_time.statement(NOVEMBER)["data"]["gendt"] == "14-12-2024"


@pytest.mark.parametrize("period", [NOVEMBER, "092024", "012010"])
def test_a_taxpayer_without_documents_has_nothing_to_view(period: str) -> None:
    """Ask for a period of IMS, and for earlier ones."""
    portal = Portal(Simulator(invoices=0))
    assert portal.refusal("GET", f"{GSTRS}/gstr-2b/{period[2:]}/{period[:2]}")[0] == "RET2B1016"


# -- the regeneration --------------------------------------------------------------------------------------


def test_a_regeneration_takes_the_actions_as_they_are_and_is_in_progress_first() -> None:
    """Reject a document, ask, and look at status and statement before and after."""
    portal = _open(regenerate_seconds=30.0)
    record, *_ = _records(portal)
    portal.act(record, "R")
    reference = portal.regenerate(NOVEMBER)
    old = portal.statement(NOVEMBER)
    assert portal.regeneration(reference) == {"status_cd": "IP", "err_cd": "", "err_msg": ""}
    portal.simulator.advance(29)
    assert portal.regeneration(reference)["status_cd"] == "IP"
    assert portal.statement(NOVEMBER) == old
    portal.simulator.advance(1)
    assert portal.regeneration(reference) == {"status_cd": "P", "err_cd": "", "err_msg": ""}
    new = portal.statement(NOVEMBER)
    assert (old["data"]["gendt"], new["data"]["gendt"]) == ("14-12-2024", "15-12-2024")
    assert old["chksum"] != new["chksum"]
    assert _place(portal, record) == "R"


@pytest.mark.parametrize("period", [OCTOBER, DECEMBER])
def test_a_regeneration_changes_no_other_period(period: str) -> None:
    """Act on a record of another one."""
    portal = _open(start=DRAFT + 40 * DAY, regenerate_seconds=0)
    portal.act(_records(portal, NOVEMBER)[0], "R")
    before = portal.statement(period)
    assert portal.refusal("POST", again(period))[0] == "IMS2005"
    portal.regenerate(NOVEMBER)
    assert portal.statement(period) == before


def test_no_change_since_the_last_one_is_refused_unless_the_setting_says_otherwise() -> None:
    """Ask without a change, after one, again, and once it is taken back."""
    portal = _open(regenerate_seconds=0)
    record, *_ = _records(portal)
    assert portal.refusal("POST", again(NOVEMBER))[0] == "IMS2005"
    portal.act(record, "A")
    portal.regenerate(NOVEMBER)
    assert portal.refusal("POST", again(NOVEMBER))[0] == "IMS2005"
    portal.act(record, "R")
    portal.regenerate(NOVEMBER)
    refused = [one.refused for one in portal.simulator.returns.regenerations]
    assert refused == ["IMS2005", "", "IMS2005", ""]
    willing = _open(regenerate_unchanged=True)
    assert willing.regenerate(NOVEMBER) != willing.regenerate(NOVEMBER)


@pytest.mark.parametrize(
    ("prepare", "period", "refusal"),
    [
        (lambda sim: None, DECEMBER, ("IMS2B009", "Kindly generate 2b after 14/01/2025")),
        (lambda sim: None, "092024", ("IMS2B007", None)),
        (lambda sim: sim.returns.file_gstr3b(sim.gstins[0], NOVEMBER), NOVEMBER, ("IMS2B007", None)),
        (lambda sim: sim.returns.file_gstr1(sim.gstins[0], NOVEMBER), NOVEMBER, ("IMS2005", None)),
        (lambda sim: sim.returns.file_gstr3b(sim.gstins[0], OCTOBER), NOVEMBER, ("IMS2005", None)),
        (lambda sim: sim.returns.set_quarterly(sim.gstins[0]), NOVEMBER, ("IMS2B007", None)),
    ],
    ids=[
        "early",
        "before IMS",
        "3B filed",
        "GSTR-1 filed",
        "another 3B filed",
        "no month of a quarter's end",
    ],
)
def test_a_regeneration_is_refused_by_the_documented_code(
    prepare: Callable[[Simulator], None], period: str, refusal: tuple[str, str | None]
) -> None:
    """Ask when it is too early, for a wrong period, and when GSTR-3B is filed."""
    portal = _open()
    prepare(portal.simulator)
    code, message = portal.refusal("POST", again(period))
    assert (code, message if refusal[1] else None) == refusal
    assert [(one.refused, one.reference) for one in portal.simulator.returns.regenerations] == [(code, "")]


def test_a_reference_is_unknown_to_others_and_until_it_is_visible() -> None:
    """Ask for it as another taxpayer, too early, and for one that never was."""
    portal = _open(taxpayers=2, regenerate_unchanged=True, regenerate_hidden_seconds=10.0)
    reference = portal.regenerate(NOVEMBER)
    other = Portal(portal.simulator, portal.simulator.gstins[1])
    address = f"{GSTRS}/gstr-2b/regenerate?reference_id="
    unknown = ("IMS0008", "No records found for requested internal transaction Id")
    assert portal.refusal("GET", address + reference) == unknown
    portal.simulator.advance(10)
    assert portal.regeneration(reference)["status_cd"] == "P"
    assert portal.refusal("GET", f"{address}0123456789abcde") == unknown
    assert other.refusal("GET", address + reference) == unknown
    assert portal.answer("GET", f"{GSTRS}/gstr-2b/regenerate")[0] == 400


def test_statuses_can_be_scripted_for_a_reference_and_for_the_next_one() -> None:
    """Answer what no document has an example of."""
    portal = _open(regenerate_unchanged=True, regenerate_seconds=0, regenerate_running="REC")
    failed = {"status_cd": "ER", "err_cd": "IMS9999", "err_msg": "no"}
    portal.simulator.script_status(None, {"status_cd": "IP"}, failed)
    reference = portal.regenerate(NOVEMBER)
    assert [portal.regeneration(reference) for _ in range(2)] == [{"status_cd": "IP"}, failed]
    portal.simulator.script_status(reference, {"status_cd": ""})
    assert [portal.regeneration(reference)["status_cd"] for _ in range(2)] == ["", "P"]


def test_the_word_for_in_progress_is_a_setting() -> None:
    """Answer REC."""
    portal = _open(regenerate_unchanged=True, regenerate_running="REC")
    assert portal.regeneration(portal.regenerate(NOVEMBER))["status_cd"] == "REC"


def test_gstr3b_that_is_filed_meanwhile_makes_it_fail() -> None:
    """File it while a regeneration of its period and one of another are running."""
    portal = _open(start=DRAFT + 40 * DAY, regenerate_seconds=30.0, regenerate_unchanged=True)
    late, other = portal.regenerate(NOVEMBER), portal.regenerate(DECEMBER)
    portal.simulator.returns.file_gstr3b(portal.gstin, NOVEMBER)
    portal.simulator.advance(30)
    status = portal.regeneration(late)
    assert (status["status_cd"], status["err_cd"]) == ("ER", "IMS2B007")
    assert portal.regeneration(other)["status_cd"] == "P"
    assert portal.statement(NOVEMBER)["data"]["gendt"] == "14-12-2024"


@pytest.mark.ims_simulator(regenerate_unchanged=True)
def test_a_regeneration_of_the_fixture_takes_no_time(ims_simulator: Simulator) -> None:
    """Ask for one, and for its status."""
    portal = Portal(ims_simulator)
    assert portal.regeneration(portal.regenerate(NOVEMBER))["status_cd"] == "P"


@pytest.mark.parametrize("body", [None, "keys"])
def test_both_forms_of_the_body_are_taken(body: str | None) -> None:
    """The sources disagree on whether there is one."""
    portal = _open(regenerate_unchanged=True)
    portal.regenerate(NOVEMBER, body and {"rtin": portal.gstin, "itcprd": NOVEMBER})


def test_a_body_that_is_demanded_has_both_keys() -> None:
    """Leave out the body and one of its keys, and name another taxpayer and another period."""
    portal = _open(regenerate_unchanged=True, regenerate_body="keys")
    body = {"rtin": portal.gstin, "itcprd": NOVEMBER}
    assert portal.answer("POST", again(NOVEMBER))[0] == 400
    for name in body:
        kept = {other: value for other, value in body.items() if other != name}
        status, _, content = portal.answer("POST", again(NOVEMBER), kept)
        assert (status, name in content["message"]) == (422, True)
    assert portal.refusal("POST", again(NOVEMBER), {**body, "itcprd": OCTOBER})[0] == "IMS2B007"
    assert portal.refusal("POST", again(NOVEMBER), {**body, "rtin": "27AAPFU0939F1ZV"})[0] == "IMSSIM002"
    portal.regenerate(NOVEMBER, body)


# -- what a test looks at ----------------------------------------------------------------------------------


def test_a_regeneration_beside_a_save_is_noted_and_done() -> None:
    """Ask for each while the other is running, and for both one after the other."""
    portal = _open(job_seconds=10.0, regenerate_seconds=10.0, regenerate_unchanged=True, taxpayers=2)
    sim = portal.simulator
    record, *_ = _records(portal)
    line = save_line(portal.row(record), "A")
    save = portal.send("save", {"b2b": [line]})
    Portal(sim, sim.gstins[1]).regenerate(NOVEMBER)  # another taxpayer's is none of its business
    assert sim.returns.overlaps == []
    portal.regenerate(NOVEMBER)
    (overlap,) = sim.returns.overlaps
    assert (overlap.gstin, overlap.asked, overlap.running) == (portal.gstin, "regenerate", save)
    sim.advance(10)
    assert _place(portal, record) == "N"  # it took the actions as they were
    reference = portal.regenerate(NOVEMBER)
    portal.send("save", {"b2b": [save_line(portal.row(record), "R")]})
    assert len(sim.returns.overlaps) == 2
    assert (sim.returns.overlaps[1].asked, sim.returns.overlaps[1].running) == ("save", reference)
    other = Portal(sim, sim.gstins[1])
    other.send("save", {"b2b": [save_line(other.row(other.free()), "A")]})
    assert len(sim.returns.overlaps) == 2
    sim.advance(10)
    assert _place(portal, record) == "A"
    portal.regenerate(NOVEMBER)
    portal.regenerate(NOVEMBER)  # a repeat is harmless
    sim.advance(10)
    portal.send("save", {"b2b": [save_line(portal.row(record), "A")]})
    assert len(sim.returns.overlaps) == 2


def test_every_request_that_reaches_the_portal_is_counted() -> None:
    """Lose one request and one answer, and have one refused."""
    portal = _open(regenerate_unchanged=True)
    sim = portal.simulator
    sim.script_fault("regenerate", Fault.drop_before(), Fault.drop_after(), Fault.outage())
    for expected in (ConnectionResetError, ConnectionResetError):
        with pytest.raises(expected):
            portal.answer("POST", again(NOVEMBER))
    assert portal.answer("POST", again(NOVEMBER))[0] == 503
    sim.advance(60)
    portal.refusal("POST", again(DECEMBER))
    assert sim.count("regenerate", portal.gstin) == 4
    found = [(one.gstin, one.period, one.refused) for one in sim.returns.regenerations]
    assert found == [(portal.gstin, NOVEMBER, ""), (portal.gstin, DECEMBER, "IMS2B009")]
    first, second = sim.returns.regenerations
    assert 60 <= second.asked_at - first.asked_at < 90
    assert (first.done, second.done) == (True, False)


# -- filing ------------------------------------------------------------------------------------------------


def test_filing_gstr3b_takes_its_records_out_of_ims_and_leaves_the_pending_ones() -> None:
    """Accept a pending record in the next period: it is in the statement of that one."""
    portal = _open(start=DRAFT - DAY)
    accepted, rejected, pending, *_ = _records(portal)
    for record, action in ((accepted, "A"), (rejected, "R"), (pending, "P")):
        portal.act(record, action)
    sim, before = portal.simulator, len(portal.simulator.records(portal.gstin))
    sim.advance(5 * DAY)
    in_statement = len(sim.returns.documents(portal.gstin, NOVEMBER))
    sim.returns.file_gstr3b(portal.gstin, NOVEMBER)
    assert len(sim.records(portal.gstin)) == before - in_statement
    left = {record.key for record in sim.records(portal.gstin, "b2b")}
    assert {accepted.key, rejected.key} & left == set()
    assert pending.key in left
    portal.act(pending, "A")
    assert _place(portal, accepted) == "A"  # the statement stays as it is
    sim.advance(30 * DAY)
    assert (_place(portal, pending), _place(portal, pending, DECEMBER)) == ("", "A")


def test_a_record_that_is_pending_by_now_stays_in_ims() -> None:
    """Keep one pending after the draft, and file GSTR-3B without another statement."""
    portal = _open()
    record, *_ = _records(portal)
    portal.act(record, "P")
    portal.simulator.returns.file_gstr3b(portal.gstin, NOVEMBER)
    assert portal.simulator.record(portal.gstin, "b2b", *record.key).action == "P"
    assert _place(portal, record) == "N"


def test_a_document_is_in_the_statement_in_whose_window_its_supplier_filed_it() -> None:
    """File on the last day, one day late, and as a quarterly supplier with its two days more."""
    for day, form, period in ((11, "R1", NOVEMBER), (12, "R1", DECEMBER), (13, "IFF", NOVEMBER)):
        start = starts_at(date(2024, 12, day)) + 3600
        portal = _open(invoices=400, start=start)
        record = next(
            one
            for one in portal.simulator.records(portal.gstin)
            if (one.period, one.filed, one.action, one.form) == (NOVEMBER, False, "N", form)
        )
        filed = portal.simulator.returns.file_document(
            portal.gstin, record.section, record.number, supplier=record.supplier, period=record.period
        )
        assert (filed.filed, filed.filed_on) == (True, date(2024, 12, day))
        portal.simulator.advance(60 * DAY)
        found = [
            month
            for month in (OCTOBER, NOVEMBER, DECEMBER)
            for one in portal.simulator.returns.documents(portal.gstin, month)
            if (one.group.ctin, one.fields.get("inum", one.fields.get("ntnum"))) == record.key[:2]
            and (one.group.supprd, one.group.supfildt) == (NOVEMBER, f"{day}-12-2024")
        ]
        assert found == [period]


def test_a_record_of_gstr1a_is_in_the_statement_of_the_next_period() -> None:
    """Find one, and its supplier's period and day of filing."""
    portal = _open(invoices=400, start=DRAFT + 60 * DAY)
    record = next(
        one
        for one in portal.simulator.records(portal.gstin, "b2b")
        if (one.period, one.filed, one.form) == (NOVEMBER, True, "R1A") and one.action in "AN"
    )
    found = [
        one
        for one in portal.simulator.returns.documents(portal.gstin, DECEMBER)
        if (one.group.ctin, one.fields.get("inum")) == record.key[:2] and one.group.supprd == NOVEMBER
    ]
    assert [one.fields["dt"] for one in found] == [record.date]
    assert "15" < found[0].group.supfildt <= "20-12-2024"


def test_a_quarterly_taxpayer_has_one_statement_for_three_months() -> None:
    """Ask for each month of a quarter, and file its GSTR-3B."""
    portal = _open(start=DRAFT + 60 * DAY, gstr2b_extras=True)
    sim = portal.simulator
    months = (OCTOBER, NOVEMBER, DECEMBER)
    monthly = sum(len(sim.returns.documents(portal.gstin, month)) for month in months)
    carried = sum(
        (one.form, one.period, one.filed) == ("R1A", "092024", True) for one in sim.records(portal.gstin)
    )
    sim.returns.set_quarterly(portal.gstin)
    for month in (OCTOBER, NOVEMBER):
        assert portal.refusal("GET", f"{GSTRS}/gstr-2b/{month[2:]}/{month[:2]}")[0] == "GTR2B-001"
        with pytest.raises(ValueError, match="last month of the quarter"):
            sim.returns.file_gstr3b(portal.gstin, month)
    assert carried == 0
    assert len(sim.returns.documents(portal.gstin, DECEMBER)) == monthly
    assert portal.statement(DECEMBER)["data"]["gendt"] == "14-01-2025"
    sim.returns.file_gstr3b(portal.gstin, DECEMBER)
    assert portal.refusal("POST", again(DECEMBER))[0] == "IMS2B007"
    sim.returns.set_quarterly(portal.gstin, quarterly=False)
    assert portal.statement(OCTOBER)["data"]["gendt"] == "14-11-2024"


def test_days_are_indian() -> None:
    """Midnight in India is half past six in the evening in Greenwich."""
    assert DRAFT == 1_734_114_600
    assert IST.utcoffset(None).total_seconds() == 19_800
