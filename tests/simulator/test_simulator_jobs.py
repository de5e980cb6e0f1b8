"""The simulator's saves and resets: what takes effect, when, and what a poll answers."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ims_async.simulator import Record, Simulator
from ims_async.simulator.fields import SHAPES
from tests.support.rule_cases import codes, note

from .simulator_portal import BASE, Portal, reset_line, save_line

STALE = ("IMSSAV0010", "Either previous action is incorrect/ invoice might have edited by supplier")
REDUCED = {"itcRedReq": "Y", "declIgst": 10, "declCgst": 5.5, "declSgst": 5.5, "declCess": 0}


def _now(portal: Portal, record: Record) -> Record:
    return portal.simulator.record(portal.gstin, record.section, *record.key)


@pytest.fixture
def portal() -> Portal:
    """Open a simulator whose jobs take no time."""
    return Portal(Simulator(invoices=400, job_seconds=0))


@pytest.mark.parametrize("section", SHAPES)
@pytest.mark.parametrize("action", ["A", "R", "P"])
def test_an_action_is_applied_and_the_hash_stays(portal: Portal, section: str, action: str) -> None:
    """Act on a record of each section."""
    record = portal.free(section)
    extra = {"itcRedReq": "N"} if section == "b2bcn" else {}
    status = portal.act(record, action, **extra)
    assert status == {
        "status_cd": "P",
        "transTypCd": "SAV",
        "err_cd": "",
        "err_msg": "",
        "proc_cnt": "1",
    }
    after = _now(portal, record)
    assert (after.action, after.hash) == (action, record.hash)
    (effect,) = portal.simulator.effects
    assert (effect.section, effect.supplier, effect.number, effect.period) == (section, *record.key)
    assert (effect.before, effect.after, effect.gstin) == ("N", action, portal.gstin)
    assert effect.job == portal.simulator.jobs[0].reference


def test_remarks_and_declared_amounts_are_kept_until_the_reset(portal: Portal) -> None:
    """Accept a credit note with a partial reduction, then reset it, which says SAV too."""
    record = portal.free("b2bcn")
    portal.act(record, "A", remarks="half of it", **REDUCED)
    after = _now(portal, record)
    assert (after.remarks, after.itc_reduction) == ("half of it", "Y")
    declared = (after.declared_igst, after.declared_cgst, after.declared_sgst, after.declared_cess)
    assert declared == (Decimal(10), Decimal("5.5"), Decimal("5.5"), Decimal(0))
    reference = portal.send("reset", {"b2bcn": [reset_line(portal.row(after))]})
    status = portal.status(reference)
    assert (status["status_cd"], status["transTypCd"], status["proc_cnt"]) == ("P", "SAV", "1")
    assert _now(portal, record) == record


def test_nothing_changes_before_the_job_is_due() -> None:
    """Follow a job of three seconds, the real time of which is none."""
    simulator = Simulator()
    portal = Portal(simulator)
    record = portal.free()
    reference = portal.send("save", {"b2b": [save_line(portal.row(record), "A")]})
    assert portal.status(reference) == {"status_cd": "IP", "transTypCd": "SAV"}
    (job,) = simulator.jobs
    assert (job.reference, job.kind, job.records, job.done) == (reference, "save", 1, False)
    assert job.due_at - job.submitted_at == 3.0
    assert _now(portal, record).action == "N"
    simulator.advance(3.0)
    assert _now(portal, record).action == "A"
    assert (job.code, job.done, job.succeeded) == ("P", True, 1)
    assert portal.status(reference)["status_cd"] == "P"
    assert simulator.effects[0].at == job.due_at


def test_the_other_reading_of_p_can_be_chosen() -> None:
    """See P while the job runs and S when it is done."""
    simulator = Simulator(p_means="processing", job_seconds=lambda rng: rng.uniform(50, 60))
    portal = Portal(simulator)
    reference = portal.send("save", {"b2b": [save_line(portal.row(portal.free()), "R")]})
    simulator.advance(49)
    assert portal.status(reference) == {"status_cd": "P", "transTypCd": "SAV"}
    simulator.advance(11)
    status = portal.status(reference)
    assert (status["status_cd"], status["proc_cnt"]) == ("S", "1")


@pytest.mark.parametrize(
    "change",
    [
        {"prev_status": "A"},
        {"val": 0},
        {"txval": 0.01},
        {"iamt": 0.01, "camt": 0.01},
        {"idt": "01-01-2024"},
        {"pos": "97"},
        {"inv_typ": "SEWP"},
        {"srcform": "R1A", "inum": "unknown"},
        {"rtnprd": "092024"},
        {"stin": "27AAPFU0939F1ZV"},
    ],
)
def test_a_row_that_is_not_the_record_as_it_is_fails(portal: Portal, change: dict[str, object]) -> None:
    """Get IMSSAV0010 for the wrong previous action, other amounts, and a record that is not there."""
    record = portal.free()
    line = save_line(portal.row(record), "A", **change)
    status = portal.status(portal.send("save", {"b2b": [line]}))
    assert (status["status_cd"], status["proc_cnt"], status["err_cnt"]) == ("PE", "0", "1")
    entry = {"stin": line["stin"], "error_cd": STALE[0], "error_msg": STALE[1]}
    entry |= {"inv": [{"inum": line["inum"], "rtnprd": line["rtnprd"]}]}
    assert status["error_report"] == {"b2b": [entry]}
    assert _now(portal, record) == record
    assert portal.simulator.effects == []


def test_a_supplier_edit_between_reading_and_saving_fails_the_line(portal: Portal) -> None:
    """Read, let the supplier edit, save."""
    record = portal.free()
    line = save_line(portal.row(record), "A")
    simulator = portal.simulator
    simulator.edit(portal.gstin, "b2b", record.number, supplier=record.supplier, period=record.period)
    status = portal.status(portal.send("save", {"b2b": [line]}))
    assert status["error_report"]["b2b"][0]["error_cd"] == "IMSSAV0010"


def test_pending_is_refused_on_a_blocked_record_and_the_rest_is_not(portal: Portal) -> None:
    """Block a record, then find that only Pending is barred."""
    record = portal.free()
    portal.simulator.block_pending(
        portal.gstin, "b2b", record.number, supplier=record.supplier, period=record.period
    )
    assert portal.row(record)["ispendactblocked"] == "Y"
    status = portal.act(record, "P")
    assert status["error_report"]["b2b"][0]["error_cd"] == "IMSSIM001"
    assert portal.act(record, "R")["status_cd"] == "P"


def test_a_credit_note_is_accepted_only_with_an_itc_reduction() -> None:
    """Get IMSSAV0054 for an accepted note without itcRedReq, under the key cn."""
    portal = Portal(Simulator(job_seconds=0, itc_reduction_required=True))
    record = portal.free("b2bcn")
    (entry,) = portal.act(record, "A")["error_report"]["cn"]
    assert entry["error_cd"] == "IMSSAV0054"
    assert entry["error_msg"] == "Error! Please enter value for the column itcRedReq."
    assert entry["inv"] == [{"inum": record.number, "rtnprd": record.period}]
    assert portal.act(record, "R")["status_cd"] == "P"
    lenient = Portal(Simulator(job_seconds=0, itc_reduction_required=False))
    assert lenient.act(lenient.free("b2bcn"), "A")["status_cd"] == "P"


@pytest.mark.parametrize("form", ["R1", "IFF", "R1A"])
@pytest.mark.parametrize("period", ["122024", "082025", "092025", "102025", "012026"])
def test_the_offline_rules_and_the_portal_ask_for_an_itc_reduction_from_the_same_period(
    period: str, form: str
) -> None:
    """Accept a note without it: both refuse it or neither, unless a setting has the portal differ."""
    refused = codes(note(return_period=period, source_form=form).accept()) == ["itc-reduction-missing"]
    settings: dict[str, Any]
    for settings, expected in (
        ({}, refused),
        ({"itc_reduction_required": "122024"}, True),
        ({"itc_reduction_required": True}, True),
        ({"itc_reduction_required": False}, False),
    ):
        portal = Portal(Simulator(invoices=10, sections=["b2bcn"], job_seconds=0, **settings))
        record = replace(portal.free("b2bcn"), period=period, form=form)
        portal.simulator._world._put(portal.gstin, record)
        assert (portal.act(record, "A")["status_cd"] == "PE") is expected
        assert portal.act(record, "R")["status_cd"] == "P"


def test_the_report_uses_the_documented_section_names(portal: Portal) -> None:
    """Fail one line in each section."""
    rows = {section: portal.row(portal.free(section)) for section in SHAPES}
    lines = {section: [{**save_line(row, "A"), "val": 1}] for section, row in rows.items()}
    status = portal.status(portal.send("save", lines))
    assert [*status["error_report"]] == ["b2b", "b2ba", "dn", "dna", "cn", "cna", "ecom", "ecoma"]
    assert (status["status_cd"], status["proc_cnt"], status["err_cnt"]) == ("PE", "0", "8")


def test_errors_are_grouped_by_supplier_and_code(portal: Portal) -> None:
    """Fail several lines of the same suppliers, and lose none of them."""
    rows = portal.rows()[:60]
    lines = [{**save_line(row, "A"), "prev_status": "P" if row["action"] != "P" else "R"} for row in rows]
    status = portal.status(portal.send("save", {"b2b": lines}))
    entries = status["error_report"]["b2b"]
    suppliers = [entry["stin"] for entry in entries]
    assert len(suppliers) == len(set(suppliers)) < 60
    listed = {(entry["stin"], doc["inum"], doc["rtnprd"]) for entry in entries for doc in entry["inv"]}
    assert listed == {(row["stin"], row["inum"], row["rtnprd"]) for row in rows}


@pytest.mark.parametrize(("counts", "processed"), [("successes", "2"), ("all", "3")])
def test_counts_are_strings_in_both_readings_of_proc_cnt(counts: Any, processed: str) -> None:
    """Succeed with two and fail with one."""
    portal = Portal(Simulator(job_seconds=0, proc_cnt_counts=counts))
    rows = [row for row in portal.rows() if row["action"] == "N"][:3]
    lines = [save_line(row, "A") for row in rows]
    lines[1]["prev_status"] = "R"
    status = portal.status(portal.send("save", {"b2b": lines}))
    assert (status["status_cd"], status["proc_cnt"], status["err_cnt"]) == ("PE", processed, "1")
    (error,) = portal.simulator.jobs[0].errors
    assert (error.section, error.supplier, error.number, error.code) == (
        "b2b",
        rows[1]["stin"],
        rows[1]["inum"],
        "IMSSAV0010",
    )


def test_a_body_that_breaks_the_schema_fails_as_a_job(portal: Portal) -> None:
    """Accept the request, end the job with IMSSAV005 and zero counts, apply nothing."""
    lines = [save_line(portal.row(portal.free()), "A"), save_line(portal.rows()[1], "A", hash="x")]
    status = portal.status(portal.send("save", {"b2b": lines}))
    assert status == {
        "status_cd": "ER",
        "transTypCd": "SAV",
        "err_cd": "IMSSAV005",
        "err_msg": "Schema validation failure",
        "proc_cnt": "0",
        "err_cnt": "0",
    }
    (job,) = portal.simulator.jobs
    assert job.problems == ["invdata.b2b[1].hash: is not known"]
    assert (job.records, portal.simulator.effects) == (2, [])


def test_a_body_without_records_breaks_the_schema_too(portal: Portal) -> None:
    """Send nothing but the name of the request."""
    reply = portal.payload("POST", f"{BASE}/invoices/status/save", {"reqtyp": "SAVE"})
    assert portal.status(reply["reference_id"])["err_cd"] == "IMSSAV005"
    assert portal.simulator.jobs[0].records == 0


def test_an_amount_is_read_exactly(portal: Portal) -> None:
    """Send an amount with three decimals."""
    row = portal.row(portal.free())
    raw = portal.body("save", {"b2b": [save_line(row, "A", cess=0.001)]})
    portal.payload("POST", f"{BASE}/invoices/status/save", raw)
    assert portal.simulator.jobs[0].problems == ["invdata.b2b[0].cess: has more than two decimals"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"rtin": NaN}'])
def test_a_body_that_is_no_json_object_is_400(portal: Portal, raw: bytes) -> None:
    """Refuse what cannot be read, at once."""
    assert portal.answer("POST", f"{BASE}/invoices/status/save", raw)[0] == 400
    assert portal.simulator.jobs == []


def test_a_body_for_another_taxpayer_is_refused_in_the_reply(portal: Portal) -> None:
    """Send the body of another taxpayer with one's own token."""
    body = {"rtin": "27AAPFU0939F1ZV", "reqtyp": "SAVE", "invdata": {"b2b": []}}
    data = portal.data("POST", f"{BASE}/invoices/status/save", body)
    assert (data["status_cd"], data["error"]["error_cd"]) == ("0", "IMSSIM002")
    assert portal.simulator.jobs == []


