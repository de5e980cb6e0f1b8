"""Rows that are read at once come out as they do cell by cell, with the same faults, findings and lines."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ims_async import tables
from ims_async.tables import checking, reading, source
from ims_async.tables import row as table_row
from ims_async.tables.columns import FLAG_COLUMNS, MONEY_COLUMNS
from ims_async.tables.problems import InvalidFile

from ..support.sweeps import examples, sample

SUPPLIER, OTHER, UIN, OWN = "27AAPFU0939F1ZV", "29AAACQ3770E1ZF", "9917UNO00001UNU", "07AAGCR4375J1Z0"
PLAIN: Final[dict[str, list[str]]] = {
    "GSTIN": [OWN, OTHER],
    "section": ["b2b", "b2bcn", "b2ba"],
    "supplier": [SUPPLIER, OTHER],
    "number": ["INV/1", "0012", "7"],
    "date": ["05-10-2024", "01-02-2025"],
    "return period": ["102024", "022025"],
    "action": ["A", "R", "P", "accept"],
    "action when pulled": ["N", "A"],
    "hash": ["", "a" * 64],
    "remarks": ["", "why?"],
    "ITC reduction": ["", "none", "full", "igst=10.50"],
    "supplier name": ["", "Asha & Sons"],
    "type": ["R", "DE"],
    "place of supply": ["29", "07"],
    **{name: ["0", "1004.1", "20082.03"] for name in MONEY_COLUMNS},
    **{name: ["", "yes", "no"] for name in FLAG_COLUMNS},
    "original number": ["", "INV/0"],
    "original date": ["", "01-09-2024"],
    "change": ["", "new", "gone"],
    "mine": ["", "a note"],
}
"""What `pull` writes into the cells of each column."""
ODD: Final = [
    "", " ", "x", "N", "8", "'=1", "'", "'x", " b2b", "5-10-24", "45570", "31-02-2025", "52025",
    "1.00E+05", "1E5", "-0.005", "1e3", "1_0", "0x1", "\u0661", "NaN", "1|2", "1.1234567", "9" * 16,
    "Yes", " no ", "full;", "igst=1.001", UIN, SUPPLIER.lower(), f"{SUPPLIER[:-1]}X", "B" * 64,
    " 8", "8 ", "\u0668", "two\nlines", "a\rb", 'say "it"', "Gone ", "\u2028", "é", "x" * 32_768,
]  # fmt: skip
"""What a person, or a spreadsheet, may write into any of them."""


@st.composite
def files(draw: st.DrawFn) -> str:
    """Draw a file: most cells are as they were pulled; columns are missing, or in another order."""
    columns = [name for name in PLAIN if name in tables.READ_COLUMNS or draw(st.integers(0, 7))]
    header = draw(st.permutations(columns)) if draw(st.booleans()) else columns
    rows: list[list[str]] = []
    for _ in range(draw(st.integers(1, 6))):
        row = [draw(st.sampled_from(PLAIN[name])) for name in header]
        if not draw(st.integers(0, 9)):
            row[draw(st.integers(0, len(header) - 1))] = draw(st.sampled_from(ODD))
        cut = draw(st.sampled_from([0] * 8 + [1, len(row) - 1, -1]))
        rows.append([*row, "more"] if cut < 0 else row[: len(row) - cut])
    text = io.StringIO(newline="")
    delimiter, end = draw(st.sampled_from(",;")), draw(st.sampled_from(["\r\n", "\n", "\r"]))
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return text.getvalue() + draw(st.sampled_from(["", "", '"never closed', 'a"b', '"a"b']))


def outcome(read: Callable[[], Any]) -> Any:
    """Return what is read, or the problems with their places."""
    try:
        return read()
    except InvalidFile as error:
        return [(str(one), one.facts) for one in error.problems]


def everything(text: str) -> list[Any]:
    """Return what each way of reading a file gives, and what the rules find in it."""

    def read(reader: Callable[..., Any], **options: bool) -> Any:
        return outcome(lambda: reader(io.StringIO(text, newline=""), may_be_empty=True, **options))

    found = [
        read(reader, check_suppliers=check)
        for reader in (tables.read_decisions, tables.read_records, tables.read_with_information)
        for check in (True, False)
    ]
    found.append(read(reading.read_records_with_information, gone=True))
    decided = read(tables.read_with_information, check_suppliers=False)
    if decided and isinstance(decided[0][0], tables.Row):
        today = dt.date(2025, 6, 30)
        found += [tables.check_rows(decided, gstin=gstin, today=today) for gstin in (None, OWN)]
    return found


def cell_by_cell(text: str) -> list[Any]:
    """Return `everything` where no row is read at once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "plain_rows", lambda *_: lambda *_: None)
        patched.setattr(checking, "_plain_decision", lambda *_: None)
        patched.setattr(reading._Reader, "information", _by_cell)
        return everything(text)


