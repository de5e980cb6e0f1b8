"""`check`: every rule that can be asked of a file, without a gateway, an account or a socket."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, Invoice, ItcReduction, Section, tables
from ims_async.rules import RULES
from ims_async.simulator import Simulator
from ims_async.tables.columns import to_cell
from tests.cli.cli_shell import Ended, Shell, read_rows, write_rows
from tests.support.rule_cases import GOOD, GSTIN, NONE, note, of

READ = attrs.evolve(GOOD, hash="ab" * 32, read_from_gateway=True)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell without anything in its environment; its simulator is not served."""
    for name in [name for name in os.environ if name.startswith("IMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return Shell(Simulator(taxpayers=1, invoices=1), tmp_path, monkeypatch, capsys)


Row = tuple[Invoice, Action, str, ItcReduction | None]


def decided(
    file: Path, *rows: Row, without: Collection[str] = (), cells: Mapping[str, str] | None = None
) -> Path:
    """Write what a pull writes, decided; leave out columns, or put other cells into every row."""
    pulled = file.with_suffix(".txt")
    tables.write_invoices(pulled, [invoice for invoice, *_ in rows])
    with (
        pulled.open(encoding="utf-8-sig", newline="") as read,
        file.open("w", encoding="utf-8", newline="") as out,
    ):
        reader = csv.DictReader(read)
        columns = [column for column in reader.fieldnames or () if column not in without]
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        writer.writeheader()
        for line, (_, action, remarks, reduction) in zip(reader, rows, strict=True):
            decision = {"action": action, "remarks": remarks, "ITC reduction": to_cell(reduction)}
            writer.writerow({**line, **decision, **(cells or {})})
    return file


def accepted(invoice: Invoice, remarks: str = "", reduction: ItcReduction | None = None) -> Row:
    """A row that accepts."""
    return invoice, Action.ACCEPT, remarks, reduction


def found(ended: Ended) -> list[tuple[Any, str, str]]:
    """Row, level and code of each finding, but the reminder that depends on the day."""
    findings = ended.json()["findings"]
    return [(f["row"], f["level"], f["code"]) for f in findings if f["code"] != "recompute"]


BLOCKED = of(Section.B2B, number="P1", pending_allowed=False, hash="b", read_from_gateway=True)
OTHER = "19MUPPN0629M1ZN"
CREDIT = note(number="C1", hash="a", read_from_gateway=True)
UNFILED = of(Section.B2B, number="U1", supplier_filed=False, hash="a", read_from_gateway=True)


def test_what_would_be_refused_is_shown_by_row_and_ends_in_code_2(shell: Shell) -> None:
    """With level, code and message, refusals first; a good row is in no finding."""
    rows = [accepted(READ), accepted(UNFILED), (BLOCKED, Action.PENDING, "", None), accepted(CREDIT)]
    file = decided(shell.here / "a.csv", *rows)
    ended = shell.run("check", file)
    assert ended.code == 2
    assert "The file is refused: 2 faults and 2 warnings (" in ended.out
    lines = [
        line.split()[:3] for line in ended.out.splitlines() if line.split()[1:2] in (["refuse"], ["warn"])
    ]
    assert lines[:3] == [
        ["4", "refuse", "pending-blocked"],
        ["5", "refuse", "itc-reduction-missing"],
        ["3", "warn", "not-filed"],
    ]
    told = shell.run("check", file, "--json")
    assert (told.code, told.json()["ok"]) == (2, False)
    assert found(told) == [
        (3, "warn", "not-filed"), (4, "refuse", "pending-blocked"), (5, "refuse", "itc-reduction-missing"),
    ]  # fmt: skip
    finding = next(f for f in told.json()["findings"] if f["row"] == 4)
    assert (finding["column"], finding["section"], finding["number"]) == ("action", "b2b", "P1")
    assert finding["message"].startswith("the gateway does not allow")
    assert finding["source"].startswith("GST API documentation")
    assert told.json()["decisions"] == {"b2b": {"A": 2, "P": 1}, "b2bcn": {"A": 1}}


def test_how_to_give_an_itc_reduction_is_said_in_words_of_the_sheet(shell: Shell) -> None:
    """Its column, and what is written there: no name of a function."""
    zero = ItcReduction.partial(igst=Decimal(0))
    unsaid = of(Section.B2BCNA, number="C2", hash="b", read_from_gateway=True)
    rows = [accepted(CREDIT), accepted(unsaid), accepted(note(number="C3", hash="c"), "x", zero)]
    file = decided(shell.here / "a.csv", *rows)
    findings = shell.run("check", file, "--json").json()["findings"]
    said = [one["message"] for one in findings if one["code"].startswith("itc-reduction")]
    assert sum("give ITC reduction: none, full or amounts" in one for one in said) == 2
    assert sum("give ITC reduction: none" in one for one in said) == 3
    assert not [one for one in said if "ItcReduction" in one or "()" in one]


def test_warnings_alone_end_in_code_0(shell: Shell) -> None:
    """Say that no fault was found, and what was warned of."""
    file = decided(shell.here / "a.csv", accepted(UNFILED))
    ended = shell.run("check", file, "--level", "recompute=off")
    assert ended.code == 0
    assert "No fault was found in the file, but 1 warning (not-filed 1)." in ended.out
    assert "row" in ended.out
    quiet = shell.run("check", file, "--level", "recompute=off", "--level", "not-filed=OFF")
    assert "No fault was found in the file. Whether its records are still as they were" in quiet.out
    assert found(shell.run("check", file, "--json")) == [(2, "warn", "not-filed")]


def test_levels_and_filed_periods_can_be_set(shell: Shell) -> None:
    """Make a warning refuse, and close a period."""
    file = decided(shell.here / "a.csv", accepted(UNFILED))
    assert shell.run("check", file, "--level", "not-filed=refuse").code == 2
    options = ("--filed", "102025", "--filed", "112025", "--level", "period-closed=refuse", "--json")
    ended = shell.run("check", file, *options)
    assert (ended.code, found(ended)) == (2, [(2, "warn", "not-filed"), (2, "refuse", "period-closed")])


def test_the_reminder_to_recompute_is_of_no_row(shell: Shell) -> None:
    """November 2025 is drafted for good."""
    file = decided(shell.here / "a.csv", accepted(READ))
    ended = shell.run("check", file, "--json")
    (reminder,) = ended.json()["findings"]
    assert (ended.code, reminder["code"], reminder["row"], reminder["number"]) == (0, "recompute", None, None)
    assert "the batch" in shell.run("check", file).out


def test_the_taxpayer_is_known_by_option_or_environment(shell: Shell) -> None:
    """A file of records that he supplied himself."""
    file = decided(shell.here / "a.csv", accepted(READ))
    warned = [(2, "warn", "own-supplier")]
    assert found(shell.run("check", file, "--json", "--gstin", GOOD.supplier)) == warned
    assert found(shell.run("check", file, "--json", "--gstin", GSTIN)) == []
    shell.monkeypatch.setenv("IMS_GSTIN", GOOD.supplier)
    assert found(shell.run("check", file, "--json")) == warned
    assert shell.run("check", file, "--gstin", "29AAACQ").code == 2


INFORMATION = tuple(tables.INFORMATION_COLUMNS)


def test_a_file_without_information_columns_is_checked_for_what_it_has(shell: Shell) -> None:
    """What it does not tell is not held against it."""
    amendment = of(Section.B2BA, number="B1", hash="a")
    partial = ItcReduction.partial(igst=5)
    bad = ItcReduction.partial(cgst=5)
    rows = [
        accepted(READ),
        accepted(UNFILED),
        (BLOCKED, Action.PENDING, "", None),
        accepted(amendment, "x", NONE),
        accepted(CREDIT, "x", partial),
        accepted(note(number="C2", hash="c"), "x", bad),
    ]
    file = decided(shell.here / "a.csv", *rows, without=INFORMATION)
    assert found(shell.run("check", file, "--json")) == [(7, "refuse", "itc-reduction-amounts")]
    whole = decided(shell.here / "b.csv", *rows)
    assert found(shell.run("check", whole, "--json")) == [
        (3, "warn", "not-filed"), (4, "refuse", "pending-blocked"),
        (7, "refuse", "itc-reduction-amounts"), (7, "refuse", "itc-reduction-amounts"),
    ]  # fmt: skip


def test_what_a_spreadsheet_has_rewritten_is_not_held_against_the_row(shell: Shell) -> None:
    """Amounts with commas, dates of its own, another word for yes, a state without its zero."""
    cells = {"IGST": "1,800.00", "value": "1.18E+05", "original date": "10/5/25", "supplier filed": "FALSE"}
    cells["place of supply"] = "7"
    amendment = of(Section.B2BA, hash="a")
    file = decided(shell.here / "a.csv", accepted(amendment, "x", ItcReduction.partial(igst=99)), cells=cells)
    assert found(shell.run("check", file, "--json")) == []


def test_what_the_information_columns_tell_is_warned_about_at_most(shell: Shell) -> None:
    """Push sends what the gateway shows; but tell what looks wrong."""
    cells = {"value": "-5", "place of supply": "X7", "type": "", "IGST": "9", "CGST": "9", "SGST": "9"}
    file = decided(shell.here / "a.csv", accepted(READ), cells=cells)
    ended = shell.run("check", file, "--json")
    assert (ended.code, [code for _, level, code in found(ended) if level == "warn"]) == (
        0, ["amount", "tax-heads", "place-of-supply", "type"],
    )  # fmt: skip


def test_an_unchanged_row_is_told_from_one_with_new_remarks(shell: Shell) -> None:
    """The file does not tell what the remarks were: a row that has some may change them."""
    stands = attrs.evolve(READ, action=Action.REJECT)
    file = decided(shell.here / "a.csv", (stands, Action.REJECT, "", None))
    assert (2, "warn", "no-change") in found(shell.run("check", file, "--json"))
    file = decided(shell.here / "b.csv", (stands, Action.REJECT, "new", None))
    assert found(shell.run("check", file, "--json")) == []


def test_masked_gstins_pass_with_no_check(shell: Shell) -> None:
    """Test hosts use them."""
    masked = attrs.evolve(READ, supplier="29XXXXX0000X1ZX")
    file = decided(shell.here / "a.csv", accepted(masked))
    ended = shell.run("check", file, "--json")
    assert (ended.code, found(ended)) == (0, [(2, "warn", "supplier")])  # the gateway reported it
    ended = shell.run("check", file, "--no-check", "--gstin", "29XXXXX0000X1ZY", "--json")
    assert (ended.code, found(ended)) == (0, [])


def test_many_findings_are_cut_on_the_screen_and_whole_for_machines(shell: Shell) -> None:
    """Of each code three are shown, all are counted; the sum comes last."""
    rows = [accepted(attrs.evolve(UNFILED, number=f"U{n}", hash=f"{n:x}")) for n in range(4357)]
    blocked = [
        (attrs.evolve(BLOCKED, number=f"P{n}", hash=f"p{n}"), Action.PENDING, "", None) for n in range(5)
    ]
    file = decided(shell.here / "a.csv", *rows, *blocked)
    ended = shell.run("check", file, "--level", "recompute=off", "--report", "findings.csv")
    assert "the first three of each code; --report FILE and --json have all" in ended.out
    lines = [line for line in ended.out.splitlines() if " not-filed " in line]
    assert len([line for line in lines if "b2b U" in line]) == 3
    assert "… and 4,354 more" in ended.out
    assert "… and 2 more" in ended.out
    last = ended.out.splitlines()[-1]
    assert last.startswith(
        "The file is refused: 5 faults and 4,357 warnings (not-filed 4,357, pending-blocked 5)."
    )
    assert "check again" in last
    assert len(ended.out.splitlines()) < 35
    findings = shell.run("check", file, "--json").json()["findings"]
    assert len([one for one in findings if one["code"] != "recompute"]) == 4362
    written = read_rows(Path("findings.csv"))
    assert Counter((row["outcome"], row["kind"]) for row in written) == {
        ("warn", "not-filed"): 4357, ("refuse", "pending-blocked"): 5,
    }  # fmt: skip
    first = next(row for row in written if row["kind"] == "pending-blocked")
    assert (first["file"], first["row"], first["column"]) == (str(file), "4359", "action")


def test_the_rules_are_listed_with_their_levels(shell: Shell) -> None:
    """As the options set them; no file is needed."""
    ended = shell.run("check", "--rules", "--level", "not-filed=off")
    assert ended.code == 0
    for rule in RULES:
        assert rule.code in ended.out
    listed = shell.run("check", "--rules", "--json", "--level", "not-filed=off").json()["rules"]
    levels = {rule["code"]: rule["level"] for rule in listed}
    assert levels == {**{rule.code: rule.level.value for rule in RULES}, "not-filed": "off"}
    assert {rule["code"]: rule["since"] for rule in listed}["itc-reduction-missing"] == "102025"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "no file was named"),
        (("a.csv", "--level", "not-filed"), "write CODE=LEVEL"),
        (("a.csv", "--level", "nothing=off"), "rule 'nothing' is unknown; the rules are: record, section"),
        (("a.csv", "--level", "not-filed=loud"), "use one of: refuse, warn, off"),
        (("a.csv", "--filed", "132025"), "is not a return period"),
        (("missing.csv",), "cannot be read"),
    ],
)
def test_options_that_cannot_be_meant_are_bad_input(
    shell: Shell, options: tuple[str, ...], says: str
) -> None:
    """Code 2, and what to write instead."""
    decided(shell.here / "a.csv", accepted(READ))
    ended = shell.run("check", *options)
    assert (ended.code, says in ended.err) == (2, True)


