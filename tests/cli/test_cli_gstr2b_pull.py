"""GSTR-2B written to files: formats, folders, and what is not read."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from ims_async import InvalidInput, tables
from ims_async.model.gstr2b import Gstr2b, TaxAmounts
from ims_async.simulator import Fault
from ims_async.simulator.http import write
from tests.cli.cli_shell import (
    QUICK,
    Shell,
    commands_in,
    read_rows,
    reject,
    shell_of,
)

PERIOD = "012025"
WHOM = ("--period", PERIOD)

shell = shell_of(taxpayers=3, invoices=12)


def test_a_statement_is_written_by_the_suffix(shell: Shell) -> None:
    """A line for each document, whose credit adds up to the statement's; JSON has all of it."""
    for name in ("a.csv", "a.json"):
        ended = shell.run("gstr2b", "pull", *WHOM, "--out", name)
        assert ended.code == 0, ended.err
    whole = tables.read_gstr2b(shell.here / "a.json")
    assert Gstr2b.from_dict(whole.to_dict()) == whole
    assert (whole.gstin, whole.period) == (shell.gstin, PERIOD)
    documents = shell.sim.returns.documents(shell.gstin, PERIOD)
    rows = read_rows(shell.here / "a.csv")
    assert len(rows) == len(whole.documents) == len(documents) > 0
    sums = {
        head: sum(Decimal(row[f"credit {head}"]) for row in rows) for head in ("IGST", "CGST", "SGST", "cess")
    }
    heads = {head.lower(): Decimal(amount) for head, amount in sums.items()}
    assert TaxAmounts(**heads) == whole.credit
    assert f"{len(rows)} documents of 1 taxpayer are in a.json." in ended.out
    refused = shell.run("gstr2b", "pull", *WHOM, "--out", "a.json")
    assert (refused.code, "pass --overwrite" in refused.err) == (2, True)
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "a.json", "--overwrite").code == 0


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx", "parquet"])
def test_many_go_into_a_folder_or_into_one_table(shell: Shell, ending: str) -> None:
    """A file GSTIN.csv each; one that has none is named and skipped."""
    pytest.importorskip({"xlsx": "xlsxwriter", "parquet": "pyarrow"}.get(ending, "csv"))
    acme, *others = shell.sim.gstins
    shell.sim.returns.set_quarterly(acme)
    words = ("--period", "112024", *shell.named(), "--report", "left.csv")
    ended = shell.run("gstr2b", "pull", *words, "--out", "s/", "--format", ending)
    assert (ended.code, f"1 taxpayer skipped: {acme}." in ended.out) == (1, True), ended.err
    assert sorted(file.name for file in (shell.here / "s").iterdir()) == sorted(
        f"{one}.{ending}" for one in others
    )
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [acme]
    one = shell.run("gstr2b", "pull", "--period", "112024", *shell.named(acme), "--out", f"all.{ending}")
    if ending == "json":
        assert (one.code, "can hold one statement" in one.err) == (2, True)
    else:
        assert (one.code, (shell.here / f"all.{ending}").exists()) == (0, True)


def test_a_file_that_cannot_be_written_stops_no_other(shell: Shell) -> None:
    """A spreadsheet holds it, say: its taxpayer is skipped, with the reason."""
    acme, *others = shell.sim.gstins
    write_gstr2b = tables.write_gstr2b

    def locked(target: Path, found: Gstr2b, *, overwrite: bool) -> int:
        if target.stem == acme:
            raise InvalidInput(f"{target} cannot be written: permission denied")
        return write_gstr2b(target, found, overwrite=overwrite)

    shell.monkeypatch.setattr(tables, "write_gstr2b", locked)
    words = ("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--report", "left.csv")
    ended = shell.run(*words, "--concurrency", 1)
    assert (ended.code, f"1 taxpayer skipped: {acme}." in ended.out) == (1, True), ended.err
    assert f"{acme} is skipped: s/{acme}.csv cannot be written: permission denied" in ended.err
    assert sorted(file.stem for file in (shell.here / "s").iterdir()) == sorted(others)
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [acme]


def test_where_there_is_none_it_is_said_what_to_do(shell: Shell) -> None:
    """In the words of the command line; of a program's advice nothing is left."""
    refusal = {
        "GTR2B-001": "last month of the quarter only",
        "GTR2B-002": "file it, then have GSTR-2B computed",
    }
    refusal |= {"RET2B1018": "the 14th of the month after", "RET2B1023": "ask again later"}
    for code, told in refusal.items():
        answer = {"error": {"error_cd": code, "message": "No."}, "status_cd": "0"}
        shell.sim.script_answer("gstr2b", 200, {"code": 200, "data": answer})
        ended = shell.run("gstr2b", "pull", *WHOM, "--out", "x.csv")
        assert (ended.code, f"{code}: No; " in ended.err, told in ended.err) == (1, True, True), ended.err
        assert "taxpayer." not in ended.err
    shell.sim.returns.file_gstr3b(shell.gstin, PERIOD)
    refused = shell.run("gstr2b", "regenerate", *WHOM, "--yes", *QUICK)
    assert "IMS2B007: Either the entered ITC period is incorrect or it has 3B filed" in refused.out
    assert "taxpayer." not in refused.out


