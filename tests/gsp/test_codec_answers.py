"""The smaller answers: counts, job status, supplier view, added-back liability."""

from __future__ import annotations

import copy
import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ims_async import (
    Action,
    Counts,
    ErrorEntry,
    GoodsType,
    ImsError,
    JobState,
    JobStatus,
    LineItem,
    Section,
    SourceForm,
    SupplierSection,
    UnexpectedAnswer,
)
from ims_async.gsp.codec import read_added_back, read_counts, read_error_report, read_sales, read_status
from ims_async.gsp.codec.json import json_text, parse_json
from tests.conftest import HERE, load
from tests.gsp.test_codec_rows import mutate
from tests.support import strategies

PATH = "data.data"
EDITED = "Either previous action is incorrect/ invoice might have edited by supplier"


def _faults(name: str, instance: object) -> list[str]:
    schema = parse_json((HERE / "schemas" / f"{name}.json").read_bytes())
    return [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(instance)
    ]


def problems(read: Callable[[], object]) -> tuple[str, ...]:
    """Read what does not fit; return what is wrong."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read()
    return caught.value.problems


# -- counts ----------------------------------------------------------------------------------------------


def test_the_documented_counts_are_read() -> None:
    """Count the vendor's example: twelve documents, one of them accepted."""
    counts = read_counts(load("sandbox/count-200")["body"]["data"]["data"], GoodsType.OTHERS, PATH)
    assert (counts.total, counts.goods_type) == (12, GoodsType.OTHERS)
    b2b = counts[Section.B2B]
    assert (b2b.no_action, b2b.accepted, b2b.rejected, b2b.pending, b2b.total) == (11, 1, 0, 0, 12)
    assert all(counts[section].total == 0 for section in Section if section is not Section.B2B)
    assert counts.extra == {}


def test_several_groups_in_one_answer_are_all_kept() -> None:
    """Take the total of the group that was asked for, where a gateway answers with more than one."""
    data = {
        "all_oth": {"b2b": {"noaction": 3}, "ttl_cnt": 3},
        "inv_supp_isd": {"isd": {"accept": 2}, "ttl_cnt": 2},
        "newer": {"x": 1},
    }
    counts = read_counts(data, GoodsType.INWARD_SUPPLIES, PATH)
    assert counts.total == 2
    assert counts["isd"].accepted == 2
    assert counts[Section.B2B].no_action == 3
    assert counts.extra == {"newer": {"x": 1}}


def test_a_total_that_is_missing_is_counted() -> None:
    """Add the sections up where no group has a total, and the groups where another one has."""
    data: dict[str, Any] = {"imp_gds": {"impg": {"noaction": 1, "pending": 2}, "impga": {"reject": 4}}}
    assert read_counts(data, GoodsType.IMPORTS, PATH).total == 7
    assert read_counts({"all_oth": {"ttl_cnt": 5}}, GoodsType.IMPORTS, PATH).total == 5


def test_a_newer_kind_of_count_is_kept() -> None:
    """Keep what a section counts beside the four actions."""
    counts = read_counts({"all_oth": {"b2b": {"noaction": 1, "deemed": 9}}}, GoodsType.OTHERS, PATH)
    assert counts[Section.B2B].extra == {"deemed": 9}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "data.data: None is not an object"),
        ([], "data.data: [] is not an object"),
        ({}, "data.data.all_oth: missing"),
        ({"all_oth": None}, "data.data.all_oth: missing"),
        ({"all_oth": {"ttl_cnt": "12"}}, "data.data.all_oth.ttl_cnt: '12' is not a whole number"),
        ({"all_oth": {"ttl_cnt": True}}, "data.data.all_oth.ttl_cnt: True is not a whole number"),
        ({"all_oth": {"b2b": 5}}, "data.data.all_oth.b2b: 5 is not an object"),
        ({"all_oth": {"b2b": {"accept": None}}}, "data.data.all_oth.b2b.accept: None is not a whole number"),
    ],
)
def test_counts_that_do_not_fit_are_told_by_path(data: object, problem: str) -> None:
    """Name group, section and count."""
    assert problems(lambda: read_counts(data, GoodsType.OTHERS, PATH)) == (problem,)


# -- job status ------------------------------------------------------------------------------------------


