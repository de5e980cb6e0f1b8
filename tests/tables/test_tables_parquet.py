"""Parquet files: what is written comes back, as other libraries write it too; each fault is a sentence."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput, JobReport, JobState, RecordKey, tables
from ims_async.tables.arrow import parquet
from ims_async.tables.formats import FORMATS
from ims_async.tables.problems import Problem

from ..support.missing import take_away
from .test_tables import GOOD, make_invoice
from .test_tables_frames import ACME, cells_of, of_each_kind, wanted

pa = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra `arrow` is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "acme.parquet"


def decided(file: Path) -> Path:
    """Fill in what is decided, as a program does."""
    table, cells = pq.read_table(file), cells_of(of_each_kind())
    for name, values in cells.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, file)
    return file


def test_a_decided_file_reads_back_as_decisions(file: Path) -> None:
    """As a CSV file does, with row 1 the header; a fresh one has none."""
    invoices = of_each_kind()
    assert tables.write_invoices(file, invoices, gstin=ACME) == len(invoices)
    assert pq.read_schema(file).equals(tables.frame(invoices).schema)
    assert not tables.is_report(file)
    with pytest.raises(InvalidInput, match="row 1, column action: no row is decided"):
        tables.read_decisions(file)
    rows = tables.read_decisions(decided(file))
    assert tables.match(rows, invoices) == tables.decisions(rows, invoices) == wanted(invoices)
    assert [row.line for row in rows] == [3, 5, 7, 9, 11]
    assert {row.gstin for row in rows} == {ACME}
    assert len(tables.read_records(file)) == len(invoices)
    (row, information), *_ = tables.read_with_information(file)
    assert (information["taxable value"], information["pending allowed"]) == ("1000.10", "yes")
    assert not [one for one in tables.check_rows([(row, information)]) if one.level == "refuse"]


@pytest.mark.parametrize("library", ["polars", "pandas", "duckdb"])
def test_what_another_library_has_written_is_read(file: Path, library: str) -> None:
    """With floats for rupees, times for dates, NaN for nothing, and a column of its own."""
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    invoices = of_each_kind()
    tables.write_invoices(file, invoices)
    decided(file)
    if library == "polars":
        table = module.read_parquet(file)
        table.with_columns(
            table["value"].cast(module.Float64), table["date"].cast(module.Datetime)
        ).write_parquet(file)
    elif library == "pandas":
        table = pq.read_table(file).to_pandas()
        table = table.assign(
            value=table["value"].astype(float), date=module.to_datetime(table["date"]), mine=1
        )
        table.loc[::2, "remarks"] = float("nan")
        table.to_parquet(file)
    else:
        written = module.from_parquet(str(file)).project("*, 1 as mine")
        written.write_parquet(str(file.with_name("b.parquet")))
        file = file.with_name("b.parquet")
    assert tables.match(tables.read_decisions(file), invoices) == wanted(invoices)


def test_a_column_of_ones_own_may_hold_moments_that_python_lacks(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year 10000, nanoseconds: they stop nothing, and in a column that is read they are refused by row."""
    take_away(monkeypatch, "pandas")  # which has a class for nanoseconds
    tables.write_invoices(file, [make_invoice()])
    table, late = pq.read_table(file), pa.array([2**62], pa.timestamp("us"))
    mine = {"late": late, "long": pa.array([1], pa.duration("ns")), "fine": pa.array([1], pa.time64("ns"))}
    for name, cells in mine.items():
        table = table.append_column(name, cells)
    pq.write_table(table, file)
    assert len(tables.read_records(file)) == 1
    place = table.column_names.index("action when pulled")
    pq.write_table(table.set_column(place, "action when pulled", late), file)
    with pytest.raises(InvalidInput, match="row 2, column action when pulled: '<value out of range"):
        tables.read_records(file)


