"""Bodies of save and reset: exactly the documented properties, exact money."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Action, Decision, Invoice, ItcReduction, JobKind, Section
from ims_async.gsp.codec import pack_body, read_invoice, write_invoice, writing
from ims_async.gsp.codec.json import PAUSE, json_text, parse_json
from ims_async.model.plain import money_text
from tests.conftest import load
from tests.support import strategies

GSTIN = "24SHUBH3221U1Z1"


def pack(kind: JobKind, records: list[Any], gstin: str = GSTIN) -> str:
    """Write a body to its end; return its text."""
    packing = pack_body(gstin, kind, records)
    try:
        while True:
            assert next(packing) is PAUSE
    except StopIteration as stop:
        assert stop.value.records == len(records)
        content: bytes = stop.value.content
        return content.decode("ascii")


def exact(text: str | bytes) -> Any:
    """Parse JSON to text and containers: numbers stay as they were written."""
    return json.loads(text, parse_float=str, parse_int=str)


def invoice(section: Section = Section.B2B, **facts: Any) -> Invoice:
    """A complete record."""
    amended = (
        {"original_number": "ab2", "original_date": dt.date(2023, 2, 23)} if section.is_amendment else {}
    )
    given_facts: dict[str, Any] = {
        "section": section,
        "supplier": "24MAYAS0100J1JD",
        "number": "b1",
        "date": dt.date(2023, 2, 24),
        "return_period": "012023",
        "value": Decimal(1000),
        "taxable_value": Decimal("10883.91"),
        "igst": Decimal("20.10"),
        "cgst": Decimal("0.00"),
        "sgst": Decimal(0),
        "cess": Decimal("1E+3"),
        "type": None if section.is_ecommerce else "R",
        "source_form": "R1",
        "place_of_supply": "07",
        "hash": "f00",
        "supplier_name": "Maya",
        "remarks": "as it was",
        "extra": {"newer": 1},
        "pending_allowed": False,
        "supplier_filed": True,
        **amended,
        **facts,
    }
    return Invoice(**given_facts)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("10883.91", "10883.91"), ("1000", "1000"), ("1000.10", "1000.10"), ("0", "0"), ("0.00", "0.00"),
        ("1E+3", "1000"), ("0E+2", "0"), ("1E-7", "0.0000001"), ("12345678901234.99", "12345678901234.99"),
        ("-5.50", "-5.50"),
    ],
)  # fmt: skip
def test_money_is_written_as_it_is(amount: str, text: str) -> None:
    """Write plain figures, as exact as they came, and never an exponent."""
    assert money_text(Decimal(amount)) == text
    assert Decimal(json.loads(text, parse_float=Decimal)) == Decimal(amount)


@given(strategies.rupees())
def test_every_amount_is_written_digit_by_digit(amount: Decimal) -> None:
    """Give the very figures that were read."""
    assert money_text(amount) == str(amount)


SAVED = {
    "stin": "24MAYAS0100J1JD", "rtnprd": "012023", "srcform": "R1", "pos": "07", "val": "1000",
    "txval": "10883.91", "iamt": "20.10", "camt": "0.00", "samt": "0", "cess": "1000", "prev_status": "N",
}  # fmt: skip


@pytest.mark.parametrize("section", Section)
def test_a_row_has_exactly_the_documented_properties(section: Section) -> None:
    """Write no hash, no names, no flags; no type for e-commerce; an action in a save only."""
    number, day = ("nt_num", "nt_dt") if section.is_note else ("inum", "idt")
    wanted = {**SAVED, number: "b1", day: "24-02-2023"}
    if section.is_amendment:
        original = ("ont_num", "ont_dt") if section.is_note else ("oinum", "oidt")
        wanted |= dict(zip(original, ("ab2", "23-02-2023"), strict=True))
    if not section.is_ecommerce:
        wanted["inv_typ"] = "R"
    record = invoice(section)
    reset = exact(pack(JobKind.RESET, [record]))
    assert reset == {"rtin": GSTIN, "reqtyp": "RESET", "invdata": {section.value: [wanted]}}
    save = exact(pack(JobKind.SAVE, [record.keep_pending()]))
    assert save == {
        "rtin": GSTIN,
        "reqtyp": "SAVE",
        "invdata": {section.value: [{**wanted, "action": "P"}]},
    }


def test_an_invoice_type_is_never_sent_for_e_commerce() -> None:
    """Leave out a type that a caller set: the schema does not have it."""
    for section in (Section.ECOM, Section.ECOMA):
        assert "inv_typ" not in pack(JobKind.SAVE, [invoice(section, type="R").accept()])
        assert "inv_typ" not in pack(JobKind.RESET, [invoice(section, type="R")])


def test_an_original_document_is_sent_for_amendments_only() -> None:
    """Leave out what a plain record says of an original; send what an amendment has of it."""
    strange = invoice(original_number="ab2", original_date=dt.date(2023, 2, 23))
    assert "oinum" not in pack(JobKind.SAVE, [strange.accept()])
    half = exact(pack(JobKind.SAVE, [invoice(Section.B2BA, original_date=None).accept()]))
    assert half["invdata"]["b2ba"][0]["oinum"] == "ab2"
    assert "oidt" not in half["invdata"]["b2ba"][0]


@pytest.mark.parametrize(
    ("decide", "fields"),
    [
        (lambda i: i.accept(), {}),
        (lambda i: i.accept("fine"), {"remarks": "fine"}),
        (lambda i: i.reject(""), {"remarks": ""}),
        (lambda i: i.keep_pending('a "quoted" ₹\n\ud800'), {"remarks": 'a "quoted" ₹\n\ud800'}),
        (lambda i: i.accept(itc_reduction=ItcReduction.none()), {"itcRedReq": "N"}),
        (lambda i: i.accept(itc_reduction=ItcReduction.full()), {"itcRedReq": "Y"}),
        (
            lambda i: i.accept(itc_reduction=ItcReduction(required=True, igst=Decimal("5.50"))),
            {"itcRedReq": "Y", "declIgst": "5.50"},
        ),
        (
            lambda i: i.accept(itc_reduction=ItcReduction.partial(cgst=1, sgst=1)),
            {"itcRedReq": "Y", "declIgst": "0", "declCgst": "1", "declSgst": "1", "declCess": "0"},
        ),
    ],
)
def test_remarks_and_reductions_are_sent_only_when_they_are_set(decide: Any, fields: dict[str, str]) -> None:
    """Send what the caller decided, and not what the record says of an earlier decision."""
    (row,) = exact(pack(JobKind.SAVE, [decide(invoice(Section.B2BCN, itc_reduction=ItcReduction.full()))]))[
        "invdata"
    ]["b2bcn"]
    assert {key: row[key] for key in row.keys() - {*SAVED, "nt_num", "nt_dt", "inv_typ", "action"}} == fields


def test_what_is_not_known_of_a_record_is_left_out() -> None:
    """Write no null for a form, a place or a type that a row did not have."""
    bare = invoice(source_form=None, place_of_supply=None, type=None)
    (row,) = exact(pack(JobKind.RESET, [bare]))["invdata"]["b2b"]
    assert sorted(row) == sorted({*SAVED, "inum", "idt"} - {"srcform", "pos"})


def test_rows_keep_their_order_within_each_section() -> None:
    """Group by section, in the order in which the caller gave them."""
    records = [invoice(number=f"x{n}", section=[Section.B2B, Section.ECOM][n % 2]) for n in range(5)]
    body = exact(pack(JobKind.RESET, records))
    assert [row["inum"] for row in body["invdata"]["b2b"]] == ["x0", "x2", "x4"]
    assert [row["inum"] for row in body["invdata"]["ecom"]] == ["x1", "x3"]


def test_packing_pauses_on_the_way() -> None:
    """Give other tasks a turn between every 200 rows."""
    for count, wanted in ((0, 0), (199, 0), (201, 1), (450, 2), (1001, 5)):
        assert sum(1 for _ in pack_body(GSTIN, JobKind.RESET, [invoice()] * count)) == wanted


def _decision_of(section: Section, row: dict[str, Any]) -> Decision:
    """Read a row of a documented save as the decision that it makes."""
    read = read_invoice(section, {**row, "action": row["prev_status"]})
    assert set(read.extra) == {"prev_status"}
    return Decision(
        invoice=read, action=Action(row["action"]), remarks=read.remarks, itc_reduction=read.itc_reduction
    )


@pytest.mark.parametrize("name", ["sandbox/save-request", "sandbox/save-request-older"])
def test_the_documented_save_is_reproduced(name: str) -> None:
    """Read the vendor's own example into decisions and write it again: the same document."""
    body = load(name)["body"]
    records = [_decision_of(Section(key), row) for key, rows in body["invdata"].items() for row in rows]
    text = pack(JobKind.SAVE, records, body["rtin"])
    assert json.loads(text, parse_float=Decimal) == body
    assert exact(text) == exact(json_text(body))


