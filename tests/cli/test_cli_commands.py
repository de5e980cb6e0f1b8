"""Every command that a message names works as it is printed; `Shell.run` parses those of all other tests."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from ims_async import JobKind, JobToken
from ims_async.cli.output.next_commands import Commands
from tests.cli.cli_shell import QUICK, Shell, accept, check_command, commands_in, fill_in, opened

GSTIN = "29AAACQ3770E1ZF"
TOKEN = JobToken(gsp="vayana", host="h", gstin=GSTIN, kind=JobKind.SAVE, reference_id="a b/c", submitted=1)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with a session."""
    with opened(tmp_path, monkeypatch, capsys) as found:
        found.with_token()
        yield found


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("journal", [None, Path("my journal.db")])
@pytest.mark.parametrize("gstin", ["", GSTIN])
@pytest.mark.parametrize("gsp", [None, "vayana"])
def test_the_parser_takes_each_with_all_its_options(
    gsp: str | None, gstin: str, journal: Path | None, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of files and references with a blank in them."""
    monkeypatch.delenv("IMS_GSP", raising=False)
    monkeypatch.delenv("IMS_GSTIN", raising=False)
    commands = Commands(gsp=gsp, gstin=gstin, journal=journal, check=check)
    for command in (
        commands.login(),
        commands.resume(),
        commands.runs(),
        commands.show(TOKEN),
        commands.show(attrs.evolve(TOKEN, reference_id="-x")),
        commands.push(Path("my file.csv")),
        commands.push("FILES", "--run", "r 1", verb="reset"),
    ):
        words = shlex.split(command)
        assert words[0] == "ims-async"
        check_command(words[1:])
    assert ("--gsp vayana" in commands.login()) == (gsp == "vayana")
    assert (f"--gstin {GSTIN}" in commands.login()) == bool(gstin)
    assert commands.show(TOKEN).startswith("ims-async jobs show 'a b/c' --wait --gstin")


def test_an_option_that_the_environment_makes_needless_is_left_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """IMS_GSTIN and IMS_GSP say as much."""
    monkeypatch.setenv("IMS_GSTIN", GSTIN.lower())
    monkeypatch.setenv("IMS_GSP", "vayana")
    assert Commands(gsp="vayana", gstin=GSTIN).login() == "ims-async login"
    assert Commands(gsp="sandbox").login() == "ims-async login --gsp sandbox"


def test_what_is_no_command_of_ours_is_found_out() -> None:
    """Or the look at all other tests would be none."""
    said = (
        "run `ims-async jobs look`\nthen: ims-async push 'a b.csv' --run r\nUsage: ims-async push [OPTIONS]\n"
    )
    bad, good = commands_in(said)
    check_command(good)
    with pytest.raises(Exception, match="look"):
        check_command(bad)
    with pytest.raises(Exception, match="--no-such"):
        check_command(["counts", "--no-such"])


def test_the_command_that_pull_prints_pushes_its_file(shell: Shell) -> None:
    """A name with a blank and an apostrophe in it; and a folder."""
    for out in ("it's mine.csv", "it's ours/"):
        ended = shell.run("pull", "--out", out, *QUICK)
        (command,) = commands_in(ended.out)
        assert command[1] == out.rstrip("/")
        file = Path(out) if Path(out).is_file() else next(Path(out).iterdir())
        fill_in(file, lambda row: "A" if row["section"] == "b2b" else "")
        assert shell.run(*command, "--yes", *QUICK).code == 0


def test_a_job_is_found_again_by_its_reference_in_the_journal_that_was_named(shell: Shell) -> None:
    """The printed command names the journal too; the job's token has what the reference alone has not."""
    file, decided = shell.decided(accept)
    ended = shell.run("push", file, "--yes", "--journal", "own.db", *QUICK)
    (command,) = [words for words in commands_in(ended.err) if words[:2] == ["jobs", "show"]]
    assert command[-2:] == ["--journal", "own.db"]
    shell.monkeypatch.delenv("IMS_GSTIN")
    found = shell.run(*command, "--json", *QUICK).json()
    assert (found["submitted"], found["applied"], found["ok"]) == (decided, decided, True)


def test_after_a_lost_answer_the_named_journal_is_looked_at(shell: Shell) -> None:
    """A command that goes on with another journal would find nothing."""
    file, _ = shell.decided(accept)
    shell.sim.script_answer("save", 502, b"<html>bad gateway</html>", after=True)
    ended = shell.lose_answer(file, "--journal", "own.db")
    *_, command = commands_in(ended.err)
    assert (command[0], command[-2:]) == ("push", ["--journal", "own.db"])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("gstr2b", "regenerate", "--period", "102026", "--period", "112026"), "--period"),
        (("jobs", "list", "--run", "a", "--run=b", "--json"), "--run"),
        (("counts", "--gstin", GSTIN, "--gstin", GSTIN), "--gstin"),
        (("push", "a.csv", "--journal", "a.db", "b.csv", "--journal", "b.db"), "--journal"),
        (("check", "a.csv", "--report", "b.csv", "--report", "c.csv"), "--report"),
    ],
)
def test_an_option_of_one_value_is_not_given_twice(shell: Shell, words: tuple[str, ...], option: str) -> None:
    """The parser would take the last one; nothing is asked or sent."""
    ended = shell.run(*words)
    assert (ended.code, len(shell.sim.requests)) == (2, 0)
    assert f"{option} is given more than once: it has one value, leave out the others" in ended.err


def test_options_of_several_values_flags_and_rates_may_be_given_twice(shell: Shell) -> None:
    """A rate after the one of an alias takes its place."""
    file, _ = shell.decided(accept)
    levels = (
        "--level",
        "recompute=off",
        "--level",
        "not-filed=off",
        "--filed",
        "102024",
        "--filed",
        "112024",
    )
    assert shell.run("check", file, *levels, "--json", "--json").code == 0
    assert shell.run("push", file, "--yes", "--rate", "5", "--rate", "600", *QUICK).code == 0