@pytest.mark.parametrize("column", PLAIN)
def test_a_row_with_one_odd_cell_is_read_as_it_is_cell_by_cell(column: str) -> None:
    """Odd cells in each column, of a row with a hash and of one without, beside a plain row."""
    plain = {name: values[-1] for name, values in PLAIN.items()}
    plain |= {"action": "A", "change": "new", "ITC reduction": ""}
    for cell, own_hash in sample(itertools.product(ODD, ("", "c" * 64)), 3):
        odd = {**plain, "number": "INV/9", "hash": own_hash, column: cell}
        text = io.StringIO(newline="")
        csv.writer(text).writerows([plain.keys(), plain.values(), odd.values()])
        assert everything(text.getvalue()) == cell_by_cell(text.getvalue()), (cell, own_hash)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "R", "ITC reduction": "full"},
        {"section": "b2bcn"},
        {"GSTIN": OWN},
        {"date": "06-10-2024"},
        {"hash": "d" * 64},
        {"hash": "A " * 64},
        {},
        {"supplier": UIN, "hash": "d" * 64},
    ],
)
def test_rows_that_are_almost_alike_are_told_apart_as_they_are_cell_by_cell(change: dict[str, str]) -> None:
    """The same record twice is a fault, another one is none; some suppliers are checked for nothing."""
    plain = {name: values[-1] for name, values in PLAIN.items()}
    plain |= {"action": "A", "change": "new", "ITC reduction": "", "section": "b2b"}
    text = io.StringIO(newline="")
    csv.writer(text).writerows([plain.keys(), plain.values(), (plain | change).values()])
    assert everything(text.getvalue()) == cell_by_cell(text.getvalue())
    twice = outcome(lambda: tables.read_decisions(io.StringIO(text.getvalue(), newline="")))
    assert any(isinstance(one, tuple) for one in twice) == (
        change in ({}, {"hash": "A " * 64}) or "R" in change.values()
    )


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow])
@given(text=files())
def test_rows_read_at_once_are_those_that_are_read_cell_by_cell(text: str) -> None:
    """Whatever is in the cells, however many there are, and however the file ends."""
    assert everything(text) == cell_by_cell(text)


def _by_cell(reader: Any, cells: Any) -> list[str]:
    there = (column for column in tables.INFORMATION_COLUMNS if column in reader.columns)
    return [reader.restored(reader.cell(cells, column)) for column in there]


def test_a_plain_file_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the comparison above would be of one way with itself."""
    row = {name: values[-1] for name, values in PLAIN.items()} | {"action": "A", "change": "new"}
    text = io.StringIO(newline="")
    csv.writer(text).writerows([row.keys(), row.values()])
    monkeypatch.setattr(reading._Reader, "read_row", None)
    monkeypatch.setattr(checking, "_decision", None)
    rows = tables.read_with_information(io.StringIO(text.getvalue(), newline=""))
    assert [facts["supplier name"] for _, facts in rows] == ["Asha & Sons"]
    tables.check_rows(rows)


@given(
    text=st.text(st.sampled_from('ab\r\n"\u2028\x0b\x85'), max_size=30),
    offset=st.integers(0, 5),
    at_once=st.integers(0, 9),
)
def test_lines_are_those_of_the_whole_text(text: str, offset: int, at_once: int) -> None:
    """Wherever a part of it ends: no line is cut, and only carriage returns and line feeds end one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "_LINES_AT_ONCE", at_once)
        assert list(source.lines_of(text, offset)) == list(io.StringIO(text[offset:], newline=""))