def status(**facts: Any) -> JobStatus:
    """Read a job's status of these facts."""
    return read_status({"transTypCd": "SAV", **facts}, PATH, polled_at=5.0)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("S", JobState.SUCCEEDED), ("PE", JobState.PARTIAL), ("ER", JobState.FAILED),
        ("pe", JobState.PARTIAL), (" ER ", JobState.FAILED), ("P", JobState.PROCESSING),
        ("IP", JobState.PROCESSING),
        ("REC", JobState.PROCESSING), ("", JobState.PROCESSING), ("XX", JobState.PROCESSING),
        ("1", JobState.PROCESSING), ("SS", JobState.PROCESSING),
    ],
)  # fmt: skip
def test_a_code_is_final_only_where_it_is_documented_to_be(code: str, state: JobState) -> None:
    """Read S, PE and ER as final; P is for `settle`; nothing unknown is ever an end."""
    read = status(status_cd=code)
    assert (read.state, read.raw_code) == (state, code)


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ("8", 8), ("0", 0), (" 12 ", 12), ("0012", 12), (8, 8), (0, 0), (None, None), ("", None),
        ("-1", None), (-1, None), ("8.0", None), (True, None), ("eight", None), ("٣", None), ("²", None),
        ([8], None),
        (Decimal("8.5"), None), ("9" * 5000, None), ("1_000", None),
    ],
)  # fmt: skip
def test_a_count_is_read_as_text_or_number_or_not_at_all(told: object, count: int | None) -> None:
    """Take no evidence from what is no count."""
    read = status(status_cd="P", proc_cnt=told, err_cnt=told)
    assert (read.processed, read.errors) == (count, count)


def test_counts_that_are_missing_are_none() -> None:
    """Distinguish "none counted" from "zero"."""
    read = status(status_cd="IP")
    assert (read.processed, read.errors, read.error_report) == (None, None, ())
    assert (read.error_code, read.error_message, read.polled_at) == ("", "", 5.0)


def test_the_kind_of_transaction_means_nothing() -> None:
    """Read a status alike whatever `transTypCd` says: a documented reset says SAV."""
    for kind in ("SAV", "RST", None):
        read = read_status({"status_cd": "S", "transTypCd": kind}, PATH)
        assert read.state is JobState.SUCCEEDED
    assert read_status({"status_cd": "S"}, PATH, carrier_done=True).carrier_done


def test_the_documented_result_of_vayana_is_read() -> None:
    """Read ten processed, three errors, two of them listed, one as a debit note."""
    read = read_status(load("vayana/reset-result-200")["body"]["data"], "data")
    assert (read.state, read.processed, read.errors) == (JobState.PARTIAL, 10, 3)
    assert [(e.section, e.number, e.return_period, e.code) for e in read.error_report] == [
        (Section.B2B, "invoice-b2b", "042023", "IMSSAV0010"),
        (Section.B2BDN, "invoice-dn", "042023", "IMSSAV0010"),
    ]
    assert "error_report" not in read.raw


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "data.data: None is not an object"),
        ("P", "data.data: 'P' is not an object"),
        ({}, "data.data.status_cd: missing"),
        ({"status_cd": None}, "data.data.status_cd: None is not text"),
        ({"status_cd": 1}, "data.data.status_cd: 1 is not text"),
    ],
)  # fmt: skip
def test_a_status_that_does_not_fit_is_told(data: object, problem: str) -> None:
    """Name what is missing or of another kind."""
    assert problems(lambda: read_status(data, PATH)) == (problem,)


def entry(section: Section | str, number: str | None = "n1", **facts: Any) -> ErrorEntry:
    """An entry of an error report."""
    return ErrorEntry(
        **{
            "section": section,
            "supplier": "32TAAOA2947A1Z7",
            "number": number,
            "return_period": "042023",
            "code": "IMSSAV0010",
            "message": EDITED,
            **facts,
        }
    )