def test_an_empty_section_is_a_job_of_nothing(portal: Portal) -> None:
    """Let through what the schema lets through."""
    status = portal.status(portal.send("save", {"b2b": []}))
    assert (status["status_cd"], status["proc_cnt"]) == ("P", "0")


def test_a_second_save_is_refused_in_the_reply_while_one_runs() -> None:
    """Get IMSSAV0015 until the first is done; another taxpayer is not in the way."""
    simulator = Simulator(taxpayers=2)
    portal, other = (Portal(simulator, gstin) for gstin in simulator.gstins)
    first, second = [row for row in portal.rows() if row["action"] == "N"][:2]
    portal.send("save", {"b2b": [save_line(first, "A")]})
    body = portal.body("save", {"b2b": [save_line(second, "A")]})
    data = portal.data("POST", f"{BASE}/invoices/status/save", body)
    assert data["status_cd"] == "0"
    assert data["error"] == {
        "error_cd": "IMSSAV0015",
        "message": "Previous Save or Reset request is already under progress. Please try after some time.",
    }
    other.send("save", {"b2b": []})
    simulator.advance(3)
    portal.send("save", {"b2b": [save_line(second, "A")]})
    assert len(simulator.jobs) == 3


def test_a_second_save_can_be_refused_in_its_status_instead() -> None:
    """Get a reference for the second save, which ends as ER and changes nothing."""
    simulator = Simulator(conflict="status")
    portal = Portal(simulator)
    first, second = [row for row in portal.rows() if row["action"] == "N"][:2]
    one = portal.send("save", {"b2b": [save_line(first, "A")]})
    simulator.advance(1)
    two = portal.send("save", {"b2b": [save_line(second, "A")]})
    simulator.advance(2)
    three = portal.send("save", {"b2b": [save_line(second, "R")]})
    simulator.advance(3)
    statuses = [portal.status(reference) for reference in (one, two, three)]
    assert [status["status_cd"] for status in statuses] == ["P", "ER", "P"]
    assert statuses[1]["err_cd"] == "IMSSAV0015"
    assert [effect.job for effect in simulator.effects] == [one, three]