@pytest.mark.parametrize("name", ["sandbox/reset-request", "vayana/reset-request"])
def test_the_documented_reset_is_reproduced(name: str) -> None:
    """Read the vendors' own examples into records and write them again: the same document."""
    body = load(name)["body"]
    records = [
        read_invoice(Section(key), {**row, "action": row["prev_status"]})
        for key, rows in body["invdata"].items()
        for row in rows
    ]
    assert exact(pack(JobKind.RESET, records, body["rtin"])) == exact(json_text(body))


def test_the_original_of_a_record_that_amends_nothing_is_written_too() -> None:
    """Lose nothing that a row said, even where its section does not document it."""
    odd = invoice(original_number="ab2", original_date=dt.date(2023, 2, 23))
    back = read_invoice(Section.B2B, parse_json(write_invoice(odd).encode()))
    assert (back.original_number, back.original_date) == ("ab2", dt.date(2023, 2, 23))


@given(strategies.json_values())
def test_any_json_value_is_written_exactly(value: Any) -> None:
    """Write what was read so that it reads the same, exponents and last zeros included."""
    back = parse_json(json_text(value).encode())
    assert back == value
    assert repr(back) == repr(value)


def test_an_absurd_exponent_is_written_without_its_zeros() -> None:
    """Write a field of a newer gateway as short as it came."""
    text = '{"x":1E+999999999999}'
    assert json_text(parse_json(text.encode())) == text


