"""Invoices out of an answer: round trips, tolerance, problems by path, nothing but our own errors."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Generator
from decimal import Decimal
from typing import Annotated, Any, Final

import attrs
import pytest
from cattrs import ClassValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import Action, DownloadQueued, ImsError, Invoice, InvoiceList, ItcReduction, Section
from ims_async.errors import UnexpectedAnswer
from ims_async.gsp.codec import problems_of, read_invoice, read_invoices, write_invoice
from ims_async.gsp.codec import rows as codec_rows
from ims_async.gsp.codec.json import PAUSE, json_text, parse_json
from ims_async.gsp.codec.readers import CONVERTER
from ims_async.gsp.codec.values import DAYS, PERIODS, WHOLES, parse_day
from ims_async.model.vocabulary import period_problem
from tests.conftest import load
from tests.support import strategies

from ..support.sweeps import examples

PATH = ("data", "data")


def finish(reading: Generator[Any, Any, Any]) -> tuple[Any, int]:
    """Run a conversation that sends nothing to its end; return its value and how often it paused."""
    pauses = 0
    try:
        while True:
            assert next(reading) is PAUSE
            pauses += 1
    except StopIteration as stop:
        return stop.value, pauses


def read(body: bytes | str, *, strict: bool = True) -> InvoiceList:
    """Read the rows of an answer."""
    rows, _ = finish(read_invoices(body.encode() if isinstance(body, str) else body, PATH, strict=strict))
    assert isinstance(rows, InvoiceList)
    return rows


def answer(**sections: Any) -> str:
    """Make an answer of sections, with exact numbers."""
    return json_text({"code": 200, "data": {"data": sections, "status_cd": "1"}, "transaction_id": "t"})


def seen(invoice: Invoice) -> str:
    """All of a record as text, so that `1.0` and `1.00`, 1 and True differ."""
    return f"{invoice!r} {invoice.read_from_gateway}"


def problems_with(section: Section, row: object) -> list[str]:
    """Read a row that does not fit and spell out what is wrong."""
    with pytest.raises(Exception) as caught:  # whatever it is, `problems_of` describes it
        read_invoice(section, row)
    assert isinstance(caught.value, Exception)
    return list(problems_of(caught.value, codec_rows.wire_names(section), "b2b[3]"))


# -- round trips -----------------------------------------------------------------------------------------


@settings(max_examples=examples(200))
@given(strategies.records())
def test_a_written_record_reads_back_as_it_was(invoice: Invoice) -> None:
    """Lose nothing between writing and reading: no flag, no zero at the end of an amount, no new field."""
    back = read_invoice(invoice.section, parse_json(write_invoice(invoice).encode()))
    assert back == invoice
    assert seen(back) == seen(attrs.evolve(invoice, read_from_gateway=True))


@settings(max_examples=examples(50))
@given(st.lists(strategies.records(), max_size=5), st.booleans())
def test_a_whole_answer_reads_back_as_it_was(invoices: list[Invoice], strict: bool) -> None:
    """Read every section of an envelope, in order, each row exact."""
    sections: dict[str, list[str]] = {}
    for invoice in invoices:
        sections.setdefault(invoice.section.value, []).append(write_invoice(invoice))
    inside = ",".join(f'"{key}": [{" , ".join(rows)}]' for key, rows in sections.items())
    rows = read(f'{{"code":200, "data":{{"data":{{{inside}}},"status_cd":"1"}}}}', strict=strict)
    wanted = [invoice for key in sections for invoice in invoices if invoice.section == key]
    assert [seen(row) for row in rows] == [
        seen(attrs.evolve(invoice, read_from_gateway=True)) for invoice in wanted
    ]
    assert rows.problems == ()
    assert rows.other == {}


@pytest.mark.parametrize("section", Section)
def test_a_documented_row_is_read_exactly(section: Section) -> None:
    """Take each field of a row of every section under its own name."""
    invoice = read_invoice(section, strategies.documented_row(section))
    assert invoice.number == "AB/0071"
    assert invoice.supplier == "29AAACQ3770E1ZF"
    assert f"{invoice.date:%d-%m-%Y}" == "05-11-2024"
    assert (str(invoice.value), str(invoice.taxable_value)) == ("142700", "120932.18")
    assert (str(invoice.cgst), str(invoice.sgst), str(invoice.igst)) == ("10883.91", "10883.90", "0")
    assert invoice.action is Action.NO_ACTION
    assert invoice.pending_allowed is True
    assert invoice.supplier_filed is False
    assert invoice.type == (None if section.is_ecommerce else "R")
    assert invoice.original_number == ("AB/0070" if section.is_amendment else None)
    assert (invoice.original_date is not None) is section.is_amendment
    assert invoice.extra == {}
    assert invoice.read_from_gateway


def test_the_documented_rows_of_vayana_are_read_too() -> None:
    """Understand the other provider's spelling of the blocking flag, in a row without a hash."""
    row = load("vayana/getinv-row")["body"]
    invoice = read_invoice(Section.B2B, row)
    assert (invoice.number, invoice.return_period, invoice.hash) == ("b1", "012023", None)
    assert invoice.pending_allowed is True
    assert invoice.extra == {}


