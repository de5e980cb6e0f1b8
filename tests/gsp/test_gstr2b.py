"""GSTR-2B statements: each documented kind is read into exact documents, and nothing is lost on the way."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Generator
from decimal import Context, Decimal, localcontext
from itertools import groupby
from json import JSONDecoder
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import (
    Action,
    Gstr2b,
    Gstr2bDocument,
    Gstr2bPlace,
    Gstr2bSection,
    ItcAvailable,
    ItcReduction,
    TaxAmounts,
    UnexpectedAnswer,
)
from ims_async.gsp.codec import read_gstr2b
from ims_async.gsp.codec.gstr2b_rows import FORMS
from ims_async.gsp.codec.json import PAUSE, json_text, parse_json
from ims_async.model.vocabulary import Section
from tests.gsp.test_codec_rows import finish, mutate
from tests.support import statements as samples
from tests.support import strategies
from tests.support.statements import GSTIN, PERIOD, at_sandbox, at_vayana

from ..support.sweeps import examples

PATH = ("data", "data", "data")
WHERE = "data.data.data"


def read(statement: object, *, strict: bool = True, gstin: str = "", period: str = "") -> Gstr2b:
    """Read a statement out of Sandbox's answer."""
    body = json_text(at_sandbox(statement)).encode()
    found, _ = finish(read_gstr2b(body, PATH, gstin=gstin, period=period, strict=strict))
    assert isinstance(found, Gstr2b)
    return found


