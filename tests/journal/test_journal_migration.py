"""Files of every earlier version are brought up to date: whole, once, and to what their rows meant."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from ims_async import JobState, RecordKey, Section
from ims_async.jobs.facts import status_of
from ims_async.journal import Cause, Change, ChangeState, Query, SqliteJournal, schema
from ims_async.journal.packing import checksum, pack
from ims_async.journal.writer import Writer
from ims_async.model.status import Found

from ..conftest import HANGS
from ..support.journals import GSTIN, SENT_AT, add, claim, connection, decisions, move, names, python

NEWEST: Final = len(schema.MIGRATIONS)

_STATUS: Final = (
    '{{"state":"{state}","raw_code":"{code}","processed":{processed},"errors":{errors},"error_code":"{error}",'
    '"error_message":"","polled_at":1.5,"carrier_done":{failed},"carrier_failed":{failed},"documented":true,'
    '"error_report":[{report}]}}'
)


def status(state: str, code: str = "", report: str = "", **facts: object) -> str:
    """Return a status as the first release wrote it down."""
    usual = {"processed": "null", "errors": "null", "error": "", "failed": "false"}
    return _STATUS.format(state=state, code=code, report=report, **{**usual, **facts})


BROKE_OFF: Final = status("failed", error="T1", failed="true")
PARTLY: Final = status("partial", "PE", error="T1", processed=1, failed="true")
PROCESSING: Final = status("processing", "IP")
LOOKED_AT: Final = status(
    "partial",
    processed=1,
    errors=2,
    report='["b2b","S","A/0","102026","","not applied, as a second look showed"],'
    '["b2b","S","A/1","102026","","changed by the supplier, or gone, as a second look showed"]',
)
"""As the first release wrote down what a look had shown."""
REFUSED: Final = status("failed", "ER", error="IMSSAV0015", report='["b2b","S","A/0","102026","","no code"]')


class Row(NamedTuple):
    """A row of an earlier release, and the state that it means."""

    name: str
    phase: str
    state: ChangeState
    reference: str | None = None
    status: str | None = None
    reason: str = ""
    retried: bool = False


S: Final = ChangeState
ROWS: Final = (
    Row("waits", "queued", S.QUEUED),
    Row("put back", "queued", S.QUEUED, reason="to be tried again"),
    Row("leaves", "sending", S.SENDING),
    Row("lost", "unknown", S.LOST),
    Row("lost, with a reference", "unknown", S.LOST, "R1"),
    Row("lost, heard of before", "unknown", S.LOST, "R2", PROCESSING),
    Row("broke off", "unknown", S.BROKEN_OFF, "R3", BROKE_OFF),
    Row("broke off in part", "unknown", S.BROKEN_OFF, "R4", PARTLY),
    Row("runs", "running", S.ACCEPTED, "R5"),
    Row("runs, was asked", "running", S.ACCEPTED, "R6", PROCESSING),
    Row("ended", "ended", S.ENDED, "R7", status("succeeded", "S", processed=1)),
    Row("refused", "ended", S.ENDED, "R8", REFUSED),
    Row("retried", "ended", S.ENDED, "R9", REFUSED, "retried", retried=True),
    Row("looked at", "ended", S.ENDED, None, LOOKED_AT),
    Row("called off", "called off", S.CALLED_OFF, reason="refused"),
    Row("called off, odd", "called off", S.CALLED_OFF, reason="retried"),
    Row("let go", "let go", S.ABANDONED),
    Row("let go, runs", "let go", S.ABANDONED, "R10", PROCESSING),
    Row("let go, broke off", "let go", S.ABANDONED, "R11", BROKE_OFF),
)
_LAST_WITH_PHASE: Final = 3
_INSERT: Final = (
    "INSERT INTO jobs (id, phase, reference, status, reason, gsp, host, gstin, kind, submitted, "
    "submitted_at, changed_at) "
    "VALUES (?, ?, ?, ?, ?, 'gsp', 'gateway.example', ?, 'SAVE', 1, ?, 1800000000.25)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    return tmp_path / "jobs.db"


async def older(path: Path, version: int, rows: Iterable[Row] = ROWS) -> None:
    """Make a file of an earlier version, with rows as its release wrote them."""
    writer = Writer(path, busy_seconds=0.05, migrations=schema.MIGRATIONS[: min(version, _LAST_WITH_PHASE)])
    part = next(iter(pack(decisions())))
    facts = [(*row[:2], *row[3:6], GSTIN, SENT_AT.isoformat()) for row in rows]
    parts = [(row.name, 0, part, checksum(part)) for row in rows]

    def fill(connection: Any) -> None:
        connection.executemany(_INSERT, facts)
        connection.executemany(schema.INSERT_PART, parts)
        if version >= 3:
            connection.execute(
                "UPDATE jobs SET retried = 1, reason = '' WHERE reason = 'retried' AND phase = 'ended'"
            )

    await writer.run(fill)
    await writer.aclose()
    if version > _LAST_WITH_PHASE:
        writer = Writer(path, busy_seconds=0.05, migrations=schema.MIGRATIONS[:version])
        await writer.run(lambda connection: None)
        await writer.aclose()
    assert version_of(path) == version


def version_of(path: Path) -> int:
    """Ask the file itself."""
    with connection(path) as other:
        return int(other.execute("PRAGMA user_version").fetchone()[0])


def meant(changes: Iterable[Change]) -> list[tuple[str, ChangeState, str | None, str, bool]]:
    """Return of each change what its row said."""
    return [(one.id, one.state, one.token.reference_id, one.reason, one.retried) for one in changes]


EXPECTED: Final = [
    (row.name, row.state, row.reference, "" if row.retried else row.reason, row.retried) for row in ROWS
]


@pytest.mark.parametrize("version", range(1, NEWEST))
async def test_every_row_of_an_older_file_is_read_as_what_it_meant(path: Path, version: int) -> None:
    """States, records and times; each has a revision, in the order of adding."""
    await older(path, version)
    async with SqliteJournal(path) as journal:
        changes = await journal.find()
        assert meant(changes) == EXPECTED
        assert {one.state for one in changes} == set(ChangeState)
        assert version_of(path) == NEWEST
        assert [one.revision for one in changes] == list(range(1, len(ROWS) + 1))
        assert (await journal.now()).revision == len(ROWS)
        assert {one.token.submitted_at for one in changes} == {SENT_AT}
        assert {one.changed_at.timestamp() for one in changes if one.changed_at} == {1_800_000_000.25}
        assert {(one.run, one.token.route, one.cause) for one in changes} == {("", "", None)}
        for row in ROWS:
            assert await journal.records(row.name) == decisions()


async def test_a_status_of_the_first_release_is_read_as_what_it_meant(path: Path) -> None:
    """One without a code was that of a look; a job that was in the way is known by its code."""
    await older(path, 2)
    async with SqliteJournal(path) as journal:
        found = {one.id: one for one in await journal.find()}
    statuses = {name: one.status for name, one in found.items() if one.status is not None}
    assert set(statuses) == {row.name for row in ROWS if row.status is not None}
    keys = [RecordKey(Section.B2B, "S", number, None, "102026") for number in ("A/0", "A/1")]
    looked_at = statuses["looked at"]
    assert looked_at.found == Found(applied=1, not_applied=(keys[0],), changed=(keys[1],))
    assert (looked_at.error_report, looked_at.in_the_way) == ((), False)
    assert [one.code for one in statuses["refused"].error_report] == [""]
    assert {name for name, one in statuses.items() if one.in_the_way} == {"refused", "retried"}
    assert {name for name, one in statuses.items() if one.carrier_failed} == {
        "broke off", "broke off in part", "let go, broke off",
    }  # fmt: skip
    assert {name for name, one in found.items() if one.found is not None} == {"looked at"}
    assert {name for name, one in found.items() if one.needs_a_look} == {
        "lost", "lost, with a reference", "lost, heard of before", "broke off", "broke off in part",
    }  # fmt: skip
    assert found["let go, broke off"].done
    assert found["let go, runs"].pollable
    assert status_of(found["broke off in part"]).state is JobState.PARTIAL


async def test_the_columns_of_the_third_version_are_kept(path: Path) -> None:
    """Mark, cause, route, and what a look found."""
    await older(path, 3, [])
    with connection(path) as other:
        other.execute(
            "INSERT INTO jobs (id, phase, gsp, host, gstin, kind, submitted, submitted_at, changed_at, run, "
            "retried, cause, route, status, found) VALUES ('it', 'called off', 'gsp', 'h', ?, 'SAVE', 1, "
            "'', 0, 'night', 1, 'not sent', 'by task', ?, '[1,[],[]]')",
            (
                GSTIN,
                status("succeeded", processed=1).replace('"documented"', '"in_the_way":false,"documented"'),
            ),
        )
    async with SqliteJournal(path) as journal:
        (change,) = await journal.find(Query(run="night", retried=True))
    assert (change.cause, change.route, change.found) == (Cause.NOT_SENT, "by task", Found(applied=1))


@pytest.mark.parametrize("version", range(1, NEWEST))
async def test_a_file_goes_on_where_it_was(path: Path, version: int) -> None:
    """What held the turn holds it, a new change gets a later revision, and what was lost can be ended."""
    await older(path, version, [row for row in ROWS if row.phase in ("unknown", "queued")])
    async with SqliteJournal(path) as journal:
        queued = await add(journal, "new")
        assert queued.revision == len(await journal.find())
        behind = await claim(journal, "new", since=0)
        assert behind.ahead is not None
        assert (behind.taken, behind.ahead.id) == (False, "lost")
        for name in await names(journal, Query(states=[S.LOST, S.BROKEN_OFF])):
            await move(journal, name, Change.abandoned)
        assert (await claim(journal, "new", since=queued.revision)).moved
        assert (await claim(journal, "new")).taken


async def test_an_empty_file_of_an_older_version_begins_at_one(path: Path) -> None:
    """No row, no revision yet."""
    await older(path, 2, [])
    async with SqliteJournal(path) as journal:
        assert (await journal.now()).revision == 0
        assert (await add(journal, "it")).revision == 1


KILLED: Final = """
import os, sqlite3, sys
from pathlib import Path
from ims_async.journal.writer import Writer