# -- the two readers -------------------------------------------------------------------------------------


def _outcome(read_row: Any, section: Section, row: object) -> str:
    try:
        return seen(read_row(row))
    except Exception as error:  # noqa: BLE001 # what is compared is precisely what comes out
        return "; ".join(problems_of(error, codec_rows.wire_names(section), "row"))


@settings(max_examples=examples(100))
@pytest.mark.parametrize("section", Section)
@given(data=st.data())
def test_the_quick_reader_agrees_with_the_plain_one(section: Section, data: st.DataObject) -> None:
    """Read any row, also one that does not fit, to the same value or the same problems."""
    row = data.draw(strategies.mutated_rows(section))
    quick, plain = codec_rows.quick_reader(section), codec_rows.plain_reader(section)
    assert _outcome(quick, section, row) == _outcome(plain, section, row)


@pytest.mark.parametrize("section", Section)
@pytest.mark.parametrize("value", strategies.ODD_VALUES, ids=repr)
def test_the_two_readers_agree_on_each_odd_value_in_each_field(section: Section, value: object) -> None:
    """Put every odd value into every field, one at a time."""
    quick, plain = codec_rows.quick_reader(section), codec_rows.plain_reader(section)
    for key in strategies.documented_row(section):
        row = {**strategies.documented_row(section), key: value}
        assert _outcome(quick, section, row) == _outcome(plain, section, row)


def _in_the_other_spelling(row: dict[str, Any]) -> dict[str, Any]:
    return {("ispendactnallwd" if key == "ispendactblocked" else key): value for key, value in row.items()}


@settings(max_examples=examples(100))
@pytest.mark.parametrize("section", Section)
@given(data=st.data())
def test_the_two_readers_agree_on_the_other_spelling_of_the_flag(
    section: Section, data: st.DataObject
) -> None:
    """Read rows of the GSP that calls it `ispendactnallwd` alike, whatever else is wrong with them."""
    row = _in_the_other_spelling(data.draw(strategies.mutated_rows(section)))
    quick, plain = codec_rows.quick_reader(section), codec_rows.plain_reader(section)
    assert _outcome(quick, section, row) == _outcome(plain, section, row)


@pytest.mark.parametrize("section", Section)
def test_a_row_in_the_other_spelling_needs_no_slow_reading(section: Section) -> None:
    """Take it in the quick reader, to the same record as in the first spelling."""
    row = strategies.documented_row(section)
    asked: list[object] = []

    def plain(other: object, recipient: str | None = None) -> Invoice:
        asked.append(other)
        return codec_rows.plain_reader(section)(other, recipient)

    quick = vars(codec_rows)["_quick_reader"](section, plain)
    for letter in ("Y", "N", True, False):
        told = {**row, "ispendactblocked": letter}
        assert seen(quick(_in_the_other_spelling(told))) == seen(quick(told))
    assert asked == []
    for odd in strategies.ODD_VALUES:
        other = _in_the_other_spelling({**row, "ispendactblocked": odd})
        assert _outcome(quick, section, other) == _outcome(codec_rows.plain_reader(section), section, other)


_LIVE: Final = ("tradenm", "remarks", "isRemarksBlocked", "isItcRedReqBlocked")