def test_what_is_kept_beside_rows_is_what_was_read() -> None:
    """Of several files, one of them without these columns; by place, by part and in turn."""
    plain = {name: values[-1] for name, values in PLAIN.items()} | {"action": "A", "ITC reduction": ""}
    few = {name: plain[name] for name in tables.READ_COLUMNS}
    beside, expected = checking.Beside(), list[Any]()
    for number, cells in enumerate((plain, few)):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([cells, cells.values(), (cells | {"number": "2"}).values()])
        source_file = io.StringIO(text.getvalue(), newline="")
        source_file.name = f"{number}.csv"
        rows = reading.read_keeping(source_file, beside.keep)
        source_file.seek(0)
        expected += tables.read_with_information(source_file)
        beside.rows = [*beside.rows, *rows]
    with_nul = attrs.evolve(expected[0][0], line=9)
    cells = {**expected[0][1], "type": "a\0b"}
    beside.keep(with_nul, [*cells], [*cells.values()])
    beside.rows = [*beside.rows, with_nul]
    expected.append((with_nul, cells))
    assert [*beside] == expected
    assert [beside[place] for place in range(len(beside))] == beside[:] == expected
    assert tables.check_rows(beside) == tables.check_rows(expected)


def test_records_with_one_hash_in_a_table_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are compared by a number made of their ids: two records may have the same one."""
    monkeypatch.setattr(table_row, "hash", lambda _: 7, raising=False)
    plain = {name: values[-1] for name, values in PLAIN.items()} | {"action": "A", "change": "new"}
    numbers = ["1", "2", "3", "2", "1"]
    text = io.StringIO(newline="")
    rows = [{**plain, "ITC reduction": "", "number": number}.values() for number in numbers]
    csv.writer(text).writerows([plain.keys(), *rows])
    with pytest.raises(InvalidFile) as caught:
        tables.read_decisions(io.StringIO(text.getvalue(), newline=""))
    found = [(one.row, one.kind, str(one).rpartition("stands in ")[2]) for one in caught.value.problems]
    already = "already: keep one of them"
    assert found == [(5, "twice", f"row 3 {already}"), (6, "twice", f"row 2 {already}")]


def test_findings_name_their_rows_by_place() -> None:
    """Also those of a taxpayer whose rows are not the first; and they keep no record alive."""
    plain = {name: values[-1] for name, values in PLAIN.items()}
    plain |= {"action": "R", "change": "new", "ITC reduction": "", "remarks": "", "section": "b2b"}
    plain |= dict.fromkeys(FLAG_COLUMNS, "")
    rows = [
        {**plain, "GSTIN": owner, "hash": f"{place:064}"}.values()
        for place, owner in enumerate((OTHER, OWN, OTHER, OWN))
    ]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([plain.keys(), *rows])
    found = tables.check_rows(tables.read_with_information(io.StringIO(text.getvalue(), newline="")))
    assert {one.record for one in found} == {None}
    again = [(one.place, one.message.rpartition(" ")[2]) for one in found if one.code == "duplicate"]
    assert again == [(2, "1"), (3, "2")]
    assert [one.place for one in found if one.code == "remarks-missing"] == [0, 1, 2, 3]


def test_a_row_of_a_taxpayer_is_the_same_row_with_its_gstin() -> None:
    """Whatever its fields hold: none is left out."""
    facts: dict[str, Any] = {field.name: field.name for field in attrs.fields(tables.Row)}
    row = tables.Row(**facts)
    assert row.owned_by(OWN) == attrs.evolve(row, gstin=OWN)