def problems(statement: object, *, gstin: str = "", period: str = "") -> tuple[str, ...]:
    """Read what does not fit; return what is wrong."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read(statement, gstin=gstin, period=period)
    return caught.value.problems


def only(statement: Gstr2b, section: str, place: Gstr2bPlace = Gstr2bPlace.CREDIT) -> Gstr2bDocument:
    """The one document of a section."""
    (found,) = [one for one in statement.documents if (one.section, one.place) == (section, place)]
    return found


def with_(statement: dict[str, Any], *path: str | int, value: object) -> dict[str, Any]:
    """A copy with another value at a place, and nowhere else; `...` deletes."""
    changed: dict[str, Any] = parse_json(json_text(statement).encode())
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


# -- the documented kinds --------------------------------------------------------------------------------


def test_an_invoice_is_read_in_every_member() -> None:
    """Exact rupees, real dates; what no attribute has is in `extra`."""
    assert only(read(samples.WHOLE), "b2b") == Gstr2bDocument(
        section=Gstr2bSection.B2B,
        supplier="29BBBBB0000B1Z5",
        supplier_name="Supplier One",
        supplier_period="102026",
        supplier_filed_on=dt.date(2026, 11, 11),
        number="S/26-27/001",
        date=dt.date(2026, 10, 3),
        type="R",
        value=Decimal(11800),
        taxable_value=Decimal(10000),
        tax=TaxAmounts(igst=Decimal(1800)),
        place_of_supply="27",
        reverse_charge=False,
        itc_available=ItcAvailable.YES,
        ims_status=Action.ACCEPT,
        irn=samples.IRN,
        extra={"diffprcnt": 1, "srctyp": "e-Invoice", "irngendate": "03-10-2026"},
    )


def test_a_note_is_read_with_its_sign_and_reduction() -> None:
    """The note type has the sign; a debit note that amends has its original."""
    found = read(samples.WHOLE)
    note, amended = only(found, "cdnr"), only(found, "cdnra")
    assert (note.number, note.note_type, note.type, note.ims_status) == ("CN/9", "C", "R", Action.NO_ACTION)
    assert note.tax == TaxAmounts(igst=Decimal("180.50"))
    assert (str(note.signed_tax.igst), note.credit.igst) == ("-180.50", Decimal(-90))  # what is declared
    assert note.itc_reduction == ItcReduction(required=True, igst=Decimal(90))
    assert note.extra == {}
    assert note.ims_section is Section.B2BCN
    assert (amended.note_type, amended.original_note_type, amended.original_number) == ("D", "C", "CN/8")
    assert (amended.original_date, amended.amended) == (dt.date(2026, 9, 19), True)
    assert (amended.ims_section, amended.credit.igst) == (Section.B2BDNA, Decimal("180.50"))


def test_the_other_sections_have_what_they_are_known_for() -> None:
    """Operators, distributors of credit, bills of entry, each with its own keys."""
    found = read(samples.WHOLE)
    for name, original in (("b2ba", "S/26-27/000"), ("ecoma", "E/1")):
        document = only(found, name)
        assert (document.original_number, document.amended) == (original, True)
        assert document.ims_section == name
    assert only(found, "ecom").supplier == "29CCCCC0000C1Z5"
    isd, isda = only(found, "isd"), only(found, "isda")
    assert (isd.number, isd.note_type, isd.itc_available) == ("I/1", "ISDI", ItcAvailable.NO)
    assert (isd.original_number, isd.original_date) == ("S/1", dt.date(2026, 10, 1))
    assert (isd.taxable_value, isd.value) == (None, None)
    assert (isd.tax, isd.credit) == (TaxAmounts(cgst=Decimal(50), sgst=Decimal(50)), TaxAmounts())
    assert (isda.note_type, isda.original_note_type, isda.original_number) == ("ISDC", "ISDI", "I/0")
    assert isda.extra == {"oinvnum": "S/1", "oinvdt": "01-10-2026"}
    bill, zone = only(found, "impg"), only(found, "impgsez")
    assert (bill.supplier, bill.number, bill.port_code, bill.amended) == ("", "2566282", "INNSA1", False)
    assert (bill.date, bill.tax.total, bill.taxable_value) == (
        dt.date(2026, 10, 20),
        Decimal(1450),
        Decimal(8000),
    )
    assert bill.extra == {"refdt": "21-10-2026", "recdt": "22-10-2026"}
    assert (zone.supplier, zone.supplier_name, zone.amended) == ("29CCCCC0000C1Z5", "Zone", True)
    assert {one.ims_section for one in (isd, isda, bill, zone)} == {None}


def test_what_was_rejected_and_what_is_reversed_has_its_place() -> None:
    """The first gives no credit, the second takes it back, by the sum of its items."""
    found = read(samples.WHOLE)
    rejected = only(found, "b2b", Gstr2bPlace.REJECTED)
    assert (rejected.number, rejected.remarks, rejected.ims_status) == ("77", "not ours", None)
    assert (rejected.tax.igst, rejected.credit) == (Decimal(900), TaxAmounts())
    assert rejected.itc_available is None
    invoice, note = (only(found, name, Gstr2bPlace.REVERSAL) for name in ("b2b", "cdnr"))
    assert invoice.tax == TaxAmounts(cgst=Decimal("38.55"), sgst=Decimal("38.55"))
    assert invoice.taxable_value == Decimal("500.10")
    assert (str(invoice.credit.total), str(note.credit.total)) == ("-77.10", "77.10")
    assert invoice.extra["items"][0]["rt"] == 18
    assert len(found.documents) == 13


def test_the_frame_is_read() -> None:
    """Day, version, checksum, and the credit by part; the summary by supplier is kept as it is."""
    found = read(samples.WHOLE, gstin=GSTIN, period=PERIOD)
    assert (found.gstin, found.period, found.version) == (GSTIN, PERIOD, "1.0")
    assert (found.generated_on, found.checksum) == (dt.date(2026, 11, 16), "0a1b2c3d4e5f")
    assert (found.files, found.summary_only, found.problems) == (1, False, ())
    assert found.summary == {
        "available": TaxAmounts(igst=Decimal(3060), cess=Decimal(10)),
        "unavailable": TaxAmounts(cgst=Decimal(50), sgst=Decimal(50)),
        "rejected": TaxAmounts(igst=Decimal(900)),
    }
    assert found.other == {"cpsumm": samples.CP_SUMMARY, "itcsumm": samples.ITC_SUMMARY}
    assert str(found).startswith(f"GSTR-2B of {GSTIN} for 102026, generated on 16-11-2026: 13 documents")


def test_the_layout_before_october_2024_is_read() -> None:
    """Sections beside the frame, amounts by rate, one supplier twice with two periods."""
    found = read(samples.BEFORE_OCTOBER)
    first, second, bill = found.documents
    assert [one.supplier_period for one in (first, second)] == ["022024", "032024"]
    assert first.tax == TaxAmounts(cgst=Decimal("38.55"), sgst=Decimal("38.55"))
    assert (first.taxable_value, first.value) == (Decimal("500.10"), Decimal(577))
    assert (first.itc_available, first.reason, first.ims_status) == (ItcAvailable.NO, "P", None)
    assert (bill.section, found.summary_only) == (Gstr2bSection.IMPG, False)


def test_items_add_up_exactly() -> None:
    """However many digits they have together, and whatever the program's own context rounds to."""
    items = [{"igst": Decimal("999999999999999999.99")}, {"igst": Decimal("0.000000000000001")}]
    statement = with_(samples.WHOLE, "docdata", "itcrev", "b2b", 0, "inv", 0, "items", value=items)
    with localcontext(Context(prec=6)):
        document = only(read(statement), "b2b", Gstr2bPlace.REVERSAL)
    assert document.tax.igst == Decimal("999999999999999999.990000000000001")