def test_every_fault_of_the_file_itself_is_told_first(shell: Shell) -> None:
    """Cells that cannot be read have no decision to check."""
    file = decided(
        shell.here / "a.csv", accepted(READ), cells={"date": "31-02-2025", "section": "impg", "hash": ""}
    )
    ended = shell.run("check", file)
    assert ended.code == 2
    assert "column date: '31-02-2025' is not a date" in ended.err
    assert "column section: section 'impg' is not one that IMS has" in ended.err


def edited(file: Path, line: int, **cells: str) -> None:
    """Type something into the cells of one row, counted as a spreadsheet does."""
    rows = read_rows(file)
    rows[line - 2].update({name.replace("_", " "): text for name, text in cells.items()})
    write_rows(file, rows)


def test_cells_that_cannot_be_read_and_what_the_rules_find_are_shown_in_one_run(shell: Shell) -> None:
    """The rules look at all other rows, of this file and of the next."""
    rows = [accepted(READ), accepted(UNFILED), (BLOCKED, Action.PENDING, "", None), accepted(CREDIT)]
    file = decided(shell.here / "a.csv", *rows)
    edited(file, 2, action="maybe", date="31-02-2025", hash="")
    ended = shell.run("check", file, "--report", "found.csv")
    assert (ended.code, ended.err) == (2, "")
    assert "The file is refused: 4 faults and 2 warnings (" in ended.out
    lines = [line.split()[:3] for line in ended.out.splitlines() if line.split()[1:2] == ["refuse"]]
    assert lines == [
        ["2", "refuse", "date"], ["2", "refuse", "action"],
        ["4", "refuse", "pending-blocked"], ["5", "refuse", "itc-reduction-missing"],
    ]  # fmt: skip
    assert {(row["row"], row["kind"]) for row in read_rows(Path("found.csv"))} >= {
        ("2", "date"), ("2", "action"), ("3", "not-filed"), ("4", "pending-blocked"),
    }  # fmt: skip
    told = shell.run("check", file, "--json").json()
    assert (told["ok"], told["decisions"]) == (False, {"b2b": {"A": 1, "P": 1}, "b2bcn": {"A": 1}})
    fault = next(f for f in told["findings"] if f["code"] == "date")
    assert (fault["file"], fault["row"], fault["column"], fault["level"]) == (str(file), 2, "date", "refuse")
    assert "'31-02-2025' is not a date" in fault["message"]
    other = decided(shell.here / "b.csv", accepted(attrs.evolve(UNFILED, number="U2", hash="e")))
    several = shell.run("check", file, other, "--ask-filing", "--json")
    assert "The gateway was not asked what is filed" in several.err
    assert {f["file"] for f in several.json()["findings"] if f["row"]} == {str(file), str(other)}


