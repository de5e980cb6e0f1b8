"""What spreadsheets and gateways put into a file is taken: titles, other delimiters, GSTINs of every kind."""

from __future__ import annotations

import csv
import io
import string
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import Invoice, JobReport, JobState, tables

from ..support.strategies import gstins, numbers, records
from ..support.sweeps import examples
from .test_tables import lines, problems_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "acme.csv"


TITLES = "Acme Traders\r\nIMS, October 2024\r\n\r\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "pipe"])
@pytest.mark.parametrize("titles", ["", TITLES, TITLES + "\r\n" * 17], ids=["none", "three", "twenty"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_a_line_that_names_the_delimiter_and_titles_stand_above_the_header(
    file: Path, mark: str, titles: str, delimiter: str
) -> None:
    """A row counts as a spreadsheet shows it: titles do, the `sep=` line does not."""
    text = f"{mark}sep={delimiter}\r\n{titles}" + lines(
        {"number": "1"}, {"date": "?", "hash": ""}, delimiter=delimiter
    )
    above = titles.count("\n")
    (problem,) = problems_of(file, text)
    assert problem.startswith(f"{file} row {above + 3}, column date: ")
    file.write_text(text.replace("?", "05-10-2024"), "utf-8", newline="")
    assert [row.line for row in tables.read_decisions(file)] == [above + 2, above + 3]


def test_titles_alone_need_no_line_that_names_the_delimiter(file: Path) -> None:
    """A title with more commas than the header has columns; and a file that has titles only."""
    file.write_text("a,b,c,d;" * 30 + "\n" + lines({}, delimiter=";"))
    assert [row.line for row in tables.read_decisions(file)] == [3]
    (problem,) = problems_of(file, TITLES)
    assert problem == f"{file} is not a file of pull's (no columns section, supplier, …)"


def test_a_report_below_titles_is_known_as_one(file: Path) -> None:
    """It holds no decisions, whatever stands above its header."""
    tables.write_report(file, JobReport(state=JobState.SUCCEEDED, submitted=1), gstin="29AAACQ3770E1ZF")
    assert tables.is_report(file)
    text = file.read_text("utf-8-sig")
    for above in ("sep=,\n", "outcome of October\n\n", "sep=,\nAcme\n"):
        file.write_text(above + text, "utf-8")
        assert tables.is_report(file)
    file.write_text(TITLES + lines({}))
    assert not tables.is_report(file)


# -- what a gateway reported ----------------------------------------------------------------------------

ABROAD = ["9922JPN29001OSU", "9917IRL29003OSG"]
"""GSTINs of online service providers abroad: as GSTN gives them, and not of the schema's pattern."""


def odd_suppliers() -> st.SearchStrategy[str]:
    """What a gateway may report as a supplier: any kind of GSTIN, masked ones, and what is none."""
    return gstins() | st.sampled_from([*ABROAD, "29XXXXX0000X1ZX", "0717USA00001UNX", "?"])


@settings(max_examples=examples(100))
@given(st.lists(records(), min_size=1, max_size=4, unique_by=lambda record: record.hash), st.data())
def test_whatever_a_pull_has_written_is_taken_again(pulled: list[Invoice], data: st.DataObject) -> None:
    """Accept each record as it came, also with a number that is too long: by a check and by a push."""
    shown = [
        attrs.evolve(
            record,
            hash=f"{place}{record.hash or 'ab'}",
            supplier=data.draw(odd_suppliers()),
            number=data.draw(numbers() | st.text(string.printable, min_size=17, max_size=40)) + str(place),
            itc_reduction=None,
            read_from_gateway=True,
        )
        for place, record in enumerate(pulled)
    ]
    out = io.StringIO(newline="")
    tables.write_invoices(out, shown)
    header, *cells = csv.reader(io.StringIO(out.getvalue(), newline=""))
    decided = io.StringIO(newline="")
    csv.writer(decided).writerows([header, *([*row[:5], "R", *row[6:]] for row in cells)])
    decided.seek(0)
    rows = tables.read_with_information(decided)
    by_rule = [one.code for one in tables.check_rows(rows) if one.level == "refuse"]
    assert not {"supplier", "number"} & set(by_rule)
    joined = tables.match_records([row for row, _ in rows], shown)
    assert [invoice.number for invoice in joined] == [invoice.number for invoice in shown]
    assert [row.supplier for row, _ in rows] == [invoice.supplier.upper() for invoice in shown]


@pytest.mark.parametrize(
    ("supplier", "warned"), [*((gstin, False) for gstin in ABROAD), ("29XXXXX0000X1ZX", True)]
)
def test_the_check_is_silent_on_gstins_of_other_kinds(supplier: str, warned: bool) -> None:
    """It only warns of what is no GSTIN of any kind, where a gateway has reported it."""
    text = io.StringIO(lines({"supplier": supplier}))
    found = tables.check_rows(tables.read_with_information(text))
    assert [one.level for one in found if one.code == "supplier"] == ["warn"] * warned


@pytest.mark.parametrize("change", [{"supplier": ABROAD[0]}, {"number": "A" * 17}])
def test_ids_that_no_gateway_has_reported_are_those_of_the_schema(file: Path, change: dict[str, str]) -> None:
    """Without a hash a person typed them, and the gateway would refuse them."""
    assert len(problems_of(file, lines({"hash": "", **change}))) == 1