@settings(max_examples=examples(100))
@pytest.mark.parametrize("section", Section)
@given(data=st.data())
def test_the_two_readers_agree_on_what_live_gateways_add(section: Section, data: st.DataObject) -> None:
    """Read rows with any of the four properties alike, of any value, whatever else is in the row."""
    values = st.sampled_from(["Y", "N", "Shree Traders", *strategies.ODD_VALUES])
    row = data.draw(st.just(strategies.documented_row(section)) | strategies.mutated_rows(section))
    row |= data.draw(
        st.dictionaries(st.sampled_from([*_LIVE, "itcRedReqBlocked", "itcRedReq", "new"]), values)
    )
    quick, plain = codec_rows.quick_reader(section), codec_rows.plain_reader(section)
    assert _outcome(quick, section, row) == _outcome(plain, section, row)


@pytest.mark.parametrize("section", Section)
def test_what_live_gateways_add_needs_no_slow_reading(
    section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the plain reader nor the search for other flags, with any of the four."""
    wanted = []
    live = {"tradenm": "Shree Traders", "remarks": None, "isRemarksBlocked": "Y", "isItcRedReqBlocked": "N"}
    for count in range(5):
        for keys in itertools.combinations(live, count):
            row = strategies.documented_row(section) | {key: live[key] for key in keys}
            wanted.append((row, seen(codec_rows.plain_reader(section)(row))))
    monkeypatch.setattr(codec_rows, "_flags", None)
    quick = vars(codec_rows)["_quick_reader"](section, None)
    assert [seen(quick(row)) for row, _ in wanted] == [record for _, record in wanted]


@pytest.mark.parametrize("section", Section)
def test_the_converter_reads_a_row_of_a_section_too(section: Section) -> None:
    """Offer the quick reader as a cattrs hook, for `Annotated[Invoice, section]`."""
    wanted: Any = Annotated[Invoice, section]
    row = strategies.documented_row(section)
    assert seen(CONVERTER.structure(row, wanted)) == seen(read_invoice(section, row))


def test_a_problem_that_belongs_to_no_field_is_told_of_the_row() -> None:
    """Spell out what cattrs groups without naming an attribute, nested groups included."""
    inner = ClassValidationError("inner", [KeyError("idt"), ValueError("odd")], Invoice)
    group = ClassValidationError("outer", [ValueError("the whole row"), inner], Invoice)
    assert list(problems_of(group, {}, "b2b[3]")) == ["b2b[3]: the whole row", "b2b[3]: missing; odd"]


# -- flags -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        ("ispendactblocked", "pending_allowed"),
        ("ispendactnallwd", "pending_allowed"),
        ("isRemarksBlocked", "remarks_allowed"),
        ("isItcRedReqBlocked", "itc_reduction_allowed"),
        ("itcRedReqBlocked", "itc_reduction_allowed"),
    ],
)
def test_a_blocking_flag_is_read_in_letters_and_booleans(key: str, attribute: str) -> None:
    """Read Y and true as blocked, N and false as allowed, and absence as unknown."""
    row = strategies.documented_row(Section.B2B)
    del row["ispendactblocked"]
    assert getattr(read_invoice(Section.B2B, row), attribute) is None
    for letter, allowed in (("Y", False), (True, False), ("N", True), (False, True)):
        assert getattr(read_invoice(Section.B2B, {**row, key: letter}), attribute) is allowed


@pytest.mark.parametrize("letter", ["maybe", 1, 0, None, ["Y"]], ids=repr)
def test_a_flag_that_is_no_letter_is_kept_and_means_nothing(letter: object) -> None:
    """Leave undocumented values in `extra`: 1 is not True."""
    row = strategies.documented_row(Section.B2B)
    invoice = read_invoice(Section.B2B, {**row, "ispendactblocked": letter})
    assert invoice.pending_allowed is None
    assert invoice.extra == {"ispendactblocked": letter}


def test_of_two_spellings_that_disagree_the_first_counts_and_the_other_is_kept() -> None:
    """Lose neither of two contradictory flags."""
    row = {**strategies.documented_row(Section.B2B), "ispendactnallwd": "Y"}
    invoice = read_invoice(Section.B2B, row)
    assert invoice.pending_allowed is True
    assert invoice.extra == {"ispendactnallwd": "Y"}
    assert read_invoice(Section.B2B, parse_json(write_invoice(invoice).encode())) == invoice


@pytest.mark.parametrize(
    ("letter", "filed"),
    [("Filed", True), ("Not Filed", False), ("FILED", True), ("SAVED", False), ("F", True), ("NF", None)],
)
def test_whether_the_supplier_has_filed_is_read_in_every_known_spelling(
    letter: str, filed: bool | None
) -> None:
    """Keep an unknown spelling in `extra`."""
    row = {**strategies.documented_row(Section.B2B), "srcfilstatus": letter}
    invoice = read_invoice(Section.B2B, row)
    assert invoice.supplier_filed is filed
    assert invoice.extra == ({} if filed is not None else {"srcfilstatus": letter})


@pytest.mark.parametrize(
    ("fields", "reduction"),
    [
        ({"itcRedReq": "N"}, ItcReduction.none()),
        ({"itcRedReq": "Y"}, ItcReduction.full()),
        ({"itcRedReq": "Y", "declIgst": None}, ItcReduction.full()),
        ({"itcRedReq": "Y", "declIgst": 20}, ItcReduction(required=True, igst=Decimal(20))),
        ({"itcRedReq": "Y", "declCess": Decimal("0.50")}, ItcReduction(required=True, cess=Decimal("0.50"))),
    ],
)
def test_an_itc_reduction_is_read(fields: dict[str, Any], reduction: ItcReduction) -> None:
    """Distinguish no, full and partial reductions."""
    row = {**strategies.documented_row(Section.B2BCN), **fields}
    invoice = read_invoice(Section.B2BCN, row)
    assert invoice.itc_reduction == reduction
    assert invoice.extra == {}


@pytest.mark.parametrize(
    "fields", [{"itcRedReq": "maybe"}, {"itcRedReq": "Y", "declIgst": "20"}, {"declIgst": 20}]
)
def test_an_itc_reduction_that_cannot_be_read_is_kept(fields: dict[str, Any]) -> None:
    """Leave it in `extra`, all of it."""
    invoice = read_invoice(Section.B2BCN, {**strategies.documented_row(Section.B2BCN), **fields})
    assert invoice.itc_reduction is None
    assert invoice.extra == fields


# -- tolerance -------------------------------------------------------------------------------------------


def test_unknown_fields_are_kept_in_extra() -> None:
    """Keep what a gateway adds later, however deep, and whatever it is called."""
    row = strategies.documented_row(Section.ECOM)
    newer = {"newer": {"a": [Decimal("1.10"), None]}, "inv_typ": "R", "«hash»": "x", "section": "b2b"}
    invoice = read_invoice(Section.ECOM, {**row, **newer})
    assert invoice.extra == newer
    assert invoice.hash == "dbd0f1c65631"
    assert invoice.section is Section.ECOM


@pytest.mark.parametrize("section", Section)
def test_unknown_fields_keep_their_order(section: Section) -> None:
    """Give newer fields in the order of the row, the same in every process, by both readers."""
    newer = {f"newer{number}": number for number in range(12)}
    row = {**newer, **strategies.documented_row(section), "last": None}
    for read_row in (codec_rows.quick_reader(section), codec_rows.plain_reader(section)):
        assert list(read_row(row).extra) == [*newer, "last"]


@pytest.mark.parametrize("key", ["srcform", "inv_typ", "pos", "hash", "ispendactblocked", "srcfilstatus"])
@pytest.mark.parametrize("value", [None, ...], ids=["null", "missing"])
def test_a_row_may_lack_what_it_can_be_understood_without(key: str, value: object) -> None:
    """Read a row without one of its less important fields; null is as good as missing."""
    row = strategies.documented_row(Section.B2B)
    if value is None and key not in ("ispendactblocked", "srcfilstatus"):
        row[key] = None
    else:
        del row[key]
    invoice = read_invoice(Section.B2B, row)
    assert invoice.number == "AB/0071"
    assert invoice.extra == {}


@pytest.mark.parametrize(
    "key", ["stin", "inum", "idt", "rtnprd", "val", "txval", "iamt", "camt", "samt", "cess", "action"]
)
def test_a_row_without_what_it_is_known_by_names_it(key: str) -> None:
    """Name each missing field by the gateway's own name."""
    row = strategies.documented_row(Section.B2B)
    del row[key]
    assert problems_with(Section.B2B, row) == [f"b2b[3].{key}: missing"]


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("idt", "31-02-2024", "'31-02-2024' is not a date that exists; dates are DD-MM-YYYY"),
        ("idt", "2024-11-05", "'2024-11-05' is not a date that exists; dates are DD-MM-YYYY"),
        ("idt", "٠5-11-2024", "'٠5-11-2024' is not a date that exists; dates are DD-MM-YYYY"),
        ("idt", None, "None is not a date that exists; dates are DD-MM-YYYY"),
        ("rtnprd", "132024", period_problem("132024")),
        ("val", "1000", "'1000' is not a number"),
        ("val", True, "True is not a number"),
        ("val", None, "None is not a number"),
        ("inum", 71, "71 is not text"),
        ("action", "X", "'X' is not an action; it is one of A, R, P, N"),
        ("action", None, "None is not an action; it is one of A, R, P, N"),
        ("stin", {"a": 1}, "{'a': 1} is not text"),
    ],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_named_with_its_value(
    key: str, value: object, problem: str | None
) -> None:
    """Say where, what stands there and what belongs there."""
    row = {**strategies.documented_row(Section.B2B), key: value}
    assert problems_with(Section.B2B, row) == [f"b2b[3].{key}: {problem}"]


