"""The simulator's Vayana API: tasks, their results and pages, and what ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ims_async.simulator import Simulator

from .simulator_portal_vayana import ENRICHED, SSO, TASKS, V3, VayanaPortal

if TYPE_CHECKING:
    from ims_async.simulator import Record

LOGIN = {"handle": "demo@example.com", "password": "password_test_demo", "handleType": "email"}


def _free(portal: VayanaPortal, section: str = "b2b", count: int = 1) -> list[Record]:
    records = portal.simulator.records(portal.gstin, section)
    return [record for record in records if record.action == "N" and not record.blocked][:count]


def _save(portal: VayanaPortal, section: str = "b2b", action: str = "A") -> str:
    return portal.send("save", {section: portal.lines(action, *_free(portal, section))})


def _not_completed(task: str) -> tuple[Any, ...]:
    return (400, "err-task-not-completed", "ClientRequest", {"task-id": task})


def _not_found(task: str) -> tuple[Any, ...]:
    return (404, "err-resource-not-found", "ResourceNotFound", {"task-id": task})


def test_a_save_is_processing_until_gstn_is_done_with_it() -> None:
    """Follow a save of three seconds to GSTN's answer, which is the result."""
    simulator = Simulator()
    portal = VayanaPortal(simulator)
    (record,) = _free(portal)
    task = _save(portal)
    assert portal.state(task) == "processing"
    assert portal.error("GET", f"{TASKS}/result/{task}") == _not_completed(task)
    (job,) = simulator.jobs
    assert simulator.job(task) is simulator.job(job.reference) is job
    simulator.advance(3)
    assert portal.state(task) == "completed"
    expected = {"status_cd": "P", "transTypCd": "SAV", "err_cd": "", "err_msg": "", "proc_cnt": "1"}
    assert portal.result(task) == expected
    assert portal.result(task) == expected
    assert simulator.record(portal.gstin, "b2b", *record.key).action == "A"
    assert portal.error("GET", f"{TASKS}/result/{task}/page/0") == _not_found(task)
    counts = [simulator.count(name, portal.gstin) for name in ("save", "status", "result", "page")]
    assert counts == [1, 2, 3, 1]


def test_the_flat_shape_has_jobs_and_the_envelope() -> None:
    """Ask for the state before and after."""
    simulator = Simulator(task_shape="flat")
    portal = VayanaPortal(simulator)
    task = portal.start()
    path = f"{TASKS}/status/{task}"
    running = {"id": task, "status": "processing", "jobs": {"total": 1, "pending": 1}}
    assert portal.data("GET", path) == running
    simulator.advance(1)
    done = {"id": task, "status": "completed", "jobs": {"total": 1, "pending": 0}}
    assert portal.data("GET", path) == done


@pytest.mark.parametrize("base", [0, 1])
def test_a_download_has_pages_counted_from_the_base(base: Any) -> None:
    """Fetch all pages, and none before the first, after the last or before the task is completed."""
    simulator = Simulator(page_rows=20, page_base=base, download_seconds=2)
    portal = VayanaPortal(simulator)
    task = portal.start()
    simulator.advance(1.9)
    assert portal.state(task) == "processing"
    assert portal.error("GET", f"{TASKS}/result/{task}/page/{base}") == _not_completed(task)
    simulator.advance(0.1)
    assert portal.state(task) == "completed"
    assert portal.result(task) == {"pages": 3}
    pages = [portal.page(task, base + index)["b2b"] for index in range(3)]
    assert [len(page) for page in pages] == [20, 20, 10]
    assert [row for page in pages for row in page] == portal.rows()
    for number in [base + 3, *range(base)]:
        assert portal.error("GET", f"{TASKS}/result/{task}/page/{number}") == _not_found(task)
    assert portal.error("GET", f"{TASKS}/result/{task}/page/x")[3] is None


def test_an_empty_download_has_one_empty_page() -> None:
    """Ask for rejected invoices of a section that has none."""
    portal = VayanaPortal(Simulator(invoices=0, download_seconds=0))
    task = portal.start("ECOMA", status="R")
    assert portal.result(task) == {"pages": 1}
    assert portal.page(task, 0) == {"ecoma": []}


def test_a_download_shows_the_invoices_as_they_were_when_it_started() -> None:
    """Let a save take effect while a download is under way."""
    simulator = Simulator(download_seconds=10)
    portal = VayanaPortal(simulator)
    before = portal.rows()
    task = _save(portal)
    download = portal.start()
    simulator.advance(10)
    assert portal.state(task) == "completed"
    assert portal.page(download, 0)["b2b"] == before
    assert portal.rows() != before