def test_findings_of_both_kinds_are_in_the_order_of_the_rows_each_with_its_taxpayer(shell: Shell) -> None:
    """Where the row names one, or the file; by file first, in the order in which they were given."""
    rows = [attrs.evolve(UNFILED, number=f"U{n}", hash=f"{n}" * 64) for n in range(1, 5)]
    file = decided(shell.here / "b.csv", *map(accepted, rows))
    write_rows(file, [{"GSTIN": (GSTIN, OTHER)[n % 2], **row} for n, row in enumerate(read_rows(file))])
    edited(file, 4, action="maybe")
    edited(file, 5, GSTIN="29", remarks="x" * 40_000)
    one = decided(shell.here / f"{OTHER}.csv", *map(accepted, [READ, attrs.evolve(UNFILED, hash="e" * 64)]))
    edited(one, 2, action="maybe")
    ended = shell.run("check", file, one, "--json", "--report", "found.csv")
    places = [(f["file"], f["row"], f["code"], f["gstin"]) for f in ended.json()["findings"]]
    assert [place for place in places if place[2] != "recompute"] == [
        (str(file), 2, "not-filed", GSTIN), (str(file), 3, "not-filed", OTHER),
        (str(file), 4, "action", GSTIN), (str(file), 5, "gstin", None), (str(file), 5, "remarks", None),
        (str(one), 2, "action", OTHER), (str(one), 3, "not-filed", OTHER),
    ]  # fmt: skip
    written = [(row["file"], row["row"], row["GSTIN"]) for row in read_rows(Path("found.csv")) if row["row"]]
    assert written == [(file, str(row), gstin or "") for file, row, _, gstin in places if row]


