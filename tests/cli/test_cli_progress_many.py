"""Many taxpayers watched at once: at a terminal, and where there is none; and the tables after it."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import pytest
from rich.console import Console as Screen

from ims_async import ImsJob, JobKind, JobReport, JobState, JobToken, OtpRequired, OutcomeUnknown, PollPolicy
from ims_async.bulk import BulkEvent, BulkReport, EventKind, Progress, TaxpayerReport
from ims_async.bulk.accounts import Accounts, accounts_of
from ims_async.cli.output import outcomes
from ims_async.cli.output.board import run_board, time_left
from ims_async.cli.output.console import Console
from ims_async.cli.output.progress import ticking
from ims_async.cli.output.tables import by_action, summary_table
from ims_async.net.poll_times import PollTimes

from ..tables.test_tables import make_invoice

GSTINS = [f"29AAACQ37{n:02d}E1ZF" for n in range(60)]
TEN = dict.fromkeys(GSTINS, 10)
PENDING = TaxpayerReport(gstin="B", handed_in=3, pending_count=3)


class Run:
    """Makes the events of a run of ten decisions each."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.finished: set[str] = set()

    def event(self, kind: EventKind, gstin: str, **facts: Any) -> BulkEvent:
        """Return what has happened, with how far it all is by then."""
        self.begun.add(gstin)
        if kind is EventKind.FINISHED:
            self.finished.add(gstin)
            facts.setdefault("outcome", TaxpayerReport(gstin=gstin, handed_in=10, succeeded=10))
        progress = Progress(
            taxpayers=len(self.begun),
            finished=len(self.finished),
            handed_in=10 * len(self.begun),
            known=10 * len(self.finished),
        )
        return BulkEvent(kind=kind, gstin=gstin, progress=progress, **facts)

    def job(self, gstin: str, kind: JobKind = JobKind.SAVE) -> ImsJob:
        """Return its job."""
        token = JobToken(gsp="g", host="h", gstin=gstin, kind=kind, reference_id="r", submitted=10)

        async def poll(*_: object) -> Any:
            raise AssertionError("nobody asks")

        return ImsJob(token, poll=poll, times=PollTimes(PollPolicy()))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A console that takes itself for a terminal of 20 lines."""
    found = Screen(file=io.StringIO(), force_terminal=True, width=110, height=20, legacy_windows=False)
    monkeypatch.setattr(Console, "error_screen", lambda self: found)
    return found


def last_frame(screen: Screen) -> list[str]:
    """Return the lines that were drawn last."""
    assert isinstance(screen.file, io.StringIO)
    text = re.sub(r"\x1b\[[0-9;?]*m", "", screen.file.getvalue())
    return [line.strip() for line in re.split(r"\x1b\[[0-9;?]*[A-KM-Za-ln-z]", text)[-1].splitlines()]


async def test_at_a_terminal_those_under_way_have_a_bar_as_far_as_there_is_room(screen: Screen) -> None:
    """Begin sixty, end ten: the ended are gone, those that do not fit are counted."""
    run = Run()
    async with run_board(Console(), TEN) as board:
        for gstin in GSTINS:
            board.hear(run.event(EventKind.STARTED, gstin))
        board.hear(run.event(EventKind.SUBMITTED, GSTINS[11], job=run.job(GSTINS[11])))
        for gstin in GSTINS[:10]:
            board.hear(run.event(EventKind.FINISHED, gstin))
        assert board.live is not None
        board.live.live.refresh()
        lines = last_frame(screen)
    assert len(lines) <= 20
    text = "\n".join(lines)
    assert "100 of 600, 10 of 60 GSTINs, 38 more under way" in text
    assert not any(gstin in text for gstin in GSTINS[:10])
    assert [gstin for gstin in GSTINS if gstin in text] == GSTINS[10:22]
    assert re.search(f"{GSTINS[11]} .*0 of 10, 10 records sent", text)


async def test_many_who_begin_at_once_are_not_drawn_one_by_one(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock draws, ten times a second."""
    run, drawn = Run(), 0
    sizes = {f"G{n:03d}": 10 for n in range(500)}
    async with run_board(Console(), sizes) as board:
        assert board.live is not None
        draw = board.live.live.refresh

        def count() -> None:
            nonlocal drawn
            drawn += 1
            draw()

        monkeypatch.setattr(board.live.live, "refresh", count)
        for gstin in sizes:
            board.hear(run.event(EventKind.STARTED, gstin))
    assert drawn < 100


