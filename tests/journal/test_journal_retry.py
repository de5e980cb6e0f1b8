"""`retry`: what was not applied is sent once more, as it stands now, and nothing else is."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from ims_async import (
    Action,
    Decision,
    ImsClient,
    ImsJob,
    InvalidInput,
    JobInFlight,
    JobKind,
    JobReport,
    JournalError,
    Reconciliation,
    Section,
    Taxpayer,
)
from ims_async.jobs.reconcile import Comparing
from ims_async.jobs.recovery import Recovery
from ims_async.journal import ChangeState
from ims_async.simulator import Simulator

from ..conftest import make_client, plan_endless
from ..jobs.test_reconcile import LOOKS
from ..support.journal_flows import FIXTURES, Shaky, Shelf, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


@pytest.fixture
def colleague(sim: Simulator, shelf: Shelf) -> Taxpayer:
    """Somebody who works on the same records, with another program."""
    return shelf.taxpayer(make_client(sim))


async def refused(acme: Taxpayer, colleague: Taxpayer, theirs: str) -> tuple[Decision, JobReport]:
    """Accept a record on which a colleague has decided since it was read: the gateway refuses that."""
    (decision,) = await undecided(acme, 1)
    await (await colleague.save([getattr(decision.invoice, theirs)()]))
    report = await (await acme.save([decision]))
    assert [failure.record for failure in report.failed] == [decision]
    return decision, report


async def action_of(acme: Taxpayer, decision: Decision) -> Action:
    """Return the action that a record has now."""
    rows = {row.key: row for row in await acme.invoices(decision.section)}
    return rows[decision.key].action


async def test_what_was_refused_is_sent_again_with_the_action_it_has_now(
    acme: Taxpayer, colleague: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """The document is what it was; the colleague's action is the previous one now; all is written down."""
    decision, report = await refused(acme, colleague, "reject")
    retried = await acme.retry(report)
    assert retried.found == Reconciliation(not_applied=(decision,))
    assert retried.job is not None
    (record,) = retried.job.records or ()
    assert isinstance(record, Decision)
    assert (record.action, record.invoice.action) == (Action.ACCEPT, Action.REJECT)
    again = await retried
    assert again is not None
    assert again.ok
    assert await action_of(acme, decision) is Action.ACCEPT
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED]
    assert (await shelf.last()).token == retried.job.token
    assert await shelf.journal().records((await shelf.last()).id) == [record]


async def test_only_what_was_not_applied_is_sent_again(
    acme: Taxpayer, colleague: Taxpayer, sim: Simulator
) -> None:
    """Of four, one succeeded, one was refused, one is applied by now, and one was edited by the supplier."""
    fine, stale, done, edited = await undecided(acme, 4)
    await (await colleague.save([stale.invoice.reject(), done.invoice.accept()]))
    sim.edit(acme.gstin, "b2b", edited.number, supplier=edited.supplier, period=edited.return_period)
    report = await (await acme.save([fine, stale, done, edited]))
    assert report.succeeded == (fine,)
    assert len(report.failed) == 3
    retried = await acme.retry(report)
    assert retried.found == Reconciliation(not_applied=(stale,), applied=(done,), changed=(edited,))
    assert retried.job is not None
    assert retried.job.submitted == 1
    assert (await retried.job).ok
    assert await action_of(acme, edited) is Action.NO_ACTION


