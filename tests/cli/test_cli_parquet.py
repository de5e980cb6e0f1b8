"""Parquet files in the shell: pulled, decided by a program, checked, pushed; and reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cli_shell import QUICK, Shell

pa = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra `arrow` is not installed")


def decided(file: Path) -> int:
    """Accept every record; return how many there are."""
    table = pq.read_table(file)
    place = table.column_names.index("action")
    pq.write_table(table.set_column(place, "action", pa.array(["A"] * table.num_rows)), file)
    return int(table.num_rows)


def test_a_parquet_file_goes_all_the_way(shell: Shell) -> None:
    """Pulled, decided, checked and pushed with a report, which a folder's push passes over."""
    file = shell.pulled("nov.parquet", "--section", "b2b", "--status", "no_action")
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (ended.code, "no row is decided" in ended.err) == (2, True)
    count = decided(file)
    ended = shell.run("pull", "--out", file, *QUICK)
    assert (ended.code, f"holds {count} decisions" in ended.err) == (2, True)
    ended = shell.run("check", file, "--report", "found.parquet", "--json")
    assert (ended.code, ended.json()["decisions"]["b2b"], ended.json()["rewritten"]) == (0, {"A": count}, 0)
    assert pq.read_table(shell.here / "found.parquet").num_rows == len(ended.json()["findings"])
    ended = shell.run("push", file, "--yes", "--report", "outcome.parquet", *QUICK)
    assert ended.code == 0, ended.err
    assert pq.read_table(shell.here / "outcome.parquet")["outcome"].to_pylist() == ["applied"] * count
    ended = shell.run("push", shell.here, "--yes", "--json", *QUICK)
    assert (ended.code, ended.json()["standing_count"]) == (0, count)
    assert "passed over: " in ended.err
    ended = shell.run("sales", "2025", "1", "--section", "b2b", "--out", "sales.parquet")
    assert ended.code == 0, ended.err
    assert pa.types.is_decimal(pq.read_schema(shell.here / "sales.parquet").field("value").type)


HEADINGS = ("GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST")


def test_match_reads_a_parquet_file_and_fills_in_none(shell: Shell) -> None:
    """It is decided on by a program; the books may be one, and each taxpayer's too."""
    file = shell.pulled("nov.parquet", "--section", "b2b")
    (shell.here / "books").mkdir()
    books = shell.here / "books" / f"{shell.gstin}.parquet"
    pq.write_table(pa.table({name: pa.array([], pa.string()) for name in HEADINGS}), books)
    before = file.read_bytes()
    ended = shell.run("match", file, "--register", books)
    assert (ended.code, "not changed: use a .csv or .xlsx file" in ended.err) == (2, True)
    assert file.read_bytes() == before
    for register in (books, books.parent):
        dry = shell.run("match", file, "--register", register, "--dry-run", "--json")
        assert (dry.code, dry.json()["records"]) == (0, pq.read_table(file).num_rows), dry.err
    same = shell.pulled("nov.csv", "--section", "b2b")
    of_csv = shell.run("match", same, "--register", books.parent, "--dry-run", "--json")
    assert of_csv.json()["outcomes"] == dry.json()["outcomes"]


def test_a_folder_of_parquet_files_is_asked_for_and_not_kept(shell: Shell) -> None:
    """A further pull into the folder has their format; --keep says what to do instead."""
    pull = ("pull", "--section", "b2b", "--gstin", shell.gstin, *QUICK)
    ended = shell.run(*pull, "--out", "nov/", "--format", "parquet")
    assert ended.code == 0, ended.err
    file = shell.here / "nov" / f"{shell.gstin}.parquet"
    count = pq.read_table(file).num_rows
    ended = shell.run(*pull, "--out", "nov/", "--overwrite")
    assert (ended.code, [one.name for one in file.parent.iterdir()]) == (0, [file.name]), ended.err
    before = file.read_bytes()
    for words in (("nov/",), ("new.parquet", "--section", "b2b"), ("new/", "--format", "parquet")):
        ended = shell.run("pull", "--keep", *words, "--gstin", shell.gstin, *QUICK)
        assert (ended.code, "not changed: use a .csv or .xlsx file" in ended.err) == (2, True), words
    assert not list(shell.here.glob("new*"))
    assert file.read_bytes() == before
    assert decided(file) == count
    ended = shell.run("push", "nov/", "--yes", "--json", *QUICK)
    assert (ended.code, ended.json()["ok"]) == (0, True), ended.err


def test_what_follows_up_reads_and_writes_parquet_files(shell: Shell) -> None:
    """The rows and the sales, as of CSV files."""
    found = []
    for suffix in ("csv", "parquet"):
        file = shell.pulled(f"nov.{suffix}")
        assert shell.run("sales", 2024, 10, "--out", f"sales.{suffix}").code == 0
        suppliers = shell.run("followup", file, "--out", f"suppliers.{suffix}", "--json")
        customers = shell.run(
            "followup", "--sales", f"sales.{suffix}", "--out", f"customers.{suffix}", "--json"
        )
        assert (suppliers.code, customers.code) == (0, 0), suppliers.err + customers.err
        found.append([suppliers.json()["topics"], customers.json()["topics"], customers.json()["customers"]])
    assert found[0] == found[1]
    assert found[0][2] > 0
    table = pq.read_table(shell.here / "customers.parquet")
    assert (table.num_rows, table.column_names[:2]) == (found[0][2], ["GSTIN", "customer"])
