"""Frames: each library reads the records, and a frame with actions set comes back as the same decisions."""

from __future__ import annotations

import datetime as dt
import gc
import io
import weakref
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ims_async import Action, Decision, InvalidInput, Invoice, ItcReduction, Section, rules, tables
from ims_async.tables.columns import to_text

from ..support import strategies
from ..support.missing import take_away
from ..support.sweeps import examples
from .test_tables import GOOD, make_invoice
from .test_tables_rewritten import two_hundred

pa = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")

ACME = "29AAACQ3770E1ZF"


def of_each_kind() -> list[Invoice]:
    """Return records with all that a column may hold, or lack."""
    return [
        *two_hundred()[:8],
        make_invoice(number="=1+1", hash="c" * 64, supplier_name=None, place_of_supply=None, type=None),
        make_invoice(
            section=Section.B2BCN,
            number="00013",
            hash="d" * 64,
            cess=Decimal("99999999999.99"),
            original_number="7",
            original_date=dt.date(2024, 9, 1),
            action=Action.PENDING,
            remarks='स्वीकार, "x"',
            itc_reduction=ItcReduction.partial(igst=Decimal("10.50")),
            remarks_allowed=True,
            itc_reduction_allowed=True,
        ),
    ]


def wanted(invoices: Sequence[Invoice]) -> list[Decision]:
    """Return a decision on each second record: of a credit note with all that goes with it."""
    decided = []
    for invoice in invoices[1::2]:
        if invoice.section is Section.B2BCN:
            reduction = ItcReduction.partial(igst=Decimal("10.50"))
            decided.append(invoice.accept("as agreed", reduction))
        else:
            decided.append(invoice.reject("not ours"))
    return decided


def cells_of(invoices: Sequence[Invoice]) -> dict[str, list[str | None]]:
    """Return what a program puts into the columns for these decisions, None for what it leaves."""
    cells: dict[str, list[str | None]] = {"action": [], "remarks": [], "ITC reduction": []}
    for place, invoice in enumerate(invoices):
        note = invoice.section is Section.B2BCN
        decided = place % 2 == 1
        cells["action"].append(("Accept" if note else "R") if decided else None)
        cells["remarks"].append(("as agreed" if note else "not ours") if decided else invoice.remarks)
        cells["ITC reduction"].append("igst=10.50" if decided and note else None)
    return cells


# -- out ---------------------------------------------------------------------------------------------------


def test_a_frame_has_the_columns_of_a_pull_with_their_types() -> None:
    """Money is exact, dates are dates, texts that repeat are dictionaries; what is filled in is plain."""
    found = pa.table(tables.frame(of_each_kind(), gstin=ACME))
    assert found.column_names == [tables.GSTIN_COLUMN, *tables.READ_COLUMNS, *tables.INFORMATION_COLUMNS]
    types = {name: found.schema.field(name).type for name in found.column_names}
    texts = {name for name, one in types.items() if one == pa.string()}
    assert texts == {"number", "action", "hash", "remarks", "ITC reduction", "original number"}
    money = {name for name, one in types.items() if one == pa.decimal128(20, 2)}
    assert money == {"value", "taxable value", "IGST", "CGST", "SGST", "cess"}
    assert {types[name] for name in ("date", "original date")} == {pa.date32()}
    assert {str(types[name]) for name in ("supplier filed", "remarks allowed")} == {"bool"}
    assert pa.types.is_dictionary(types["supplier"])
    last = found.slice(9).to_pylist()[0]
    assert (last["cess"], last["original date"]) == (Decimal("99999999999.99"), dt.date(2024, 9, 1))
    assert (last["action"], last["action when pulled"], last["GSTIN"]) == (None, "P", ACME)
    assert (last["ITC reduction"], last["remarks"]) == ("igst=10.50;cgst=0;sgst=0;cess=0", 'स्वीकार, "x"')
    assert found["number"].to_pylist()[0] == "000013"
    assert found["supplier name"].to_pylist()[8] is None