def test_rows_in_portions_are_written_in_groups(file: Path) -> None:
    """One record at a time, of many taxpayers; the file is there at the end."""
    one = make_invoice()
    with tables.writing_invoices(file) as add:
        assert sum(add(ACME if place % 2 else None, [one]) for place in range(70_000)) == 70_000
        assert not file.exists()
    found = pq.ParquetFile(file).metadata
    assert [found.row_group(place).num_rows for place in range(found.num_row_groups)] == [65_536, 4_464]
    with pytest.raises(InvalidInput, match="is there already"):
        tables.write_invoices(file, [], overwrite=False)
    assert tables.write_invoices(file, []) == 0
    assert pq.read_table(file).num_rows == 0


def test_reports_and_problems_are_written_with_nothing_where_nothing_is(file: Path) -> None:
    """A record without a date, records without a name."""
    report = JobReport(state=JobState.FAILED, submitted=10, error_code="RET191106", error_message="why")
    assert tables.write_report(file, report, gstin=ACME) == 1
    (row,) = pq.read_table(file).to_pylist()
    assert (row["GSTIN"], row["date"], row["section"], row["code"]) == (ACME, None, None, "RET191106")
    assert tables.is_report(file)
    with tables.writing_outcomes(file) as add:
        add(
            ACME,
            [tables.Outcome(outcome="failed", key=RecordKey("b2b", "x", "1", dt.date(2024, 10, 5), None))],
        )
    assert pq.read_table(file)["date"].to_pylist() == [dt.date(2024, 10, 5)]
    tables.write_problems(
        file, [("refused", Problem("a", kind="edited", row=7)), ("warn", Problem("b", kind="c"))]
    )
    assert pq.read_table(file)["row"].to_pylist() == [7, None]
    assert tables.is_report(file)
    tables.write_invoices(file, [make_invoice()])
    pq.write_table(pq.read_table(file).append_column("outcome", pa.array(["mine"])), file)
    assert not tables.is_report(file)  # a column of one's own in a pulled file


def test_a_value_that_does_not_fit_leaves_the_old_file(file: Path) -> None:
    """And so does an error amid the records; nothing else is in the folder."""
    tables.write_invoices(file, [make_invoice()])
    before = file.read_bytes()
    with pytest.raises(
        InvalidInput, match=r"b2b 2 29AAACQ3770E1ZF: cess Decimal\('0.125'\) is no exact amount"
    ):
        tables.write_invoices(file, [make_invoice(), make_invoice(number="2", cess=Decimal("0.125"))])

    def failing() -> Any:
        yield make_invoice()
        raise TimeoutError("the gateway went away")  # an OSError, and none of the file's

    with pytest.raises(TimeoutError, match="the gateway"):
        tables.write_invoices(file, failing())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_an_error_of_the_file(tmp_path: Path) -> None:
    """With the reason of the system."""
    (tmp_path / "full.parquet").symlink_to("/dev/full")
    with pytest.raises(InvalidInput, match=r"full\.parquet cannot be written: .*no space left on device"):
        tables.write_invoices(tmp_path / "full.parquet", [make_invoice()])


# -- what is refused ---------------------------------------------------------------------------------------


def damaged(file: Path) -> None:
    tables.write_invoices(file, [make_invoice(number=str(place)) for place in range(3000)])
    content = bytearray(file.read_bytes())
    content[200:1200] = bytes(1000)
    file.write_bytes(content)


def foreign(file: Path) -> None:
    pq.write_table(pa.table({"Bill": ["1"], "Amount": [1.5]}), file)


def without_columns(file: Path) -> None:
    pq.write_table(pa.table({}), file)


def nested(file: Path) -> None:
    pq.write_table(pa.table({name: [value] for name, value in GOOD.items()} | {"action": [["A"]]}), file)


