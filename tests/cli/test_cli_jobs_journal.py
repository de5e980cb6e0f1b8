"""The journal at the command line: what was sent is listed without a network, and looked after."""

from __future__ import annotations

import asyncio
import datetime as dt
import shlex
import sqlite3
from pathlib import Path

import pytest

from ims_async import JobKind, JobState, JobStatus
from ims_async.journal import SqliteJournal
from ims_async.journal.testing_samples import a_change
from ims_async.simulator import Fault
from tests.cli.cli_shell import QUICK, Shell, accept, read_rows, shell_of

HOURS_AGO = dt.timedelta(hours=2)


shell = shell_of(invoices=12)


def journal_of(shell: Shell) -> Path:
    """Where the journal is by default."""
    return shell.here / "state" / "ims-async" / "journal.db"


def some_time_ago(shell: Shell) -> None:
    """Let all that the journal holds be two hours old."""
    moment = dt.datetime.now(dt.UTC) - HOURS_AGO
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        connection.execute(
            "UPDATE jobs SET submitted_at = ?, changed_at = ?", (moment.isoformat(), moment.timestamp())
        )
    connection.close()


def lose_answer(shell: Shell) -> tuple[Path, int]:
    """Push a file; the answer to its save is lost, and it took effect."""
    file, decided = shell.decided(accept)
    shell.sim.script_answer("save", 502, b"<html>bad gateway</html>", after=True)
    ended = shell.lose_answer(file)
    assert "Of 1 job it is not known whether the gateway took it." in ended.err
    return file, decided


# -- list ----------------------------------------------------------------------------------------------


def test_without_a_journal_the_list_says_so_and_makes_none(shell: Shell) -> None:
    """Nor does it need an account."""
    for name in shell.account:
        shell.monkeypatch.delenv(name)
    for command in ("list", "resume"):
        ended = shell.run("jobs", command)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == f"There is no journal at {journal_of(shell)}: nothing was sent by it yet.\n"
    assert shell.run("jobs", "list", "--json", "--journal", "no.db").json()["jobs"] == []
    assert not journal_of(shell).exists()
    assert not Path("no.db").exists()


@pytest.mark.both_gsps
def test_jobs_are_listed_by_run_without_asking_anybody(shell: Shell) -> None:
    """Those that are open, all, those of a run, and a line for each run."""
    file, decided = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "november").code == 0
    more, _ = shell.decided(lambda row: "R" if row["action when pulled"] == "A" else "", name="more.csv")
    shell.sim.script_answer("save", 502, b"", after=True)
    shell.lose_answer(more, "--run", "december")
    for name in shell.account:
        shell.monkeypatch.delenv(name)
    before = len(shell.sim.requests)
    (lost,) = shell.run("jobs", "list", "--json").json()["jobs"]
    assert (lost["run"], lost["phase"], lost["reference_id"], lost["gstin"]) == (
        "december", "lost", None, shell.gstin,
    )  # fmt: skip
    assert "lost" in shell.run("jobs", "list").out
    found = shell.run("jobs", "list", "--all", "--json").json()
    assert [job["phase"] for job in found["jobs"]] == ["ended", "ended", "lost"]
    assert [(run["run"], run["jobs"], run["open_jobs"]) for run in found["runs"]] == [
        ("november", 2, 0), ("december", 1, 1),
    ]  # fmt: skip
    assert found["runs"][0]["records"] == decided
    own = shell.run("jobs", "list", "--run", "november", "--json").json()["jobs"]
    assert {job["run"] for job in own} == {"november"}
    told = shell.run("jobs", "list", "--runs").out
    assert [line.split()[0] for line in told.splitlines()[3:5]] == ["november", "december"]
    assert "ended, succeeded" in shell.run("jobs", "list", "--run", "november").out
    unknown = shell.run("jobs", "list", "--run", "october")
    assert (unknown.code, "knows of no run 'october' here" in unknown.err) == (2, True)
    assert len(shell.sim.requests) == before
    ended = shell.run("jobs", "show", "november")
    assert (ended.code, "november is a run: ims-async jobs list --run november" in ended.err) == (2, True)


@pytest.mark.both_gsps
@pytest.mark.parametrize("options", [(), ("--all",), ("--runs",), ("--run", "20261129-110435-5152")])
def test_a_list_fits_a_terminal_of_80_columns(shell: Shell, options: tuple[str, ...]) -> None:
    """With the name that a run has by default; the references and the runs are whole."""
    file, _ = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "20261129-110435-5152").code == 0
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        connection.execute("UPDATE jobs SET state = 'called off', cause = 'in the way'")
    connection.close()
    shell.monkeypatch.setenv("COLUMNS", "80")
    shell.monkeypatch.setattr("ims_async.cli.output.console._PIPE_WIDTH", 80)
    _, *lines = shell.run("jobs", "list", *options).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("20261129-110435-5152" in line for line in lines)
    references = [job.reference for job in shell.sim.jobs] if shell.gsp == "sandbox" else []
    assert "--runs" in options or all(any(name in line for line in lines) for name in references)