def test_the_amounts_of_a_document_come_before_those_of_its_items() -> None:
    """The schema allows both on one document; the items are kept."""
    both = with_(samples.WHOLE, "docdata", "b2b", 0, "inv", 0, "items", value=samples.ITEMS)
    document = only(read(both), "b2b")
    assert document.tax == TaxAmounts(igst=Decimal(1800))
    assert document.extra["items"] == samples.ITEMS


def test_tax_that_is_in_the_items_alone_is_added_up() -> None:
    """Whatever else stands on the document: no tax is dropped."""
    row = {key: value for key, value in samples.INVOICE.items() if key not in HEADS}
    for nothing in ({}, dict.fromkeys(HEADS), dict.fromkeys(HEADS, "")):
        groups = [{**samples.SUPPLIER, "inv": [{**row, **nothing, "items": samples.ITEMS}]}]
        document = only(read({**samples.FRAME, "docdata": {"b2b": groups}}), "b2b")
        assert document.tax == TaxAmounts(cgst=Decimal("38.55"), sgst=Decimal("38.55"))
        assert document.taxable_value == 10000  # of the document


@pytest.mark.parametrize("key", ["docdata", "docRejdata", "itcrev", "b2b"])
def test_null_in_place_of_documents_says_nothing_of_them(key: str) -> None:
    """With sums it is a mere summary, with a number of files one that is split; never an empty statement."""
    for files in ({}, {"fc": 1}):
        found = read({**samples.FRAME, "itcsumm": samples.ITC_SUMMARY, **files, key: None})
        assert (found.summary_only, found.files) == (True, len(files))
    assert "docdata: missing" in problems({**samples.FRAME, key: None})[0]


def test_what_is_reversed_among_the_rejected_is_not_understood() -> None:
    """No document has it there: it is kept, and changes no credit."""
    found = read({**samples.FRAME, "docRejdata": {"itcrev": samples.REVERSALS}})
    assert (found.documents, found.other) == ((), {"docRejdata.itcrev": samples.REVERSALS})


TWICE = ("data", "gstin", "docdata", "b2b", "ctin", "inv")


@pytest.mark.parametrize("key", TWICE)
def test_a_key_that_is_there_twice_is_refused(key: str) -> None:
    """Else its documents would count twice, or those of another taxpayer under this one's GSTIN."""
    statement = {**samples.FRAME, "docdata": {"b2b": samples.DOCUMENTS["b2b"]}}
    text = json_text(at_sandbox(statement))
    start = text.index(f'"{key}":')
    (value, end) = JSONDecoder(parse_float=Decimal).raw_decode(text, start + len(key) + 3)
    member = text[start:end]
    with pytest.raises(UnexpectedAnswer, match=f"the key '{key}' is there twice"):
        finish(read_gstr2b(f"{text[:start]}{member},{text[start:]}".encode(), PATH, strict=False))
    assert value


def test_a_split_statement_is_a_summary_with_a_number_of_files() -> None:
    """And a file has documents, and perhaps not much else."""
    found = read(samples.SUMMARY)
    assert (found.files, found.summary_only, found.documents) == (2, True, ())
    assert found.summary["available"].total == 3070
    first, second = (read(part) for part in samples.FILES)
    assert [len(part.documents) for part in (first, second)] == [1, 1]
    assert (first.summary_only, first.generated_on, first.summary) == (False, None, {})