def twice(file: Path) -> None:
    arrays = [pa.array([value]) for value in (*GOOD.values(), "A")]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*GOOD, "Action"]), file)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (damaged, "cannot be read as Parquet"),
        (foreign, r"is not a file of pull's \(no columns section, supplier"),
        (without_columns, r"is not a file of pull's"),
        (nested, r"row 2, column action: action \"\['A'\]\" is unknown"),
        (twice, "two columns .* have this name"),
        (lambda file: file.write_text("a,b"), "cannot be read as Parquet"),
        (lambda file: file.write_bytes(b"PAR1" * 10), "cannot be read as Parquet"),
        (lambda file: file.write_text(""), "is empty: pull the records into it first"),
        (lambda file: file.mkdir(), "cannot be read"),
        (lambda file: None, "cannot be read: no such file"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_file_that_cannot_be_used_says_why(
    file: Path, make: Callable[[Path], object], sentence: str
) -> None:
    """One sentence that names the file."""
    make(file)
    with pytest.raises(InvalidInput, match=sentence) as caught:
        tables.read_decisions(file)
    assert str(file) in str(caught.value)
    assert not tables.is_report(file)


def test_a_few_bytes_that_stand_for_endless_rows_are_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is a file that is too large."""
    tables.write_invoices(file, [make_invoice()] * 20)
    monkeypatch.setattr(parquet, "MOST_ROWS", 10)
    with pytest.raises(InvalidInput, match="has more than 10 rows: split it"):
        tables.read_decisions(file)
    monkeypatch.setattr(parquet, "LONGEST_FILE", 10)
    with pytest.raises(InvalidInput, match="is larger than 10 bytes: split it"):
        tables.read_decisions(file)
    with pytest.raises(InvalidInput, match="cannot be read: "):
        tables.read_decisions("a\0.parquet")


def test_a_parquet_file_that_is_read_as_text_is_called_one(file: Path) -> None:
    """From a stream, and under another name."""
    tables.write_invoices(file, [make_invoice()])
    content = file.read_bytes()
    with pytest.raises(InvalidInput, match=r"is a Parquet file, not CSV: .*, or name it \.parquet"):
        tables.read_decisions(io.BytesIO(content))
    stream = io.BytesIO(content)
    stream.name = "a.parquet"
    with pytest.raises(InvalidInput, match=r"is a Parquet file, not CSV: save it as 'CSV UTF-8'$"):
        tables.read_decisions(stream)


def test_a_sheet_is_read_and_not_written_again(file: Path) -> None:
    """Its records are those of a CSV file; that no command fills it in is said before any work for it."""
    same, invoices = file.with_suffix(".csv"), of_each_kind()
    for one in (file, same):
        tables.write_invoices(one, invoices, gstin=ACME)
    before = file.read_bytes()
    sheet = tables.read_sheet(file)
    assert [one.invoice for one in sheet.records] == [one.invoice for one in tables.read_sheet(same).records]
    assert len(sheet.records) == len(invoices)
    sheet.add_columns(("match",), after="action")
    sheet.records[0]["match"] = "exact"
    assert sheet.records[0]["match"] == "exact"
    for refused in (sheet.check_rewritable, lambda: sheet.write(file)):
        with pytest.raises(tables.InvalidFile, match=r"not changed: use a \.csv or \.xlsx file$"):
            refused()
    with pytest.raises(InvalidInput, match=r"has another format: name a \.parquet file"):
        sheet.write(same)
    assert file.read_bytes() == before


def test_without_the_extra_the_command_that_installs_it_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On writing, before any work, and on reading; and all other formats work."""
    tables.write_invoices(file, [make_invoice()])
    take_away(monkeypatch, "pyarrow")
    for work in (
        lambda: tables.read_decisions(file),
        lambda: tables.check_writable(file),
        lambda: tables.write_invoices(file, [make_invoice()]),
    ):
        with pytest.raises(
            InvalidInput, match=r"Parquet files need the extra arrow: pip install 'ims-async\[arrow\]'"
        ):
            work()
    assert not tables.is_report(file)
    assert tables.write_invoices(file.with_suffix(".csv"), [make_invoice()]) == 1


def test_the_formats_are_those_of_one_table() -> None:
    """What is no format of it is CSV to read, and refused to write."""
    assert [*FORMATS] == [".xlsx", ".parquet"]
    with pytest.raises(InvalidInput, match=r"name a \.csv, \.xlsx or \.parquet file"):
        tables.check_writable("a.feather")
