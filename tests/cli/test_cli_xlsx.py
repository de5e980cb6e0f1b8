"""Workbooks in the shell: pulled, decided, checked, pushed, reset; and reports."""

from __future__ import annotations

from pathlib import Path

import pytest
import python_calamine

from ..support.soffice import LOCALES, saved_by_libreoffice
from ..tables.test_tables_xlsx import decided
from .cli_shell import QUICK, Shell


def rows_of(file: Path, sheet: str) -> list[dict[str, object]]:
    """Return the rows of a sheet by column."""
    header, *rows = python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_name(sheet).to_python()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def test_a_workbook_goes_all_the_way(shell: Shell) -> None:
    """Pulled, decided, checked, pushed with a report, reset; a folder of it passes the report over."""
    file = shell.pulled("nov.xlsx", "--section", "b2b", "--status", "no_action")
    count = len(rows_of(file, "Records"))
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (ended.code, "no row is decided" in ended.err) == (2, True)
    decided(file)
    ended = shell.run("pull", "--out", file, *QUICK)
    assert (ended.code, f"holds {count} decisions" in ended.err) == (2, True)
    ended = shell.run("check", file, "--report", "found.xlsx", "--json")
    assert (ended.code, ended.json()["decisions"]["b2b"]) == (0, {"A": count})
    assert len(rows_of(shell.here / "found.xlsx", "Report")) == len(ended.json()["findings"])
    ended = shell.run("push", file, "--yes", "--report", "outcome.xlsx", *QUICK)
    assert (ended.code, "rewritten" in ended.err) == (0, False)
    outcomes = rows_of(shell.here / "outcome.xlsx", "Report")
    assert [row["outcome"] for row in outcomes] == ["applied"] * count
    ended = shell.run("push", shell.here, "--yes", "--json", *QUICK)
    assert (ended.code, ended.json()["standing_count"]) == (0, count)
    assert "passed over: " in ended.err
    ended = shell.run("reset", file, "--decided", "--yes", *QUICK)
    assert ended.code == 0


@pytest.mark.parametrize("locale", LOCALES)
def test_a_workbook_that_libreoffice_has_saved_is_pushed(shell: Shell, locale: str) -> None:
    """Every decision is applied, and no row was rewritten."""
    file = decided(shell.pulled("nov.xlsx", "--section", "b2b", "--status", "no_action"))
    count = len(rows_of(file, "Records"))
    saved = saved_by_libreoffice(file, locale)
    ended = shell.run("check", saved, "--json")
    assert (ended.code, ended.json()["rewritten"], ended.json()["decisions"]["b2b"]) == (0, 0, {"A": count})
    ended = shell.run("push", saved, "--yes", "--report", "outcome.xlsx", *QUICK)
    assert (ended.code, "rewritten" in ended.err) == (0, False)
    assert [row["outcome"] for row in rows_of(shell.here / "outcome.xlsx", "Report")] == ["applied"] * count


def test_other_views_are_written_as_workbooks_too(shell: Shell) -> None:
    """Sales, and what is left out of a pull."""
    ended = shell.run("sales", "2025", "1", "--section", "b2b", "--out", "sales.xlsx")
    assert ended.code == 0, ended.err
    assert (shell.here / "sales.xlsx").stat().st_size
