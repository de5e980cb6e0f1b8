"""How a command ends and how jobs are watched at a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import attrs
import pytest
import typer
from rich.console import Console as Screen

from ims_async import (
    Download,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsJob,
    InvalidInput,
    JobInFlight,
    JobKind,
    JobState,
    JobStatus,
    JobTimeout,
    JobToken,
    NotAuthorized,
    NotSent,
    OutcomeUnknown,
    PayloadTooLarge,
    PollPolicy,
    Section,
    SessionExpired,
)
from ims_async.cli.output import progress
from ims_async.cli.output.console import Console, Unfinished
from ims_async.cli.output.errors import reason_of, sentence_of
from ims_async.cli.output.next_commands import Commands
from ims_async.cli.output.progress import watching
from ims_async.cli.output.tables import are, counted
from ims_async.jobs.facts import note_outage
from ims_async.net.poll_times import PollTimes

TOKEN = JobToken(gsp="sandbox", host="h", gstin="G", kind=JobKind.SAVE, reference_id="abc", submitted=10)
DOWNLOAD = Download(gsp="vayana", host="h", gstin="G", section=Section.B2B, reference="task/x")


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OutcomeUnknown("x"), "Do not push the file again"),
        (SessionExpired("token expired"), "the session has ended (token expired): run `ims-async login`"),
        (
            SessionExpired("Unauthorized User", advice="log in again with an OTP", code="RET1"),
            "the session has ended (RET1: Unauthorized User): run `ims-async login`",
        ),
        (SessionExpired("the session is over"), "the session is over: run `ims-async login`"),
        (NotSent("no route"), "no route; check the connection, or IMS_BASE_URL"),
        (GatewayUnavailable("no answer"), "no answer; check the connection, or IMS_BASE_URL"),
        (GatewayUnavailable("down", http_status=503), "down"),
        (NotAuthorized("bad key"), "check IMS_API_KEY and IMS_API_SECRET"),
        (PayloadTooLarge("too large", advice="ims_async.bulk cuts them smaller"), "too large"),
        (JobTimeout("x"), "the job runs on at the gateway"),
        (DownloadQueued("x", download=DOWNLOAD), "still preparing the rows of b2b: try again later"),
        (
            DownloadQueued("x", download=DOWNLOAD, estimate=100.0),
            "rows of b2b, which takes about 2 minutes: try again later",
        ),
        (DownloadQueued("RTN_24: no way to fetch it"), "RTN_24: no way"),
        (
            DownloadQueued("in the making", advice="or for fewer rows: invoices(…)"),
            "in the making; try again later",
        ),
        (JobInFlight("another runs"), "another runs"),
        (GatewayError("no", code="X1"), "X1: no"),
        (KeyError("k"), "unexpected KeyError"),
    ],
)
def test_each_error_says_in_a_sentence_what_to_do(error: Exception, part: str) -> None:
    """Put each into words."""
    assert part in sentence_of(error, Commands())


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OutcomeUnknown("lost"), "Do not push the file again"),
        (NotAuthorized("bad key"), "check IMS_API_KEY"),
        (JobTimeout("x"), "the job runs on"),
    ],
)
def test_the_note_of_a_program_is_no_outage(error: Exception, part: str) -> None:
    """The last note of any error was all that was told of it."""
    error.add_note("in the night of November")
    for told in (sentence_of(error, Commands()), reason_of(error, None, "29AAACQ3770E1ZF")):
        assert "in the night" not in told
    assert part in sentence_of(error, Commands())


@pytest.mark.parametrize(
    "again",
    [copy.copy, lambda error: pickle.loads(pickle.dumps(error))],  # noqa: S301 # our own
    ids=["copied", "pickled"],
)
def test_an_outage_that_was_given_up_is_told_from_the_error_itself(
    again: Callable[[JobTimeout], JobTimeout],
) -> None:
    """Also from a copy, which all others get that waited."""
    error = again(note_outage(JobTimeout("x"), "api.example.com", 90.0, GatewayUnavailable("down")))
    assert error.outage == "no answer from api.example.com for 90 s (down)"
    assert sentence_of(error, Commands()).startswith(f"{error.outage}; we stopped waiting")


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Unauthorized", "check the API key"),
        ("err-x", "check handle and password"),
        ("the organisation is not known", "check org_id"),
        ("the gateway may check the API key twice", ""),
    ],
)
def test_advice_to_programmers_gives_way_to_the_shells_own(message: str, advice: str) -> None:
    """Keep the fact, and nothing of the advice."""
    error = NotAuthorized(message, advice=advice)
    credentials = "IMS_API_KEY and IMS_API_SECRET"
    assert (
        sentence_of(error, Commands(gsp="sandbox"))
        == f"{message}; check {credentials}, or run `ims-async login`"
    )
    assert str(error) == (f"{message}: {advice}" if advice else message)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 records are"), (1, "1 record is"), (2, "2 records are"), (1234, "1,234 records are")],
)
def test_one_is_not_many(count: int, words: str) -> None:
    """Say how many there are in words that fit."""
    assert f"{counted(count, 'record')} {are(count)}" == words


@pytest.mark.parametrize(
    ("error", "code"),
    [(InvalidInput("x"), 2), (GatewayError("x"), 1), (KeyboardInterrupt(), 130), (typer.Abort(), 130)],
)
def test_each_ending_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """End with each, a job being left behind: its token is printed."""

    def work() -> int:
        raise error

    with pytest.raises(typer.Exit) as ended:
        Console(unfinished=Unfinished.job(TOKEN, Commands())).run(work)
    assert ended.value.exit_code == code
    assert "Go on with:\n  ims-async jobs show abc --wait --gstin G\n" in capsys.readouterr().err


def test_a_stop_while_the_change_was_on_its_way_says_not_to_push_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stop with a job that never got a reference."""

    def work() -> int:
        raise KeyboardInterrupt

    token = JobToken(gsp="sandbox", host="h", gstin="G", kind=JobKind.SAVE, reference_id=None)
    with pytest.raises(typer.Exit):
        Console(json=True, unfinished=Unfinished.job(token, Commands())).run(work)
    captured = capsys.readouterr()
    assert "Stopped. It is not known whether the gateway took it. Do not push the file again." in captured.err
    assert '"jobs":["{' in captured.out