def test_a_mere_summary_is_not_an_empty_statement() -> None:
    """Without a number of files there is nothing more to ask for; without documents and summary, no sense."""
    for kept in ("itcsumm", "cpsumm"):
        found = read({**samples.FRAME, kept: samples.SUMMARY[kept]})
        assert (found.files, found.summary_only) == (0, True)
        assert str(found).endswith(": a mere summary, without its documents")
    empty = read({**samples.FRAME, "docdata": {}})
    assert (empty.files, empty.summary_only, empty.documents) == (1, False, ())
    assert problems(samples.FRAME) == (
        f"{WHERE}.docdata: missing, and so are a summary and a number of files",
    )


def test_the_statement_is_found_at_its_own_level_only() -> None:
    """Three nested members at Sandbox, two at Vayana: one level off is an error, not an empty statement."""
    body = json_text(at_vayana(samples.WHOLE)).encode()
    found, _ = finish(read_gstr2b(body, ("data", "data")))
    assert len(found.documents) == 13
    assert found.checksum == "0a1b2c3d4e5f"
    for path in (("data", "data", "data"), ("data",)):
        with pytest.raises(UnexpectedAnswer):
            finish(read_gstr2b(body, path))


@pytest.mark.parametrize("key", ["docRejdata", "itcrev"])
def test_a_list_of_one_object_is_read_like_the_object(key: str) -> None:
    """As some answers have it; `itcrev` beside the sections or beside `docdata`."""
    rejected, reversals = samples.WHOLE["docRejdata"], samples.REVERSALS
    content = rejected if key == "docRejdata" else reversals
    places = [{**samples.FRAME, key: content}, {**samples.FRAME, key: [content]}]
    if key == "itcrev":
        places += [{**samples.FRAME, "docdata": {key: value}} for value in (content, [content])]
    found = [read(place).documents for place in places]
    assert found[0]
    assert all(documents == found[0] for documents in found)


def test_members_may_stand_in_any_order() -> None:
    """What a supplier's documents have in common also behind them, the frame behind the documents."""
    turned = {key: samples.WHOLE[key] for key in reversed(samples.WHOLE)}
    groups = turned["docdata"]["b2b"]
    docdata = {**turned["docdata"], "b2b": [{key: one[key] for key in reversed(one)} for one in groups]}
    found, wanted = read({**turned, "docdata": docdata}), read(samples.WHOLE)
    assert set(map(repr, found.documents)) == set(map(repr, wanted.documents))
    assert found.summary == wanted.summary


def test_nothing_is_dropped() -> None:
    """Unknown members of documents and suppliers, unknown sections and members of the frame, are kept."""
    statement: Any = parse_json(json_text(samples.WHOLE).encode())
    statement["docdata"]["b2b"][0]["supstate"] = "KA"
    statement["docdata"]["b2b"][0]["inv"][0]["newest"] = None
    statement["docdata"]["b2bx"] = [{"a": [1, {"b": Decimal("1.10")}]}]
    statement["docRejdata"]["note"] = "x"
    statement["itcsumm"]["itcNew"] = {"igst": 1}
    statement["itcsumm"]["itcunavl"]["newsup"] = samples.heads(7)
    statement["cpSummRej"] = {"b2b": []}
    statement["fresh"] = {"deep": [[[1]]]}
    found = read(statement)
    extra = only(found, "b2b").extra
    assert (extra["supstate"], extra["newest"]) == ("KA", None)
    assert found.other == {
        "cpsumm": samples.CP_SUMMARY,
        "docdata.b2bx": [{"a": [1, {"b": Decimal("1.10")}]}],
        "docRejdata.note": "x",
        "itcsumm": statement["itcsumm"],
        "cpSummRej": {"b2b": []},
        "fresh": {"deep": [[[1]]]},
    }
    assert "unavailable" not in found.summary  # nobody knows whether the new group is added or taken off


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_in_an_optional_member_is_nothing(nothing: object) -> None:
    """GSTN writes null or an empty text for what there is not."""
    statement: Any = samples.WHOLE
    for key in ("rsn", "irn", "imsStatus", "itcavl", "pos", "val", "cgst", "sgst", "cess"):
        statement = with_(statement, "docdata", "b2b", 0, "inv", 0, key, value=nothing)
    statement = with_(statement, "docdata", "b2b", 0, "supfildt", value=nothing)
    document = only(read(statement), "b2b")
    assert (document.reason, document.irn, document.ims_status, document.itc_available) == (
        "",
        None,
        None,
        None,
    )
    assert (document.value, document.place_of_supply, document.supplier_filed_on) == (None, None, None)
    assert document.tax == TaxAmounts(igst=Decimal(1800))