@pytest.mark.parametrize(
    ("state", "facts", "told", "next_step"),
    [
        ("called off", "cause = 'in the way'", "called off, in the way", "push --run november"),
        ("called off", "cause = 'in the way', run = ''", "called off, in the way", "push again"),
        ("called off", "cause = 'in the way', retried = 1", None, ""),
        ("called off", "cause = 'cancelled'", None, ""),
        ("called off", "cause = ''", None, ""),
        ("queued", "status = NULL", "queued", "push --run november"),
        ("sending", "status = NULL", "sending", "wait, then jobs resume"),
        ("accepted", "status = NULL", "accepted", "jobs resume"),
        ("ended", "retried = 0", None, ""),
        ("abandoned", "status = NULL", None, ""),
    ],
)
def test_what_may_be_done_about_each_job_is_told(
    shell: Shell, state: str, facts: str, told: str | None, next_step: str
) -> None:
    """Also about what was never sent; with --all everything that was ever handed in is there."""
    file, _ = shell.decided(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "november").code == 0
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        connection.execute(f"UPDATE jobs SET state = ?, {facts}", (state,))  # noqa: S608 # our own text
    connection.close()
    (job,) = shell.run("jobs", "list", "--all", "--json").json()["jobs"]
    assert (job["phase"], job["next"]) == (state, next_step)
    listed = shell.run("jobs", "list")
    assert len(shell.run("jobs", "list", "--json").json()["jobs"]) == (told is not None)
    assert told is None or (told in listed.out and next_step in listed.out)


@pytest.mark.both_gsps
@pytest.mark.parametrize("options", [(), ("--run", "november")])
def test_what_was_pushed_again_is_not_listed_as_not_sent(shell: Shell, options: tuple[str, ...]) -> None:
    """It is as long as a record of it was not, and stands in the list of all for good."""
    file, _ = shell.decided(accept)
    shell.sim.script_fault("save", Fault.spent())
    assert shell.run("push", file, "--yes", *QUICK, *options).code == 1
    part = shell.here / "part.csv"
    head, *rows = file.read_text("utf-8-sig").splitlines()
    decided = [row for row in rows if row.split(",")[6]]
    for rest, left in ((decided[:-1], 1), (decided[-1:], 0)):
        assert "called off, not sent" in shell.run("jobs", "list").out
        part.write_text("\n".join([head, *rest]), "utf-8-sig")
        assert shell.run("push", part, "--yes", *QUICK, *options).code == 0
        assert len(shell.run("jobs", "list", "--json").json()["jobs"]) == left
    every = shell.run("jobs", "list", "--all", "--json").json()["jobs"]
    assert [(job["phase"], job["next"]) for job in every] == [
        ("called off", ""),
        ("ended", ""),
        ("ended", ""),
    ]


def test_a_journal_that_is_none_is_told_in_a_sentence(shell: Shell) -> None:
    """A file of another kind, and a folder."""
    Path("letter.db").write_text("Dear Sir, " * 100)
    ended = shell.run("jobs", "list", "--journal", "letter.db")
    assert (ended.code, ended.err.count("\n"), "letter.db" in ended.err) == (1, 1, True)


def test_what_can_be_read_of_a_damaged_journal_is_listed(shell: Shell) -> None:
    """One entry is damaged: the others are told, and the exit code is 1."""
    file, _ = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK, "--run", "november").code == 0
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        connection.execute("UPDATE jobs SET kind = 'ODD' WHERE gstin = ?", (shell.gstin,))
    connection.close()
    ended = shell.run("jobs", "list", "--all", "--json")
    assert (ended.code, len(ended.json()["jobs"]), "is damaged" in ended.err) == (1, 1, True)


# -- resume --------------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_a_lost_answer_is_settled_by_looking_and_nothing_is_sent(shell: Shell) -> None:
    """Two hours later the records show that the save took effect; each is named in the report."""
    _, decided = lose_answer(shell)
    some_time_ago(shell)
    saves = shell.sim.count("save")
    ended = shell.run("jobs", "resume", *QUICK, "--report", "outcome.csv")
    assert ended.code == 0, ended.err
    assert shell.sim.count("save") == saves
    lines = read_rows(Path("outcome.csv"))
    assert [(line["GSTIN"], line["outcome"]) for line in lines] == [(shell.gstin, "applied")] * decided
    assert shell.run("jobs", "resume").out == "Nothing is unfinished here.\n"


