"""Each benchmark runs, and is in the page of results: with tiny sizes, of which no figure means anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as runner
from benchmarks.measure import Row, Table
from benchmarks.results import Result, page

from ..support.sweeps import LONG

ROOT = Path(__file__).parents[2]
NO_BENCHMARKS = {"__init__", "__main__", "measure", "results", "worker"}
PARTS_OF_OTHERS = {"bulk_http", "peers", "virtual_time", "workload"}
RECORDS_A_DOCUMENT = {"accountant", "spreadsheets"}


def results(folder: Path, *arguments: str) -> str:
    """Run benchmarks with tiny sizes; return the page."""
    out = folder / "results.md"
    assert runner.main(["--quick", "--out", str(out), "--folder", str(folder), *arguments]) == 0
    text = out.read_text(encoding="utf-8")
    assert str(folder) not in text
    assert str(ROOT) not in text
    return text


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of each row of each table of figures."""
    tables = text.partition("## Goals")[2].partition("\n## ")[2]
    rows = [line[2:-2].split(" | ") for line in tables.splitlines() if line.startswith("| ")]
    return [cells for cells in rows if cells[0] != "|"]


@pytest.mark.parametrize("name", runner.BENCHMARKS)
def test_a_benchmark_runs_and_fills_its_tables(name: str, tmp_path: Path) -> None:
    """`make bench` runs them all: one that has fallen behind the code fails here."""
    text = results(tmp_path, "--only", name)
    assert f"\n## {name}\n" in text
    assert "no figure means anything" in text
    found = rows_of(text)
    assert found
    assert all(cells[1] for cells in found)


def test_another_checkout_is_measured_beside_this_one(tmp_path: Path) -> None:
    """Its figure is in a column of each row; here it is the same code elsewhere."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ims_async").symlink_to(ROOT / "ims_async", target_is_directory=True)
    found = rows_of(results(tmp_path, "--only", "csv_check", "--against", str(tmp_path / "other")))
    assert found
    assert all(cells[1] and cells[5] for cells in found)


def test_what_the_other_code_cannot_run_is_said(tmp_path: Path) -> None:
    """And ours is shown all the same."""
    (tmp_path / "other" / "ims_async").mkdir(parents=True)
    (tmp_path / "other" / "ims_async" / "__init__.py").write_text("__version__ = '0'", encoding="utf-8")
    text = results(tmp_path, "--only", "growth", "--against", str(tmp_path / "other"))
    assert "The other code does not run it: ImportError: cannot import name 'Decision'" in text
    assert rows_of(text)


@pytest.mark.skipif(not LONG, reason="these wait for jobs of real seconds, over HTTP")
def test_the_parts_of_bulk_that_go_over_http_run(tmp_path: Path) -> None:
    """As processes of their own, as in a whole run."""
    words = ["--quick", "200", "--only", "cpu", "memory", "--folder", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "benchmarks.bulk", *words], check=True, cwd=ROOT)


def test_make_bench_runs_every_one_that_there_is() -> None:
    """Each module with a table, but for those that record a document, or are parts of others."""
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert set(runner.BENCHMARKS) == there - NO_BENCHMARKS - PARTS_OF_OTHERS - RECORDS_A_DOCUMENT
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nbench:")[2].partition("\n\n")[0]
    assert re.findall(r"-m (benchmarks\S*)", recipe) == ["benchmarks"]


def test_a_row_says_whether_its_goal_was_met() -> None:
    """From above, from below, or not at all; the page counts them."""
    rows = [
        Row("low enough", "1", goal=2, value=1.0),
        Row("too much", "3", goal=2, value=3.0),
        Row("high enough", "3", goal=2, value=3.0, at_least=True),
        Row("too little", "1", goal=2, value=1.0, at_least=True),
        Row("without", "1", value=1.0),
    ]
    assert [row.met for row in rows] == [True, False, True, False, None]
    result = Result(name="any", about="Of anything.", seconds=1, tables=[Table("of it", rows)])
    text = page([result], command="none", against=False, quick=False, began="0.1")
    assert "2 of 4 are met." in text
    assert "| any | of it: too much | 3 |  | **≤ 2 ×: MISSED** |" in text


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ([], True),
        (["--full"], True),
        (["--quick"], False),
        (["--only", "polls"], False),
        (["--against", "."], True),
    ],
)
def test_only_a_whole_run_replaces_the_page(
    words: list[str], written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless another place is named, where any page can be."""
    monkeypatch.setattr(runner, "run", lambda *_, **__: ([], ""))
    monkeypatch.setattr(runner, "OUT", tmp_path / "RESULTS.md")
    assert runner.main(words) == 0
    assert (tmp_path / "RESULTS.md").exists() is written
    assert runner.main([*words, "--out", str(tmp_path / "elsewhere.md")]) == 0
    assert (tmp_path / "elsewhere.md").exists()


def test_a_benchmark_that_fails_is_said_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has the reason, and the others."""
    monkeypatch.setattr(runner, "run", lambda *_, **__: ([], "ValueError: broken"))
    out = tmp_path / "results.md"
    assert runner.main(["--quick", "--only", "polls", "--out", str(out)]) == 1
    assert "**Failed:** ValueError: broken" in out.read_text(encoding="utf-8")
