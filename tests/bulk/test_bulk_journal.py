"""Where a bulk run is written down: the client's journal, the caller's, the user's place, or nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ims_async import ImsClient, InvalidInput, bulk
from ims_async.journal import ChangeState, MemoryJournal, SqliteJournal
from ims_async.simulator import Simulator

from ..conftest import QUICK, make_client
from ..support.bulk_flows import log_in, work_for
from ..support.journals import files, mode

pytestmark = [
    pytest.mark.both_gsps,
    pytest.mark.sim(taxpayers=2, invoices=14, sections=["b2b"], job_seconds=0.01, download_seconds=0.01),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine's user keeps the state of programs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "ims-async"


async def test_a_client_without_a_journal_gets_one(sim: Simulator, place: Path) -> None:
    """In the user's place for such things, which nobody else may read; the next process finds it there."""
    async with make_client(sim, poll=QUICK) as client:
        work = await work_for(log_in(client, sim))
        assert not files(place)
        report = await bulk.save_all(client, work, run="night")
        assert report.ok
        assert isinstance(client.journal, SqliteJournal)
        assert (mode(place), mode(place / "journal.db")) == (0o700, 0o600)
    async with make_client(sim, poll=QUICK) as client:
        log_in(client, sim)
        again = await bulk.resume(client, "night")
    assert again.succeeded == report.succeeded == len(sim.effects)


async def test_without_a_journal_nothing_is_written(sim: Simulator, place: Path) -> None:
    """`journal=False`: no file, no folder, and the run is like any other."""
    async with make_client(sim, poll=QUICK) as client:
        work = await work_for(log_in(client, sim))
        report = await bulk.save_all(client, work, run="night", journal=False)
        assert report.ok
        assert client.journal is None
    assert not files(place)


async def test_two_runs_may_be_begun_before_either_is_carried_out(sim: Simulator, place: Path) -> None:
    """Both are kept in the one place."""
    async with make_client(sim, poll=QUICK) as client:
        first, second = ({who: what} for who, what in (await work_for(log_in(client, sim))).items())
        runs = bulk.save_all(client, first, run="first"), bulk.save_all(client, second, run="second")
        reports = await asyncio.gather(*runs)
    assert all(report.ok for report in reports)


async def test_a_clients_own_journal_is_the_one(sim: Simulator, place: Path) -> None:
    """Another beside it would know half of it only."""
    own = MemoryJournal(clock=sim.now)
    client = make_client(sim, poll=QUICK, journal=own)
    work = await work_for(log_in(client, sim))
    with pytest.raises(InvalidInput, match="journal of its own"):
        await bulk.save_all(client, work, journal=MemoryJournal(clock=sim.now))
    assert sim.count("save") == 0
    assert (await bulk.save_all(client, work, journal=own)).ok
    assert {change.state for change in await own.find()} == {ChangeState.ENDED}
    assert not files(place)


async def test_a_journal_may_be_handed_in_with_the_run(sim: Simulator, place: Path) -> None:
    """The client keeps to it from then on."""
    own = MemoryJournal(clock=sim.now)
    client: ImsClient = make_client(sim, poll=QUICK)
    work = await work_for(log_in(client, sim))
    assert (await bulk.save_all(client, work, journal=own)).ok
    assert client.journal is own
    assert len(await own.find()) == len(work)
    assert not files(place)