def test_a_long_value_is_not_repeated_in_full() -> None:
    """Keep a problem readable where a field holds a novel."""
    novel = "x" * 10_000
    for key, value in {"stin": [novel], "idt": novel, "rtnprd": novel, "val": novel, "action": novel}.items():
        (problem,) = problems_with(Section.B2B, {**strategies.documented_row(Section.B2B), key: value})
        assert len(problem) < 200


@pytest.mark.parametrize("row", [None, 7, "row", [], [[]], True], ids=repr)
def test_a_row_that_is_no_object_is_told(row: object) -> None:
    """Refuse what is no row at all."""
    assert problems_with(Section.B2B, row) == [f"b2b[3]: {row!r} is not an object"]


def test_all_problems_of_all_rows_are_named_by_path() -> None:
    """Report all problems of an answer at once."""
    good = strategies.documented_row(Section.B2B)
    bad = {**good, "val": "1", "idt": "x"}
    body = answer(b2b=[good, bad, 5, good], cn=[{}]).encode()
    with pytest.raises(UnexpectedAnswer) as caught:
        read(body)
    problems = caught.value.problems
    assert "data.data.b2b[1].val: '1' is not a number" in problems
    assert "data.data.b2b[1].idt: 'x' is not a date that exists; dates are DD-MM-YYYY" in problems
    assert "data.data.b2b[2]: 5 is not an object" in problems
    assert "data.data.cn[0].nt_dt: missing" in problems
    assert str(caught.value).startswith("3 of 5 rows cannot be read: data.data.b2b[1]")
    assert caught.value.body == body