# -- what does not fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("gstin",), ..., "gstin: missing"),
        (("rtnprd",), None, "rtnprd: missing"),
        (("gstin",), 27, "gstin: 27 is not text"),
        (("gendt",), "31-02-2026", "gendt: '31-02-2026' is not a date that exists; dates are DD-MM-YYYY"),
        (("version",), {}, "version: {} is not text"),
        (("fc",), -1, "fc: -1 is not a number of files"),
        (("fc",), 10**6, "fc: 1000000 is not a number of files"),
        (("fc",), "२", "fc: '२' is not a number of files"),
        (("docdata",), 5, "docdata: 5 is not an object"),
        (("docdata", "b2b"), {}, "docdata.b2b: {} is not an array"),
        (("docdata", "b2b", 0), "x", "docdata.b2b[0]: 'x' is not an object"),
        (("docdata", "b2b", 0, "inv"), None, "docdata.b2b[0].inv: missing, or not an array"),
        (("docdata", "b2b", 0, "ctin"), "", "docdata.b2b[0].ctin: missing"),
        (
            ("docdata", "b2b", 0, "supprd"),
            "132026",
            (
                "docdata.b2b[0].supprd: '132026' is not a return period: "
                "write MMYYYY, for example 102024 for October 2024"
            ),
        ),
        (("docdata", "b2b", 0, "inv", 0), [], "docdata.b2b[0].inv[0]: [] is not an object"),
        (("docdata", "b2b", 0, "inv", 0, "inum"), ..., "docdata.b2b[0].inv[0].inum: missing"),
        (("docdata", "b2b", 0, "inv", 0, "dt"), ..., "docdata.b2b[0].inv[0].dt: missing"),
        (("docdata", "b2b", 0, "inv", 0, "inum"), 7, "docdata.b2b[0].inv[0].inum: 7 is not text"),
        (
            ("docdata", "b2b", 0, "inv", 0, "dt"),
            "2026-10-03",
            "docdata.b2b[0].inv[0].dt: '2026-10-03' is not a date that exists; dates are DD-MM-YYYY",
        ),
        (("docdata", "b2b", 0, "inv", 0, "igst"), "1", "docdata.b2b[0].inv[0].igst: '1' is not a number"),
        (
            ("docdata", "b2b", 0, "inv", 0, "igst"),
            Decimal("1E+30"),
            "docdata.b2b[0].inv[0].igst: Decimal('1E+30') is not an amount",
        ),
        (("docdata", "b2b", 0, "inv", 0, "rev"), "n", "docdata.b2b[0].inv[0].rev: 'n' is not one of Y, N"),
        (
            ("docdata", "b2b", 0, "inv", 0, "itcavl"),
            "X",
            "docdata.b2b[0].inv[0].itcavl: 'X' is not one of Y, N, T",
        ),
        (
            ("docdata", "b2b", 0, "inv", 0, "imsStatus"),
            [],
            "docdata.b2b[0].inv[0].imsStatus: [] is not one of A, R, P, N",
        ),
        (
            ("docdata", "b2b", 0, "inv", 0, "igst"),
            Decimal("1E-19"),
            "docdata.b2b[0].inv[0].igst: Decimal('1E-19') is not an amount",
        ),
        (
            ("docdata", "cdnr", 0, "nt", 0, "igst"),
            Decimal("-180.50"),
            "docdata.cdnr[0].nt[0].igst: -180.50 is negative, and the type of a note has its sign",
        ),
        (("docdata", "b2b", 0, "inv", 0, "igst"), -1, None),
        (
            ("docdata", "cdnr", 0, "nt", 0, "declIgst"),
            "90",
            "docdata.cdnr[0].nt[0].declIgst: '90' is not a number",
        ),
        (("docdata", "cdnr", 0, "nt", 0, "declIgst"), -90, "docdata.cdnr[0].nt[0].declIgst: -90 is negative"),
        (
            ("docdata", "cdnr", 0, "nt", 0, "declIgst"),
            Decimal("1E+999999999"),
            "docdata.cdnr[0].nt[0].declIgst: Decimal('1E+999999999') is not an amount",
        ),
        (
            ("docdata", "cdnr", 0, "nt", 0, "itcRedReq"),
            "y",
            "docdata.cdnr[0].nt[0].itcRedReq: 'y' is not one of Y, N",
        ),
        (("docdata", "cdnr", 0, "nt", 0, "itcRedReq"), "", None),
        (("docdata", "cdnr", 0, "nt", 0, "typ"), ..., "docdata.cdnr[0].nt[0].typ: missing"),
        (("docdata", "cdnr", 0, "nt", 0, "typ"), "c", "docdata.cdnr[0].nt[0].typ: 'c' is not one of C, D"),
        (
            ("docdata", "isd", 0, "doclist", 0, "doctyp"),
            "C",
            "docdata.isd[0].doclist[0].doctyp: 'C' is not one of ISDI, ISDC",
        ),
        (("docdata", "impg", 0, "boenum"), -5, "docdata.impg[0].boenum: -5 is not text"),
        (
            ("docdata", "itcrev", "b2b", 0, "inv", 0, "items"),
            [],
            "docdata.itcrev.b2b[0].inv[0].igst: missing, and there are no items with amounts by rate",
        ),
        (
            ("docdata", "itcrev", "b2b", 0, "inv", 0, "items", 1),
            {"num": 1},
            "docdata.itcrev.b2b[0].inv[0].items[1]: {'num': 1} has no amounts",
        ),
        (
            ("docdata", "itcrev", "b2b", 0, "inv", 0, "items", 1, "igst"),
            True,
            "docdata.itcrev.b2b[0].inv[0].items[1].igst: True is not a number",
        ),
        (("docRejdata", "b2b", 0, "inv", 0, "txval"), "", None),
        (("itcsumm",), [], "itcsumm: [] is not an object"),
        (("itcsumm", "itcavl", "nonrevsup"), 5, "itcsumm.itcavl.nonrevsup: 5 is not an object"),
        (
            ("itcsumm", "itcavl", "nonrevsup", "igst"),
            "1",
            "itcsumm.itcavl.nonrevsup.igst: '1' is not a number",
        ),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(
    path: tuple[str | int, ...], value: object, problem: str | None
) -> None:
    """Each alone; all the rest of the statement is good."""
    statement = with_(samples.WHOLE, *path, value=value)
    if problem is None:
        assert len(read(statement).documents) == 13
    else:
        assert problems(statement) == (f"{WHERE}.{problem}",)


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, form in FORMS.items() for key in form.needed]
)
def test_what_a_document_is_known_by_is_needed(section: Gstr2bSection, key: str) -> None:
    """Number, date, and the type that its sign depends on, in every section."""
    form = FORMS[section]
    path = ("docdata", str(section), 0, *((form.documents, 0) if form.documents else ()))
    place = f"docdata.{section}[0]" + (f".{form.documents}[0]" if form.documents else "")
    for nothing in (..., None, ""):
        assert problems(with_(samples.WHOLE, *path, key, value=nothing)) == (
            f"{WHERE}.{place}.{key}: missing",
        )
    kinds = {name for name, _ in form.members.values()} & {"note_type"}
    assert ({form.members[key][0] for key in form.needed}) == {"number", "date", *kinds}


