"""The next process: what it makes of what the last one wrote down."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from ims_async import Decision, ImsClient, JobFailed, JobInFlight, JobTimeout, OutcomeUnknown, Taxpayer
from ims_async.journal import ChangeState
from ims_async.simulator import Simulator

from ..conftest import dialect, make_client
from ..support.journal_flows import FIXTURES, Shaky, Shelf, only, undecided

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
shelf, journal, client, acme, second = FIXTURES


# -- the next process ----------------------------------------------------------------------------------


async def test_the_next_process_awaits_what_was_running(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """With the records, equal to those that were sent; and the report is among the finished ones then."""
    batch = await undecided(acme)
    sent = await acme.save(batch)
    shelf.taxpayer(second)
    job = await only(second)
    assert (job.token, job.sent, job.records) == (sent.token, True, None)
    report = await job
    assert report.ok
    assert report.succeeded == tuple(batch)
    assert await second.unfinished() == []
    (ended,) = [job async for job in second.finished()]
    assert ended.report == report
    assert sim.count("save") == 1


async def test_what_has_ended_is_told_with_reports_and_no_request(
    acme: Taxpayer, shelf: Shelf, sim: Simulator
) -> None:
    """By a process that has no session: each job with its records and what became of them, oldest first."""
    one, two, three = await undecided(acme)
    reports = [await (await acme.save(batch)) for batch in ([one, two], [three])]
    since = (await shelf.last()).changed_at
    assert since is not None
    requests = len(sim.requests)
    reader = make_client(sim, journal=shelf.journal())
    jobs = [job async for job in reader.finished()]
    assert [job.report for job in jobs] == reports
    assert [job.done for job in jobs] == [True, True]
    assert [job.report async for job in reader.finished(since=since)] == reports[1:]
    assert [job async for job in reader.finished(since=since + dt.timedelta(seconds=1))] == []
    assert len(sim.requests) == requests
    assert [job async for job in make_client(sim).finished()] == []


async def crash_in_line(acme: Taxpayer, batch: list[Decision], journal: Shaky) -> None:
    """Hand a batch in behind one that runs for ever, and let nobody in the process go on."""
    journal.held[ChangeState.CALLED_OFF] = asyncio.Event()
    saving = asyncio.create_task(acme.save(batch))
    await asyncio.sleep(1)
    saving.cancel()
    await asyncio.sleep(0)


async def test_a_batch_that_never_left_is_settled_at_once_and_sent_by_a_retry(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator
) -> None:
    """No quiet time: nobody has sent it, and from now on only the retry may."""
    one, two, _ = await undecided(acme)
    ahead = await acme.save([one])
    await crash_in_line(acme, [two], journal)
    again = shelf.taxpayer(second)
    running, waiting = await second.unfinished()
    assert (running.token, running.sent, waiting.sent) == (ahead.token, True, False)
    assert waiting.reference_id is None
    await running
    found = await again.reconcile(waiting)
    assert found.not_applied == (two,)
    assert waiting.report is not None
    retried = await again.retry(waiting.report)
    assert retried.job is not None
    assert (await retried.job).succeeded == (two,)
    assert await second.unfinished() == []
    assert [effect.number for effect in sim.effects] == [one.number, two.number]


@pytest.mark.parametrize("applied", [False, True])
async def test_a_process_that_died_while_it_sent_is_settled_by_looking(
    acme: Taxpayer, second: ImsClient, journal: Shaky, shelf: Shelf, sim: Simulator, applied: bool
) -> None:
    """What took effect is seen at once; that it did not, only after the quiet time. Then it is sent, once."""
    batch = await undecided(acme)
    journal.failing = {ChangeState.ACCEPTED, ChangeState.LOST}
    sim.script_answer("save", 200, dialect().half, after=applied)
    with pytest.raises(OutcomeUnknown):
        await acme.save(batch)
    assert await shelf.states() == [ChangeState.SENDING]
    again = shelf.taxpayer(second)
    job = await only(second)
    assert (job.sent, job.reference_id) == (True, None)
    with pytest.raises(JobTimeout, match="another process is sending"):
        await job.result(timeout=60)
    found = await again.reconcile(job)
    assert found.settled is applied
    if not applied:
        assert found.cannot_tell_yet == tuple(batch)
        assert await shelf.states() == [ChangeState.SENDING]
        await asyncio.sleep(1741)
        found = await again.reconcile(job)
    assert (found.applied, found.not_applied) == ((tuple(batch), ()) if applied else ((), tuple(batch)))
    assert await second.unfinished() == []
    assert job.report is not None
    retried = await again.retry(job.report)
    assert (retried.job is None) is applied
    assert retried.job is None or (await retried.job).ok
    assert len(sim.effects) == len(batch)
    assert set(await shelf.states()) == {ChangeState.ENDED}


async def test_an_unknown_outcome_is_unknown_to_every_process(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """It holds the turn in both, and settled in one it is settled in the other."""
    one, two, _ = await undecided(acme)
    sim.script_answer("save", 200, dialect().half, after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([one])
    assert await shelf.states() == [ChangeState.LOST]
    other = shelf.taxpayer(second)
    with pytest.raises(JobInFlight, match="reconcile"):
        await other.save([two])
    await asyncio.sleep(60)
    assert caught.value.job is not None
    assert (await acme.reconcile(caught.value.job)).applied == (one,)
    assert await second.unfinished() == []
    assert (await (await other.save([two]))).ok
    assert len(sim.effects) == 2


async def test_a_token_and_a_journal_together_tell_the_whole_report(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """A token alone names no record; once the job has ended, the journal answers without a poll."""
    batch = await undecided(acme)
    sent = await acme.save(batch)
    shelf.taxpayer(second)
    job = second.resume(sent.token.dumps())
    assert (await job).succeeded == tuple(batch)
    third = make_client(sim, journal=shelf.journal())
    requests = len(sim.requests)
    assert (await third.resume(sent.token)).succeeded == tuple(batch)
    assert len(sim.requests) == requests


@pytest.mark.only_gsp("vayana", "only there a task carries the job")
async def test_a_task_that_broke_off_is_unknown_to_the_next_process_too(
    acme: Taxpayer, second: ImsClient, shelf: Shelf, sim: Simulator
) -> None:
    """It is not ended: what was applied is found by looking, and then it is."""
    batch = await undecided(acme)
    sim.script_task(None, "failed")
    with pytest.raises(JobFailed):
        await (await acme.save(batch))
    change = await shelf.last()
    assert change.status is not None
    assert (change.state, change.status.carrier_failed) == (ChangeState.BROKEN_OFF, True)
    again = shelf.taxpayer(second)
    job = await only(second)
    await asyncio.sleep(1801)
    found = await again.reconcile(job)
    assert found.settled
    assert await shelf.states() == [ChangeState.ENDED]
    assert await second.unfinished() == []


def whole(folder: Path) -> bytes:
    """Return the content of the journal's three files."""
    return b"".join((folder / f"jobs.db{end}").read_bytes() for end in ("", "-wal", "-shm"))


@pytest.mark.parametrize("shelf", ["sqlite"], indirect=True)
async def test_no_secret_is_in_the_file(
    acme: Taxpayer, client: ImsClient, shelf: Shelf, sim: Simulator, tmp_path: Path
) -> None:
    """After a job that ended, one that runs and one that waits; the raw answers are not kept either."""
    one, two, three = await undecided(acme)
    await (await acme.save([one]))
    await acme.save([two])
    behind = asyncio.create_task(acme.save([three]))
    await asyncio.sleep(1)
    content = whole(tmp_path)
    assert three.number.encode() in content
    secrets = {
        value
        for request in sim.requests
        for name, value in request.headers.items()
        if any(word in name.lower() for word in ("auth", "key", "token", "session"))
    }
    assert secrets
    for word in secrets | {sim.user_token, "secret_test_demo", "status_cd", "transTypCd"}:
        assert word.encode() not in content
    await (await behind)
