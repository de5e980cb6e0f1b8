"""Purchase registers as accounting programs write them, and what is refused of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput
from ims_async.decide import Entry, entries_of, read_register
from ims_async.tables import InvalidFile

from .books import ACME, OTHER, entry

PROGRAMS = {
    "Tally Prime": f"""\
Acme Traders Pvt Ltd
12 MG Road, Bengaluru
Purchase Register
1-Apr-26 to 31-Mar-27

Date,Particulars,GSTIN/UIN,Voucher Type,Voucher No.,Supplier Invoice No.,Supplier Invoice Date,Taxable Value,Integrated Tax Amount,Central Tax Amount,State Tax Amount,Cess Amount,Gross Total
7-May-26,Quick Parts,{ACME},Purchase,PUR/12,INV/26-27/0012,5-May-26,"1,00,000.00","18,000.00",,,,"1,18,000.00"
8-May-26,Quick Parts,{ACME},Debit Note,DBN/1,CN/7,6-May-26,"1,000.00",180.00,,,,"1,180.00"
9-May-26,Tea stall,,Purchase,PUR/13,,,200.00,,,,,200.00
,Grand Total,,,,,,"1,01,200.00","18,180.00",,,,
""",  # noqa: E501 # as the program writes it
    "Zoho Books": f"""\
Bill Date,Bill Number,Vendor Name,GST Identification Number (GSTIN),Transaction Type,SubTotal,IGST Amount,CGST Amount,SGST Amount,Entry No
2026-05-05,INV/26-27/0012,Quick Parts,{ACME},Bill,100000.00,18000.00,0,0,PUR/12
2026-05-06,CN/7,Quick Parts,{ACME},Vendor Credit,1000.00,180.00,0,0,DBN/1
""",  # noqa: E501 # as the program writes it
    "Busy": f"""\
Date;Vch/Bill No;Party Bill No;Party Bill Date;Party GSTIN;Vch Type;Taxable Amt.;IGST Amt.;CGST Amt.;SGST Amt.;Vch No
07-05-2026;1;INV/26-27/0012;05-05-2026;{ACME};Purc;100000.00 Dr;18000.00 Dr;;;PUR/12
08-05-2026;2;CN/7;06-05-2026;{ACME};Purc. Ret.;1000.00 Cr;180.00 Cr;;;DBN/1
""",  # noqa: E501 # as the program writes it
    "SAP": f"""\
BELNR\tXBLNR\tBLDAT\tBUDAT\tSTCD3\tBLART\tHWBAS\tIGST\tCGST\tSGST
PUR/12\tINV/26-27/0012\t20260505\t20260507\t{ACME}\tRE\t100000.00\t18000.00\t0.00\t0.00
DBN/1\tCN/7\t05.06.2026\t20260508\t{ACME}\tKG\t1000.00-\t180.00-\t0.00\t0.00
""".replace("05.06.2026", "06.05.2026"),
    "Tally.ERP 9": f"""\
Acme Traders Pvt Ltd
Purchase Register
1-Apr-2026 to 30-Apr-2026
Date,Particulars,Voucher Type,Voucher No.,Voucher Ref. No.,Voucher Ref. Date,GSTIN/UIN,Quantity,Taxable Value,Input Tax,,
,,,,,,,,,IGST,CGST,SGST
7-May-26,Quick Parts,Purchase GST,PUR/12,INV/26-27/0012,5-May-26,{ACME},,"1,00,000.00 Dr","18,000.00 Dr",,
,Being parts for the lathe,,,,,,,,,,
8-May-26,Quick Parts,GST Debit Note,DBN/1,CN/7,6-May-26,{ACME},,"1,000.00",180.00,,
,Grand Total,,,,,,,"99,000.00","17,820.00",,
""",  # noqa: E501 # as the program writes it
    "GSTR-2, as Busy and Marg export it": f"""\