def test_no_record_is_held_longer_than_its_batch() -> None:
    """Of an iterator, 30,000 records: a batch or two of them are alive at a time."""

    @attrs.frozen(kw_only=True, slots=False, weakref_slot=True)
    class Watched(Invoice):
        pass

    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[Invoice]:
        nonlocal most
        facts = {field.name: getattr(one, field.name) for field in attrs.fields(Invoice)}
        for number in range(30_000):
            watched = Watched(**facts | {"number": str(number)})
            alive.add(watched)
            most = max(most, len(alive))
            yield watched

    one = make_invoice()
    reader = pa.RecordBatchReader.from_stream(tables.frame(stream()))
    sizes = [batch.num_rows for batch in reader]
    gc.collect()
    assert (sum(sizes), max(sizes)) == (30_000, 8_192)
    assert 0 < most < 20_000


def test_a_list_is_read_any_number_of_times_and_an_iterator_once() -> None:
    """That it has been read is said, not passed over as no records."""
    invoices = two_hundred()
    again = tables.frame(invoices)
    assert pa.table(again).num_rows == pa.table(again).num_rows == 200
    once = tables.frame(iter(invoices))
    assert "action when pulled" in repr(once)
    assert pa.RecordBatchReader.from_stream(once).schema == once.schema  # the schema alone reads no record
    assert pa.table(once).num_rows == 200
    with pytest.raises(pa.ArrowInvalid, match="which has been read"):
        pa.table(once)
    assert pa.table(tables.frame([])).num_rows == 0


def test_what_a_column_cannot_hold_is_refused_by_name() -> None:
    """A float, more decimals than the column has, a text for a date."""
    for changes, sentence in (
        ({"igst": 1.5}, "b2b INV/24/001 29AAACQ3770E1ZF: IGST 1.5 is no exact amount"),
        (
            {"value": Decimal("1.005")},
            r"value Decimal\('1.005'\) is no exact amount .* of 2 decimals at most",
        ),
        ({"value": Decimal("NaN")}, r"value Decimal\('NaN'\) is no exact amount"),
        ({"original_date": "1-9-24"}, "original date '1-9-24' is no date"),
        ({"supplier_filed": "maybe"}, "supplier filed 'maybe' is no yes, no or None"),
    ):
        with pytest.raises(pa.ArrowInvalid, match=sentence):
            pa.table(tables.frame([make_invoice(), make_invoice(**changes)]))
    for decimals in (-1, 21, 2.0, "2", None, True):
        with pytest.raises(InvalidInput, match="is no number of decimals from 0 to 20"):
            tables.frame([], decimals=decimals)  # type: ignore[arg-type]
    assert pa.table(tables.frame([make_invoice()], decimals=20))["value"].to_pylist() == [Decimal(1180)]
    exact = pa.table(tables.frame([make_invoice(value=Decimal("1.005"))], decimals=3))
    assert exact["value"].to_pylist() == [Decimal("1.005")]
    odd = pa.table(tables.frame([make_invoice(remarks="a\ud800", supplier_name="b\ud800")]))
    assert (odd["remarks"].to_pylist(), odd["supplier name"].to_pylist()) == (["a?"], ["b?"])


async def test_an_async_iterator_is_refused_with_the_way_to_use_it() -> None:
    """Also a record by itself, and the records of another taxpayer."""

    async def rows() -> Any:
        yield make_invoice()

    with pytest.raises(InvalidInput, match=r"\[row async for row in acme.all_invoices\(\)\]"):
        tables.frame(rows())
    assert pa.table(tables.frame([row async for row in rows()])).num_rows == 1
    refused: tuple[Any, ...] = (rows(), make_invoice())
    for one in refused:
        for work in (
            tables.frame,
            lambda given: tables.decisions([], given),
            lambda given: tables.write_invoices(io.StringIO(), given),
        ):
            with pytest.raises(InvalidInput, match=f"records are needed, not {type(one).__name__}"):
                work(one)
    others: tuple[Any, ...] = ([make_invoice().accept()], ["INV/24/001"], {"b2b": []})
    for wrong in others:
        with pytest.raises(InvalidInput, match=r"records .Invoice. are needed, not (Decision|str)"):
            tables.decisions([], wrong)
        with pytest.raises(InvalidInput, match=r"records .Invoice. are needed, not (Decision|str)"):
            tables.write_invoices(io.StringIO(), wrong)
        with pytest.raises(pa.ArrowInvalid, match=r"records .Invoice. are needed, not (Decision|str)"):
            pa.table(tables.frame(wrong))
    with pytest.raises(pa.ArrowInvalid, match="it cannot be written as a record of"):
        pa.table(tables.frame([make_invoice(recipient="33AAACQ3770E1ZT")], gstin=ACME))