def test_whether_it_is_filed_the_command_that_is_named_tells(shell: Shell) -> None:
    """With period and GSTIN, as it is printed."""
    for gstin in shell.sim.gstins:
        shell.sim.returns.file_gstr3b(gstin, PERIOD, dt.date(2025, 2, 17))
    refused = shell.run("gstr2b", "regenerate", *WHOM, *shell.named(), "--yes", *QUICK)
    words = [words for words in commands_in(refused.out) if words[0] == "deadlines"]
    assert sorted(words) == sorted(
        ["deadlines", PERIOD, "--ask-filing", "--gstin", gstin] for gstin in shell.sim.gstins
    )
    for command in words:
        ended = shell.run(*command)
        assert (ended.code, "GSTR-3B is filed on 17-02-2025" in ended.out) == (0, True), ended.err
    shell.decided(reject, name="a.csv")
    pushed = shell.run("push", "a.csv", "--regenerate", PERIOD, "--yes", *QUICK)
    assert f"`ims-async deadlines {PERIOD} --ask-filing --gstin {shell.gstin}`" in pushed.out


def test_where_nobody_has_one_no_file_is_replaced(shell: Shell) -> None:
    """The file that was there stays."""
    (shell.here / "all.csv").write_text("kept")
    ended = shell.run(
        "gstr2b", "pull", "--period", "122099", *shell.named(), "--out", "all.csv", "--overwrite", "--json"
    )
    assert ended.code == 1
    assert (shell.here / "all.csv").read_text() == "kept"
    assert set(ended.json()["taxpayers"]) == set(shell.sim.gstins)
    assert all("RET2B1018" in facts["error"] for facts in ended.json()["taxpayers"].values())


def without_documents(shell: Shell) -> None:
    """Have the next statement answered as sums, without documents and files."""
    own = json.loads(write(shell.sim.returns.fetch(shell.gstin, PERIOD)))
    for part in ("docdata", "docRejdata"):
        own["data"].pop(part, None)
    answer = {"code": 200, "data": {"data": own, "status_cd": "1"}, "timestamp": 1, "transaction_id": "x"}
    shell.sim.script_answer("gstr2b", 200, answer)


def test_sums_without_documents_are_no_empty_statement(shell: Shell) -> None:
    """JSON has the sums, the credit is theirs, and not all is well; a table would be empty."""
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "a.csv", "--json").code == 0
    whole = (shell.here / "a.csv").read_bytes()
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "b.json", "--json")
    credit = ended.json()["taxpayers"][shell.gstin]["credit"]
    without_documents(shell)
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "c.json", "--json")
    facts = ended.json()["taxpayers"][shell.gstin]
    assert (ended.code, ended.json()["ok"], facts["summary_only"]) == (1, False, True)
    assert facts["credit"] == credit
    assert any(map(Decimal, credit.values()))
    without_documents(shell)
    ended = shell.run("gstr2b", "pull", *WHOM, "--out", "a.csv", "--overwrite")
    assert (ended.code, "sums and no documents" in ended.err) == (1, True)
    assert (shell.here / "a.csv").read_bytes() == whole


def test_what_was_read_before_the_account_was_used_up_is_kept(shell: Shell) -> None:
    """The others are named, and were not asked for; where nothing was read the error says all."""
    acme, beta, gamma = shell.sim.gstins
    words = ("gstr2b", "pull", *WHOM, *shell.named(), "--concurrency", 1, "--out")
    shell.sim.script_fault("gstr2b", Fault.spent(), gstin=beta)
    ended = shell.run(*words, "all.csv", "--report", "left.csv")
    assert (ended.code, f"2 taxpayers skipped: {beta}, {gamma}." in ended.out) == (1, True), ended.err
    assert ended.err.count(": the others were not asked for.") == 1
    assert {row["GSTIN"] for row in read_rows(shell.here / "all.csv")} == {acme}
    assert [row["GSTIN"] for row in read_rows(shell.here / "left.csv")] == [beta, gamma]
    shell.sim.script_fault("gstr2b", Fault.spent())
    ended = shell.run(*words, "none.csv")
    assert (ended.code, ended.err.count("\n"), (shell.here / "none.csv").exists()) == (1, 1, False)