def error(**facts: Any) -> dict[str, Any]:
    """An entry as the gateway writes it."""
    named = {"inv": [{"inum": "n1", "rtnprd": "042023"}]}
    return {"stin": "32TAAOA2947A1Z7", "error_cd": "IMSSAV0010", "error_msg": EDITED, **named, **facts}


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("b2b", Section.B2B), ("dn", Section.B2BDN), ("b2bdn", Section.B2BDN), ("cn", Section.B2BCN),
        ("CNA", Section.B2BCNA), ("dna", Section.B2BDNA), ("b2bcna", Section.B2BCNA),
        ("ecoma", Section.ECOMA), ("impg", "impg"),
    ],
)  # fmt: skip
def test_a_section_of_the_report_is_read_under_any_of_its_names(key: str, section: Section | str) -> None:
    """Normalise the keys of sections; keep an unknown key."""
    assert read_error_report({key: [error()]}) == (entry(section),)


@pytest.mark.parametrize(
    ("told", "entries"),
    [
        (error(inv=[{"nt_num": "n1", "rtnprd": "042023"}]), [entry("x")]),
        (error(inv={"inum": "n1", "rtnprd": "042023"}), [entry("x")]),
        (error(inv=[{"inum": "n1"}, {"inum": "n2", "rtnprd": "052023"}]),
         [entry("x", return_period=None), entry("x", "n2", return_period="052023")]),
        (error(inv=[]), [entry("x", None, return_period=None)]),
        (error(inv=None), [entry("x", None, return_period=None)]),
        (error(inv="?"), [entry("x", None, return_period=None)]),
        (error(inv=[{"inum": 71, "rtnprd": 42023}]), [entry("x", "71", return_period="42023")]),
        (error(stin=None, error_cd=None, error_msg=5), [entry("x", supplier="", code="", message="5")]),
        ("refused", [entry("x", None, return_period=None, supplier="", code="", message="refused")]),
        (None, [entry("x", None, return_period=None, supplier="", code="", message="None")]),
    ],
    ids=repr,
)  # fmt: skip
def test_no_entry_of_a_report_is_dropped_whatever_its_shape(told: object, entries: list[ErrorEntry]) -> None:
    """Read one entry per record that is named, and one where none is."""
    assert read_error_report({"x": [told]}) == tuple(entries)
    assert read_error_report({"x": told}) == tuple(entries)


@pytest.mark.parametrize("report", ["x", [1], 7])
def test_a_report_of_another_shape_is_told_as_it_is(report: object) -> None:
    """Do not let a job hang on the form of its report: what it says stands in `unmatched` later."""
    (told,) = read_error_report(report)
    assert (told.section, told.number) == ("", None)
    assert told.message == str(report if not isinstance(report, list) else report[0])


@pytest.mark.parametrize("report", [None, {}, [], "", False])
def test_an_empty_report_has_no_entries(report: object) -> None:
    """Take null and emptiness of any kind for no errors."""
    assert read_error_report(report) == ()


# -- the supplier view -----------------------------------------------------------------------------------

ITEM = {"num": 1, "itm_det": {"rt": 18, "txval": Decimal("100.50"), "iamt": Decimal("18.09"), "csamt": 0}}
SOLD: dict[str, Any] = {
    "inum": "S-1", "idt": "05-11-2024", "val": Decimal("118.59"), "pos": "07", "inv_typ": "R",
    "rchrg": "N", "updby": "S", "cflag": "N", "chksum": "a1", "itms": [ITEM],
}  # fmt: skip
NOTE: dict[str, Any] = {
    "nt_num": "N-1", "nt_dt": "06-11-2024", "val": 5, "ntty": "C", "cflag": "N", "flag": "E",
    "updby": "S", "chksum": "a2", "itms": [], "inum": "S-1", "idt": "05-11-2024",
}  # fmt: skip
LIVE: dict[str, Any] = {
    "inum": "E-1", "idt": "05-11-2024", "val": 5, "pos": "07", "inv_typ": "R", "flag": "N",
    "sply_ty": "INTER", "chksum": "a3", "itms": [ITEM], "imsactn": "P",
}  # fmt: skip
DELETED: dict[str, Any] = {
    "inum": "E-2", "idt": "05-11-2024", "inv_typ": "R", "flag": "D", "sply_ty": "INTER", "chksum": "a4",
}  # fmt: skip
BUYER = "29AAACQ3770E1ZF"
OTHER = "27AAPFU0939F1ZV"
AMENDED = {"oinum": "S-0", "oidt": "01-10-2024"}
FORM: dict[str, Any] = {
    "b2b": [{"ctin": BUYER, "cfs": "Y", "flag": "U", "inv": [{**SOLD, "imsactn": "R"}, SOLD]}],
    "b2ba": [{"ctin": BUYER, "inv": [{**SOLD, **AMENDED, "itms": []}]}],
    "cdnr": [{"ctin": BUYER, "nt": [NOTE]}],
    "cdnra": [{"ctin": BUYER, "nt": [{**NOTE, "ont_num": "N-0", "ont_dt": "01-10-2024"}]}],
    "ecom": {
        "b2b": [{"rtin": BUYER, "stin": OTHER, "inv": [LIVE, DELETED]}],
        "urp2b": [{"rtin": BUYER, "inv": [LIVE]}],
    },
    "ecoma": {"b2ba": [{"rtin": BUYER, "stin": OTHER, "inv": [{**LIVE, **AMENDED}]}]},
}
SALES: dict[str, Any] = {"gstin": OTHER, "rtnprd": "112024", "gstr1": FORM}