def test_results_can_be_a_list_with_an_envelope_per_section() -> None:
    """Save two sections, one of which has an error, then a body that is not even read."""
    simulator = Simulator(result_shape="list", job_seconds=0)
    portal = VayanaPortal(simulator)
    good = portal.lines("R", *_free(portal, count=2))
    (bad,) = portal.lines("R", *_free(portal, "b2bdn"))
    bad["prev_status"] = "P"
    results = portal.result(portal.send("save", {"b2b": good, "b2bdn": [bad]}))
    assert [{**item, "data": 0} for item in results] == [
        {"status": "1", "data": 0, "error": None, "info": None, "additionalInfo": None, "alert": None}
    ] * 2
    first, second = (item["data"] for item in results)
    assert (first["status_cd"], first["proc_cnt"], "err_cnt" in first) == ("P", "2", False)
    assert (second["status_cd"], second["proc_cnt"], second["err_cnt"]) == ("PE", "0", "1")
    assert [*second["error_report"]] == ["dn"]
    (only,) = portal.result(portal.send("save", {"b2b": [{}]}))
    assert (only["data"]["status_cd"], only["data"]["err_cd"]) == ("ER", "IMSSAV005")
    simulator.script_status(None, {"status_cd": "IP"})
    (scripted,) = portal.result(portal.send("save", {"b2b": []}))
    assert scripted["data"] == {"status_cd": "IP"}


def test_scripted_statuses_are_results_and_complete_the_task() -> None:
    """Script the next job and a known one, by task; the truth comes after what was scripted."""
    simulator = Simulator(taxpayers=2)
    portal, other = (VayanaPortal(simulator, gstin) for gstin in simulator.gstins)
    simulator.script_status(None, {"status_cd": "REC"}, {"status_cd": "XX"})
    task, second = portal.send("save", {"b2b": []}), other.send("save", {"b2b": []})
    assert portal.state(task) == "completed"
    assert [portal.result(task)["status_cd"] for _ in range(3)] == ["REC", "XX", "IP"]
    assert portal.state(task) == "completed"
    assert other.state(second) == "processing"
    simulator.script_status(second, {"status_cd": "ER"})
    assert other.result(second) == {"status_cd": "ER"}
    with pytest.raises(KeyError):
        simulator.job(portal.start())


def test_scripted_words_are_states_and_change_nothing_else() -> None:
    """Script the next task and a known one."""
    portal = VayanaPortal(Simulator())
    portal.simulator.script_task(None, "QUEUED", "completed")
    task, other = portal.start(), portal.start()
    assert [portal.state(task) for _ in range(3)] == ["QUEUED", "completed", "processing"]
    assert portal.error("GET", f"{TASKS}/result/{task}") == _not_completed(task)
    portal.simulator.script_task(other, "ERROR")
    assert [portal.state(other) for _ in range(2)] == ["ERROR", "processing"]


@pytest.mark.parametrize("end", ["logout", "portal"])
def test_the_end_of_the_session_fails_the_tasks_but_not_the_job(end: str) -> None:
    """Log out, or be logged out, while a save and a download run and another download is done."""
    simulator = Simulator()
    portal = VayanaPortal(simulator)
    (record,) = _free(portal)
    done = portal.start()
    simulator.advance(1)
    save, download = _save(portal), portal.start()
    if end == "logout":
        portal.data("POST", V3, {"gst-session-id": portal.session}, action="LOGOUT")
    else:
        simulator.end_session(portal.gstin)
    simulator.advance(3)
    assert [portal.state(task) for task in (done, save, download)] == ["completed", "failed", "failed"]
    for path in (f"{TASKS}/result/{save}", f"{TASKS}/result/{download}/page/0"):
        assert portal.error("GET", path)[:3] == (400, "err-task-failed", "ClientRequest")
    assert portal.page(done, 0)["b2b"]
    assert simulator.job(save).code == "P"
    assert simulator.record(portal.gstin, "b2b", *record.key).action == "A"


def test_the_end_of_one_session_leaves_other_taxpayers_tasks_alone() -> None:
    """Log out another taxpayer."""
    simulator = Simulator(taxpayers=2)
    portal, other = (VayanaPortal(simulator, gstin) for gstin in simulator.gstins)
    task = portal.start()
    other.data("POST", V3, {"gst-session-id": other.session}, action="LOGOUT")
    assert portal.state(task) == "processing"


def test_tasks_are_kept_for_seven_days() -> None:
    """Poll in time, with a new token, and then too late; a task that never was is unknown."""
    simulator = Simulator(token_seconds=8 * 86400.0)
    portal = VayanaPortal(simulator)
    task = portal.start()
    simulator.advance(7 * 86400 - 60)
    _, _, content = portal.answer("POST", f"{SSO}/authtokens", LOGIN)
    portal.user_token = content["data"]["token"]
    assert portal.result(task) == {"pages": 1}
    simulator.advance(60)
    for path in (f"status/{task}", f"result/{task}", f"result/{task}/page/0"):
        assert portal.error("GET", f"{TASKS}/{path}") == _not_found(task)
    assert portal.error("GET", f"{TASKS}/status/none") == _not_found("none")


def test_a_lost_answer_to_a_save_does_not_undo_it() -> None:
    """Plan a timeout after the effect: the task runs, and the caller does not have its identifier."""
    simulator = Simulator(job_seconds=0)
    portal = VayanaPortal(simulator)
    simulator.script_answer("save", 504, b"timeout", after=True)
    body = portal.body("save", {"b2b": portal.lines("A", *_free(portal))})
    with pytest.raises(ValueError):
        portal.answer("PUT", f"{ENRICHED}/ims-invoice-status-update", body)
    assert len(simulator.effects) == 1