def test_an_unknown_reference_is_an_error_with_http_200() -> None:
    """Ask for a reference that was never issued, and for one of another taxpayer."""
    simulator = Simulator(taxpayers=2, job_seconds=0)
    portal, other = (Portal(simulator, gstin) for gstin in simulator.gstins)
    theirs = other.send("save", {"b2b": []})
    for reference in ("0032e479bcb644c", theirs):
        data = portal.data("GET", f"{BASE}/invoices/status?reference_id={reference}")
        assert (data["status_cd"], data["error"]["error_cd"]) == ("0", "IMSSIM003")


def test_scripted_statuses_come_first_and_the_truth_after_them(portal: Portal) -> None:
    """Script the next job and a known one."""
    odd: dict[str, Any] = {"status_cd": "REC", "transTypCd": "SAV"}
    portal.simulator.script_status(None, odd, {**odd, "status_cd": "P"})
    reference = portal.send("save", {"b2b": []})
    other = portal.send("save", {"b2b": []})
    assert portal.status(other)["proc_cnt"] == "0"
    assert portal.status(reference) == odd
    assert portal.status(reference)["status_cd"] == "P"
    assert portal.status(reference)["proc_cnt"] == "0"
    portal.simulator.script_status(other, {**odd, "proc_cnt": 3})
    assert portal.status(other)["proc_cnt"] == 3


def test_jobs_of_several_taxpayers_take_effect_in_the_order_they_are_due() -> None:
    """Submit a slow job before a quick one."""
    seconds = iter((20.0, 5.0))
    simulator = Simulator(taxpayers=2, job_seconds=lambda rng: next(seconds))
    portals = [Portal(simulator, gstin) for gstin in simulator.gstins]
    slow, quick = (
        portal.send("save", {"b2b": [save_line(portal.row(portal.free()), "A")]}) for portal in portals
    )
    simulator.advance(60)
    assert [effect.job for effect in simulator.effects] == [quick, slow]


def test_twenty_thousand_records_are_listed_and_saved_within_seconds() -> None:
    """Stay far from anything quadratic; the bound is generous, for slow machines."""
    portal = Portal(Simulator(invoices=20_000, sections=["b2b"], job_seconds=0))
    started = time.process_time()
    rows = portal.rows()
    reference = portal.send("save", {"b2b": [save_line(row, "R") for row in rows]})
    assert portal.status(reference)["proc_cnt"] == "20000"
    assert time.process_time() - started < 10
