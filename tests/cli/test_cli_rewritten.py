"""A file that a spreadsheet has opened and saved: checked, pushed, gone on with and reset like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cli_shell import QUICK, Shell, accept, read_rows, write_rows


def spoil(file: Path) -> int:
    """Rewrite the file as a spreadsheet does; return how many rows are decided."""
    rows = read_rows(file)
    for row in rows:
        row["number"] = row["number"].lstrip("0")
        row["return period"] = row["return period"].lstrip("0")
        row["date"] = "-".join(reversed(row["date"].split("-")))
        row["place of supply"] = row["place of supply"].lstrip("0")
        row["action"] = row["action"].replace("A", "स्वीकार")
    write_rows(file, rows)
    return sum(bool(row["action"]) for row in rows)


def test_a_spoilt_file_is_checked_pushed_gone_on_with_and_reset(shell: Shell) -> None:
    """Each time its rows are counted; the same run sends nothing twice."""
    file, _ = shell.decided(accept)
    count = spoil(file)
    ended = shell.run("check", file)
    assert (ended.code, f"{count} rows were rewritten by the spreadsheet; push" in ended.out) == (0, True)
    assert shell.run("check", file, "--json").json()["rewritten"] == count
    ended = shell.run("push", file, "--yes", "--run", "one", "--report", "outcome.csv", *QUICK)
    assert (ended.code, f"{count} rows were rewritten by the spreadsheet; recog" in ended.err) == (0, True)
    assert len(read_rows(shell.here / "outcome.csv")) == count
    sent = shell.sim.count("save")
    ended = shell.run("push", file, "--yes", "--run", "one", "--json", *QUICK)
    assert (ended.code, f"{count} rows went out with an earlier part of run one" in ended.err) == (0, True)
    assert shell.sim.count("save") == sent > 0
    ended = shell.run("push", file, "--yes", "--json", *QUICK)
    assert (ended.json()["rewritten"], ended.json()["standing_count"]) == (count, count)
    ended = shell.run("reset", file, "--decided", "--yes", "--json", *QUICK)
    assert (ended.code, ended.json()["rewritten"]) == (0, count)


@pytest.mark.parametrize("spoilt", [False, True])
def test_hashes_that_were_sorted_by_themselves_are_refused(shell: Shell, spoilt: bool) -> None:
    """No decision reaches another record than the one beside which it was written, and nothing is sent."""
    file, _ = shell.decided(accept)
    if spoilt:
        spoil(file)
    rows = read_rows(file)
    hashes = sorted(row["hash"] for row in rows)
    write_rows(file, [{**row, "hash": text} for row, text in zip(rows, hashes, strict=True)])
    ended = shell.run("push", file, "--yes", "--json", *QUICK)
    assert (ended.code, shell.sim.count("save")) == (2, 0)
    assert "sorted by itself" in ended.err