class Told(ImsJob):
    """A job that tells a few readings at once."""

    async def events(self) -> AsyncIterator[JobStatus]:
        """Yield what a real job might tell."""
        yield JobStatus(state=JobState.PROCESSING)
        yield JobStatus(state=JobState.PROCESSING, raw_code="IP", processed=4)
        yield JobStatus(state=JobState.PARTIAL, raw_code="PE", processed=9, errors=1)


async def test_at_a_terminal_a_job_is_one_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch a job on a console that takes itself for a terminal."""
    screen = Screen(file=io.StringIO(), force_terminal=True, width=120, legacy_windows=False)
    monkeypatch.setattr(Console, "error_screen", lambda self: screen)
    job = Told(TOKEN, poll=cast("Any", None), times=PollTimes(PollPolicy()))
    async with watching(Console(), {job: "save abc"}):
        pass
    said = cast("io.StringIO", screen.file).getvalue()
    assert "save abc" in said
    assert "partial (PE), 9 processed, 1 refused" in said


async def test_elsewhere_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Watch the same job without a terminal."""
    async with watching(
        Console(), {Told(TOKEN, poll=cast("Any", None), times=PollTimes(PollPolicy())): "save abc"}
    ):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "save abc: processing, 0 s",
        "save abc: processing (IP), 4 processed, 0 s",
        "save abc: partial (PE), 9 processed, 1 refused, 0 s",
    ]


def test_a_status_code_does_not_steer_the_terminal() -> None:
    """What a gateway calls a job's state is shown while the job is watched."""
    assert (
        progress.words_of_status(JobStatus(state=JobState.PROCESSING, raw_code="X\x1b[2J\u202e"))
        == "processing (X [2J )"
    )


def test_a_status_code_that_is_the_state_is_not_said_twice() -> None:
    """A task of a GSP may call its state as the library does."""
    words = progress.words_of_status(JobStatus(state=JobState.PROCESSING, raw_code="Processing"))
    assert words == "processing"


@pytest.mark.looptime
async def test_who_stops_watching_jobs_leaves_nobody_who_watches() -> None:
    """Leave early: no job is polled any more, and no task is left for the event loop to complain of."""
    polled: list[str] = []

    async def poll(token: JobToken) -> JobStatus:
        polled.append(token.reference_id or "")
        raise InvalidInput("no more of this")

    job = ImsJob(TOKEN, poll=poll, times=PollTimes(PollPolicy()))
    with contextlib.suppress(KeyError):
        async with watching(Console(), {job: "save abc"}):
            await asyncio.sleep(0)
            assert job._poller.watched
            raise KeyError
    assert (job._poller.watched, polled) == (False, [])


async def test_a_job_that_cannot_be_watched_is_told_to_who_watches_it() -> None:
    """It is not lost among the others."""
    lost = ImsJob(
        attrs.evolve(TOKEN, reference_id=None), poll=cast("Any", None), times=PollTimes(PollPolicy())
    )
    told = Told(TOKEN, poll=cast("Any", None), times=PollTimes(PollPolicy()))
    with pytest.raises(OutcomeUnknown):
        async with watching(Console(), {told: "save abc", lost: "save"}):
            pass
