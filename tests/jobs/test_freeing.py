"""How many records are freed between two turns of the event loop: 100,000 at once take many milliseconds."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks import workload
from ims_async import Decision, bulk, rules, steps
from ims_async.journal import SqliteJournal
from ims_async.model.gstr2b import Gstr2bDocument

from ..support import statements as samples
from .test_turns import RECORDS, REFUSED, ROWS, SOME_REFUSED, Gateway, Setting, _setting

DONE = {"code": 200, "data": {"status_cd": "1", "data": {"reference_id": "ref1", "status_cd": "P"}}}
MOST_FREED = RECORDS * 3 / 4


class Freed:
    """Counts the decisions that are freed between two turns of a loop, while `work` goes on."""

    def __init__(self) -> None:
        self.most = self.all = self._since = 0

    def count(self) -> None:
        """Count one, which is freed now."""
        self.all += 1
        self._since += 1
        self.most = max(self.most, self._since)

    async def during(self, work: Awaitable[Any]) -> Any:
        """Await it, and return what it returns."""
        ticker = asyncio.create_task(self._tick())
        try:
            return await work
        finally:
            ticker.cancel()

    async def _tick(self) -> None:
        while True:
            self._since = 0
            await asyncio.sleep(0)


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Freed]:
    """Each step is a turn, and a decision that is freed is counted."""
    counted = Freed()
    monkeypatch.setattr(steps, "_LONGEST_TURN", 0.0)
    monkeypatch.setattr(Decision, "__del__", lambda _: counted.count(), raising=False)
    gc.collect()
    gc.disable()
    yield counted
    gc.enable()


async def going_on(one: Setting) -> bulk.BulkRun:
    """A run that is carried out again, which leaves out what the journal has of it."""
    await one.run(one.client)
    return bulk.save_all(one.another(), {workload.GSTIN: one.decisions}, run="a")


async def recovering(one: Setting) -> bulk.BulkRun:
    """The recovery of a lost save, of which nothing was applied: all is sent again."""
    await one.lost()
    return bulk.recover(one.another(), quiet=0)


async def streaming(one: Setting) -> bulk.BulkRun:
    """A run of decisions that nobody else holds: a stream makes them."""

    async def pairs() -> AsyncIterator[tuple[str, Iterator[Decision]]]:
        yield workload.GSTIN, (attrs.evolve(decision) for decision in one.decisions)

    return bulk.save_all(one.client, pairs(), run="a")


@pytest.mark.parametrize("scene", [going_on, recovering, streaming])
async def test_records_that_only_a_run_holds_are_freed_in_pieces(
    scene: Callable[[Setting], Awaitable[bulk.BulkRun]], tmp_path: Path, freed: Freed
) -> None:
    """Those of a journal, and of a stream; what the caller holds, stays as it is."""
    read = await _setting(ROWS)
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        one = Setting(Gateway(ROWS, SOME_REFUSED), journal, read.invoices)
        run = await scene(one)
        freed.most = freed.all = 0
        report = await freed.during(run)
    most, everything = freed.most, freed.all
    assert everything >= RECORDS - len(REFUSED)
    assert most < MOST_FREED
    assert len(report[workload.GSTIN].failed) == len(REFUSED)  # whose records are the caller's now
    assert [one.invoice for one in one.decisions] == read.invoices


async def test_a_gstr2b_that_a_run_only_looks_at_is_freed_in_pieces(
    freed: Freed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is computed anew, and after."""
    monkeypatch.setattr(Gstr2bDocument, "__del__", lambda _: freed.count(), raising=False)
    read = await _setting(ROWS[:1])
    content = {"docdata": {"b2b": [{**samples.SUPPLIER, "inv": [samples.INVOICE] * RECORDS}]}}
    answer = samples.at_sandbox({**samples.FRAME, "gstin": workload.GSTIN, **content})
    read.gateway.answers["10"] = json.dumps(answer).encode()
    read.gateway.answers["regenerate"] = json.dumps(DONE).encode()  # taken, and done at once
    await freed.during(bulk.regenerate_all(read.client, [workload.GSTIN], samples.PERIOD, confirm=True))
    assert freed.all == 2 * RECORDS
    assert freed.most < MOST_FREED


async def test_a_save_and_a_run_keep_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each record is as many objects for Python's garbage collector; they are only counted."""
    alive: weakref.WeakSet[rules.Finding] = weakref.WeakSet()
    most, warned, one_of = 0, 0, rules.Checker.one

    def one(checker: rules.Checker, *arguments: Any) -> list[rules.Finding]:
        nonlocal most, warned
        found = one_of(checker, *arguments)
        alive.update(found)
        warned += len(found)
        most = max(most, len(alive))
        return found

    monkeypatch.setattr(rules.Finding, "__hash__", object.__hash__)
    setting = await _setting(ROWS)
    rejections = [invoice.reject() for invoice in setting.invoices]
    monkeypatch.setattr(rules.Checker, "one", one)
    await (await setting.taxpayer.save(rejections))
    report = await bulk.save_all(setting.client, {setting.taxpayer: rejections}, run="b")
    assert report[setting.taxpayer.gstin].warnings["remarks-missing"] == RECORDS
    assert warned == 2 * RECORDS
    assert most < RECORDS / 20