def add_a_damaged_entry(shell: Shell, *, others_host: str | None = None) -> None:
    """Copy the open entry with a status that cannot be read; the others may go to another host."""
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        names = ", ".join(name for name in columns if name not in ("place", "id", "gstin", "status"))
        damaged = f"SELECT 'bad', ?, 'no status', {names} FROM jobs"  # noqa: S608 # our own columns
        connection.execute(f"INSERT INTO jobs (id, gstin, status, {names}) {damaged}", shell.sim.gstins[1:2])
        if others_host is not None:
            connection.execute("UPDATE jobs SET host = ? WHERE id != 'bad'", (others_host,))
    connection.close()


def test_what_can_be_read_of_a_damaged_journal_is_settled(shell: Shell) -> None:
    """Another open entry is damaged: that is said, and the others are looked after."""
    _, decided = lose_answer(shell)
    some_time_ago(shell)
    add_a_damaged_entry(shell)
    ended = shell.run("jobs", "resume", *QUICK, "--json")
    assert "Some of the journal cannot be read: " in ended.err
    assert (ended.json()["applied"], ended.json()["pending"]) == (decided, [])


def test_a_damaged_entry_is_not_passed_over_where_all_others_are_of_another_host(shell: Shell) -> None:
    """What cannot be read may be a job that runs on here."""
    lose_answer(shell)
    add_a_damaged_entry(shell, others_host="elsewhere.example")
    ended = shell.run("jobs", "resume", *QUICK)
    assert "Some of the journal cannot be read: " in ended.err


def test_a_push_behind_a_lost_answer_finds_out_what_became_of_it(shell: Shell) -> None:
    """Nothing is sent before it is known what became of the last change."""
    lose_answer(shell)
    more, _ = shell.decided(lambda row: "R" if row["action when pulled"] == "A" else "", name="more.csv")
    saves = shell.sim.count("save")
    ended = shell.lose_answer(more)  # it waits for the looks at the first
    assert f"{shell.gstin}: the answer to a change was lost; its records are read again" in ended.err
    assert shell.sim.count("save") == saves
    some_time_ago(shell)
    assert shell.run("push", more, "--yes", *QUICK).code == 0


def test_what_was_not_applied_is_told_and_not_sent_again(shell: Shell) -> None:
    """The save never arrived: its records stand as they stood."""
    file, decided = shell.decided(accept)
    shell.sim.script_answer("save", 502, b"")
    shell.lose_answer(file)
    some_time_ago(shell)
    ended = shell.run("jobs", "resume", *QUICK, "--json", "--report", "outcome.csv")
    found = ended.json()
    assert (ended.code, found["failed_count"], found["applied"]) == (1, decided, 0)
    assert {row["outcome"] for row in read_rows(Path("outcome.csv"))} == {"failed"}
    assert shell.sim.effects == []


def test_a_batch_that_never_left_is_not_taken_from_a_process_that_may_live(shell: Shell) -> None:
    """A young one is left alone, an old one is told as not applied."""
    lose_answer(shell)
    some_time_ago(shell)
    connection = sqlite3.connect(journal_of(shell))
    now = dt.datetime.now(dt.UTC)
    with connection:
        connection.execute("UPDATE jobs SET state = 'queued', submitted_at = ?", (now.isoformat(),))
    connection.close()
    ended = shell.run("jobs", "resume", *QUICK)
    assert (ended.code, "not sent yet: another process may be about to" in ended.err) == (1, True)
    (job,) = shell.run("jobs", "list", "--json").json()["jobs"]
    assert job["phase"] == "queued"
    some_time_ago(shell)
    shell.run("jobs", "resume", *QUICK)
    assert shell.run("jobs", "list", "--json").json()["jobs"] == []


def test_the_command_that_goes_on_replaces_the_report_of_this_one(shell: Shell) -> None:
    """Not everything is known by the time the report is written; the printed command works all the same."""
    lose_answer(shell)
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        now = dt.datetime.now(dt.UTC).isoformat()
        connection.execute("UPDATE jobs SET state = 'queued', submitted_at = ?", (now,))
    connection.close()
    ended = shell.run("jobs", "resume", *QUICK, "--report", "outcome.csv")
    command = ended.err[ended.err.index("Go on with:\n") :].splitlines()[1].strip()
    assert command == "ims-async jobs resume --first-poll 0 --overwrite --report outcome.csv"
    some_time_ago(shell)
    ended = shell.run(*shlex.split(command)[1:])
    assert "is there already" not in ended.err
    assert {row["outcome"] for row in read_rows(Path("outcome.csv"))} == {"applied"}