async def test_at_a_terminal_a_bar_moves_as_jobs_end(screen: Screen) -> None:
    """A job of ten in two ended: half of the taxpayer's decisions are known."""
    run = Run()
    report = JobReport(state=JobState.SUCCEEDED, submitted=5)
    async with run_board(Console(), TEN) as board:
        board.hear(run.event(EventKind.ENDED, GSTINS[0], report=report, job=run.job(GSTINS[0])))
        board.hear(run.event(EventKind.LOOKING, GSTINS[1]))
        assert board.live is not None
        board.live.live.refresh()
        text = "\n".join(last_frame(screen))
    assert re.search(f"{GSTINS[0]} .*5 of 10, succeeded", text)
    assert re.search(f"{GSTINS[1]} .*0 of 10, looking what became", text)


async def test_elsewhere_a_taxpayer_has_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One at its end, once; one where its session ended, one where an answer was lost; none for each job."""
    run = Run()
    async with run_board(Console(), TEN) as board:
        for kind in (EventKind.STARTED, EventKind.SUBMITTED, EventKind.LOOKING, EventKind.LOOKING):
            board.hear(run.event(kind, "A", job=run.job("A")))
        board.hear(run.event(EventKind.SESSION_ENDED, "B", error=OtpRequired("no session")))
        board.hear(run.event(EventKind.FINISHED, "A"))
        board.hear(run.event(EventKind.FINISHED, "B", outcome=PENDING))
        board.hear(run.event(EventKind.FINISHED, "B", outcome=PENDING))
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("A: the answer to a change was lost; its records are read again")
    assert second.startswith("B: there is no session for this taxpayer: run `ims-async login --gstin B`")
    assert rest == ["A: 10 applied", "B: 3 pending"]


@pytest.mark.looptime
async def test_elsewhere_a_line_for_all_comes_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Not with each event, but also while nothing happens."""
    run = Run()
    async with run_board(Console(), TEN) as board:
        for gstin in GSTINS:
            board.hear(run.event(EventKind.STARTED, gstin))
        board.hear(run.event(EventKind.FINISHED, GSTINS[0]))
        assert "all: " not in capsys.readouterr().err
        await asyncio.sleep(130)
        for gstin in GSTINS[1:31]:
            board.hear(run.event(EventKind.FINISHED, gstin))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("all: ")]
    assert said == [
        "all: 10 of 600 decisions, 1 of 60 taxpayers, 59 under way, 0:01:00, about 0:59:00 left",
        "all: 10 of 600 decisions, 1 of 60 taxpayers, 59 under way, 0:02:00, about 1:58:00 left",
        "all: 20 of 600 decisions, 2 of 60 taxpayers, 58 under way, 0:02:10, about 1:02:50 left",
    ]