def test_a_file_of_which_nothing_can_be_read_is_an_error(shell: Shell) -> None:
    """In `--json` too: it has its problems by row, and no findings of rules."""
    file = decided(shell.here / "a.csv", accepted(READ), cells={"action": "maybe"})
    ended = shell.run("check", file, "--json")
    told = ended.json()
    assert (ended.code, told["ok"], "findings" in told) == (2, False, False)
    assert told["error"]["type"] == "InvalidFile"
    assert [(one["row"], one["kind"]) for one in told["error"]["findings"]] == [(2, "action")]


def test_a_row_that_stands_twice_is_found_once(shell: Shell) -> None:
    """By the reader; the rules look at the first."""
    file = decided(shell.here / "a.csv", accepted(READ), accepted(READ), accepted(UNFILED))
    assert found(shell.run("check", file, "--json")) == [(3, "refuse", "twice"), (4, "warn", "not-filed")]


def test_what_push_says_of_hashes_check_says_before(shell: Shell) -> None:
    """Emptied, of another row, or a number of a spreadsheet's; where no row has one that is nothing."""
    others = [attrs.evolve(READ, number=f"INV/{n}", hash=f"{n}" * 64) for n in range(1, 4)]
    file = decided(shell.here / "a.csv", accepted(READ), *map(accepted, others))
    edited(file, 3, hash="")
    edited(file, 4, hash=" " + "AB" * 32)
    edited(file, 5, hash="1.23E+45")
    ended = shell.run("check", file, "--json")
    assert (ended.code, found(ended)) == (
        2, [(3, "warn", "no-hash"), (4, "refuse", "twice"), (5, "refuse", "rewritten")],
    )  # fmt: skip
    said = [finding["message"] for finding in ended.json()["findings"]]
    assert "its hash cell is empty: if the gateway shows a hash of this record, push refuses" in said[0]
    assert f"its hash is that of {file} row 2: keep one of them" in said[1]
    assert "a spreadsheet has rewritten its hash (1.23E+45)" in said[2]
    bare = decided(shell.here / "b.csv", *map(accepted, others), cells={"hash": ""})
    assert found(shell.run("check", bare, "--json")) == []