def sales(**changes: Any) -> list[Any]:
    """Read the supplier view with some sections changed."""
    data = copy.deepcopy(SALES)
    data["gstr1"] |= changes
    return list(read_sales(data, SourceForm.GSTR1, PATH))


def test_the_example_of_a_supplier_view_is_what_the_vendor_documents() -> None:
    """Check the example that these tests use against the vendor's schema."""
    assert _faults("sales", SALES) == []


def test_every_section_of_the_supplier_view_is_read() -> None:
    """Read each document with its recipient, what was done about it, and its lines."""
    found = sales()
    assert [(sale.section, sale.list_name, sale.number, sale.action.value) for sale in found] == [
        ("b2b", None, "S-1", "R"),
        ("b2b", None, "S-1", "N"),
        ("b2ba", None, "S-1", "N"),
        ("cdnr", None, "N-1", "N"),
        ("cdnra", None, "N-1", "N"),
        ("ecom", "b2b", "E-1", "P"),
        ("ecom", "b2b", "E-2", "N"),
        ("ecom", "urp2b", "E-1", "P"),
        ("ecoma", "b2ba", "E-1", "P"),
    ]
    first, _, amended, note, amended_note, live, deleted, _, _ = found
    assert (first.recipient, first.supplier, first.flag, first.checksum) == (BUYER, None, "U", "a1")
    assert (first.date, str(first.value), first.place_of_supply) == (dt.date(2024, 11, 5), "118.59", "07")
    assert first.items == (
        LineItem(number=1, rate=Decimal(18), taxable_value=Decimal("100.50"), igst=Decimal("18.09")),
    )
    assert first.extra == {"cfs": "Y", "flag": "U", "cflag": "N", "rchrg": "N", "updby": "S"}
    assert (amended.original_number, amended.original_date) == ("S-0", dt.date(2024, 10, 1))
    assert (note.note_type, note.flag, note.date) == ("C", "E", dt.date(2024, 11, 6))
    assert (note.extra["inum"], note.extra["idt"]) == ("S-1", "05-11-2024")
    assert amended_note.original_number == "N-0"
    assert (live.supplier, live.deleted, live.action) == (OTHER, False, Action.PENDING)
    assert (deleted.deleted, deleted.value, deleted.items) == (True, None, ())


def test_an_action_that_is_absent_or_null_is_no_action() -> None:
    """Take both for "nothing done"; the supplier view has no N."""
    (party,) = FORM["b2b"]
    for changed in ({**SOLD, "imsactn": None}, SOLD):
        found = sales(b2b=[{**party, "inv": [changed]}])
        assert found[0].action is Action.NO_ACTION


def test_the_other_form_stands_under_its_own_key() -> None:
    """Read GSTR-1A from `gstr1a`, and miss it where it is not."""
    assert len(read_sales({"gstr1a": {"b2b": FORM["b2b"]}}, SourceForm.GSTR1A, PATH)) == 2
    assert problems(lambda: read_sales(SALES, SourceForm.GSTR1A, PATH)) == ("data.data.gstr1a: missing",)
    assert problems(lambda: read_sales({"gstr1": 5}, SourceForm.GSTR1, PATH)) == (
        "data.data.gstr1: 5 is not an object",
    )
    assert read_sales({"gstr1": {"newer": 1}}, SourceForm.GSTR1, PATH) == []