statements, connect = 0, sqlite3.connect

def counted(*arguments, **facts):
    made = connect(*arguments, **facts)
    made.set_trace_callback(count)
    return made

def count(statement):
    global statements
    statements += 1
    if statements == last:
        os._exit(0)

sqlite3.connect = counted
for last, path in enumerate(sys.argv[1:], 1):
    statements = 0
    child = os.fork()
    if not child:
        Writer(Path(path), busy_seconds=1)._open()
        os._exit(1)  # it was brought up to date before it could be killed
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("version", [1, 3])
async def test_a_file_is_brought_up_to_date_whole_or_not_at_all(path: Path, version: int) -> None:
    """Killed before each of the statements: the next one does all of it, and every row is there."""
    await older(path, version)
    copies = [path.with_name(f"killed {place}.db") for place in range(60)]
    for copy in copies:
        shutil.copy(path, copy)
    process = await asyncio.to_thread(python, KILLED, *copies)
    out, _ = await asyncio.to_thread(process.communicate, timeout=2 * HANGS)
    codes = out.split()
    assert codes == sorted(codes)  # killed at first, until there are no more statements
    killed = codes.count("0")
    assert killed > sum(script.count(";") for script in schema.MIGRATIONS[version:])
    versions = []
    for copy in copies[: killed + 1]:
        versions.append(version_of(copy))
        async with SqliteJournal(copy) as journal:
            assert meant(await journal.find()) == EXPECTED
            assert (await journal.now()).revision == len(ROWS)
        with connection(copy) as other:
            assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert set(versions) == {version, NEWEST}
    assert versions == sorted(versions)