# -- out and back, with each library -----------------------------------------------------------------------


def test_pyarrow_reads_a_frame_and_its_table_comes_back_as_the_decisions() -> None:
    """With the columns set, and with those alone that say what is decided on which record."""
    invoices = of_each_kind()
    table = pa.table(tables.frame(invoices))
    assert tables.decisions(table, invoices) == []
    nothing = pa.array([float("nan")] * len(invoices))
    assert tables.decisions(table.set_column(6, "action", nothing), invoices) == []
    for name, cells in cells_of(invoices).items():
        table = table.set_column(table.column_names.index(name), name, pa.array(cells))
    assert tables.decisions(table, invoices) == wanted(invoices)
    few = table.select(["hash", "action", "remarks", "ITC reduction"])
    assert tables.decisions(few, reversed(invoices)) == wanted(invoices)
    assert tables.decisions(few.to_reader(), invoices) == wanted(invoices)


def test_polars_reads_a_frame_and_gives_the_decisions_back() -> None:
    """Also where it has made floats of the rupees: they are the record's."""
    pl = pytest.importorskip("polars", reason="polars is not installed")
    invoices = of_each_kind()
    table = pl.DataFrame(tables.frame(invoices))
    assert table["taxable value"].sum() == sum(invoice.taxable_value for invoice in invoices)
    assert str(table.schema["date"]) == "Date"
    table = table.with_columns(**{name: pl.Series(cells) for name, cells in cells_of(invoices).items()})
    assert tables.decisions(table, invoices) == wanted(invoices)
    floats = table.with_columns(pl.col("value").cast(pl.Float64), pl.col("IGST").cast(pl.Float32))
    found = tables.decisions(floats.reverse(), invoices)
    assert found[::-1] == wanted(invoices)
    assert tables.decisions(table.to_dicts(), invoices) == wanted(invoices)


@pytest.mark.parametrize("convert", ["from_arrow", "to_pandas"])
def test_pandas_reads_a_frame_and_gives_the_decisions_back(convert: str) -> None:
    """With its own objects, and the NaN that it puts where nothing is."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    invoices = of_each_kind()
    if convert == "from_arrow":
        if not hasattr(pd.DataFrame, "from_arrow"):
            pytest.skip("pandas has no DataFrame.from_arrow before 3.0")
        table = pd.DataFrame.from_arrow(tables.frame(invoices))
    else:
        table = pa.table(tables.frame(invoices)).to_pandas()
    assert tables.decisions(table, invoices) == []
    for name, cells in cells_of(invoices).items():
        table[name] = pd.Series(cells, dtype=object).where(pd.Series(cells).notna(), float("nan"))
    assert table["action"].isna().sum() == 5
    assert tables.decisions(table, invoices) == wanted(invoices)
    floats = table.assign(value=table["value"].astype(float), date=pd.to_datetime(table["date"]))
    assert tables.decisions(floats, invoices) == wanted(invoices)
    assert tables.decisions(table.to_dict("records"), invoices) == wanted(invoices)
    nothing = table.assign(action=[None, float("nan"), pd.NA, pd.NaT, ""] * 2)
    assert tables.decisions(nothing, invoices) == []
    assert tables.decisions(nothing.to_dict("records"), invoices) == []
    nullable = table.convert_dtypes().assign(date=pd.NaT).to_dict("records")
    assert tables.decisions(nullable, invoices) == wanted(invoices)


def test_duckdb_reads_a_frame_and_gives_the_decisions_back() -> None:
    """By SQL, over the name of the variable."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    invoices = of_each_kind()
    pulled = tables.frame(invoices)
    database = duckdb.connect()
    database.register("pulled", pulled)
    sums = database.sql('select section, sum("taxable value") from pulled group by 1 order by 1').fetchall()
    assert sums == [("b2b", Decimal("9000.90")), ("b2bcn", Decimal("1000.10"))]
    decided = database.sql(
        "select hash, case when section = 'b2b' then 'R' end as action, 'not ours' as remarks from pulled"
    )
    assert tables.decisions(decided, invoices) == [one.reject("not ours") for one in invoices[:-1]]