def test_a_statement_of_others_is_refused() -> None:
    """Whatever its rows: it is not the one that was asked for, nor with `strict=False`."""
    other = "29AAACQ3770E1ZF"
    assert problems(samples.WHOLE, gstin=other, period="092026") == (
        f"{WHERE}.gstin: it is '{GSTIN}', and {other} was asked for",
        f"{WHERE}.rtnprd: it is '102026', and 092026 was asked for",
    )
    with pytest.raises(UnexpectedAnswer):
        read(samples.WHOLE, gstin=other, strict=False)
    for missing in ("[]", '{"data":{"data":{"chksum":"x"}}}', "", '{"data":{"data":{"data":{}', "null"):
        with pytest.raises(UnexpectedAnswer):
            finish(read_gstr2b(missing.encode(), PATH, strict=False))


def test_good_rows_are_kept_beside_bad_ones() -> None:
    """With `strict=False`; strict, all problems are in the error, with the number of documents."""
    statement = with_(samples.WHOLE, "docdata", "b2b", 0, "inv", 0, "igst", value="1")
    statement = with_(statement, "docdata", "cdnr", 0, "nt", 0, "dt", value=...)
    statement = with_(statement, "gendt", value="x")
    found = read(statement, strict=False)
    assert len(found.documents) == 11
    assert found.generated_on is None
    assert len(found.problems) == 3
    assert str(found).endswith("; 3 problems")
    with pytest.raises(UnexpectedAnswer, match="2 of 13 documents cannot be read") as caught:
        read(statement)
    assert set(caught.value.problems) == set(found.problems)