@pytest.mark.looptime
async def test_counting_is_said_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Thirty taxpayers, a second each."""
    with ticking(Console(), "pulling again", 30) as tick:
        for _ in range(30):
            await asyncio.sleep(1)
            tick()
    assert capsys.readouterr().err.splitlines() == [
        "pulling again: 10 of 30 taxpayers",
        "pulling again: 20 of 30 taxpayers",
    ]


async def test_counting_is_a_bar_at_a_terminal(screen: Screen) -> None:
    """It says how many are done with."""
    with ticking(Console(), "pulled", 3) as tick:
        tick()
        tick()
    assert isinstance(screen.file, io.StringIO)
    assert "2 of 3 taxpayers" in screen.file.getvalue()


@pytest.mark.parametrize(
    ("elapsed", "known", "total", "left"),
    [(60, 10, 40, "0:03:00"), (60, 0, 40, ""), (60, 40, 40, ""), (60, 1, None, ""), (1, 1, 7201, "2:00:00")],
)
def test_what_is_left_is_told_where_it_can_be(
    elapsed: float, known: int, total: int | None, left: str
) -> None:
    """By what it took so far."""
    assert time_left(elapsed, known, total) == left


# -- the tables after it -------------------------------------------------------------------------------


def shown(accounts: Accounts) -> str:
    """Return the table as text."""
    console = Screen(file=io.StringIO(), width=200)
    console.print(outcomes.accounts_table(accounts))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_of_very_many_those_are_shown_where_something_is_the_matter() -> None:
    """Of sixty taxpayers two: and the sums of all."""
    parts = {gstin: TaxpayerReport(gstin=gstin, handed_in=10, succeeded=10) for gstin in GSTINS}
    lost = OutcomeUnknown("what became of 10 records cannot be told", advice="call taxpayer.reconcile(job)")
    parts[GSTINS[3]] = TaxpayerReport(gstin=GSTINS[3], handed_in=10, pending_count=10, error=lost)
    note = make_invoice().accept()
    parts[GSTINS[7]] = TaxpayerReport(gstin=GSTINS[7], handed_in=10, succeeded=9, changed=(note,))
    accounts = accounts_of(BulkReport(run="r", taxpayers=parts), words=Console().reason)
    text = shown(accounts)
    assert "run r, without the 58 taxpayers of which everything was applied" in text
    assert [gstin for gstin in GSTINS if gstin in text] == [GSTINS[3], GSTINS[7]]
    assert re.search(rf"{GSTINS[3]} +0 +0 +0 +0 +0 +10 +what became of 10 records cannot be told\s", text)
    assert re.search(r"all 60 +589 +0 +0 +1 +0 +10", text)
    few = accounts_of(BulkReport(run="r", taxpayers=dict(list(parts.items())[:40])), words=Console().reason)
    assert sum(gstin in shown(few) for gstin in GSTINS) == 40


def test_a_run_of_nothing_has_a_table_too() -> None:
    """All counts are zero."""
    accounts = accounts_of(BulkReport(run="r"), words=Console().reason)
    assert (accounts.ok, str(accounts), accounts.totals) == (True, "nothing to do", (0,) * 6)
    assert "all 0" in shown(accounts)


def test_a_summary_of_very_many_is_cut_and_adds_up() -> None:
    """Sixty taxpayers, of which forty are shown."""
    records = {gstin: [make_invoice().accept(), make_invoice().reject()] for gstin in GSTINS}
    console = Screen(file=io.StringIO(), width=200)
    found = {gstin: by_action(own) for gstin, own in records.items()}
    console.print(summary_table("decisions", "GSTIN", found))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert sum(gstin in text for gstin in GSTINS) == 40
    assert re.search(r"20 more +20 +20 +40", text)
    assert re.search(r"all 60 +60 +60 +120", text)


async def test_a_run_without_decisions_counts_taxpayers(screen: Screen) -> None:
    """GSTR-2B of sixty: a bar of the taxpayers that are done, and no "0 of 0"."""
    sizes = dict.fromkeys(GSTINS, 0)
    job = Run().job(GSTINS[1], JobKind.REGENERATE)
    nothing = Progress(taxpayers=60, finished=1, handed_in=0, known=0)
    done = TaxpayerReport(
        gstin=GSTINS[0], gstr2b=JobReport(state=JobState.SUCCEEDED, submitted=0, gstr2b="102026")
    )
    events = [
        *(BulkEvent(kind=EventKind.STARTED, gstin=gstin, progress=nothing) for gstin in GSTINS[:3]),
        BulkEvent(kind=EventKind.SUBMITTED, gstin=GSTINS[1], progress=nothing, job=job),
        BulkEvent(kind=EventKind.FINISHED, gstin=GSTINS[0], progress=nothing, outcome=done),
    ]
    async with run_board(Console(), sizes) as board:
        for event in events:
            board.hear(event)
        assert board.live is not None
        board.live.live.refresh()
        text = "\n".join(last_frame(screen))
    assert "1 of 60 GSTINs" in text
    assert re.search(f"{GSTINS[1]} .*GSTR-2B asked for", text)
    assert "0 of 0" not in text