AT_ONCE: Final = """
import asyncio, sys
from ims_async.journal import SqliteJournal
from tests.support.journals import add, claim

async def main():
    async with SqliteJournal(sys.argv[1]) as journal:
        print("ready", flush=True)
        input()
        found = [change.state for change in await journal.find()]
        await add(journal, sys.argv[2], host="another")
        claimed = await claim(journal, sys.argv[2])
        print(len(found), claimed.taken, flush=True)

asyncio.run(main())
"""


async def test_processes_that_open_an_older_file_at_once_bring_it_up_to_date_once(path: Path) -> None:
    """All of them have it, and one of their changes gets the turn."""
    await older(path, 2)
    processes = [python(AT_ONCE, path, name) for name in "abcd"]
    for process in processes:
        assert process.stdout
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    for process in processes:
        assert process.stdin
        print(file=process.stdin, flush=True)
    told = [(await asyncio.to_thread(process.communicate, timeout=HANGS))[0].split() for process in processes]
    assert sorted(taken for _, taken in told) == ["False"] * 3 + ["True"]
    assert all(len(ROWS) <= int(count) < len(ROWS) + 4 for count, _ in told)
    async with SqliteJournal(path) as journal:
        changes = await journal.find()
        assert meant(changes)[: len(ROWS)] == EXPECTED
        revisions = [one.revision for one in changes]
        assert len(set(revisions)) == len(ROWS) + 4
        assert (await journal.now()).revision == len(ROWS) + 5