@settings(max_examples=examples(30))
@given(st.lists(strategies.decisions(), max_size=3))
def test_any_records_come_back_as_the_decisions_made(drawn: list[Decision]) -> None:
    """By their hashes, whatever else is in them, as far as the rules let them be made."""
    invoices = [attrs.evolve(one.invoice, hash=f"{place:064x}") for place, one in enumerate(drawn)]
    made = [
        attrs.evolve(one, invoice=invoice, remarks=(one.remarks and one.remarks.strip()) or None)
        for one, invoice in zip(drawn, invoices, strict=True)
    ]
    refused = {finding.place for finding in rules.check(made) if finding.level == "refuse"}
    assume(None not in refused)
    right = [one for place, one in enumerate(made) if place not in refused]
    table = pa.table(tables.frame(invoices, decimals=4))
    by_hash = {one.invoice.hash: one for one in right}
    own = [by_hash.get(hash_) for hash_ in table["hash"].to_pylist()]
    for name in ("action", "remarks", "ITC reduction"):
        cells = [one and getattr(one, name.replace(" ", "_").lower()) for one in own]
        texts = [None if cell is None else to_text(cell) for cell in cells]
        table = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    assert tables.decisions(table, invoices) == right


# -- back --------------------------------------------------------------------------------------------------


def test_rows_are_mappings_of_the_columns_that_are_needed() -> None:
    """Spelled as in a file or as in Python; and the rows of a file."""
    first, second, *_ = invoices = two_hundred()
    rows = [
        {"hash": first.hash, "action": Action.ACCEPT},
        {"hash": "", "action": None},
        {"hash": second.hash, "action": "reject", "remarks": "why"},
        {"hash": "gone", "action": float("nan"), "itc_reduction": float("nan")},
    ]
    assert tables.decisions(iter(rows), invoices) == [first.accept(), second.reject("why")]
    note = make_invoice(section=Section.B2BCN, hash="e" * 64)
    row = {"hash": note.hash, "action": "A", "itc_reduction": "none"}
    assert tables.decisions([row], [note]) == [note.accept(itc_reduction=ItcReduction.none())]
    assert tables.decisions([], invoices) == []


def test_a_record_without_a_hash_is_known_by_all_its_ids() -> None:
    """As a row of a file is."""
    invoice = make_invoice(hash=None)
    row = {name: value for name, value in GOOD.items() if name != "hash"}
    assert tables.decisions([row], [invoice]) == [invoice.accept()]
    del row["return period"]
    with pytest.raises(
        InvalidInput, match=r"has no column hash \(nor return period in its place\); it has: sec"
    ):
        tables.decisions([row], [invoice])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"hash": "a", "action": "A"}], "the list row 1, column hash: no record has the hash a: read the"),
        ([{}, {"hash": None, "action": "A"}], "the list row 2, column hash: it is empty"),
        ([{"hash": "b", "action": "maybe"}], "the list row 1, column action: action 'maybe' is unknown"),
        ([{"hash": "b", "action": "N"}], "N cannot be saved"),
        ([{"hash": "b", "action": ["A"]}], "action 'a list' is unknown"),
        ([{"hash": "b", "action": "A", "ITC reduction": 10.5}], "row 1, column ITC reduction: '10.5' is not"),
        ([{"hash": "b", "action": "A", "ITC reduction": "igst=10.505"}], "more than two decimals"),
        (
            [{"hash": "b", "action": "A"}, {"hash": "b", "action": "A"}],
            "the same record .* row 1 already",
        ),
        ([{"hash": "c", "action": "A"}], "several records have the hash c"),
        ([{"hash": "b"}], "the list has no column action; it has: hash"),
        ([{"action": "A"}], "has no column hash"),
        ([["b", "A"]], "decisions cannot be read from list: pass a frame with __arrow_c_stream__"),
        ({"hash": ["b"], "action": ["A"]}, "decisions cannot be read from dict"),
        ("november.csv", "decisions cannot be read from str"),
        (7, "decisions cannot be read from int"),
        ([{"hash": "d", "action": "P"}], "pending"),
    ],
    ids=lambda one: str(one)[:30] if isinstance(one, str) else "",
)
def test_a_wrong_row_is_refused_by_name(rows: Any, sentence: str) -> None:
    """By its row, from 1, and its column; as a whole where it is none."""
    invoices = [
        make_invoice(hash="b"),
        make_invoice(hash="c", number="2"),
        make_invoice(hash="c", number="3"),
        make_invoice(hash="d", number="4", pending_allowed=False),
    ]
    with pytest.raises(InvalidInput, match=sentence):
        tables.decisions(rows, invoices)