def test_lenient_reading_lists_problems_beside_the_good_rows() -> None:
    """Return the rows that fit, and report those that do not."""
    good = strategies.documented_row(Section.B2B)
    rows = read(answer(b2b=[good, {**good, "idt": "x"}, good], b2ba={"a": 1}), strict=False)
    assert len(rows) == 2
    assert rows.problems == (
        "data.data.b2b[1].idt: 'x' is not a date that exists; dates are DD-MM-YYYY",
        "data.data.b2ba: {'a': 1} is not an array",
    )
    assert rows.other == {"b2ba": {"a": 1}}


def test_unknown_sections_are_kept() -> None:
    """Keep unknown sections under their raw names; a known one that is null has no rows."""
    row = strategies.documented_row(Section.B2B)
    rows = read(answer(impg=[{"boenum": 7}], b2b=[row], B2BX="?", chksum=None, b2ba=None))
    assert len(rows) == 1
    assert rows.other == {"impg": [{"boenum": 7}], "B2BX": "?", "chksum": None}


def test_an_answer_with_nothing_but_strange_keys_is_told_so_leniently_too() -> None:
    """Keep what stood in place of the rows, and say that it is none."""
    with pytest.raises(UnexpectedAnswer, match="no section that is known, but impg, chksum"):
        read(answer(impg=[{"boenum": 7}], chksum="x"))
    rows = read(answer(impg=[{"boenum": 7}]), strict=False)
    assert rows.problems == ("data.data: no section that is known, but impg",)
    assert (list(rows), rows.other) == ([], {"impg": [{"boenum": 7}]})