GSTIN of Supplier,Invoice Number,Invoice date,Invoice Value,Place Of Supply,Rate,Taxable Value,Integrated Tax Paid,Central Tax Paid,State/UT Tax Paid,Cess Paid,Document Type,Entry No
{ACME},INV/26-27/0012,05-May-2026,118000.00,29-Karnataka,18.00,100000.00,18000.00,0.00,0.00,0.00,R,PUR/12
{ACME},CN/7,06-May-2026,1180.00,29-Karnataka,18.00,1000.00,180.00,0.00,0.00,0.00,C,DBN/1
""",  # noqa: E501 # as the programs write it
    "Marg ERP": f"""\
sep=|
Entry No|Bill No.|Bill Date|Party GST No|Type|Taxable|IGST|CGST|SGST/UTGST
PUR/12|INV/26-27/0012|05/05/26|{ACME.lower()}|Purchase|100000|18000|0|0
DBN/1|CN/7|06/05/26|{ACME}|Purchase|(1000)|(180)|0|0
||||Total|99000|17820|0|0
""",
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_register_of_a_program_is_read(program: str, tmp_path: Path) -> None:
    """A bill, and a return as a note or with a minus; titles, totals and what has no GSTIN are left out."""
    path = tmp_path / "register.csv"
    path.write_text(PROGRAMS[program], encoding="utf-8")
    register = read_register(path)
    bill, note = register
    assert bill == entry("INV/26-27/0012", amounts="100000+18000", reference="PUR/12")
    assert (note.number, note.date, note.reference) == ("CN/7", dt.date(2026, 5, 6), "DBN/1")
    assert note.kind == "credit note" or note.taxable_value == -1000
    assert abs(note.taxable_value) == 1000
    left_out = {
        "Tally Prime": {"without a GSTIN": 1, "totals": 1},
        "Tally.ERP 9": {"without a GSTIN": 1, "totals": 1},
        "Marg ERP": {"totals": 1},
    }
    assert register.left_out == left_out.get(program, {})


HEADINGS = ["GSTIN", "Invoice No", "Invoice Date", "Taxable Value", "IGST", "Document Type"]
ROW = [ACME, "7", "05-05-2026", "1000", "180", ""]


def read(*rows: list[Any], headings: list[Any] | None = None, **facts: Any) -> list[Entry]:
    """Read rows below the headings."""
    return entries_of([headings or HEADINGS, *rows], **facts)


def with_cell(place: int, cell: object) -> list[Any]:
    """Return a row with another cell."""
    return [*ROW[:place], cell, *ROW[place + 1 :]]


@pytest.mark.parametrize(
    ("cell", "rupees"),
    [
        ("1,23,456.50", "123456.50"), ("123,456.50", "123456.50"), ("₹ 1,000", "1000"),
        ("Rs. 1,000.00", "1000"), ("Rs.1,000/-", "1000"), ("₹-1,000", "-1000"), ("(₹1,000.00)", "-1000"),
        ("1000.00 Dr", "1000"), ("1000.00Cr", "-1000"), ("(1,000.00)", "-1000"), ("-1000", "-1000"),
        ("1000-", "-1000"), ("", "0"), ("-", "0"), ("nil", "0"), (None, "0"), (1000, "1000"), (0.1, "0.1"),
        (1000.5, "1000.5"), (Decimal("1.005"), "1.005"), (" 1 000.00 ", "1000"), (".50", "0.50"),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(cell: object, rupees: str) -> None:
    """Lakh commas, brackets, Dr and Cr."""
    assert read(with_cell(3, cell))[0].taxable_value == Decimal(rupees)


@pytest.mark.parametrize(
    "cell",
    [
        "12,50",
        "1.234,56",
        "1,2,3",
        "abc",
        "1E5",
        "12%",
        "--5-",
        float("nan"),
        True,
        "1" * 14,
        10**13,
        "1/-/-",
    ],
)
def test_an_amount_that_may_mean_two_things_is_refused(cell: object) -> None:
    """`12,50` may be 12.50 or 1250; a row, a column and a sentence."""
    with pytest.raises(InvalidFile, match="is not an amount: write rupees such as") as caught:
        read(ROW, with_cell(3, cell))
    (problem,) = caught.value.problems
    assert (problem.row, problem.column, problem.kind) == (3, "Taxable Value", "taxable_value")


@pytest.mark.parametrize(
    "cell",
    [
        "05-05-2026", "5/5/26", "05.05.2026", "5-May-26", "5 May 2026", "05-MAY-2026", "2026-05-05",
        "2026/5/5",
        "20260505", 20260505, 20260505.0, "46147", 46147, 46147.0, 46147.75,
        "2026-05-05 00:00:00", dt.date(2026, 5, 5),
        dt.datetime(2026, 5, 5, 9, tzinfo=dt.UTC),
    ],
)  # fmt: skip
def test_dates_are_read_as_people_write_them(cell: object) -> None:
    """The day first; and as spreadsheets keep them."""
    assert read(with_cell(2, cell))[0].date == dt.date(2026, 5, 5)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("05/25/2026", "has the month first: write the day first"),
        ("31-02-2026", "is not a date: write DD-MM-YYYY"),
        ("", "is not a date"),
        ("soon", "is not a date"),
        ("12-Foo-2026", "is not a date"),
    ],
)
def test_mixed_dates_are_refused_with_a_sentence(cell: str, said: str) -> None:
    """One date with the month first makes all the others doubtful."""
    with pytest.raises(InvalidFile, match=said) as caught:
        read(ROW, with_cell(2, cell), with_cell(2, "06/05/2026"))
    assert [one.row for one in caught.value.problems] == [3]


@pytest.mark.parametrize(
    ("dates", "texts", "refused"),
    [
        ([3, 5, 10, 12], ["25-10-2026"], True),
        ([3, 5, 10], ["25-10-2026"], False),
        ([3, 5, 10, 13], ["25-10-2026"], False),
        ([3, 5, 10, 12], ["25-10-2026", "07-10-2026"], False),
        ([3, 5, 10, 12], ["25-Oct-2026"], False),
        ([3, 5, 10, 12], [], False),
    ],
)
def test_days_that_a_spreadsheet_took_for_months_are_noticed(
    dates: list[int], texts: list[str], refused: bool
) -> None:
    """Its dates have a day up to 12 then, and what could not be one is a text still."""
    cells = [dt.date(2026, 10, one) for one in dates] + texts
    rows = [with_cell(2, cell) for cell in cells]
    if not refused:
        assert len(read(*rows)) == len(rows)
        return
    with pytest.raises(InvalidFile, match="row 6, column Invoice Date: '25-10-2026' is a text among dates"):
        read(*rows)


@pytest.mark.parametrize("gstin", ["", "URP", "Unregistered", "n/a", "-", None])
def test_unregistered_suppliers_are_left_out_and_counted(gstin: str | None) -> None:
    """They report nothing to the gateway."""
    register = entries_of([HEADINGS, with_cell(0, gstin), [], ["", None], ROW])
    assert len(register) == 1
    assert register.left_out == {"without a GSTIN": 1}
    assert repr(register) == "<Register of 1 entries, 1 rows left out>"


def test_totals_of_a_supplier_are_no_entries() -> None:
    """Even with its GSTIN; a number or a name with `total` in it is one."""
    register = entries_of(
        [
            HEADINGS, ROW, [ACME, "", "Sub Total", "1000"], with_cell(1, "TOTAL/7"),
            [ACME, "Grand Total", "", "1000"], ["Total", "25 bills", "", "1000"],
            [*with_cell(1, ""), "Total Energies"],
        ]
    )  # fmt: skip
    assert [one.number for one in register] == ["7", "TOTAL/7", ""]
    assert register.left_out == {"totals": 3}


def test_headings_of_each_page_and_amounts_alone_are_left_out_and_counted() -> None:
    """Amounts alone may be a line below merged cells: nobody should take the bill for complete unawares."""
    register = entries_of([HEADINGS, ROW, HEADINGS, ["", None, "", "400", "72"], with_cell(1, "8")])
    assert [one.number for one in register] == ["7", "8"]
    assert register.left_out == {"headings": 1, "amounts alone": 1}


def test_a_gstin_with_a_typing_error_is_a_problem_and_all_are_reported() -> None:
    """By row; nothing is read then."""
    with pytest.raises(InvalidFile) as caught:
        read(with_cell(0, ACME[:-1] + "A"), ROW, with_cell(2, "?"), name="books")
    assert [(one.row, one.kind) for one in caught.value.problems] == [(2, "supplier"), (4, "date")]
    assert str(caught.value).startswith("books row 2, column GSTIN: ")
    with pytest.raises(InvalidFile) as caught:
        read(*[with_cell(2, "?")] * 1200)
    assert len(caught.value.problems) == 1000


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Credit Note", "credit note"), ("C", "credit note"), ("Purchase Return", "credit note"),
        ("Debit Note", "credit note"), ("D", "debit note"), ("Supplier Debit Note", "debit note"),
        ("GST Debit Note", "credit note"), ("Purchase Returns 18%", "credit note"),
        ("Dr. Note", "credit note"), ("Purchase Return (GST)", "credit note"),
        ("DebitNotes", "credit note"),
        ("DN", "debit note"),
        ("Vendor Debit Note", "debit note"), ("Goods Received Note", "invoice"), ("GST Purchase", "invoice"),
        ("Purchase", "invoice"), ("", "invoice"), (None, "invoice"),
    ],
)  # fmt: skip
def test_the_kind_is_that_of_the_supplier(word: object, kind: str) -> None:
    """The books' own debit note is what they write for a supplier's credit note."""
    assert read(with_cell(5, word))[0].kind == kind


def test_numbers_that_a_spreadsheet_made_floats_are_numbers() -> None:
    """And an empty number is kept: value and date may find it."""
    assert [one.number for one in read(with_cell(1, 12.0), with_cell(1, 13), with_cell(1, ""))] == [
        "12",
        "13",
        "",
    ]


def test_a_number_that_is_a_date_is_refused() -> None:
    """A spreadsheet has made it of `5-10`; and a line within a number is none."""
    with pytest.raises(InvalidFile, match="row 2, column Invoice No: a spreadsheet has made a date of this"):
        read(with_cell(1, dt.datetime(2026, 10, 5)))  # noqa: DTZ001 # as a workbook has it
    assert read(with_cell(1, "INV\n 7"))[0].number == "INV 7"


def test_rows_may_be_mappings() -> None:
    """Their keys are the headings; one may have what the first one lacks."""
    rows = [dict(zip(HEADINGS, row, strict=True)) for row in (ROW, with_cell(0, OTHER))]
    assert entries_of(rows) == [entry("7"), entry("7", supplier=OTHER)]
    rows[0] |= {"IGST": None}
    del rows[0]["IGST"]
    assert [one.igst for one in entries_of(rows)] == [0, 180]


@pytest.mark.parametrize("rows", [None, "rows", {"GSTIN": ACME}, [None], ["row"], [HEADINGS, 5]])
def test_what_is_no_row_is_refused(rows: Any) -> None:
    """With a sentence."""
    with pytest.raises(InvalidInput, match=r"is no list of rows|is neither a list of cells nor a mapping"):
        entries_of(rows)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("books.xlsx", b"PK", "is no XLSX workbook: save it as .xlsx"),
        ("books.ods", b"PK", "file; save it as CSV UTF-8"),
        ("books.csv", b"PK\x03\x04", "spreadsheet's own format"),
        ("books.csv", "Größe".encode("latin-1"), "is not UTF-8"),
        ("books.csv", b"", "is empty"),
    ],
)
def test_a_file_that_is_no_register_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """With a sentence that says what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        read_register(tmp_path / name)
    with pytest.raises(InvalidInput, match="there is no row in it"):
        entries_of([])
