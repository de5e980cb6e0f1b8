"""Of many like things three are shown and the others counted; report files and machines have all of them."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
import typer
from rich.console import Console as Screen

from ims_async import OtpRequired
from ims_async.bulk import BulkReport
from ims_async.bulk.accounts import accounts_of
from ims_async.bulk.from_files import Matched
from ims_async.cli.inputs import environment
from ims_async.cli.output.console import Console
from ims_async.cli.output.grouping import Grouped, by_kind, first_of_each
from ims_async.cli.output.outcomes import accounts_table
from ims_async.tables import Problem
from ims_async.tables.problems import raise_all
from tests.cli.cli_shell import QUICK, Shell, accept, opened, read_rows, shell_of

shell = shell_of(taxpayers=3, invoices=60)


def edit(shell: Shell, row: dict[str, str]) -> None:
    """Let the supplier edit the record of a row."""
    shell.sim.edit(
        row["GSTIN"], row["section"], row["number"], supplier=row["supplier"], period=row["return period"]
    )


def test_kinds_keep_their_order_and_their_first_three() -> None:
    """Five of one kind, one of another between them."""
    things = ["a1", "a2", "b1", "a3", "a4", "a5"]
    assert first_of_each(things, lambda thing: thing[0]) == [(["a1", "a2", "a3"], 2), (["b1"], 0)]
    assert by_kind(thing[0] for thing in things) == "a 5, b 1"
    said: list[str] = []
    grouped = Grouped(said.append)
    for thing in things:
        grouped.add(thing[0], thing)
    assert said == ["a1", "a2", "b1", "a3"]
    grouped.end()
    assert said[4:] == ["… and 2 more (a)"]


def test_taxpayers_with_the_same_reason_are_shown_as_one() -> None:
    """Of 2,000 without a session three are shown, whatever GSTIN the advice names; all are in the sum."""
    matched = Matched(skipped={f"G{n}": OtpRequired() for n in range(2000)})
    accounts = accounts_of(BulkReport(run="r"), matched, words=Console().reason)
    screen = io.StringIO()
    Screen(file=screen, width=200).print(accounts_table(accounts))
    lines = screen.getvalue().splitlines()
    assert len(lines) < 12
    assert sum("login --gstin G" in line for line in lines) == 3
    assert "1,997 more" in screen.getvalue()
    assert "all 2,000" in screen.getvalue()


@pytest.mark.both_gsps
@pytest.mark.parametrize("command", ["push", "reset"])
def test_of_equal_problems_three_are_shown_and_all_are_in_report_and_json(shell: Shell, command: str) -> None:
    """Every record was edited since: the sum and the next step come last, and nothing is sent."""
    file, decided = shell.decided(accept, "--status", "no_action", "--section", "b2b")
    rows = [row for row in read_rows(file) if row["action"]]
    for row in rows:
        edit(shell, row)
    ended = shell.run(command, file, "--yes", "--report", "problems.csv", "--json", *QUICK)
    assert (ended.code, shell.sim.count("save"), shell.sim.count("reset")) == (2, 0, 0)
    assert ended.err.count("the supplier has edited it") == 3
    *_, last, report = ended.err.splitlines()
    assert f"… and {decided - 3} more" in ended.err
    assert last.startswith(f"{decided} problems: edited {decided}. Mend these rows, or pull again.")
    assert report == "All of it is in problems.csv."
    error = ended.json()["error"]
    assert (len(error["problems"]), error["report_file"]) == (decided, "problems.csv")
    assert [(one["file"], one["kind"]) for one in error["findings"]] == [(str(file), "edited")] * decided
    written = read_rows(Path("problems.csv"))
    assert [(row["outcome"], row["kind"], row["GSTIN"]) for row in written] == [
        ("refused", "edited", shell.gstin)
    ] * decided
    assert [int(row["row"]) for row in written] == [one["row"] for one in error["findings"]]
    quiet = shell.run(command, file, "--yes", *QUICK)
    assert quiet.err.splitlines()[-1].endswith("--report FILE and --json have all of them.")


@pytest.mark.both_gsps
@pytest.mark.parametrize("report", [(), ("--report", "rep.csv")])
def test_a_run_of_which_nothing_matches_says_what_to_do(shell: Shell, report: tuple[str, ...]) -> None:
    """What is wrong is told once, the next step last, with the report where there is none yet."""
    file, _ = shell.decided_all(accept)
    rows = [row for row in read_rows(file) if row["action"]]
    for row in rows:
        edit(shell, row)
    ended = shell.run("push", file, "--yes", *report, *QUICK)
    assert ended.code == 1
    for gstin, count in Counter(row["GSTIN"] for row in rows).items():
        assert f"{gstin} is skipped: {count} of its rows do not match:\n" in ended.err
    problems = [line for line in ended.err.splitlines() if line.startswith("  ")]
    assert len(set(problems)) == len(problems) == 3
    assert all(ended.err.count(problem.strip()) == 1 for problem in problems)
    whole = "" if report else "; --report FILE has all that is wrong with them"
    last = f"Nothing was sent. Mend the rows that do not match, or pull again{whole}."
    assert ended.err.splitlines()[-1] == last


def test_a_run_of_which_some_match_says_what_to_do_with_the_others(shell: Shell) -> None:
    """One taxpayer's rows are edited meanwhile; the others' are sent."""
    file, _ = shell.decided_all(accept)
    for row in read_rows(file):
        if row["action"] and row["GSTIN"] == shell.gstin:
            edit(shell, row)
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 1
    assert "Mend the rows that do not match, or pull again; --report FILE has all" in ended.out


def test_the_message_of_many_problems_is_short(shell: Shell) -> None:
    """The list of them is beside it."""
    file, _ = shell.decided(accept)
    lines = file.read_text("utf-8").splitlines()
    bad = lines[1].replace("b2b,", "b2x,")
    file.write_text("\n".join([lines[0], *[bad] * 4000]))
    error = shell.run("push", file, "--yes", "--json").json()["error"]
    assert len(error["message"]) < 2000
    assert len(error["findings"]) == len(error["problems"]) == 4000


def test_of_refused_records_three_of_each_code_are_shown(shell: Shell) -> None:
    """The gateway refuses all; the screen has three and a count, the report file has all."""
    file, decided = shell.decided(accept)
    rows = [row for row in read_rows(file) if row["action"]]

    def confirm(question: str, *, err: bool) -> bool:
        for row in rows:
            edit(shell, row)
        return True

    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", confirm)
    ended = shell.run("push", file, "--report", "outcome.csv", *QUICK)
    assert ended.code == 1
    assert (
        f"not applied: {decided}, the first three of each code; --report FILE and --json have all"
        in ended.out
    )
    assert f"… and {decided - 3} more" in ended.out
    assert len([line for line in ended.out.splitlines() if "edited by supplier" in line]) == 3
    assert len(read_rows(Path("outcome.csv"))) == decided


@pytest.mark.parametrize("several", [False, True])
def test_of_rows_that_cannot_be_read_three_are_shown_and_all_are_in_report_and_json(
    shell: Shell, several: bool
) -> None:
    """Twenty rows of a section lack their date; the report says of each what is wrong, and whose it is."""
    headers = {"x-api-key": "key_test_demo", "authorization": shell.sim.token(shell.gstin)}
    path = "/gst/compliance/tax-payer/invoices?section=B2B"
    _, _, body = shell.sim.handle("GET", path, {**headers, "x-api-version": "1.0.0"})
    answer = json.loads(body)
    rows = answer["data"]["data"]["b2b"]
    bad = {name: value for name, value in rows[0].items() if name != "idt"}
    answer["data"]["data"]["b2b"] = [*rows, *[bad] * 20]
    shell.sim.script_answer("invoices", 200, json.dumps(answer).encode())
    whose = shell.named() if several else ["--gstin", shell.gstin]
    options = ("--section", "b2b", "--concurrency", 1, "--report", "left-out.csv", "--json")
    ended = shell.run("pull", "--out", "all.csv", *whose, *options)
    assert ended.code == 1
    assert ended.err.count("a row cannot be read and is left out: ") == 3
    assert "… and 17 more" in ended.err
    findings = ended.json()["findings"]
    assert [(one["gstin"], one["kind"]) for one in findings] == [(shell.gstin, "unreadable-b2b")] * 20
    lines = read_rows(Path("left-out.csv"))
    assert [(line["outcome"], line["GSTIN"]) for line in lines] == [("left out", shell.gstin)] * 20
    assert all("idt: missing" in line["message"] for line in lines)
    assert ended.json()["report_file"] == "left-out.csv"


def test_of_taxpayers_without_a_session_three_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> None:
    """By a pull and by a push; the report has all of them."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name, taxpayers=7, invoices=12) as shell:
        shell.log_in_all()
        file, _ = shell.decided_all(accept)
        rows = read_rows(file)
        for gstin in shell.sim.gstins[1:]:
            shell.sim.end_session(gstin)
        ended = shell.run("pull", "--out", "again.csv", *shell.named(), "--report", "left-out.csv", *QUICK)
        assert (ended.code, ended.err.count(" is skipped: ")) == (1, 3)
        assert "… and 3 more (skipped, " in ended.err
        left_out = {line["GSTIN"] for line in read_rows(Path("left-out.csv"))}
        assert left_out == set(shell.sim.gstins[1:])
        ended = shell.run("push", file, "--yes", "--report", "outcome.csv", *QUICK)
        assert (ended.code, ended.err.count(" is skipped: ")) == (1, 3)
        assert "… and 3 more (skipped, " in ended.err
        lines = [line for line in read_rows(Path("outcome.csv")) if line["outcome"] == "not sent"]
        assert len(lines) == sum(bool(row["action"]) and row["GSTIN"] != shell.gstin for row in rows)


def test_a_command_without_a_report_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many problems it shows the first."""

    def work() -> int:
        raise_all([Problem("it is no number", kind="number", file="a.csv", row=row) for row in range(5)])
        return 0

    for takes, said in ((False, "again. --json has all"), (True, "again. --report FILE and --json have all")):
        with pytest.raises(typer.Exit):
            Console(takes_report=takes).run(work)
        assert f"{said} of them." in capsys.readouterr().err
