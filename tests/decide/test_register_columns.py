"""The columns of a purchase register: which heading is which field, and what is asked for."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput
from ims_async.decide import Entry, entries_of, read_register
from ims_async.tables import InvalidFile, write_invoices

from .books import ACME, entry, record

HEADINGS = ["GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST", "Document Type"]
ROW = [ACME, "7", "05-05-2026", "1000", "180", ""]


def read(*rows: list[Any], headings: list[Any] | None = None, **facts: Any) -> list[Entry]:
    """Read rows below the headings."""
    return entries_of([headings or HEADINGS, *rows], **facts)


@pytest.mark.parametrize(
    ("headings", "said"),
    [
        (
            ["GSTIN", "Invoice No", "Date", "IGST"],
            'Name it, for example columns={"taxable_value": "Heading"}',
        ),
        (["GSTIN", "Invoice No", "Date", "Taxable Value"], "no column for igst, cgst, sgst"),
        (["A", "B", None, ""], "no column for supplier, number, date, taxable_value"),
    ],
)
def test_a_missing_column_is_asked_for_by_name(headings: list[Any], said: str) -> None:
    """With the headings that there are."""
    with pytest.raises(InvalidInput) as caught:
        read(ROW, headings=headings)
    assert said in str(caught.value)
    named = ", ".join(filter(None, headings))
    assert caught.value.without_advice().endswith(f"The headings are: {named}")


def test_what_pull_wrote_is_no_register(tmp_path: Path) -> None:
    """Every record would match itself; a column called hash, or action, is no hindrance."""
    path = tmp_path / "acme.csv"
    write_invoices(path, [record("7")])
    with pytest.raises(InvalidInput, match=r"acme\.csv was written by pull: name the purchase register"):
        read_register(path)
    assert read([*ROW, "x", "y"], headings=[*HEADINGS, "Hash", "Action"]) == [entry("7")]


def test_a_heading_that_stands_there_twice_is_refused_if_it_is_needed() -> None:
    """Which one is meant is not known; another one may be there as often as it likes."""
    with pytest.raises(InvalidInput, match="the heading 'IGST' stands over columns 5 and 6: rename one"):
        read([*ROW[:5], "5"], headings=[*HEADINGS[:5], "IGST"])
    assert read([*ROW, "x", "y"], headings=[*HEADINGS, "Note", "Note"])[0].igst == 180


def test_the_number_of_the_voucher_is_not_that_of_the_document() -> None:
    """Another document may have it: somebody has to say that it is meant."""
    headings = ["Voucher No", *HEADINGS]
    assert read(["V1", *ROW], headings=headings)[0] == entry("7", reference="V1")
    headings = ["GSTIN", "Voucher No", *HEADINGS[2:]]
    with pytest.raises(InvalidInput, match="no column for number"):
        read([ACME, "V1", *ROW[2:]], headings=headings)
    (one,) = read([ACME, "V1", *ROW[2:]], headings=headings, columns={"number": "Voucher No"})
    assert (one.number, one.reference) == ("V1", "")


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ([*HEADINGS[:4], "Tax Amount"], [*[None] * 4, "IGST", "Cess"]),
        (["Supplier", "Supplier", "Invoice", "", "Taxable", "Integrated"], ["GSTIN", "Name", "No.", "Date"]),
    ],
)  # fmt: skip
def test_headings_may_be_in_two_lines(upper: list[Any], lower: list[Any]) -> None:
    """One of the upper line may stand over several columns."""
    row = [ACME, "7", "05-05-2026", "1000", "180"]
    if lower[0]:
        row, lower = [ACME, "Acme", *row[1:]], [*lower, "Value", "Tax"]
        upper = [*upper[:2], "Invoice", "", "Taxable", "Integrated"]
    assert entries_of([["Acme Traders"], upper, lower, row]) == [entry("7")]


@pytest.mark.parametrize(
    ("headings", "missing"),
    [
        (["Taxable Value", "IGST", "Input CGST 9%", "Input SGST 9%"], "cgst, sgst"),
        (["Taxable Value", "IGST %", "CGST", "SGST"], "igst"),
        (["Taxable Value", "IGST", "CGST"], "sgst"),
        (["Net Amount", "IGST"], "taxable_value"),
    ],
)
def test_a_column_that_may_be_meant_is_asked_for(headings: list[str], missing: str) -> None:
    """Without its tax each document would differ, and of a rate each would have a wrong one."""
    with pytest.raises(InvalidInput, match=f"no column for {missing}. The headings"):
        read(ROW[:4], headings=[*HEADINGS[:3], *headings])


def test_several_columns_of_one_amount_are_added_up(tmp_path: Path) -> None:
    """Those of each rate, in Python and in TOML; of no other field."""
    headings = [*HEADINGS[:4], "Input CGST 9%", "Input CGST 14%", "Input SGST 9%", "Input SGST 14%"]
    columns = {"cgst": ["Input CGST 9%", "Input CGST 14%"], "sgst": ("Input SGST 9%", "Input SGST 14%")}
    path = tmp_path / "columns.toml"
    path.write_text(f"cgst = {columns['cgst']}\nsgst = {list(columns['sgst'])}", encoding="utf-8")
    for given in (columns, path):
        (one,) = read([*ROW[:4], "90", "14", "90", ""], headings=headings, columns=given)
        assert (one.cgst, one.sgst) == (Decimal(104), Decimal(90))
        with pytest.raises(InvalidFile, match="row 2, column Input CGST 14%: 'x' is not an amount"):
            read([*ROW[:4], "90", "x", "90", ""], headings=headings, columns=given)
    with pytest.raises(InvalidInput, match=r"columns, number: \['A', 'B'\] is no heading$"):
        read(ROW, columns={"number": ["A", "B"]})
    with pytest.raises(InvalidInput, match="columns, igst: 5 is no heading, or a list of them"):
        read(ROW, columns={"igst": 5})


@pytest.mark.parametrize(
    ("headings", "named"),
    [
        (
            ["Purchase @ 18%", "Purchase @ 12%", "Input IGST @ 18%", "Input IGST @ 12%", "Gross Total"],
            {
                "taxable_value": ["Purchase @ 18%", "Purchase @ 12%"],
                "igst": ["Input IGST @ 18%", "Input IGST @ 12%"],
            },
        ),
        (
            [
                "Taxable Value",
                "CGST Output 9%",
                "CGST 9%",
                "CGST total",
                "CGST Rate 9%",
                "SGST %",
                "UTGST 9%",
            ],
            {"cgst": ["CGST Output 9%", "CGST 9%"], "sgst": "UTGST 9%"},
        ),
        (
            ["Purchase 5%", "IGST", "IGST Purchase 18%"],
            {"taxable_value": ["Purchase 5%", "IGST Purchase 18%"]},
        ),
        (["Taxable Value", "Total of Input IGST", "All Tax 9%"], {"igst": "Total of Input IGST"}),
        (["Purchase Order", "IGST"], {"taxable_value": "Heading"}),
    ],
)
def test_the_headings_that_may_be_meant_are_in_the_advice(headings: list[str], named: dict[str, Any]) -> None:
    """In the form in which they are named, of which each register is read; rates and totals are left out."""
    headings = [*HEADINGS[:3], *headings]
    with pytest.raises(InvalidInput) as caught:
        read(headings=headings)
    assert caught.value.advice == f"Name it, for example columns={json.dumps(named)}"
    if "Heading" not in named.values():
        assert read(headings=headings, columns=named) == []
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_the_lines_of_a_bill_of_zoho_books_have_their_own_totals(tmp_path: Path) -> None:
    """Its subtotal is repeated in each of them."""
    path = tmp_path / "bills.csv"
    path.write_text(
        "Bill Date,Bill Number,GSTIN/UIN,SubTotal,Item Total,IGST,CGST Rate %,CGST,SGST\n"
        f"2026-05-05,7,{ACME},1000,600,108,,,\n2026-05-05,7,{ACME},1000,400,72,,,\n",
        encoding="utf-8",
    )
    assert sum(one.taxable_value for one in read_register(path)) == 1000


def test_the_delimiter_is_found_by_the_headings_that_are_named(tmp_path: Path) -> None:
    """Where no other heading is known."""
    path = tmp_path / "books.csv"
    path.write_text(f"Lieferant;Beleg;Tag;Netto;Steuer\n{ACME};7;05-05-2026;1000;180\n", encoding="utf-8")
    names = {"supplier": "Lieferant", "number": "Beleg", "date": "Tag", "taxable_value": "Netto"}
    assert read_register(path, {**names, "igst": "Steuer"}) == [entry("7")]


def test_columns_can_be_named(tmp_path: Path) -> None:
    """In Python or in TOML; other fields are found as ever."""
    headings = ["Lieferant", "Beleg", *HEADINGS[2:]]
    wanted = [entry("7")]
    columns = {"supplier": "Lieferant", "number": "beleg"}
    path = tmp_path / "columns.toml"
    for text in (
        'supplier = "Lieferant"\nnumber = "Beleg"',
        '[columns]\nsupplier="Lieferant"\nnumber="Beleg"',
    ):
        path.write_text(text, encoding="utf-8")
        assert (
            read(ROW, headings=headings, columns=columns)
            == wanted
            == read(ROW, headings=headings, columns=path)
        )
    with pytest.raises(InvalidInput, match="columns: 'nummer' is unknown; the fields are: supplier, number"):
        read(ROW, columns={"nummer": "Beleg"})
    with pytest.raises(
        InvalidInput, match="no column for number; it has no 'Beleg', which is named for number"
    ):
        read(ROW, columns={"number": "Beleg"})
    path.write_text("number =", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"columns\.toml is not TOML"):
        read(ROW, columns=str(path))
