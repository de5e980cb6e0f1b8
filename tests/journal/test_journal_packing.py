"""What is written into a journal's rows is read again exactly, and nothing else is written."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import Decision, ErrorEntry, Invoice, ItcReduction, JobState, JobStatus, JournalError, Section
from ims_async.journal import packing
from ims_async.journal.packing import ROWS_PER_PART, checksum, pack, pack_status, unpack, unpack_status
from ims_async.model.records import Record

from ..support.journals import decisions
from ..support.strategies import ODD_VALUES, gstins, json_values, records
from ..support.strategies import decisions as any_decisions
from ..support.sweeps import examples

AMOUNTS = ("value", "taxable_value", "igst", "cgst", "sgst", "cess")


def there_and_back(batch: Iterable[Decision | Invoice]) -> list[Decision | Invoice]:
    """Pack and unpack."""
    return unpack(list(pack(list(batch))))


def invoices_of(batch: Iterable[Decision | Invoice]) -> list[Invoice]:
    """Return the bare invoices."""
    return [record.invoice if isinstance(record, Decision) else record for record in batch]


def spelled(value: Any) -> Any:
    """Return a value in which 1000.1 and 1000.10 differ, and 1 and True."""
    if isinstance(value, dict):
        return {key: spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spelled(item) for item in value]
    return type(value).__name__, str(value)


def _outcome(write: Callable[[Record], str], record: Record) -> Any:
    try:
        return json.loads(write(record))
    except Exception as error:  # noqa: BLE001 # what is compared is precisely what comes out
        return repr(error)


@settings(max_examples=examples(200))
@given(records() | any_decisions(), st.data())
def test_a_row_is_written_as_the_encoder_writes_it(record: Record, data: st.DataObject) -> None:
    """To the letter; with a value of another type in one of its attributes, what comes out is the same."""
    assert packing._text(record) == packing._dumps(packing._row(record))
    name = data.draw(st.sampled_from([field.name for field in attrs.fields(type(record))]))
    odd: Record = attrs.evolve(record, **{name: data.draw(st.sampled_from(ODD_VALUES))})
    assert _outcome(packing._text, odd) == _outcome(lambda row: packing._dumps(packing._row(row)), odd)


@pytest.mark.parametrize("section", list(Section))
@settings(max_examples=examples(30))
@given(data=st.data())
def test_any_batch_comes_back_as_it_was(section: Section, data: st.DataObject) -> None:
    """An invoice and a decision of every section; equal to the digit and in their types."""
    recipient = data.draw(st.none() | gstins())
    batch: list[Record] = [
        attrs.evolve(data.draw(records(section)), recipient=recipient),
        data.draw(any_decisions(section)),
    ]
    again = there_and_back(batch)
    assert again == batch
    for before, after in zip(invoices_of(batch), invoices_of(again), strict=True):
        for name in AMOUNTS:
            assert str(getattr(after, name)) == str(getattr(before, name))
        assert spelled(after.extra) == spelled(before.extra)
        assert type(after.section) is Section


@settings(max_examples=examples(30))
@given(record=records(), read=st.booleans())
def test_a_record_remembers_whether_it_was_read(record: Invoice, read: bool) -> None:
    """It decides how strictly its ids are looked at, and is no part of equality."""
    (again,) = there_and_back([attrs.evolve(record, read_from_gateway=read)])
    assert invoices_of([again])[0].read_from_gateway is read


@given(extra=st.dictionaries(st.text(), json_values(), min_size=1, max_size=4))
def test_fields_that_a_gateway_adds_keep_every_digit(extra: dict[str, Any]) -> None:
    """At any depth, under any name."""
    (decision,) = decisions()
    (again,) = there_and_back([attrs.evolve(decision.invoice, extra=extra)])
    assert isinstance(again, Invoice)
    assert spelled(again.extra) == spelled(extra)


@pytest.mark.parametrize(
    "extra",
    [
        {"lone \ud800": ["\udfff", "\x00", "«ना»", "\u2028", '"\\']},
        {"big": 2**200, "small": Decimal("1E-30"), "long": Decimal("0." + "3" * 60)},
        {"huge": Decimal("1E+999999"), "minus": Decimal("-0.0")},
        {"none": None, "yes": True, "deep": {"": [[[]], {}, [{"a": [Decimal("1.10")]}]]}},
    ],
)
def test_odd_fields_come_back_as_they_were(extra: dict[str, Any]) -> None:
    """Half a pair of surrogates, numbers beyond any float, empty names and nests."""
    (decision,) = decisions()
    (again,) = there_and_back([attrs.evolve(decision.invoice, extra=extra)])
    assert isinstance(again, Invoice)
    assert spelled(again.extra) == spelled(extra)


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "1000.1", "1000.10", "9999999999999.99", "12345678901234567890.123", "0.1"]
)
def test_money_passes_through_no_float(amount: str) -> None:
    """It stands as text between the brackets, digit for digit, without an exponent."""
    (decision,) = decisions()
    record = attrs.evolve(decision.invoice, value=Decimal(amount))
    (part,) = pack([record])
    assert f'"{amount}"'.encode() in part
    assert not re.search(rb'"[\d.]+E', part)
    (again,) = unpack([part])
    assert str(invoices_of([again])[0].value) == amount


@pytest.mark.parametrize(
    "reduction",
    [
        ItcReduction.none(),
        ItcReduction.full(),
        ItcReduction.partial(igst=Decimal("10.50"), cess=1),
        ItcReduction(required=True, cgst=Decimal("0.10")),
    ],
)
def test_credit_given_up_comes_back_with_each_head(reduction: ItcReduction) -> None:
    """A head that is not declared is not one of zero rupees."""
    (decision,) = decisions()
    read = attrs.evolve(decision.invoice, section=Section.B2BCN, itc_reduction=reduction)
    batch: list[Record] = [
        read,
        read.accept("fine", itc_reduction=reduction),
        read.reject(""),
        read.keep_pending(),
    ]
    again = there_and_back(batch)
    assert again == batch
    assert [getattr(record, "remarks", None) for record in again] == [None, "fine", "", None]


def test_rows_are_written_a_few_at_a_time() -> None:
    """So that a big batch does not hold the event loop up; nothing is lost where one part ends."""
    batch = decisions(2 * ROWS_PER_PART + 1)
    parts = list(pack(batch))
    assert [len(json.loads(part)) for part in parts] == [ROWS_PER_PART, ROWS_PER_PART, 1]
    assert unpack(parts) == batch
    assert list(pack([])) == []


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_a_part_with_one_wrong_bit_has_another_checksum(place: int, bit: int) -> None:
    """Wherever it is."""
    (part,) = pack(decisions(2))
    damaged = bytearray(part)
    damaged[place % len(part)] ^= 1 << bit
    assert checksum(bytes(damaged)) != checksum(part)


@given(
    text=st.binary()
    | st.text().map(str.encode)
    | json_values().map(lambda v: json.dumps(v, default=str).encode())
)
def test_what_was_not_packed_is_refused_in_our_own_words(text: bytes) -> None:
    """Whatever stands there, an error of the journal's is all that comes of it."""
    try:
        read = unpack([text])
    except JournalError as error:
        assert "cannot be read" in str(error)
    else:
        assert read == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "b2x"),
        (3, "31-02-2026"),
        (3, None),
        (5, "ten"),
        (5, None),
        (11, "X"),
        (22, [True]),
        (25, "{"),
        (25, "[" * 100_000),
    ],
)
def test_a_row_with_one_odd_value_is_refused(place: int, value: object) -> None:
    """A section, a day, an amount, an action, a reduction, fields: each must be what it was written as."""
    (part,) = pack(decisions())
    ((*row,),) = json.loads(part)
    for damaged in ([*row[:place], value, *row[place + 1 :]], row[:-1], [*row, None], "row", 7, None):
        with pytest.raises(JournalError, match="its records cannot be read"):
            unpack([json.dumps([damaged]).encode()])


