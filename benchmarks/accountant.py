"""A month of an accountant, from pull to outcome: the commands with their output, for docs/accountant.md.

Run as `python -m benchmarks.accountant`. The gateway is `ims-async simulate`, in a process of its own. The
registers are the simulator's records with the noise of `decide.testing.NOISE`; what a person decides in the
spreadsheet, a macro decides in LibreOffice. Without LibreOffice that step is left out, and says so.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from ims_async import tables
from ims_async.decide import Entry, testing
from tests.support import soffice

POLICY: Final = '[kinds]\n"value differs" = "pending"\n"not in books" = "leave"\n'
HEADINGS: Final = (
    *("GSTIN", "Bill No", "Bill Date", "Taxable Value", "IGST", "CGST", "SGST", "Cess"),
    *("Document Type", "Voucher No"),
)
MACRO: Final = """
Sub Edit(names As String)
  Dim how(0) As New com.sun.star.beans.PropertyValue
  how(0).Name = "Hidden" : how(0).Value = True
  Rem LibreOffice ends with its last document.
  last = StarDesktop.loadComponentFromURL("private:factory/scalc", "_blank", 0, how())
  For Each name In Split(names, "|")
    book = StarDesktop.loadComponentFromURL(ConvertToURL(name), "_blank", 0, how())
    sheet = book.Sheets.getByIndex(0)
    cursor = sheet.createCursor() : cursor.gotoEndOfUsedArea(True)
    rows = cursor.getDataArray()
    For place = 0 To UBound(rows(0))
      Select Case rows(0)(place)
        Case "section" : section = place
        Case "action" : action = place
        Case "action when pulled" : pulled = place
        Case "match" : kind = place
        Case "ITC reduction" : reduction = place
        Case "remarks" : remarks = place
      End Select
    Next place
    For row = 1 To UBound(rows)
      If rows(row)(action) <> "" Or rows(row)(pulled) <> "N" Then
      ElseIf rows(row)(kind) = "probable" Then
        sheet.getCellByPosition(action, row).String = "Accept"
        If Left(rows(row)(section), 5) = "b2bcn" Then sheet.getCellByPosition(reduction, row).String = "full"
      ElseIf rows(row)(kind) = "tax head differs" Then
        sheet.getCellByPosition(action, row).String = "Reject"
        sheet.getCellByPosition(remarks, row).String = "Tax under the wrong head: please amend."
      End If
    Next row
    book.store()
    book.close(True)
  Next name
  last.close(True)