def test_records_with_one_hash_are_told_apart_by_taxpayer_and_section() -> None:
    """As far as the frame says them."""
    invoices = [
        make_invoice(hash="c", recipient=ACME),
        make_invoice(hash="c", recipient="33AAACQ3770E1ZT"),
        make_invoice(hash="c", recipient=ACME, section=Section.B2BDN),
    ]
    row = {"hash": "c", "action": "R", "GSTIN": ACME, "section": "B2BDN"}
    assert tables.decisions([row], invoices) == [invoices[2].reject()]
    with pytest.raises(InvalidInput, match="several records"):
        tables.decisions([{**row, "section": None}], invoices)


def test_all_wrong_rows_are_named_in_their_order() -> None:
    """Those that name no record among those that cannot be read."""
    rows = [
        {"hash": "b", "action": "maybe"},
        {"hash": "a", "action": "A"},
        {"hash": "b", "action": "A", "ITC reduction": "some"},
    ]
    with pytest.raises(InvalidInput) as caught:
        tables.decisions(rows, [make_invoice(hash="b")])
    assert [(one.row, one.kind) for one in tables.problems_of(caught.value)] == [
        (1, "action"),
        (2, "gone"),
        (3, "itc-reduction"),
    ]


def test_columns_of_ones_own_may_hold_anything() -> None:
    """They are not read: neither many of them, nor what Python has no value for, nor the same name twice."""
    invoice = make_invoice(hash="b")
    own = {
        "later": pa.array([2**62], pa.timestamp("us")),
        "nanoseconds": pa.array([1], pa.time64("ns")),
        "no text": pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers()),
        **{f"feature {place}": pa.array([place]) for place in range(300)},
    }
    arrays = {"hash": pa.array(["b"]), "action": pa.array(["A"]), **own}
    table = pa.table(arrays).append_column("later", own["later"])
    assert tables.decisions(table, [invoice]) == [invoice.accept()]
    with pytest.raises(InvalidInput, match=r"several columns of one name \(action, Action\): keep one"):
        tables.decisions(table.append_column("Action", pa.array(["R"])), [invoice])


def test_what_is_no_table_is_an_error_of_ours() -> None:
    """A column by itself, a stream that was read before, a query that fails."""
    invoice = make_invoice(hash="b")

    class Read:
        stream = pa.table({"hash": ["b"], "action": ["A"]}).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.stream

    class Failing:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("no table of this name")

    once = Read()
    assert tables.decisions(once, [invoice]) == [invoice.accept()]
    for refused in (once, pa.chunked_array([["b"]]), Failing()):
        with pytest.raises(InvalidInput, match="the frame cannot be read"):
            tables.decisions(refused, [invoice])


def test_a_stream_that_breaks_off_is_an_error_of_ours() -> None:
    """With what its library says of it."""

    def batches() -> Iterator[Any]:
        yield pa.record_batch({"hash": ["b"], "action": ["A"]})
        raise ValueError("the network went away")

    schema = pa.schema([("hash", pa.string()), ("action", pa.string())])
    broken = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(InvalidInput, match=r"the frame cannot be read \(.*the network went away"):
        tables.decisions(broken, [make_invoice(hash="b")])


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """For frames, on making one; mappings need none."""
    table = pa.table({"hash": ["b"], "action": ["A"]})
    rows, invoice = table.to_pylist(), make_invoice(hash="b")
    take_away(monkeypatch, "pyarrow")
    for work in (lambda: tables.frame([]), lambda: tables.decisions(table, [invoice])):
        with pytest.raises(InvalidInput, match=r"needs the extra arrow: pip install 'ims-async\[arrow\]'"):
            work()
    assert tables.decisions(rows, [invoice]) == [invoice.accept()]