def test_rows_that_name_no_recipient_are_read() -> None:
    """0.1.0 wrote them so, of decisions and of invoices."""
    (decision,) = decisions()
    for record, place in ((decision, 27), (decision.invoice, 27)):
        (part,) = pack([record])
        ((*row,),) = json.loads(part)
        read = unpack([json.dumps([row[:place] + row[place + 1 :]]).encode()])
        assert read == [record]


@pytest.mark.parametrize("value", [object(), {1}, b"bytes"])
def test_what_no_journal_can_keep_is_refused_before_anything_is_written(value: Any) -> None:
    """Python has values that JSON has not; a gateway never sends them."""
    (decision,) = decisions()
    with pytest.raises(TypeError):
        list(pack([attrs.evolve(decision.invoice, extra={"odd": value})]))
    with pytest.raises(TypeError):
        list(pack([attrs.evolve(decision.invoice, remarks=value)]))


# -- statuses ------------------------------------------------------------------------------------------


@st.composite
def statuses(draw: st.DrawFn) -> JobStatus:
    """Anything that a reading can be, error reports of sections that nobody knows included."""
    count, words = st.none() | st.integers(0), st.text(max_size=8)
    entry = st.builds(
        ErrorEntry,
        section=st.sampled_from(list(Section)) | words,
        supplier=words,
        number=st.none() | words,
        return_period=st.none() | words,
        code=words,
        message=words,
    )
    return JobStatus(
        state=draw(st.sampled_from(list(JobState))),
        raw_code=draw(words),
        processed=draw(count),
        errors=draw(count),
        error_code=draw(words),
        error_message=draw(words),
        error_report=tuple(draw(st.lists(entry, max_size=3))),
        polled_at=draw(st.none() | st.floats(0, 4e9)),
        carrier_done=draw(st.booleans()),
        carrier_failed=draw(st.booleans()),
        documented=draw(st.booleans()),
        in_the_way=draw(st.booleans()),
        raw={"planted": "in the raw answer"},
    )