def test_jobs_of_another_host_are_told_and_left_alone(shell: Shell) -> None:
    """They are for a client that talks to it."""
    lose_answer(shell)
    connection = sqlite3.connect(journal_of(shell))
    with connection:
        connection.execute("UPDATE jobs SET host = 'api.example.com'")
    connection.close()
    ended = shell.run("jobs", "resume", *QUICK)
    assert (ended.code, ended.out) == (0, "Nothing is unfinished here.\n")
    assert "Not looked after: 1 job in the journal, of sandbox at api.example.com" in ended.err


def test_an_unknown_run_is_bad_input(shell: Shell) -> None:
    """Mistype its name."""
    lose_answer(shell)
    ended = shell.run("jobs", "resume", "octobr")
    assert (ended.code, "knows of no run 'octobr' here" in ended.err) == (2, True)


def test_an_empty_name_of_a_run_is_no_name(shell: Shell) -> None:
    """A shell writes one for a variable that is not set: it does not mean all that is open."""
    lose_answer(shell)
    ended = shell.run("jobs", "resume", "")
    assert (ended.code, "run '' is no name" in ended.err) == (2, True)


def test_a_dead_session_leaves_its_jobs_pending(shell: Shell) -> None:
    """They are named, with the way to a session, and the exit code is 1."""
    lose_answer(shell)
    some_time_ago(shell)
    shell.sim.end_session(shell.gstin)
    ended = shell.run("jobs", "resume", *QUICK, "--json")
    found = ended.json()
    assert (ended.code, found["pending_count"]) == (1, found["taxpayers"][shell.gstin]["pending_count"])
    reason = found["taxpayers"][shell.gstin]["reason"]
    assert f"`ims-async login --gstin {shell.gstin}`" in reason
    assert reason.count("has ended") == 1
    assert len(found["pending"]) == 1
    assert found["go_on_with"] == "ims-async jobs resume --first-poll 0 --json"


# -- show ----------------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_a_job_that_the_journal_knows_is_shown_by_its_reference_alone(shell: Shell) -> None:
    """With its records by name, and without asking the gateway about what has ended."""
    file, decided = shell.decided(accept)
    pushed = shell.run("push", file, "--yes", "--json", *QUICK).json()
    shell.monkeypatch.delenv("IMS_GSTIN")
    before = shell.sim.count("status")
    ended = shell.run("jobs", "show", pushed["reference_id"], "--report", "outcome.csv")
    assert (ended.code, "Every record was applied." in ended.out) == (0, True)
    assert [(row["GSTIN"], row["outcome"]) for row in read_rows(Path("outcome.csv"))] == [
        (shell.gstin, "applied")
    ] * decided
    assert all(row["number"] for row in read_rows(Path("outcome.csv")))
    assert shell.sim.count("status") == before


def test_a_job_that_nobody_knows_needs_a_taxpayer(shell: Shell) -> None:
    """Without --gstin and IMS_GSTIN there is nobody to ask for."""
    shell.monkeypatch.delenv("IMS_GSTIN")
    ended = shell.run("jobs", "show", "123456")
    assert (ended.code, ended.err) == (2, "Error: the journal knows of no job 123456; pass --gstin\n")


def test_of_a_gstr2b_that_was_not_computed_anew_the_list_says_to_ask_again(shell: Shell) -> None:
    """It has no records to pull and decide on; one that was let go is left alone."""

    async def written() -> None:
        journal = SqliteJournal(journal_of(shell))
        for name, ended in (("let go", None), ("failed", JobStatus(state=JobState.FAILED, raw_code="ER"))):
            own = a_change(name, kind=JobKind.REGENERATE, gstin=shell.gstin, submitted=0, reference_id=name)
            waiting = await journal.add(own, [])
            sent = (await journal.claim(waiting.claimed(waiting.token))).change
            await journal.put(sent.accepted(sent.token).heard(ended) if ended else sent.abandoned())
        await journal.aclose()

    journal_of(shell).parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(written())
    jobs = shell.run("jobs", "list", "--all", "--json").json()["jobs"]
    assert [(job["phase"], job["period"], job["next"]) for job in jobs] == [
        ("abandoned", "102026", ""), ("ended", "102026", "ask for it again"),
    ]  # fmt: skip
    assert "GSTR-2B of 102026" in shell.run("jobs", "list", "--all").out