def test_very_many_bad_rows_are_counted() -> None:
    """A thousand problems in words, and how many more there are."""
    rows = [{"inum": str(number), "igst": 1} for number in range(1500)]
    found = read({**samples.FRAME, "docdata": {"b2b": [{**samples.SUPPLIER, "inv": rows}]}}, strict=False)
    assert found.problems[-1] == f"{WHERE}: 500 more documents that cannot be read"
    assert len(found.problems) == 1000 + 1
    nameless = read({**samples.FRAME, "docdata": {"b2b": [{"inv": rows}]}}, strict=False)
    assert nameless.problems == (
        f"{WHERE}.docdata.b2b[0].ctin: missing",
        f"{WHERE}: 500 more documents that cannot be read",
    )


@settings(max_examples=examples(300))
@given(st.integers(0, 2**32))
def test_a_damaged_answer_is_read_or_refused(seed: int) -> None:
    """Nothing but `UnexpectedAnswer` is raised."""
    chance = random.Random(seed)  # noqa: S311 # no secret
    statement = chance.choice([samples.WHOLE, samples.BEFORE_OCTOBER, samples.SUMMARY, *samples.FILES])
    body = mutate(json_text(at_sandbox(statement)).encode(), chance)
    for strict in (True, False):
        try:
            found, _ = finish(read_gstr2b(body, PATH, strict=strict))
        except UnexpectedAnswer as error:
            assert error.problems
        else:
            assert not (strict and found.problems)


# -- sums ------------------------------------------------------------------------------------------------