def test_one_hash_in_two_files_or_two_sections(shell: Shell) -> None:
    """The first is one record, the second are two."""
    decided(shell.here / "a.csv", accepted(READ))
    decided(shell.here / "b.csv", accepted(attrs.evolve(READ, number="INV/2")))
    ended = shell.run("check", "a.csv", "b.csv", "--json")
    assert (ended.code, found(ended)) == (2, [(2, "refuse", "twice")])
    file = decided(shell.here / "c.csv", accepted(attrs.evolve(UNFILED, supplier_filed=True)))
    decided(shell.here / "d.csv", accepted(CREDIT, "", NONE))
    assert "twice" not in shell.run("check", file, "d.csv", "--json").out


def test_amounts_are_those_of_the_record(shell: Shell) -> None:
    """A reversal of more than the tax in the file's own columns."""
    more = ItcReduction.partial(igst=Decimal("18.01"))
    file = decided(shell.here / "a.csv", accepted(CREDIT, "x", more))
    assert found(shell.run("check", file, "--json")) == [(2, "refuse", "itc-reduction-amounts")]


def test_folders_and_several_files_are_checked_as_push_takes_them(shell: Shell) -> None:
    """Findings by code first, then each with its file and taxpayer; undecided files are passed over."""
    folder = shell.here / "november"
    folder.mkdir()
    decided(folder / f"{GSTIN}.csv", accepted(UNFILED), accepted(CREDIT))
    one = decided(shell.here / "one.csv", (BLOCKED, Action.PENDING, "", None))
    decided(folder / "undecided.csv", accepted(READ), cells={"action": ""})
    ended = shell.run("check", folder, one)
    assert ended.code == 2
    assert ended.out.index("findings by code") < ended.out.index("findings in 3 files")
    assert [line.split()[2] for line in ended.out.splitlines() if line.startswith("refuse ")] == ["1", "1"]
    (line,) = (line.split() for line in ended.out.splitlines() if f"{GSTIN}.csv" in line and "refuse" in line)
    assert line[:5] == [f"{GSTIN}.csv", GSTIN, "3", "refuse", "itc-reduction-missing"]
    assert "The files are refused: 2 faults" in ended.out
    told = shell.run("check", folder, one, "--json").json()
    assert (told["file"], len(told["files"])) == (None, 3)
    named = {(f["code"], f["file"], f["gstin"]) for f in told["findings"] if f["row"]}
    assert ("pending-blocked", str(one), None) in named
    assert ("not-filed", str(folder / f"{GSTIN}.csv"), GSTIN) in named