def _b2b(document: object, **party: Any) -> dict[str, Any]:
    return {"b2b": [{"ctin": BUYER, "inv": [document], **party}]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"b2b": 5}, "data.data.gstr1.b2b: 5 is not an array"),
        ({"b2b": [5]}, "data.data.gstr1.b2b[0]: 5 is not an object"),
        ({"b2b": [{"inv": []}]}, "data.data.gstr1.b2b[0].ctin: missing"),
        ({"b2b": [{"ctin": 5, "inv": []}]}, "data.data.gstr1.b2b[0].ctin: missing"),
        ({"ecom": {"b2b": [{"inv": []}]}}, "data.data.gstr1.ecom.b2b[0].rtin: missing"),
        ({"ecom": {"b2b": None}}, "data.data.gstr1.ecom.b2b: None is not an array"),
        ({"b2b": [{"ctin": BUYER}]}, "data.data.gstr1.b2b[0].inv: None is not an array"),
        ({"cdnr": [{"ctin": BUYER, "inv": []}]}, "data.data.gstr1.cdnr[0].nt: None is not an array"),
        (_b2b({**SOLD, "idt": "x"}),
         "data.data.gstr1.b2b[0].inv[0].idt: 'x' is not a date that exists; dates are DD-MM-YYYY"),
        (_b2b({key: SOLD[key] for key in SOLD if key != "val"}),
         "data.data.gstr1.b2b[0].inv[0].val: missing"),
        (_b2b(5), "data.data.gstr1.b2b[0].inv[0].inum: missing"),
        (_b2b({**SOLD, "imsactn": "D"}),
         "data.data.gstr1.b2b[0].inv[0].imsactn: 'D' is not an action; it is one of A, R, P, N"),
        (_b2b({**SOLD, "flag": 5}), "data.data.gstr1.b2b[0].inv[0]: 5 is not text"),
        (_b2b(SOLD, stin=5), "data.data.gstr1.b2b[0].inv[0]: 5 is not text"),
        (_b2b({**SOLD, "itms": 5}), "data.data.gstr1.b2b[0].inv[0].itms: 5 is not an array"),
        (_b2b({**SOLD, "itms": [5]}), "data.data.gstr1.b2b[0].inv[0].itms[0].itm_det: None is not an object"),
        (_b2b({**SOLD, "itms": [{**ITEM, "num": "one"}]}),
         "data.data.gstr1.b2b[0].inv[0].itms[0].itm_det: 'one' is not a whole number"),
        (_b2b({**SOLD, "itms": [{**ITEM, "num": Decimal("1E+999999999")}]}),
         "data.data.gstr1.b2b[0].inv[0].itms[0].itm_det: Decimal('1E+999999999') is not a whole number"),
        (_b2b({**SOLD, "itms": [{"num": 1, "itm_det": {"rt": 5}}]}),
         "data.data.gstr1.b2b[0].inv[0].itms[0].itm_det.txval: missing"),
    ],
)  # fmt: skip
def test_a_supplier_view_that_does_not_fit_is_reported_by_path(changes: dict[str, Any], told: str) -> None:
    """Name section, party, document, line and field."""
    assert told in problems(lambda: sales(**changes))


def test_a_line_may_be_numbered_in_decimals_or_not_at_all() -> None:
    """Read 1.0 as 1, since the schema says number; a line without one is numbered 0."""
    lines = [{**ITEM, "num": Decimal("1.0")}, {"itm_det": ITEM["itm_det"]}]
    (sale,) = sales(**_b2b({**SOLD, "itms": lines}))[:1]
    assert [item.number for item in sale.items] == [1, 0]


# -- added-back liability --------------------------------------------------------------------------------