@pytest.mark.parametrize(
    "value", [1.5, b"x", {1, 2}, dt.date(2024, 1, 1), Decimal("NaN"), Decimal("Infinity"), [object()]]
)
def test_what_is_no_json_value_is_refused(value: object) -> None:
    """Raise `TypeError`; binary fractions are no exact money."""
    with pytest.raises(TypeError, match="is not a JSON value"):
        json_text(value)


@given(st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)))
def test_days_are_written_with_all_their_digits(day: dt.date) -> None:
    """Write DD-MM-YYYY for every date there is."""
    (row,) = exact(pack(JobKind.RESET, [attrs.evolve(invoice(), date=day)]))["invdata"]["b2b"]
    assert row["idt"] == f"{day.day:02}-{day.month:02}-{day.year:04}"


def test_the_memories_of_dates_and_texts_stay_small() -> None:
    """Write every day and text right, also after the memory of them was cleared."""
    days = [dt.date.fromordinal(number + 1) for number in range(20_000)]
    caches: list[tuple[dict[Any, str], Iterable[Any], Any, str]] = [
        (writing._QUOTED, map(str, range(20_000)), '29"', '"29\\""'),
        (writing._DAY_TEXTS, days, dt.date(2024, 11, 5), '"05-11-2024"'),
    ]
    for cache, full, key, text in caches:
        cache.clear()
        cache.update(dict.fromkeys(full, ""))
        assert cache[key] == text
        assert len(cache) == 1


@pytest.mark.parametrize("text", ["1E+999999999", "1E-999999999", "-7E+100", "0E+999999999"])
def test_an_amount_with_a_mile_of_zeros_keeps_its_exponent(text: str) -> None:
    """Write no text of a gigabyte for a number of twelve characters."""
    assert money_text(Decimal(text)) == text
    assert parse_json(text.encode()) == Decimal(text)


def test_any_amount_that_may_be_one_is_written_without_exponent() -> None:
    """Write 1E+3 as 1000, up to a hundred digits."""
    assert money_text(Decimal("1E+3")) == "1000"
    assert money_text(Decimal("1E+99")) == "1" + "0" * 99
    assert money_text(Decimal("1.5E-7")) == "0.00000015"