def test_a_known_section_that_is_no_array_is_a_problem() -> None:
    """Never read an undocumented shape as "no rows"."""
    with pytest.raises(
        UnexpectedAnswer, match=r"the answer does not fit: data.data.b2b: 'none' is not an array"
    ):
        read(answer(b2b="none"))


@pytest.mark.parametrize(
    ("key", "section"), [("cn", Section.B2BCN), ("DNA", Section.B2BDNA), ("B2B", Section.B2B)]
)
def test_a_section_is_read_under_any_of_its_names(key: str, section: Section) -> None:
    """Read short and upper-case names of sections as the sections that they are."""
    rows = read(answer(**{key: [strategies.documented_row(section)]}))
    assert [row.section for row in rows] == [section]


def test_a_section_that_comes_twice_is_read_twice() -> None:
    """Lose no row to a repeated key, which a JSON parser would drop."""
    row = json_text(strategies.documented_row(Section.B2B))
    inside = f'{{"b2b":[{row}],"b2ba":[],"b2b":[{row},{row}]}}'
    assert len(read(f'{{"data":{{"data":{inside}}}}}')) == 3


def test_an_empty_answer_has_no_rows() -> None:
    """Take an empty object and empty sections for none."""
    assert read(answer()) == []
    assert read(answer(b2b=[], ecom=[])) == []
    assert read(' \r\n\t{ "data" : { "data" : { "b2b" : [ ] } } } ') == []


@pytest.mark.parametrize(
    ("est", "seconds"),
    [("30", 1800.0), (30, 1800.0), (Decimal("0.5"), 30.0), (None, None), ("soon", None), ("NaN", None),
     (Decimal("1E+999999"), None), ([30], None)],
)  # fmt: skip
def test_rows_that_come_later_are_neither_rows_nor_none(est: object, seconds: float | None) -> None:
    """Raise `DownloadQueued` with GSTN's estimate, minutes made seconds, where a token is."""
    for strict in (True, False):
        with pytest.raises(DownloadQueued) as caught:
            read(answer(token="d3a5", est=est), strict=strict)
        assert caught.value.estimate == seconds


def test_rows_beside_a_token_are_rows() -> None:
    """Hand out rows that are there, with the token kept in `other`."""
    rows = read(answer(b2b=[strategies.documented_row(Section.B2B)], token="d3a5"))
    assert len(rows) == 1
    assert rows.other == {"token": "d3a5"}