_TAX = {"val": 5, "txval": Decimal("4.50"), "iamt": Decimal("0.50"), "camt": 0, "samt": 0, "csamt": 0}
_FORM = {"supPrd": "102024", "form": "R1"}
_BUYER = {"ctin": "29AAACQ3770E1ZF", "tradenm": "Acme", "inv_typ": "R"}
_NOTED = {"nt_num": "N-1", "nt_dt": "06-11-2024", "ntty": "C"}
ADDED: dict[str, Any] = {
    "cdnr": [{**_TAX, **_FORM, **_BUYER, **_NOTED, "remarks": "returned", "newer": 1}],
    "cdnra": [{**_TAX, **_FORM, **_BUYER, **_NOTED, "ont_num": "N-0", "ont_dt": "01-10-2024"}],
    "b2ba": [{**_TAX, **_FORM, **_BUYER, "inum": "S-1", "idt": "05-11-2024", **AMENDED}],
    "ecoma": [
        {**_TAX, **_FORM, "rtin": BUYER, "rtinNam": "Acme", "stin": OTHER, "stinNam": "Bolt", "inum": "E-1",
         "idt": "05-11-2024", **AMENDED}
    ],
}  # fmt: skip


def added(sections: object) -> list[Any]:
    """Read added-back liabilities of these sections."""
    return list(read_added_back({"gstin": OTHER, "rtnprd": "112024", "rejInvAddBackLiab": sections}, PATH))


def test_the_example_of_added_back_liabilities_is_what_the_vendor_documents() -> None:
    """Check the example that these tests use against the vendor's schema."""
    example = copy.deepcopy(ADDED)
    del example["cdnr"][0]["newer"]
    instance = {"gstin": OTHER, "rtnprd": "112024", "rejInvAddBackLiab": example}
    assert _faults("added-back-liabilities", instance) == []


def test_every_section_of_added_back_liabilities_is_read() -> None:
    """Read notes, amendments and e-commerce documents under their own names."""
    note, amended_note, amended, ecommerce = added(ADDED)
    assert [record.section for record in (note, amended_note, amended, ecommerce)] == [
        SupplierSection.CDNR,
        SupplierSection.CDNRA,
        SupplierSection.B2BA,
        SupplierSection.ECOMA,
    ]
    assert (note.number, note.note_type, note.remarks, note.extra) == ("N-1", "C", "returned", {"newer": 1})
    assert (note.recipient, note.recipient_name, note.supplier_period) == (BUYER, "Acme", "102024")
    assert (str(note.taxable_value), str(note.igst), str(note.value)) == ("4.50", "0.50", "5")
    assert (amended_note.original_number, amended_note.original_date) == ("N-0", dt.date(2024, 10, 1))
    assert (amended.number, amended.original_number, amended.type) == ("S-1", "S-0", "R")
    assert (ecommerce.supplier, ecommerce.supplier_name, ecommerce.recipient_name) == (OTHER, "Bolt", "Acme")


def test_no_added_back_liability_is_an_empty_list() -> None:
    """Accept an empty object, and unknown sections without known ones."""
    assert added({}) == []
    assert added({"cdnr": [], "newer": [1]}) == []


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        (None, "data.data.rejInvAddBackLiab: None is not an object"),
        ({"cdnr": {}}, "data.data.rejInvAddBackLiab.cdnr: {} is not an array"),
        ({"cdnr": [5]}, "data.data.rejInvAddBackLiab.cdnr[0]: 5 is not an object"),
        ({"cdnr": [{**ADDED["cdnr"][0], "val": "5"}]},
         "data.data.rejInvAddBackLiab.cdnr[0].val: '5' is not a number"),
        ({"b2ba": [{}]}, "data.data.rejInvAddBackLiab.b2ba[0].inum: missing"),
    ],
)  # fmt: skip
def test_added_back_liabilities_that_do_not_fit_are_reported_by_path(sections: object, told: str) -> None:
    """Name section, row and field."""
    assert told in problems(lambda: added(sections))


# -- fuzz ------------------------------------------------------------------------------------------------

READERS: list[tuple[Callable[[Any], object], Any]] = [
    (lambda data: read_counts(data, GoodsType.OTHERS, PATH),
     load("sandbox/count-200")["body"]["data"]["data"]),
    (lambda data: read_status(data, PATH), load("vayana/reset-result-200")["body"]["data"]),
    (lambda data: read_status(data, PATH), load("sandbox/status-200-processed")["body"]["data"]["data"]),
    (lambda data: read_sales(data, SourceForm.GSTR1, PATH), SALES),
    (lambda data: read_added_back(data, PATH), {"rejInvAddBackLiab": ADDED}),
]  # fmt: skip