End Sub
"""
"""What the person does: accepts what is probable, and rejects what has its tax under another head."""


@attrs.frozen
class Month:
    """Commands that are run in a folder, and what they and the steps between them said."""

    folder: Path
    environment: dict[str, str]
    lines: list[str] = attrs.field(factory=list)

    def run(self, *words: str, stdin: str = "", most: int = 24) -> None:
        """Run a command, and note it with the seconds that it took; of a long output the two ends."""
        begun = time.perf_counter()
        ended = subprocess.run(  # noqa: S603 # our own program
            [sys.executable, "-m", "ims_async", *words],
            cwd=self.folder, env=self.environment, input=stdin, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if ended.returncode not in (0, 1):
            raise RuntimeError(f"ims-async {shlex.join(words)}\n{ended.stdout}")
        said = ended.stdout.rstrip().replace(str(self.folder), "~")
        took = f"# {time.perf_counter() - begun:.1f} seconds"
        self.lines.extend([f"$ ims-async {shlex.join(words)}", *_ends(said, most), took, ""])

    def shorten(self, command: str, rest: str) -> None:
        """Leave only the first of several like commands, and say what is left out."""
        begun = [place for place, line in enumerate(self.lines) if line.startswith(f"$ ims-async {command} ")]
        del self.lines[begun[1] :]
        self.say(rest)

    def say(self, what: str) -> None:
        """Note a step that is no command."""
        self.lines.extend([f"# {what}", ""])


def _ends(said: str, most: int) -> list[str]:
    lines = [line.rstrip() for line in said.splitlines()]
    left_out = len(lines) - most
    if left_out <= 1:
        return lines
    return [*lines[: most - 3], f"… ({left_out} lines more)", *lines[-3:]]


@contextlib.contextmanager
def simulated(folder: Path, taxpayers: int, records: int) -> Iterator[tuple[Month, list[dict[str, str]]]]:
    """Run a simulator; yield a month in its environment, and the taxpayers."""
    words = ("simulate", "--taxpayers", str(taxpayers), "--invoices", str(records), "--json")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMS_")}
    clean |= {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "100"}
    with subprocess.Popen(  # noqa: S603 # our own program
        [sys.executable, "-m", "ims_async", *words],
        env=clean, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said, facts = "", None
            for line in process.stdout:
                said += line
                with contextlib.suppress(ValueError):
                    facts = json.loads(said)
                    break
            assert facts is not None, "the simulator did not start"
            month = Month(folder, {**clean, **facts["environment"]})
            month.say(f"In another terminal: ims-async {shlex.join(words[:-1])}")
            yield month, facts["taxpayers"]
        finally:
            process.terminate()


def write_registers(folder: Path, pulled: Path) -> int:
    """Write the register of each taxpayer, from its pulled records; return how many entries there are."""
    folder.mkdir()
    count = 0
    for place, file in enumerate(sorted(pulled.iterdir())):
        records = [row.invoice for row in tables.read_sheet(file).records]
        register = testing.booked(records, place).register
        with (folder / f"{file.stem}.csv").open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([HEADINGS, *map(cells_of, register)])
        count += len(register)
    return count


def cells_of(entry: Entry) -> tuple[Any, ...]:
    """Return the cells of an entry, under `HEADINGS`."""
    # The books call a supplier's credit note a debit note.
    kind = {"credit note": "Debit Note", "debit note": "Supplier Debit Note"}.get(entry.kind, "Purchase")
    date = f"{entry.date:%d-%m-%Y}"
    amounts = (entry.taxable_value, entry.igst, entry.cgst, entry.sgst, entry.cess)
    return (entry.supplier, entry.number, date, *amounts, kind, entry.reference)


def go_through(folder: Path, taxpayers: int, records: int, *, xlsx: bool) -> list[str]:
    """Go through a month; return the lines of its record."""
    with simulated(folder, taxpayers, records) as (month, people):
        for one in people:
            month.run("login", "--gstin", one["gstin"], "--username", one["username"], stdin="575757\n")
        if len(people) > 1:
            month.shorten("login", f"And so for the other {len(people) - 1}.")
        (folder / "clients.txt").write_text("".join(f"{one['gstin']}\n" for one in people))
        (folder / "firm.toml").write_text(POLICY)
        month.run(
            "pull", "--gstins", "clients.txt", "--out", "november/", *(("--format", "xlsx") if xlsx else ())
        )
        entries = write_registers(folder / "purchases", folder / "november")
        month.say(f"The registers, a file for each taxpayer in purchases/, have {entries:,} entries.")
        matched = ("november/", "--register", "purchases/")
        month.run("match", *matched, "--policy", "firm.toml")
        files = sorted((folder / "november").iterdir())
        try:
            begun = time.perf_counter()
            soffice.edit(files, MACRO)
            took = time.perf_counter() - begun
            what = "what is probable is accepted, what has its tax under another head is rejected"
            month.say(f"In {soffice.version()}, {took:.1f} seconds for {len(files)} files: {what}.")
        except FileNotFoundError as error:
            month.say(f"Nothing is decided by hand: {error}.")
        month.run("check", "november/")
        month.run("push", "november/", "--run", "2026-11", "--report", "outcome.csv", "--yes")
        month.run("jobs", "list", "--runs")
        month.run("counts", "--gstin", people[0]["gstin"])
        month.run("followup", *matched, "--out", "followup.csv")
        month.run("sales", "2024", "10", "--gstin", people[0]["gstin"], "--out", "sales.csv")
        month.run("followup", "--sales", "sales.csv", "--above", "100000", "--out", "customers.csv")
        return month.lines


def main() -> None:
    """Record a month, and print it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--taxpayers", type=int, default=5)
    options.add_argument("--records", type=int, default=2000, help="of each taxpayer (default: 2000)")
    options.add_argument("--xlsx", action="store_true", help="pull workbooks, and not CSV files")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(go_through(Path(folder), given.taxpayers, given.records, xlsx=given.xlsx)))


if __name__ == "__main__":
    main()
