"""A file of sales is read as it was written, as CSV, XLSX and Parquet; each fault has its row and column."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from ims_async import Action, InvalidInput, tables
from ims_async.model.sales import LineItem, SalesInvoice
from ims_async.model.vocabulary import SupplierSection

from ..support.soffice import LOCALES, saved_by_libreoffice

ACME = "29AAACQ3770E1ZF"
LINE = LineItem(number=1, rate=Decimal(0), taxable_value=Decimal("200.20"), igst=Decimal("36.04"))
SALE = SalesInvoice(
    section=SupplierSection.CDNRA,
    recipient="27AAPFU0939F1ZV",
    number="=1",
    date=dt.date(2024, 10, 5),
    action=Action.REJECT,
    value=Decimal("236.24"),
    original_number="0012",
    original_date=dt.date(2024, 9, 5),
    type="R",
    note_type="C",
    place_of_supply="07",
    checksum="ab",
    items=(LINE,),
    extra={"rchrg": "Y"},
)
DELETED = SalesInvoice(
    section=SupplierSection.ECOM, recipient=SALE.recipient, number="2", date=SALE.date, list_name="b2b",
    supplier=ACME, deleted=True,
)  # fmt: skip
HEADER, ROW = (
    "section,recipient,number,date,action,value,taxable value,IGST,CGST,SGST,cess,deleted",
    "b2b,27AAPFU0939F1ZV,1,05-10-2024,N,118,100,18,0,0,0,no",
)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize("gstin", [None, ACME])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, gstin: str | None) -> None:
    """The rate lines as their sum."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    file = tmp_path / f"sales.{suffix}"
    half = attrs.evolve(LINE, rate=Decimal(18), taxable_value=Decimal("100.10"), igst=Decimal("18.02"))
    written = attrs.evolve(SALE, items=(half, attrs.evolve(half, number=2)))
    assert tables.write_sales(file, [written, DELETED], gstin=gstin) == 2
    assert tables.read_sales(file) == {gstin or "": [SALE, DELETED]}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_workbook_that_libreoffice_has_saved_is_read(tmp_path: Path, locale: str) -> None:
    """As it was before."""
    file = tmp_path / "sales.xlsx"
    tables.write_sales(file, [SALE, DELETED], gstin=ACME)
    assert tables.read_sales(saved_by_libreoffice(file, locale)) == {ACME: [SALE, DELETED]}


def test_rows_may_be_sparse(tmp_path: Path) -> None:
    """Without an action it is none, empty rows are none, and columns may be missing."""
    file = tmp_path / "sales.csv"
    file.write_text(f"{HEADER}\n,,\n{ROW.replace(',N,', ',,')}\n", encoding="utf-8")
    ((gstin, (found,)),) = tables.read_sales(file).items()
    assert (gstin, found.action, found.deleted, found.reverse_charge) == ("", Action.NO_ACTION, False, None)
    assert found.items[0].igst == 18


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"b2b": "b3b"}, "row 2, column section", "b3b"),
        ({"27AAPFU0939F1ZV": ""}, "row 2, column recipient", "empty"),
        ({",1,": ",,"}, "row 2, column number", "empty"),
        ({"05-10-2024": "05/10/24"}, "row 2, column date", "spreadsheet"),
        ({",N,": ",X,"}, "row 2, column action", "unknown"),
        ({",118,": ',"1,18",'}, "row 2, column value", "amount"),
        ({",no": ",maybe"}, "row 2, column deleted", "yes or no"),
    ],
)
def test_each_fault_has_its_place(tmp_path: Path, changes: dict[str, str], place: str, said: str) -> None:
    """And all of them are named at once."""
    file, row = tmp_path / "sales.csv", ROW
    for old, new in changes.items():
        row = row.replace(old, new)
    file.write_text(f"{HEADER}\n{row}\n{ROW}\n{row}\n", encoding="utf-8")
    with pytest.raises(InvalidInput) as raised:
        tables.read_sales(file)
    problems = tables.problems_of(raised.value)
    assert len(problems) == 2
    assert place in str(problems[0])
    assert said in str(problems[0])


def test_another_file_is_refused(tmp_path: Path) -> None:
    """One of decisions, say."""
    file = tmp_path / "acme.csv"
    tables.write_invoices(file, [])
    with pytest.raises(InvalidInput, match="no file of sales: it has no column recipient"):
        tables.read_sales(file)


def test_a_quote_that_is_never_closed_swallows_no_document(tmp_path: Path) -> None:
    """The documents below it would be missing, and nobody would ask about them."""
    file = tmp_path / "sales.csv"
    spoilt = ROW.replace("05-10-2024", '"05-10-2024', 1)
    file.write_text(f"{HEADER}\n{ROW}\n{spoilt}\n{ROW}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="are the quotes in pairs"):
        tables.read_sales(file)