def test_nothing_decided_in_several_files_is_told(shell: Shell) -> None:
    """As push tells it."""
    for name in ("a.csv", "b.csv"):
        decided(shell.here / name, accepted(READ), cells={"action": ""})
    ended = shell.run("check", "a.csv", "b.csv")
    assert (ended.code, "nothing is decided: write A, R or P" in ended.err) == (2, True)
    assert "(2 files read)" in ended.err


def test_what_the_gateway_takes_no_word_on_is_found_offline(shell: Shell) -> None:
    """Remarks and an ITC reduction of records for which it allows none."""
    silent = of(Section.B2B, number="S1", remarks_allowed=False, hash="a", read_from_gateway=True)
    fixed = note(number="S2", itc_reduction_allowed=False, hash="b", read_from_gateway=True)
    file = decided(shell.here / "a.csv", (silent, Action.REJECT, "no", None), accepted(fixed, "", NONE))
    codes = {code for _, level, code in found(shell.run("check", file, "--json")) if level == "refuse"}
    assert codes == {"remarks-blocked", "itc-reduction"}


def test_a_credit_note_that_is_rejected_with_its_invoice_is_warned_of(shell: Shell) -> None:
    """By its row; not where the file lacks the amounts by which the two are known."""
    rows: list[Row] = [
        (READ, Action.REJECT, "no", None),
        (attrs.evolve(CREDIT, number="C2"), Action.REJECT, "no", None),
    ]
    expected = {(3, "warn", "credit-note-rejected"), (3, "warn", "credit-note-and-invoice")}
    assert expected == set(found(shell.run("check", decided(shell.here / "a.csv", *rows), "--json")))
    less = decided(shell.here / "b.csv", *rows, without=("IGST", "cess"))
    assert (3, "warn", "credit-note-and-invoice") not in found(shell.run("check", less, "--json"))