@pytest.mark.parametrize(("read", "data"), READERS, ids=["counts", "status", "status", "sales", "added"])
def test_mutated_answers_raise_nothing_but_our_errors(read: Callable[[Any], object], data: Any) -> None:
    """Change bytes of an answer 1,500 times: a value or `ImsError` comes out of each reader."""
    chance = random.Random(20241105)  # noqa: S311 # the same each time
    body = json_text(data).encode()
    for _ in range(1500):
        try:
            read(parse_json(mutate(body, chance)))
        except ImsError:
            continue


@pytest.mark.parametrize(("read", "data"), READERS, ids=["counts", "status", "status", "sales", "added"])
@pytest.mark.parametrize("odd", strategies.ODD_VALUES, ids=repr)
def test_an_odd_value_anywhere_raises_nothing_but_our_errors(
    read: Callable[[Any], object], data: Any, odd: object
) -> None:
    """Put an odd value into every place of an answer in turn, also for the answer itself."""
    for holder, key in [(None, None), *_places(data)]:
        changed = odd if holder is None else _with(data, holder, key, odd)
        try:
            read(changed)
        except ImsError:
            continue


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """List every place in a JSON value, as the path to its holder and the key there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((path, key), *_places(value[key], (*path, key)))]


def _with(data: Any, path: tuple[Any, ...], key: Any, value: object) -> Any:
    changed = copy.deepcopy(data)
    holder = changed
    for step in path:
        holder = holder[step]
    holder[key] = value
    return changed


@given(strategies.json_values(), st.sampled_from(list(GoodsType)))
def test_any_json_value_is_read_or_refused(value: Any, goods_type: GoodsType) -> None:
    """Read counts out of any JSON at all, or raise `UnexpectedAnswer`."""
    try:
        assert isinstance(read_counts(value, goods_type, PATH), Counts)
    except UnexpectedAnswer as error:
        assert error.problems


@pytest.mark.parametrize("code", ["\u017f", "P\u0131", "\uff33"])
def test_a_letter_that_only_looks_like_a_code_is_none(code: str) -> None:
    """Take no letter for S because its upper case is: that of the long s is."""
    status = read_status({"status_cd": code}, PATH)
    assert (status.state, status.documented, status.raw_code) == (JobState.PROCESSING, False, code)


def test_a_count_that_could_not_be_written_out_is_none() -> None:
    """Leave out counts whose sums have more digits than Python writes, in a status and among the counts."""
    huge = 10**4000
    status = read_status({"status_cd": "PE", "proc_cnt": huge, "err_cnt": 10**18 - 1}, PATH)
    assert (status.processed, status.errors) == (None, 10**18 - 1)
    told = problems(lambda: read_counts({"all_oth": {"ttl_cnt": huge}}, GoodsType.OTHERS, PATH))
    assert "is not a whole number" in told[0]


@pytest.mark.parametrize("amount", [Decimal("1E+999999999"), -(10**18)])
def test_an_amount_of_a_line_that_cannot_be_added_up_is_told(amount: object) -> None:
    """Name the place of a number beside which no other counts."""
    item = {"num": 1, "itm_det": {"rt": 5, "txval": amount, "iamt": 1}}
    sale = {"inum": "1", "idt": "05-11-2024", "val": 1, "inv_typ": "R", "itms": [item]}
    data = {"gstr1": {"b2b": [{"ctin": "29AAACQ3770E1ZF", "inv": [sale]}]}}
    told = problems(lambda: read_sales(data, SourceForm.GSTR1, PATH))
    assert told[0].startswith("data.data.gstr1.b2b[0].inv[0].itms[0].itm_det.txval: ")
    assert told[0].endswith(" is not an amount")


def test_error_entries_of_no_shape_are_told_a_thousand_times_and_then_counted() -> None:
    """Drop no entry that names anything, and let no list of numbers fill the memory."""
    named = {"stin": "29AAACQ3770E1ZF", "inv": [{"inum": "1"}], "error_cd": "X"}
    found = read_error_report({"b2b": [*[7, {}] * 600, named], "cn": [named]})
    assert len(found) == 1000 + 2 + 1
    assert [entry.section for entry in found if entry.number == "1"] == [Section.B2B, Section.B2BCN]
    assert "200 more entries of no known shape" in found[-1].message