HEADS = ("igst", "cgst", "sgst", "cess")
SIGNS = {"C": -1, "ISDC": -1, "D": 1, "ISDI": 1, "": 1}


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A document: its section and place, its amounts by item, what its sign depends on."""
    place = draw(st.sampled_from(["docdata", "docdata", "docRejdata", "itcrev"]))
    section = draw(st.sampled_from([str(one) for one in Gstr2bSection]))
    notes = {"cdnr": ["C", "D"], "cdnra": ["C", "D"], "isd": ["ISDI", "ISDC"], "isda": ["ISDI", "ISDC"]}
    items = draw(
        st.lists(
            st.fixed_dictionaries({head: strategies.rupees(10**9) for head in HEADS}), min_size=1, max_size=3
        )
    )
    return {
        "place": place,
        "section": section,
        "supplier": draw(st.sampled_from(["29BBBBB0000B1Z5", "29CCCCC0000C1Z5"])),
        "note": draw(st.sampled_from(notes.get(section, [""]))),
        "available": draw(st.sampled_from(["Y", "N", "T", ""])),
        "items": items,
        "summed": draw(st.booleans()),
    }


def _row(number: int, facts: dict[str, Any]) -> dict[str, Any]:
    section = facts["section"]
    keys = {name: key for key, (name, _) in FORMS[Gstr2bSection(section)].members.items()}
    row: dict[str, Any] = {keys["number"]: f"N{number}", keys["date"]: "03-10-2026"}
    if facts["note"]:
        row[keys["note_type"]] = facts["note"]
    if facts["available"]:
        row["itcelg" if section.startswith("isd") else "itcavl"] = facts["available"]
    if facts["summed"]:
        return {**row, "items": facts["items"]}
    return {**row, **{head: sum(item[head] for item in facts["items"]) for head in HEADS}}


@settings(max_examples=examples(200))
@given(st.lists(rows(), max_size=12))
def test_the_credit_of_the_documents_is_that_of_the_rows(facts: list[dict[str, Any]]) -> None:
    """In both layouts of amounts, for every section and place, to the paisa; and in the summary."""
    statement: dict[str, Any] = {**samples.FRAME, "docdata": {}}
    wanted = dict.fromkeys(HEADS, Decimal(0))
    numbered = list(enumerate(facts))
    for (place, section), group in groupby(
        sorted(numbered, key=lambda one: (one[1]["place"], one[1]["section"])),
        key=lambda one: (one[1]["place"], one[1]["section"]),
    ):
        listed = FORMS[Gstr2bSection(section)].documents
        content = [(one["supplier"], _row(number, one)) for number, one in group]
        statement.setdefault(place, {})[section] = (
            [{"ctin": supplier, listed: [row]} for supplier, row in content]
            if listed
            else [row for _, row in content]
        )
    for one in facts:
        if one["place"] == "docRejdata" or one["available"] == "N":
            continue
        sign = SIGNS[one["note"]] * (-1 if one["place"] == "itcrev" else 1)
        for head in HEADS:
            wanted[head] += sign * sum(item[head] for item in one["items"])
    statement["itcsumm"] = {"itcavl": {"nonrevsup": {"b2b": {**wanted}}, "othersup": samples.heads(0)}}
    found = read(statement)
    assert len(found.documents) == len(facts)
    assert found.credit == TaxAmounts(**wanted)
    assert found.summary["available"] == found.credit
    assert found.credit.total == sum(wanted.values())
    assert Gstr2b.from_dict(found.to_dict()) == found


# -- long work -------------------------------------------------------------------------------------------


def _many(suppliers: int, each: int) -> bytes:
    groups = [{**samples.SUPPLIER, "inv": [samples.INVOICE] * each}] * suppliers
    statement = {
        **samples.FRAME,
        "cpsumm": {"b2b": [samples.SUPPLIER] * suppliers},
        "docdata": {"b2b": groups},
    }
    return json_text(at_sandbox(statement)).encode()


@pytest.mark.parametrize(("suppliers", "each"), [(1, 3000), (3000, 1), (50, 60)])
def test_long_work_is_done_in_many_turns(suppliers: int, each: int) -> None:
    """However the rows lie: in one supplier, or one each."""
    found, pauses = finish(read_gstr2b(_many(suppliers, each), PATH))
    assert len(found.documents) == 3000
    assert pauses >= 2 * 3000 // 100  # each row is read as JSON, and then as a document


@pytest.mark.parametrize("key", ["docdata.b2bx", "fresh", "cpsumm"])
def test_what_is_kept_unread_is_read_in_many_turns_too(key: str) -> None:
    """An unknown section may be as long as a known one."""
    long = [samples.INVOICE] * 3000
    outer, _, inner = key.partition(".")
    statement = {
        **samples.FRAME,
        "docdata": {},
        **({outer: {inner: long}} if inner else {outer: {"a": long}}),
    }
    found, pauses = finish(read_gstr2b(json_text(at_sandbox(statement)).encode(), PATH))
    assert pauses >= 30
    assert key in found.other


def test_no_turn_is_long() -> None:
    """None of 20,000 rows takes a part of the whole that others would notice, but for one in a hundred."""
    reading: Generator[Any, Any, Gstr2b] = read_gstr2b(_many(200, 100), PATH)
    assert next(reading) is PAUSE  # the text was decoded: that takes one step of its own
    took = []
    while True:
        began = time.process_time()
        step = next(reading, None)
        took.append(time.process_time() - began)
        if step is None:
            break
    whole = sum(took)
    assert len(took) > 200
    assert sorted(took)[len(took) * 99 // 100] < whole / 20
