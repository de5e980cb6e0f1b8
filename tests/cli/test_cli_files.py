"""What the commands write: no file is replaced without a word, and none becomes readable by more people."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_shell import QUICK, Shell, accept, fill_in, opened, read_rows

SALES = ("sales", 2024, 10, "--section", "b2b")
DEBTS = ("liabilities", 2024, 10, "--section", "ecoma")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with a session, and a letter in its folder."""
    with opened(tmp_path, monkeypatch, capsys) as found:
        found.with_token()
        (tmp_path / "letter.csv").write_text("Dear Sir")
        yield found


def commands(shell: Shell) -> dict[str, tuple[object, ...]]:
    """Every command that writes a file, but for its name."""
    shell.decided(accept)
    pushed = shell.run("push", "acme.csv", "--yes", "--json", *QUICK).json()
    fill_in(shell.pulled("first.csv"), lambda row: "R" if row["section"] == "b2b" else "")
    fill_in(shell.pulled("second.csv"), lambda row: "" if row["section"] == "b2b" else "R")
    return {
        "pull": ("pull", *QUICK, "--out"),
        "sales": (*SALES, "--out"),
        "liabilities": (*DEBTS, "--out"),
        "push": ("push", "first.csv", "--yes", *QUICK, "--report"),
        "push a run": ("push", "second.csv", "--yes", "--run", "r", *QUICK, "--report"),
        "reset": ("reset", "first.csv", "--decided", "--yes", *QUICK, "--report"),
        "jobs show": ("jobs", "show", pushed["reference_id"], "--report"),
        "jobs resume": ("jobs", "resume", "r", "--report"),
    }


def test_no_command_replaces_a_file_without_a_word(shell: Shell) -> None:
    """Each refuses before it asks the gateway for anything; with --overwrite each replaces it."""
    for name, words in commands(shell).items():
        before = len(shell.sim.requests)
        ended = shell.run(*words, "letter.csv")
        assert (name, ended.code, "letter.csv is there already" in ended.err) == (name, 2, True)
        assert "or pass --overwrite\n" in ended.err
        assert "overwrite=" not in ended.err
        assert len(shell.sim.requests) == before
        assert Path("letter.csv").read_text() == "Dear Sir"
        ended = shell.run(*words, "letter.csv", "--overwrite")
        assert (name, ended.code) == (name, 0), ended.err
        assert Path("letter.csv").read_text() != "Dear Sir"
        Path("letter.csv").write_text("Dear Sir")


@pytest.mark.parametrize("faulty", [False, True])
@pytest.mark.parametrize(
    "words", [("push", "acme.csv"), ("reset", "acme.csv"), ("check", "acme.csv"), ("push", ".")]
)
def test_no_report_takes_the_place_of_the_decisions(
    shell: Shell, words: tuple[str, ...], faulty: bool
) -> None:
    """Not even with --overwrite, and not of a file in which something is wrong either."""
    file, _ = shell.decided(accept)
    if faulty:
        file.write_text(file.read_text("utf-8-sig").replace("b2b,", "b2x,"), "utf-8-sig")
    before = file.read_bytes()
    ended = shell.run(*words, "--report", "acme.csv", "--overwrite")
    assert (ended.code, "acme.csv holds the decisions: name another file" in ended.err) == (2, True)
    assert file.read_bytes() == before


def test_a_pull_reports_into_another_file(shell: Shell) -> None:
    """Or it would replace the records by what was left out."""
    before = len(shell.sim.requests)
    ended = shell.run("pull", "--out", "new.csv", "--report", "new.csv", "--overwrite")
    assert (ended.code, "new.csv is to hold the records: name another file" in ended.err) == (2, True)
    assert len(shell.sim.requests) == before


@pytest.mark.parametrize("suffix", ["xls", "ods", "csv.gz", "json"])
def test_no_command_writes_text_under_the_name_of_a_spreadsheet(shell: Shell, suffix: str) -> None:
    """It says which names can be had."""
    for name, words in commands(shell).items():
        before = len(shell.sim.requests)
        ended = shell.run(*words, f"x.{suffix}", "--overwrite")
        assert (name, ended.code, "files are not supported, name a .csv" in ended.err) == (name, 2, True)
        assert len(shell.sim.requests) == before


def test_a_private_file_stays_private_and_a_link_a_link(shell: Shell) -> None:
    """Decisions of a taxpayer, made 0600, by way of a link."""
    real = shell.here / "data" / "acme.csv"
    real.parent.mkdir()
    (shell.here / "acme.csv").symlink_to(real)
    for _ in range(2):
        assert shell.run("pull", "--out", "acme.csv", "--overwrite", *QUICK).code == 0
        real.chmod(0o600)
    fill_in(real, accept)
    ended = shell.run("pull", "--out", "acme.csv", "--overwrite", *QUICK)
    assert ended.code == 0, ended.err
    assert (shell.here / "acme.csv").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert not any(row["action"] for row in read_rows(real))
    assert [path.name for path in real.parent.iterdir()] == ["acme.csv"]


def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(shell: Shell) -> None:
    """By every command that takes one."""
    shell.decided(accept)
    long, before = "x" * 300, len(shell.sim.requests)
    for words in (
        ("check", long), ("push", long), ("reset", f"{long}.csv"), (*SALES, "--out", long),
        ("pull", "--out", long), ("pull", "--out", f"{long}/"), ("pull", "--gstins", long, "--out", "a.csv"),
        ("check", "acme.csv", "--report", long),
    ):  # fmt: skip
        ended = shell.run(*words)
        assert (words[0], ended.code) == (words[0], 2)
        assert "file name too long" in ended.err, ended.err
    assert "no journal" in shell.run("jobs", "list", "--journal", long).out
    assert len(shell.sim.requests) == before


def test_a_journal_that_cannot_be_looked_at_is_not_taken_for_none(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who hears that nothing was sent believes it."""
    look = Path.stat

    def refused(path: Path, **how: bool) -> os.stat_result:
        if path.name == "theirs.db":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **how)

    monkeypatch.setattr(Path, "stat", refused)
    for words in (("jobs", "list"), ("jobs", "show", "a"), ("jobs", "resume")):
        ended = shell.run(*words, "--journal", "theirs.db")
        assert (words, ended.code != 0) == (words, True)
        assert "theirs.db cannot be reached: permission denied" in ended.err