@given(status=statuses())
def test_a_status_comes_back_without_the_raw_answer(status: JobStatus) -> None:
    """All that a report is made of is kept, and not a word of what the gateway wrote around it."""
    text = pack_status(status)
    assert text.isascii()
    assert "planted" not in text
    again = unpack_status(text)
    assert again == status
    assert again.raw == {}
    assert type(again.state) is JobState
    assert [type(entry.section) for entry in again.error_report if entry.section in set(Section)] == [
        Section for entry in status.error_report if entry.section in set(Section)
    ]


def test_every_field_of_a_record_and_of_a_status_is_kept() -> None:
    """A field that is added one day and not packed fails here, before anybody loses it."""
    from ims_async.journal import packing

    assert set(packing._FIELDS) == {field.name for field in attrs.fields(Invoice)}
    assert set(packing._DECIDED) == {field.name for field in attrs.fields(Decision)} - {"invoice"}
    # What a look found has a column of its own, and the route is kept with the job's token.
    assert {*packing._READING, "state", "error_report", "raw", "found", "route"} == {
        field.name for field in attrs.fields(JobStatus)
    }
    assert set(packing._REFUSAL) == {field.name for field in attrs.fields(ErrorEntry)}


@given(text=st.text() | json_values().map(lambda value: json.dumps(value, default=str)))
def test_a_status_that_was_not_packed_is_refused(text: str) -> None:
    """No JSON, other JSON: both are damage."""
    with pytest.raises(JournalError, match="its status cannot be read"):
        unpack_status(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "done"),
        ("error_report", None),
        ("error_report", [["b2b"]]),
        ("error_report", [["b2b", 5, None, None, "", ""]]),
        ("processed", "3"),
        ("processed", -1),
        ("errors", True),
        ("raw_code", None),
        ("documented", 1),
        ("polled_at", "soon"),
        ("more", 1),
    ],
)
def test_a_status_with_one_odd_fact_is_refused(name: str, value: object) -> None:
    """A state, a report, a count, a fact that this release does not know: the error names it."""
    facts = json.loads(pack_status(JobStatus(state=JobState.SUCCEEDED)))
    with pytest.raises(JournalError, match=f"its status cannot be read: .*({name}|iterable|zip)"):
        unpack_status(json.dumps({**facts, name: value}))


@pytest.mark.parametrize(
    "found",
    ["", "null", "[]", "[1, [], [], []]", "[true, [], []]", "[-1, [], []]", "[1, [[]], []]", "[1, 5, []]",
     '[1, [["b2b", "x", "y", "soon", null]], []]', '[1, [["b2b", 5, "y", null, null]], []]'],
)  # fmt: skip
def test_what_a_look_showed_is_refused_if_it_was_not_packed(found: str) -> None:
    """A count, and two lists of keys."""
    with pytest.raises(JournalError, match="its status cannot be read"):
        unpack_status(pack_status(JobStatus(state=JobState.SUCCEEDED)), found)


def test_dates_before_the_year_1000_come_back() -> None:
    """A mistyped year is the rules' to refuse, not the journal's to lose."""
    (decision,) = decisions()
    odd = attrs.evolve(decision.invoice, date=dt.date(24, 1, 5), original_date=dt.date(1, 1, 1))
    assert there_and_back([odd]) == [odd]