async def test_what_is_applied_by_now_is_left_alone(
    acme: Taxpayer, colleague: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """Nothing is sent, and nothing written."""
    decision, report = await refused(acme, colleague, "accept")
    saves = sim.count("save")
    retried = await acme.retry(report)
    assert (retried.job, retried.found) == (None, Reconciliation(applied=(decision,)))
    assert await retried is None
    assert sim.count("save") == saves
    assert await shelf.states() == [ChangeState.ENDED]


async def note_refused(acme: Taxpayer) -> tuple[Decision, JobReport]:
    """Accept a credit note without its ITC reduction: the gateway refuses that."""
    rows = await acme.invoices(Section.B2BCN, status=Action.NO_ACTION)
    decision = rows[0].accept()
    report = await (await acme.save([decision]))
    assert [failure.code for failure in report.failed] == ["IMSSAV0054"]
    return decision, report


async def call_off(acme: Taxpayer, second: ImsClient, decision: Decision) -> ImsJob:
    """Hand a decision in, and cancel that before it is sent; return its job."""
    running = await acme.save([one for one in await undecided(acme) if one.key != decision.key])
    saving = asyncio.create_task(acme.save([decision]))
    await asyncio.sleep(0.1)
    saving.cancel()
    await asyncio.wait([saving])
    await running
    (job,) = [job async for job in second.called_off()]
    return job


@pytest.mark.parametrize("old", ["refused", "unaccounted", "never sent"])
@pytest.mark.parametrize("by", ["acme", "colleague"])
async def test_a_decision_that_was_taken_since_is_not_overwritten(
    acme: Taxpayer, colleague: Taxpayer, second: ImsClient, sim: Simulator, old: str, by: str
) -> None:
    """The record had no action when the old one was sent: now it is rejected, for a person to decide."""
    what: JobReport | ImsJob
    if old == "refused":
        decision, what = await note_refused(acme)
    else:
        (decision,) = await undecided(acme, 1)
        if old == "unaccounted":
            sim.script_status(None, {"status_cd": "P", "proc_cnt": "2", "transTypCd": "SAV"})
            what = await (await acme.save([decision]))
            assert what.unaccounted == (decision,)
            await asyncio.sleep(60)
        else:
            what = await call_off(acme, second, decision)
    newer = {row.key: row for row in await acme.invoices(decision.section)}[decision.key].reject("no")
    await (await (acme if by == "acme" else colleague).save([newer]))
    saves = sim.count("save")
    retried = await acme.retry(what)
    assert (retried.job, retried.found) == (None, Reconciliation(changed=(decision,)))
    assert sim.count("save") == saves
    assert await action_of(acme, decision) is Action.REJECT


async def test_a_reset_does_not_undo_a_decision_that_was_taken_since(acme: Taxpayer, sim: Simulator) -> None:
    """It was of an acceptance; what is rejected since stays so."""
    (decision,) = await undecided(acme, 1)
    await (await acme.save([decision]))
    (read,) = [row for row in await acme.invoices(Section.B2B) if row.key == decision.key]
    sim.script_status(None, {"status_cd": "P", "proc_cnt": "2", "transTypCd": "SAV"})
    report = await (await acme.reset([read]))
    await asyncio.sleep(60)
    (read,) = [row for row in await acme.invoices(Section.B2B) if row.key == decision.key]
    await (await acme.save([read.reject("no")]))
    retried = await acme.retry(report)
    assert retried.job is None
    assert [record.key for record in retried.found.changed] == [decision.key]


async def test_what_still_has_the_action_that_it_had_is_sent_again(acme: Taxpayer, sim: Simulator) -> None:
    """Nobody has touched it."""
    decision, report = await note_refused(acme)
    retried = await acme.retry(report)
    assert retried.found == Reconciliation(not_applied=(decision,))
    assert retried.job is not None
    assert not (await retried.job).ok  # it still has no ITC reduction


@pytest.mark.parametrize(("how", "pile"), [("nothing found", "changed"), ("a bad row", "cannot_tell_yet")])
async def test_what_is_not_shown_is_not_sent(
    acme: Taxpayer, colleague: Taxpayer, sim: Simulator, gsp_name: str, how: str, pile: str
) -> None:
    """Withdrawn, it is for a person; where the section could not be read to its last row, nobody knows."""
    decision, report = await refused(acme, colleague, "reject")
    saves = sim.count("save")
    sim.script_answer(*LOOKS[gsp_name][how])
    retried = await acme.retry(report)
    assert retried.job is None
    assert getattr(retried.found, pile) == (decision,)
    assert sim.count("save") == saves
    later = await acme.retry(report)  # once it is shown
    assert later.job is not None
    assert (await later.job).ok


async def test_records_that_the_counts_do_not_tell_of_are_looked_at_first(
    acme: Taxpayer, sim: Simulator
) -> None:
    """All three were applied, and the gateway's report did not say so: nothing is sent twice."""
    batch = await undecided(acme)
    status: dict[str, Any] = {"status_cd": "PE", "proc_cnt": "1", "err_cnt": "2", "transTypCd": "SAV"}
    sim.script_status(None, status)
    report = await (await acme.save(batch))
    assert report.unaccounted == tuple(batch)
    await asyncio.sleep(60)
    retried = await acme.retry(report)
    assert (retried.job, retried.found) == (None, Reconciliation(applied=tuple(batch)))
    assert len(sim.effects) == 3


async def test_a_report_without_failures_needs_no_look(acme: Taxpayer, sim: Simulator) -> None:
    """Not one request."""
    report = await (await acme.save(await undecided(acme)))
    requests = len(sim.requests)
    retried = await acme.retry(report)
    assert (retried.job, retried.found) == (None, Reconciliation())
    assert len(sim.requests) == requests


async def test_a_report_without_its_records_cannot_be_retried(
    acme: Taxpayer, colleague: Taxpayer, sim: Simulator
) -> None:
    """It names keys only; what was decided is not in it. One that a journal completed can be."""
    (decision,) = await undecided(acme, 1)
    await (await colleague.save([decision.invoice.reject()]))
    sent = await acme.save([decision])
    bare = await colleague.resume(sent.token)
    saves = sim.count("save")
    with pytest.raises(InvalidInput, match="does not carry its records"):
        await colleague.retry(bare)
    assert sim.count("save") == saves


async def test_of_two_retries_at_once_the_second_sends_nothing(
    acme: Taxpayer, colleague: Taxpayer, sim: Simulator
) -> None:
    """It looks when its turn has come, and finds it applied."""
    decision, report = await refused(acme, colleague, "reject")
    saves = sim.count("save")
    first, then = await asyncio.gather(acme.retry(report), acme.retry(report))
    assert first.job is not None
    assert (then.job, then.found) == (None, Reconciliation(applied=(decision,)))
    assert sim.count("save") == saves + 1


async def test_of_two_processes_that_retry_at_once_one_sends(
    acme: Taxpayer, second: ImsClient, colleague: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """The journal gives the turn to one; the other looks anew once that has ended."""
    _, report = await refused(acme, colleague, "reject")
    saves = sim.count("save")
    both = await asyncio.gather(acme.retry(report), shelf.taxpayer(second).retry(report))
    assert sorted(retried.job is None for retried in both) == [False, True]
    assert sim.count("save") == saves + 1


async def test_a_reset_is_retried_as_a_reset(acme: Taxpayer, colleague: Taxpayer) -> None:
    """With the invoice as it stands now."""
    decision = (await undecided(acme, 1))[0]
    await (await acme.save([decision]))
    (read,) = [row for row in await acme.invoices(Section.B2B) if row.key == decision.key]
    await (await colleague.save([read.reject()]))
    report = await (await acme.reset([read]))
    assert len(report.failed) == 1
    retried = await acme.retry(report)
    assert retried.job is not None
    assert retried.job.kind is JobKind.RESET
    assert (await retried.job).ok
    assert await action_of(acme, decision) is Action.NO_ACTION


async def test_a_retry_waits_for_its_turn_or_says_so(
    acme: Taxpayer, colleague: Taxpayer, sim: Simulator
) -> None:
    """As a save does."""
    _, report = await refused(acme, colleague, "reject")
    others = await undecided(acme)
    plan_endless(sim)
    await acme.save(others)
    saves = sim.count("save")
    with pytest.raises(JobInFlight):
        await acme.retry(report, queue=False)
    assert sim.count("save") == saves


async def test_a_retry_that_cannot_be_written_down_is_not_sent(
    acme: Taxpayer, colleague: Taxpayer, journal: Shaky, sim: Simulator
) -> None:
    """And can be tried again."""
    _, report = await refused(acme, colleague, "reject")
    saves = sim.count("save")
    journal.failing = {"add"}
    with pytest.raises(JournalError, match="nothing was sent"):
        await acme.retry(report)
    assert sim.count("save") == saves
    journal.failing = set()
    assert (await acme.retry(report)).job is not None


async def test_a_report_that_was_retried_is_told_apart_from_those_that_wait_for_it(
    acme: Taxpayer, colleague: Taxpayer, second: ImsClient, shelf: Shelf
) -> None:
    """A process that died between a report and its retry leaves it to the next one, which asks for it."""
    decision, _ = await refused(acme, colleague, "reject")
    (left,) = [job async for job in second.finished(retried=False)]
    assert left.report is not None
    assert [failure.record for failure in left.report.failed] == [decision]
    await shelf.taxpayer(second).retry(left.report)
    ended = [job async for job in second.finished(retried=False)]
    assert left not in ended
    assert [job async for job in second.finished(retried=True)] == [left]


async def test_a_retry_that_cannot_be_marked_has_been_made_all_the_same(
    acme: Taxpayer, colleague: Taxpayer, journal: Shaky, client: ImsClient
) -> None:
    """The next process looks again, and sends nothing."""
    _, report = await refused(acme, colleague, "reject")
    journal.failing = {"retried"}
    retried = await acme.retry(report)
    assert await retried is not None
    journal.failing = set()
    assert (await acme.retry(report)).job is None
    assert len([job async for job in client.finished(retried=True)]) == 1


@pytest.mark.parametrize("applied", [False, True])
async def test_a_retry_that_waits_for_another_process_leaves_nothing_to_be_sent_again(
    acme: Taxpayer, colleague: Taxpayer, second: ImsClient, client: ImsClient, shelf: Shelf, applied: bool
) -> None:
    """What it was about to send before it waited is offered for no retry, whatever the second look shows."""
    decision, report = await refused(acme, colleague, "reject")
    rows = {row.key: row for row in await acme.invoices(decision.section)}
    same = rows.pop(decision.key)
    running = await shelf.taxpayer(second).save([(same if applied else rows.popitem()[1]).accept()])
    retried = await acme.retry(report)
    await retried
    assert (await running).ok
    assert (retried.job is None) is applied
    assert await action_of(acme, decision) is Action.ACCEPT
    again = [] if applied else [ChangeState.ENDED]
    assert await shelf.states() == [ChangeState.ENDED, ChangeState.ENDED, ChangeState.CALLED_OFF, *again]
    assert [job async for job in client.called_off(retried=False)] == []


@pytest.mark.parametrize("over", [False, True])
async def test_a_retry_looks_once_more_where_another_process_has_sent_meanwhile(
    acme: Taxpayer, colleague: Taxpayer, second: ImsClient, shelf: Shelf, over: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whether that job runs still or is over: what was seen before is stale, what is seen after it is not."""
    decision, report = await refused(acme, colleague, "reject")
    other = next(one for one in await undecided(acme, 2) if one.key != decision.key)
    inner, looks = Recovery._compared, 0

    async def compared(self: Recovery, comparing: Comparing) -> Reconciliation:
        nonlocal looks
        looks += 1
        seen = await inner(self, comparing)
        if looks == 1:
            theirs = await shelf.taxpayer(second).save([other])
            if over:
                await theirs
        return seen

    monkeypatch.setattr(Recovery, "_compared", compared)
    again = await (await acme.retry(report))
    assert again is not None
    assert again.ok
    assert looks == 2


@pytest.mark.parametrize("since", ["2026-11-01", dt.date(2026, 11, 1), dt.datetime(2026, 11, 1)])  # noqa: DTZ001
async def test_a_moment_without_a_zone_is_refused(client: ImsClient, since: Any) -> None:
    """It would be another moment on another machine."""
    with pytest.raises(InvalidInput, match="zone"):
        [job async for job in client.finished(since=since)]