ROW = json_text(strategies.documented_row(Section.B2B))
GOOD = answer(b2b=[strategies.documented_row(Section.B2B)] * 2)


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "null", "[]", "7", '"data"', "{}", "{", "}", '{"data"}', '{"data":', '{"data":}',
        '{"data":{}}', '{"data":{"data":null}}', '{"data":{"data":[]}}', '{"data":[{"data":{}}]}',
        '{"data":{"data":{"b2b":[}}}',
        '{"data":{"data":{"b2b":[,]}}}', '{"data":{"data":{"b2b":[{}{}]}}}', '{"data":{"data":{5:[]}}}',
        '{"data":{"data":{"b2b":[]', '{"data":{"data":{"b2b":[]}}} more', '{"data":{"data":{"b2b":[NaN]}}}',
        '{"data":{"data":{"b2b":[Infinity]}}}', '{"data":{"data":{"b2b":[-Infinity]}}}',
        '{"data":{"data":{"x":NaN}}}', "<!doctype html><title>503 Service Unavailable</title>",
        "{'data': {'data': {}}}", "\x00", GOOD[:-1], GOOD[: len(GOOD) // 2], GOOD + GOOD,
        GOOD.replace(":", "=", 1),
        '{"data":{"data":{"b2b":[' + "[" * 200_000, '{"data":{"data":' + '{"a":' * 200_000,
        '{"data":{"data":{"b2b":[{"val":1e9999999999999999999999}]}}}',
        '{"data":{"data":{"b2b":[' + "9" * 5000 + "]}}}",
        GOOD.replace("142700", "NaN"), GOOD.replace("142700", "01"), GOOD.replace("142700", "1."),
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_no_answer_is_an_unexpected_one(body: str, strict: bool) -> None:
    """Raise `UnexpectedAnswer` with a problem and the body, for truncated, foreign and hostile bodies."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(body, strict=strict)
    assert caught.value.problems
    assert caught.value.body == body.encode()
    assert len(str(caught.value)) < 1000


def test_bytes_that_are_no_utf8_are_an_unexpected_answer() -> None:
    """Refuse other encodings, and take the byte order mark that some servers put first."""
    for body in (b"\xff\xfe{}", GOOD.encode("utf-16"), b"\xef\xbb\xbf\xef\xbb\xbf{}", b'{"data":"\xe9"}'):
        with pytest.raises(UnexpectedAnswer):
            read(body)
    assert len(read(b"\xef\xbb\xbf" + GOOD.encode())) == 2


def test_an_absurd_exponent_is_a_number_like_any_other() -> None:
    """Read it without writing it out; whether it is an amount is for the checks to say."""
    rows = read(GOOD.replace("142700", "1E+999999"))
    assert rows[0].value == Decimal("1E+999999")


def test_reading_pauses_every_100_rows() -> None:
    """Give other tasks a turn within a long section, and not within a short one."""
    for count, wanted in ((0, 0), (99, 0), (100, 1), (250, 2), (1000, 10)):
        body = answer(b2b=[strategies.documented_row(Section.B2B)] * count).encode()
        rows, pauses = finish(read_invoices(body, PATH))
        assert (len(rows), pauses) == (count, wanted)


def test_equal_texts_of_an_answer_are_one_object() -> None:
    """Hold each supplier, period and date of many rows in memory once."""
    first, second = read(GOOD)
    assert first.supplier is second.supplier
    assert first.return_period is second.return_period
    assert first.date is second.date


def test_the_memory_of_shared_texts_stays_small() -> None:
    """Forget suppliers before a hostile gateway fills the memory with them."""
    shared = codec_rows._SharedTexts(str)
    shared.update({str(number): "" for number in range(50_001)})
    assert shared["29AAACQ3770E1ZF"] == "29AAACQ3770E1ZF"
    assert len(shared) == 1


def test_the_memories_of_values_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget dates, periods and amounts before a hostile gateway fills the memory with them."""
    monkeypatch.setattr("ims_async.gsp.codec.values._CACHE_LIMIT", 3)
    for year in range(2000, 2010):
        assert DAYS[f"05-11-{year}"].year == year
        assert PERIODS[f"11{year}"] == f"11{year}"
        assert str(WHOLES[year]) == str(year)
    assert len(DAYS) <= 3
    assert len(PERIODS) <= 3
    assert len(WHOLES) <= 3


def test_a_day_has_two_digits_two_digits_four_digits() -> None:
    """Refuse other spellings of dates, signs and spaces in them included."""
    assert str(parse_day("29-02-2024")) == "2024-02-29"
    for text in (
        "5-11-2024",
        "05/11/2024",
        "05-11-24",
        "-5-11-2024",
        "05-+1-2024",
        "00-01-2024",
        "05-11-0000",
    ):
        with pytest.raises(ValueError, match="DD-MM-YYYY"):
            parse_day(text)


def test_mutated_answers_raise_nothing_but_our_errors() -> None:
    """Change, drop and double bytes of the recorded answer 4,000 times: rows or `ImsError` come out."""
    chance = random.Random(20241105)  # noqa: S311 # the same each time
    body = json_text(load("sandbox/invoices-200-b2b")["body"]).encode()
    refused = 0
    for _ in range(4000):
        mutant = mutate(body, chance)
        try:
            rows = read(mutant, strict=chance.random() < 0.5)
        except ImsError:
            refused += 1
        else:
            assert all(type(row) is Invoice for row in rows)
    assert 1000 < refused < 4000


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Return the body with one to four small accidents."""
    mutant = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(mutant)) if mutant else 0
        accident = chance.randrange(6)
        if accident == 0:
            mutant[at : at + 1] = bytes([chance.randrange(256)])
        elif accident == 1:
            del mutant[at : at + chance.choice([1, 1, 5, 60])]
        elif accident == 2:
            mutant[at:at] = mutant[at : at + chance.randint(1, 60)]
        elif accident == 3:
            del mutant[at:]
        elif accident == 4:
            mutant[at : at + 1] = chance.choice(b'{}[]",:0123456789.eE+-nul tf'.decode()).encode()
        else:
            token = chance.choice(
                [b"null", b"NaN", b"1E+9999999", b"[[[[", b'{"a":', b"true", b'"\\ud800"', b"-0"]
            )
            mutant[at:at] = token
    return bytes(mutant)


def test_recorded_answers_are_json_that_the_standard_library_reads_alike() -> None:
    """Agree with `json.loads` on every number and text of a recorded answer."""
    body = json.dumps(load("sandbox/invoices-200-b2b")["body"], default=float)
    rows = read(body)
    plain = json.loads(body, parse_float=Decimal)["data"]["data"]["b2b"]
    assert [(row.number, str(row.value)) for row in rows] == [(p["inum"], str(p["val"])) for p in plain]


@pytest.mark.parametrize("deep", ["[" * 70 + "]" * 70, '{"a":' * 500 + "1" + "}" * 500])
def test_what_is_too_deep_to_be_written_again_is_not_read(deep: str) -> None:
    """Refuse a value with more levels than a caller's stack allows; accept one with some."""
    row = json_text(strategies.documented_row(Section.B2B))
    for rows in (f'[{row[:-1]},"new":{deep}}}]', f'[{row}],"new":{deep}'):
        with pytest.raises(UnexpectedAnswer, match="64 levels"):
            read(f'{{"data":{{"data":{{"b2b":{rows}}}}}}}')
    (invoice,) = read(answer(b2b=[{**strategies.documented_row(Section.B2B), "new": [[[[1]]]] * 40}]))
    assert invoice.extra == {"new": [[[[1]]]] * 40}


def test_thousands_of_rows_that_are_none_are_counted_and_not_spelled_out() -> None:
    """Report the first thousand by their paths; go on to the good row after the others."""
    good = strategies.documented_row(Section.B2B)
    rows = read(answer(b2b=[*[{}, 1, None] * 500, {**good, "val": "1"}, good]), strict=False)
    assert [row.number for row in rows] == [good["inum"]]
    assert rows.problems[-1] == "data.data: 501 more rows that cannot be read"
    assert {problem.partition(".stin")[0] for problem in rows.problems if ".stin: missing" in problem} == {
        f"data.data.b2b[{place}]" for place in range(0, 1000, 3)
    }
    with pytest.raises(UnexpectedAnswer, match="1501 of 1502 rows cannot be read"):
        read(answer(b2b=[*[{}, 1, None] * 500, {**good, "val": "1"}, good]))


@pytest.mark.parametrize("token", [None, "", " ", 5, {"a": 1}])
def test_a_token_for_files_that_is_no_text_is_no_download(token: object) -> None:
    """Have `null` not taken for a file that is called None."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(answer(token=token))
    assert caught.value.problems == (f"data.data.token: {token!r} is not text",)


@pytest.mark.parametrize("minutes", ["-5", -1, Decimal("-0.5"), "1e999", "nan"])
def test_an_estimate_in_the_past_is_none(minutes: object) -> None:
    """Report no estimate with which a download could not be read back."""
    with pytest.raises(DownloadQueued) as caught:
        read(answer(token="d3a5", est=minutes))
    assert caught.value.estimate is None


def test_long_texts_are_not_remembered() -> None:
    """Share suppliers and places in memory, and keep nothing else for ever."""
    texts = codec_rows._SharedTexts(str)
    assert (texts["07"], texts["x" * 101]) == ("07", "x" * 101)
    assert list(texts) == ["07"]


@pytest.mark.parametrize("section", Section)
def test_rows_know_whose_they_are(section: Section) -> None:
    """Both readers set the recipient that the answer was asked for; no key of a row can."""
    row = {**strategies.documented_row(section), "recipient": "x"}
    body = answer(**{section.value: [row, {**row, "srcfilstatus": "?"}]}).encode()
    rows, _ = finish(read_invoices(body, PATH, recipient="29AAACQ3770E1ZF"))
    assert [invoice.recipient for invoice in rows] == ["29AAACQ3770E1ZF"] * 2
    assert [invoice.supplier_filed is None for invoice in rows] == [False, True]
    assert all(invoice.extra["recipient"] == "x" for invoice in rows)
    assert read_invoice(section, row).recipient is None
