"""A section whose rows GSTN makes into a file: the others are written, and which is missing is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_shell import QUICK, Shell, opened, read_rows

ONE = ("--section", "b2b", "--section", "ecom", *QUICK)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of two taxpayers at Sandbox, of whom it gives section b2b only as a file."""
    with opened(tmp_path, monkeypatch, capsys, invoices=60, file_rows=9, file_seconds=600) as found:
        found.log_in_all()
        yield found


def command(shell: Shell, gstin: str = "") -> str:
    """The command that may have rows all the same."""
    whose = f" --gstin {gstin}" if gstin not in ("", shell.gstin) else ""
    return f"`ims-async pull --section b2b --status no_action --out FILE{whose}`"


def test_the_sections_that_came_are_written_and_the_missing_one_is_named(shell: Shell) -> None:
    """Exit code 1, and commands that can be typed instead of Python."""
    ended = shell.run("pull", "--out", "acme.csv", *ONE, "--report", "left-out.csv")
    assert ended.code == 1
    assert {row["section"] for row in read_rows(Path("acme.csv"))} == {"ecom"}
    assert "are in acme.csv without b2b." in ended.out
    assert f"may come at once: {command(shell)}\n" in ended.err
    assert "invoices(" not in ended.err
    assert "downloads=" not in ended.err
    (row,) = read_rows(Path("left-out.csv"))
    assert (row["outcome"], row["GSTIN"], row["kind"]) == ("left out", shell.gstin, "section-missing")
    found = shell.run("pull", "--out", "again.csv", *ONE, "--json").json()
    assert (found["ok"], found["missing"], list(found["sections"])) == (False, ["b2b"], ["ecom"])
    assert command(shell) in found["problems"][0]


def test_where_no_section_came_nothing_is_written(shell: Shell) -> None:
    """The error says how they can be had; where one action was asked for, it does not say it again."""
    ended = shell.run("pull", "--out", "acme.csv", "--section", "b2b", *QUICK)
    assert (ended.code, command(shell) in ended.err, Path("acme.csv").exists()) == (1, True, False)
    rows = ("--section", "b2b", "--status", "no_action", *QUICK)
    ended = shell.run("pull", "--out", "acme.csv", *rows)
    assert (ended.code, "one action" in ended.err, Path("acme.csv").exists()) == (1, False, False)


@pytest.mark.parametrize("out", ["all.csv", "november/"])
def test_of_many_taxpayers_each_has_the_sections_that_came(shell: Shell, out: str) -> None:
    """Nobody is skipped; each is named with what it lacks."""
    named = [word for gstin in shell.sim.gstins for word in ("--gstin", gstin)]
    ended = shell.run("pull", "--out", out, *named, *ONE)
    assert ended.code == 1
    files = list(Path(out).iterdir()) if out.endswith("/") else [Path(out)]
    rows = [row for file in files for row in read_rows(file)]
    assert {(row["GSTIN"], row["section"]) for row in rows} == {(gstin, "ecom") for gstin in shell.sim.gstins}
    lacking = "; ".join(f"{gstin} without b2b" for gstin in sorted(shell.sim.gstins))
    told = "; ".join(sorted(ended.out.partition(" incomplete: ")[2].strip().rstrip(".").split("; ")))
    assert ("skipped" in ended.out, told) == (False, lacking)
    for gstin in shell.sim.gstins:
        assert f"{gstin}: b2b: GSTN makes the rows" in ended.err
        assert command(shell, gstin) in ended.err


@pytest.mark.parametrize("out", ["all.csv", "november/"])
def test_of_many_taxpayers_of_whom_nothing_came_nothing_is_written(shell: Shell, out: str) -> None:
    """It does not say that records of nobody are there to be decided on."""
    named = [word for gstin in shell.sim.gstins for word in ("--gstin", gstin)]
    ended = shell.run("pull", "--out", out, *named, "--section", "b2b", *QUICK)
    assert (ended.code, "Nothing was written" in ended.out) == (1, True)
    assert "Fill in" not in ended.out
    assert "2 taxpayers skipped: " in ended.out
    assert all(command(shell, gstin) in ended.err for gstin in shell.sim.gstins)


def test_a_push_names_no_python_either(shell: Shell) -> None:
    """It reads whole sections, which it cannot have."""
    few = ("--section", "b2b", "--status", "rejected", *QUICK)
    file = shell.pulled("few.csv", *few)
    text = file.read_text("utf-8-sig").replace(",,R,", ",A,R,")
    file.write_text(text)
    ended = shell.run("push", "few.csv", "--yes", *QUICK)
    assert (ended.code, "Sandbox documents no way to fetch it; Vayana does (--gsp vayana)" in ended.err) == (
        1,
        True,
    )
    assert "invoices(" not in ended.err
