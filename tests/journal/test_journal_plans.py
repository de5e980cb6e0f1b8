"""A file with tens of thousands of changes is asked by its indexes: a claim, and what is asked of a GSTIN."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from ims_async.journal import ChangeState, Query, SqliteJournal, schema
from ims_async.journal.packing import pack_status
from ims_async.journal.sqlite import _conditions

from ..support.journals import DONE, GSTIN, SENT_AT, add, claim, connection, lost, move, names

MANY: Final = 20_000
OTHER: Final = "27AAACQ3770E1ZJ"
STEPS: Final = 10  # of SQLite's machine between two counts
_FILL: Final = """
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :most - 1)
    INSERT INTO jobs (id, state, gsp, host, gstin, kind, reference, submitted, submitted_at, status,
        changed_at, run, revision)
    SELECT :gstin || '-' || n, 'ended', 'gsp', 'gateway.example', :gstin, 'SAVE', :gstin || '/' || n, 1, :at,
        :status, 0, 'run ' || n / 1000, (SELECT last FROM revisions) + n + 1 FROM numbers
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which 20,000 changes of each of two taxpayers have ended."""
    path = tmp_path_factory.mktemp("filled") / "jobs.db"
    with connection(path) as made:
        schema.prepare(made)
        for gstin in (GSTIN, OTHER):
            facts = {"gstin": gstin, "most": MANY, "at": SENT_AT.isoformat(), "status": pack_status(DONE)}
            made.execute(_FILL, facts)
            made.execute("UPDATE revisions SET last = (SELECT max(revision) FROM jobs)")
    return path


@pytest.fixture
async def journal(filled: Path, tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """A journal on a copy of that file."""
    shutil.copy(filled, tmp_path)
    async with SqliteJournal(tmp_path / filled.name) as made:
        yield made


async def plan(journal: SqliteJournal, statement: str, facts: Any) -> str:
    """Return how SQLite means to run a statement."""

    def explain(connection: sqlite3.Connection) -> str:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", facts).fetchall()
        return "; ".join(row[3] for row in rows)

    return await journal._writer.run(explain, writes=False)


TAXPAYER: Final = ("gsp", "gateway.example", GSTIN, "mine")


@pytest.mark.parametrize(
    ("statement", "facts", "index"),
    [
        (schema.AHEAD, TAXPAYER, "jobs_in_flight (gsp=? AND host=? AND gstin=?)"),
        (schema.MOVED, (*TAXPAYER, 7), "jobs_by_revision (gstin=? AND revision>?)"),
        (schema.SELECT_JOB, ("mine",), "sqlite_autoindex_jobs_1 (id=?)"),
        (schema.PUT[True, True], ("",) * 14, "sqlite_autoindex_jobs_1 (id=?)"),
        (schema.PUT[False, False], ("",) * 14, "sqlite_autoindex_jobs_1 (id=?)"),
        (schema.CLAIM[False], ("",) * 18, "sqlite_autoindex_jobs_1 (id=?)"),
        (schema.SELECT_PARTS, ("mine",), "sqlite_autoindex_parts_1 (job=?)"),
    ],
    ids=["ahead", "moved", "one", "put", "put, the same state", "claim", "records"],
)
async def test_each_statement_uses_its_index(
    journal: SqliteJournal, statement: str, facts: tuple[Any, ...], index: str
) -> None:
    """And reads no table from end to end."""
    how = await plan(journal, statement, facts)
    assert f"SEARCH jobs USING INDEX {index}" in how.replace("SEARCH parts", "SEARCH jobs")
    assert "SCAN jobs" not in how


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(gstin=GSTIN), "jobs_by_revision (gstin=?)"),
        (Query(gsp="gsp", host="gateway.example", gstin=GSTIN), "jobs_by_revision (gstin=?)"),
        (Query(gstin=GSTIN, states=[ChangeState.ACCEPTED]), "jobs_by_revision (gstin=?)"),
        (Query(gstin=GSTIN, since=SENT_AT), "jobs_by_revision (gstin=?)"),
        (Query(gstin=GSTIN, run="run 7"), "jobs_by_run (run=? AND gstin=?)"),
        (Query(gstin=GSTIN, run="run 7", after=7), "jobs_by_revision (gstin=? AND revision>?)"),
        (Query(gstin=GSTIN, after=7), "jobs_by_revision (gstin=? AND revision>?)"),
        (Query(run="run 7"), "jobs_by_run (run=?)"),
        (Query(run="run 7", after=7), "jobs_by_run (run=?)"),
        (Query(reference="r"), "jobs_by_reference (reference=?)"),
        (
            Query(gsp="gsp", host="gateway.example", gstin=GSTIN, reference="r"),
            "jobs_by_reference (reference=?)",
        ),
        (Query(ids=["mine", "yours"]), "sqlite_autoindex_jobs_1 (id=?)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_asked_for_is_found_by_an_index(
    journal: SqliteJournal, query: Query, index: str
) -> None:
    """Of the facts that tell the changes apart best."""
    ((where, facts),) = _conditions(query)
    how = await plan(journal, schema.SELECT.format(where), facts)
    assert f"SEARCH jobs USING INDEX {index}" in how
    assert "SCAN jobs" not in how


async def steps(journal: SqliteJournal, call: Callable[[], Any]) -> int:
    """Count the steps of SQLite's machine during a call."""
    count = 0

    def counted() -> None:
        nonlocal count
        count += STEPS

    def watch(handler: Callable[[], None] | None, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(handler, STEPS)

    await journal._writer.run(partial(watch, counted), writes=False)
    await call()
    await journal._writer.run(partial(watch, None), writes=False)
    return count


async def test_a_claim_takes_as_long_whatever_has_ended(journal: SqliteJournal) -> None:
    """A few hundred steps beside 20,000 ended changes of the taxpayer, whether it is taken or not."""
    for gstin, name in ((GSTIN, "a"), (GSTIN, "b"), ("none yet", "c")):
        await add(journal, name, gstin=gstin)
    since = (await journal.now()).revision
    alone = await steps(journal, lambda: claim(journal, "c", since=since))
    taken = await steps(journal, lambda: claim(journal, "a", since=since))
    behind = await steps(journal, lambda: claim(journal, "b", since=since))
    await move(journal, "a", lambda change: change.lost().abandoned())
    moved = await steps(journal, lambda: claim(journal, "b", since=since))
    assert [change.state for change in await journal.find(Query(ids=["a", "b", "c"]))] == [
        ChangeState.ABANDONED,
        ChangeState.QUEUED,
        ChangeState.SENDING,
    ]
    assert 0 < max(alone, taken, behind, moved) < 2000, (alone, taken, behind, moved)
    assert taken - alone < 100


async def test_a_job_is_found_as_quickly_whatever_has_ended(journal: SqliteJournal) -> None:
    """By its id or its reference."""
    await add(journal, "it")
    await move(journal, "it", lost)
    for query in (Query(ids=["it"]), Query(gsp="gsp", gstin=GSTIN, reference=f"{GSTIN}/17")):
        count = await steps(journal, lambda query=query: journal.find(query))  # type: ignore[misc]
        assert 0 < count < 1000


async def test_forty_thousand_ids_are_found_in_the_order_of_adding(journal: SqliteJournal) -> None:
    """All of those that are there, each once, and those that are not cost nothing."""
    every = [f"{gstin}-{place}" for gstin in (GSTIN, OTHER) for place in range(MANY)]
    gone = [f"gone {place}" for place in range(MANY)]
    asked = [*gone, *every[::-2], *every[:5]]
    assert len(asked) > 40_000
    found = set(asked)
    assert await names(journal, Query(ids=asked)) == [name for name in every if name in found]
