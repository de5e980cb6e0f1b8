"""Plain dictionaries of records, counts and reports: what is written is read back; what is wrong is named."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ims_async import (
    Action,
    AddedBackLiability,
    BulkReport,
    Counts,
    Decision,
    ErrorEntry,
    GoodsType,
    InvalidInput,
    Invoice,
    ItcReduction,
    JobKind,
    JobReport,
    JobState,
    JobToken,
    LineItem,
    OutcomeUnknown,
    RateLimited,
    RecordFailure,
    SalesInvoice,
    Section,
    SupplierSection,
)
from ims_async.bulk import TaxpayerReport
from ims_async.model.plain import Plain
from ims_async.model.records import SectionCounts
from ims_async.model.status import Found

from ..support import strategies

ACME = "29AAACQ3770E1ZF"
DAY = dt.date(2026, 10, 5)
TAGGED = {"$numberDecimal": "1.10"}


def invoice(**changes: Any) -> Invoice:
    """Return a record with all that an attribute may hold."""
    facts: dict[str, Any] = {
        "section": Section.B2BCN,
        "supplier": ACME,
        "number": "CN-1",
        "date": DAY,
        "return_period": "102026",
        "value": Decimal("1180.10"),
        "taxable_value": Decimal("1E+3"),
        "igst": Decimal("180.10"),
        "cgst": Decimal(0),
        "sgst": Decimal(0),
        "cess": Decimal(0),
        "original_date": DAY,
        "pending_allowed": False,
        "itc_reduction": ItcReduction.partial(igst=Decimal("10.50")),
        "extra": {"new": [Decimal("1.10"), None, True, {"a": 1}], "$numberDecimal": "x"},
        "read_from_gateway": True,
    }
    return Invoice(**{**facts, **changes})


def through_json(value: Any) -> Any:
    """Write a value as JSON text, and read it again; nothing in it is other than what JSON has."""
    facts = value.to_dict()
    _check_plain(facts)
    text = json.dumps(facts)
    assert json.loads(text) == facts
    return type(value).from_dict(json.loads(text))


def _check_plain(value: Any) -> None:
    if type(value) is dict:
        assert all(type(key) is str for key in value)
        value = list(value.values())
    if type(value) is list:
        for one in value:
            _check_plain(one)
    else:
        assert type(value) in (str, int, bool, type(None)), value


# -- out and back ------------------------------------------------------------------------------------------


def tagged() -> st.SearchStrategy[dict[str, Any]]:
    """What a gateway may add, also with keys that look like our own tag."""
    numbers = st.decimals(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | st.integers() | numbers | st.text()
    keys = st.sampled_from(["$numberDecimal", "a"]) | st.text()
    values = st.recursive(leaves, lambda one: st.lists(one) | st.dictionaries(keys, one), max_leaves=8)
    return st.dictionaries(keys, values, max_size=3)


@given(strategies.decisions(), tagged())
def test_decisions_and_their_records_come_back_as_they_were(
    decision: Decision, extra: dict[str, Any]
) -> None:
    """Through JSON, with exact amounts, and with what no release knows."""
    record = attrs.evolve(decision.invoice, extra=extra, recipient=ACME)
    decision = attrs.evolve(decision, invoice=record)
    assert through_json(decision) == decision
    found = through_json(record)
    assert found == record
    assert found.read_from_gateway is record.read_from_gateway
    for name in ("value", "igst"):
        assert str(getattr(found, name)) == str(getattr(record, name))
    assert repr(found.extra) == repr(record.extra)  # also the zeros at the end of a number


@given(
    st.lists(strategies.decisions() | strategies.records(), max_size=4),
    st.sampled_from(JobState),
    st.none() | st.integers(0, 9),
    st.text(max_size=5),
)
def test_reports_of_jobs_come_back_as_they_were(
    records: list[Any], state: JobState, count: int | None, words: str
) -> None:
    """Each record in its place, decisions as decisions; also what is not compared."""
    failures = tuple(
        RecordFailure(record=one, key=one.key, code="IMSSAV0010", message=words) for one in records[:1]
    )
    keys = tuple(one.key for one in records)
    nameless = tuple(
        RecordFailure(record=None, key=key._replace(date=None), code="", message="") for key in keys
    )
    entry = ErrorEntry(section="new", supplier="", number=None, return_period=None, code="X", message=words)
    report = JobReport(
        state=state,
        submitted=count,
        succeeded=tuple(records),
        failed=(*failures, *nameless),
        unaccounted=tuple(records[:1]),
        unmatched=(entry, attrs.evolve(entry, section=Section.B2B, number="1")),
        processed_count=count,
        error_message=words,
        batch="b1",
        canned=True,
        found=None if count is None else Found(applied=count, changed=keys),
    )
    found = through_json(report)
    assert found == report
    assert found.batch == "b1"
    assert [type(one) for one in found.succeeded] == [type(one) for one in records]


def test_counts_and_the_suppliers_view_come_back_as_they_were() -> None:
    """With sections that no release knows."""
    counts = Counts(
        total=5,
        goods_type=GoodsType.IMPORTS,
        sections={
            "impg": SectionCounts(no_action=3, extra={"x": Decimal("1.0")}),
            "b2b": SectionCounts(pending=2),
        },
        extra={"new": 1},
    )
    assert through_json(counts) == counts
    facts: dict[str, Any] = {"section": SupplierSection.CDNR, "recipient": ACME, "number": "1", "date": DAY}
    line = LineItem(number=1, rate=Decimal("18.0"), taxable_value=Decimal(10))
    sale = SalesInvoice(**facts, items=(line,), action=Action.REJECT, deleted=True)
    assert through_json(sale) == sale
    money: dict[str, Any] = dict.fromkeys(
        ("value", "taxable_value", "igst", "cgst", "sgst", "cess"), Decimal("1.5")
    )
    added = AddedBackLiability(**facts, **money, supplier_period="102026", source_form="R1")
    assert through_json(added) == added


def test_a_report_of_a_run_comes_back_with_its_jobs_and_errors() -> None:
    """Of an error its class, its words and what is plain of it: not handles, reports and other errors."""
    token = JobToken(
        gsp="vayana",
        host="h.example",
        gstin=ACME,
        kind=JobKind.SAVE,
        reference_id="r",
        submitted=2,
        submitted_at=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    )
    limited = RateLimited("too fast", code="429", retry_after=1.5, http_status=429)
    whole = TaxpayerReport(
        gstin=ACME,
        handed_in=3,
        succeeded=1,
        not_sent=(invoice().accept(),),
        pending_count=1,
        pending=(token,),
        warnings={"remarks-missing": 2},
        refused_sizes=(10,),
        batches=("b1",),
    )
    report = BulkReport(run="2026-11", taxpayers={ACME: whole})
    assert through_json(report) == report
    assert through_json(whole) == whole
    for error in (limited, OutcomeUnknown("lost", token=token), InvalidInput("bad", advice="Do this")):
        failed = attrs.evolve(whole, error=error)
        text = json.dumps(failed.to_dict())
        found = TaxpayerReport.from_dict(json.loads(text))
        assert type(found.error) is type(error)
        assert str(found.error) == str(error)
        assert found.to_dict() == failed.to_dict()
    found = TaxpayerReport.from_dict(attrs.evolve(whole, error=limited).to_dict())
    assert isinstance(found.error, RateLimited)
    assert (found.error.retry_after, found.error.http_status) == (1.5, 429)
    other = TaxpayerReport.from_dict(attrs.evolve(whole, error=OSError(28, "no space")).to_dict())
    assert str(other.error) == "OSError: [Errno 28] no space"


def any_value(type_: Any) -> st.SearchStrategy[Any]:
    """Any value that an attribute of this type may hold."""
    if type_ in _ANY:
        return _ANY[type_]
    if isinstance(type_, UnionType):
        return st.one_of(*map(any_value, get_args(type_)))
    if get_origin(type_) is tuple:
        return st.lists(any_value(get_args(type_)[0]), max_size=2).map(tuple)
    if get_origin(type_) in (dict, Mapping):
        return st.dictionaries(*map(any_value, get_args(type_)), max_size=2)
    if issubclass(type_, StrEnum):
        return st.sampled_from(type_)
    names = [one.name for one in attrs.fields(type_)] if attrs.has(type_) else type_._fields
    hints = get_type_hints(type_)
    return st.builds(type_, **{name: any_value(hints[name]) for name in names})


_ANY: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(), max_size=5),  # lone surrogates too
    bool: st.booleans(),
    int: st.integers(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    dt.date: st.dates(),
    dt.datetime: st.datetimes(timezones=st.just(dt.UTC) | st.none()),
    NoneType: st.none(),
    Exception: st.none(),  # no error equals another one
    dict[str, Any]: st.dictionaries(
        st.text(max_size=2), st.none() | st.booleans() | st.decimals(0, 9), max_size=1
    ),
}


# attrs makes a class with slots anew, and what it was made from is still there until garbage is collected.
KINDS = [*{kind.__name__: kind for kind in Plain.__subclasses__() if kind.__name__[0] != "_"}.values()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.__name__)
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_each_kind_comes_back_whatever_it_holds(kind: type[Plain], data: st.DataObject) -> None:
    """All that its attributes may hold by their types: counts below zero, too, which a gateway may send."""
    assert len(KINDS) == 13
    value = data.draw(any_value(kind))
    assert through_json(value) == value


def test_money_and_dates_are_text_that_a_person_can_read() -> None:
    """No exponent, no float; the numbers of a gateway's own attributes are tagged."""
    facts = invoice().to_dict()
    assert (facts["taxable_value"], facts["value"], facts["date"]) == ("1000", "1180.10", "2026-10-05")
    assert (facts["section"], facts["action"], facts["pending_allowed"]) == ("b2bcn", "N", False)
    assert facts["itc_reduction"]["igst"] == "10.50"
    assert facts["extra"] == {"new": [TAGGED, None, True, {"a": 1}], "$numberDecimal": "x"}
    small = {name: facts[name] for name in facts if facts[name] not in (None, False) and name != "extra"}
    assert Invoice.from_dict(small) == attrs.evolve(invoice(), extra={}, pending_allowed=None)


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": 1180.1}, "Invoice CN-1.value: 1180.1 is no amount as text, such as '1250.50'"),
        ({"value": True}, "Invoice CN-1.value: True is no amount as text"),
        ({"igst": "1,5"}, "Invoice CN-1.igst: '1,5' is not an amount"),
        ({"igst": "NaN"}, "Invoice CN-1.igst: 'NaN' is not an amount"),
        ({"date": "05-10-2026"}, "Invoice CN-1.date: '05-10-2026' is not a date, such as '2026-10-05'"),
        ({"date": 20261005}, "Invoice CN-1.date: 20261005 is not a date"),
        ({"date": "2026-13-05"}, "Invoice CN-1.date: '2026-13-05' is not a date"),
        ({"section": "b3b"}, "Invoice CN-1.section: 'b3b' is not a valid Section"),
        ({"action": "ACCEPT"}, "Invoice CN-1.action: 'ACCEPT' is not a valid Action"),
        ({"number": 7}, "Invoice.number: 7 is not text"),
        ({"igst": "1_000"}, "Invoice CN-1.igst: '1_000' is not an amount"),
        ({"igst": " 1"}, "Invoice CN-1.igst: ' 1' is not an amount"),
        ({"igst": "१२"}, "Invoice CN-1.igst: '१२' is not an amount"),
        (
            {"igst": "1E+99999999999999999999"},
            "Invoice CN-1.igst: '1E.99999999999999999999' is not an amount",
        ),
        ({"date": "2026-W40-1"}, "Invoice CN-1.date: '2026-W40-1' is not a date"),
        ({7: 7, "values": 1}, "Invoice CN-1: the key 7 is not text: pass"),
        ({"val": 7, "igts": 1}, "Invoice CN-1: unknown keys: igts, val: pass"),
        ({"pending_allowed": "yes"}, "Invoice CN-1.pending_allowed: 'yes' is not true or false"),
        ({"values": "1"}, "Invoice CN-1: .*values"),
        ({"itc_reduction": {"required": True, "isgt": "1"}}, "Invoice CN-1.itc_reduction: .*isgt"),
        ({"itc_reduction": {}}, "Invoice CN-1.itc_reduction.required: 'required' is missing"),
        ({"extra": {"a": [1.5]}}, "Invoice CN-1.extra: 1.5 is not a JSON value with exact numbers"),
        ({"extra": []}, r"Invoice CN-1.extra: \[\] is no mapping"),
        ({"extra": TAGGED}, "Invoice CN-1.extra: .*is no mapping"),
        ({"extra": {"a": {"$numberDecimal": 1}}}, "Invoice CN-1.extra: 1 is no amount as text"),
        ({"extra": {1: 2}}, "Invoice CN-1.extra: the key 1 is not text"),
    ],
    ids=lambda one: str(one)[:40] if isinstance(one, Mapping) else "",
)
def test_what_is_wrong_is_named_by_record_and_key(changes: dict[str, Any], sentence: str) -> None:
    """With what was expected in its place."""
    with pytest.raises(InvalidInput, match=sentence) as caught:
        Invoice.from_dict({**invoice().to_dict(), **changes})
    assert "pass what Invoice.to_dict() returned" in caught.value.advice


def test_every_wrong_value_is_named() -> None:
    """Those that are missing too; a value that is no mapping is none at all."""
    facts = {**invoice().to_dict(), "igst": 1, "cgst": None}
    del facts["sgst"]
    with pytest.raises(InvalidInput) as caught:
        Invoice.from_dict(facts)
    for part in ("CN-1.igst: 1 is", "CN-1.cgst: None is", "'sgst' is missing"):
        assert part in caught.value.message
    wrong: tuple[Any, ...] = (None, [], "x", 7)
    for nothing in wrong:
        with pytest.raises(InvalidInput, match=r"^Counts: .* is no mapping: pass"):
            Counts.from_dict(nothing)


@pytest.mark.parametrize("wrong", [5, "x", ["section"], True])
def test_what_is_no_mapping_is_named_by_its_place(wrong: Any) -> None:
    """Wherever one is wanted: a record, a key, counts by name."""
    facts = invoice().accept().to_dict()
    with pytest.raises(InvalidInput, match=r"Decision.invoice: .* is no mapping: pass"):
        Decision.from_dict({**facts, "invoice": wrong})
    report = JobReport(state=JobState.PARTIAL, submitted=2).to_dict()
    for name, place in (("succeeded", r"succeeded\[0\]"), ("failed", r"failed\[0\]")):
        with pytest.raises(InvalidInput, match=rf"JobReport\.{place}: .* is no mapping: pass"):
            JobReport.from_dict({**report, name: [wrong]})
    with pytest.raises(InvalidInput, match=r"JobReport\.found\.changed\[0\]: .* is no mapping: pass"):
        JobReport.from_dict({**report, "found": {"applied": 1, "changed": [wrong]}})
    with pytest.raises(InvalidInput, match=r"TaxpayerReport\.warnings: .* is no mapping: pass"):
        TaxpayerReport.from_dict({"gstin": ACME, "warnings": wrong})


def test_a_value_deep_in_a_report_is_named_by_its_place() -> None:
    """Record by record; a decision is told from a record by its key `invoice`."""
    decision = invoice().accept()
    report = JobReport(state=JobState.PARTIAL, submitted=2, succeeded=(decision, decision)).to_dict()
    report["succeeded"][1]["invoice"]["value"] = 1.5
    with pytest.raises(
        InvalidInput, match=r"JobReport.succeeded\[1\].invoice.value: 1.5 is no amount as text"
    ):
        JobReport.from_dict(report)
    report["succeeded"][1] = {"action": "A"}
    with pytest.raises(InvalidInput, match=r"JobReport.succeeded\[1\]: .*action|'section' is missing"):
        JobReport.from_dict(report)
    report["succeeded"] = "none"
    with pytest.raises(InvalidInput, match=r"JobReport\.succeeded: 'none' is no list"):
        JobReport.from_dict(report)
    report["succeeded"] = [None]
    with pytest.raises(InvalidInput, match=r"succeeded\[0\]"):
        JobReport.from_dict(report)
    facts = decision.to_dict()
    facts["invoice"]["igst"] = "x"
    with pytest.raises(InvalidInput, match=r"Decision CN-1\.invoice\.igst: 'x' is not an amount"):
        Decision.from_dict(facts)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"type": "RateLimited", "text": "a", "retry": 1}, "'retry' is no plain attribute of RateLimited"),
        ({"type": "RateLimited", "text": "a", "code": []}, "'code' is no plain attribute of RateLimited"),
        ({"type": 7, "text": "a"}, "7"),
        ({"type": "RateLimited"}, "'text' is missing"),
        ("RateLimited", "error: 'RateLimited' is no mapping"),
        ({"type": "RateLimited", "text": "a", "code": 5}, "'code' is no plain attribute .* or not 5"),
        ({"type": "NotAuthorized", "text": "a", "of_account": "no"}, "'of_account' is no plain"),
    ],
)
def test_an_error_that_is_none_is_refused(facts: Any, sentence: str) -> None:
    """And no class but those of errors is ever made."""
    whole = TaxpayerReport(gstin=ACME).to_dict()
    with pytest.raises(InvalidInput, match=sentence):
        TaxpayerReport.from_dict({**whole, "error": facts})
    made = TaxpayerReport.from_dict({**whole, "error": {"type": "bounded", "text": "a"}})
    assert str(made.error) == "bounded: a"


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (invoice(value=1.5), "Invoice CN-1 cannot be written: 1.5 is no exact amount"),
        (invoice(value=Decimal("NaN")), "Decimal.'NaN'. is no exact amount"),
        (invoice(date="2026-10-05"), "Invoice CN-1 cannot be written"),
        (invoice(extra={"a": 1.5}), "1.5 in extra is not a JSON value with exact numbers"),
        (invoice(extra={"a": {1: 2}}), "in extra is not a JSON value"),
        (invoice(extra={"a": object()}), "in extra is not a JSON value"),
        (invoice(extra={"a": Decimal("NaN")}), "Decimal.'NaN'. in extra is not a JSON value"),
        (invoice(extra={"a": (1, 2)}), "in extra is not a JSON value"),
        (invoice(extra=None), "None is no mapping"),
        (invoice(number=7), "Invoice cannot be written: 7 is not text"),
        (invoice(remarks=b"x"), "b'x' is not text"),
        (invoice(pending_allowed=1), "1 is not true or false"),
        (invoice(section="b3b"), "'b3b' is not a valid Section"),
        (invoice(action=None), "None is not a valid Action"),
        (invoice(date=dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)), "is no date: use datetime.date"),
        (invoice(date=None), "None is no date: use datetime.date"),
        (Counts(total=True), "True is not a whole number"),
        (Counts(total=1, sections={7: SectionCounts()}), "7 is not text"),  # type: ignore[dict-item]
    ],
)
def test_what_could_not_be_read_back_is_not_written(record: Plain, sentence: str) -> None:
    """A float for rupees, text for a date, and in `extra` what no JSON has."""
    with pytest.raises(InvalidInput, match=sentence):
        record.to_dict()


def test_extra_that_holds_itself_is_refused() -> None:
    """And so are levels without end, on reading."""
    loop: dict[str, Any] = {}
    loop["a"] = loop
    with pytest.raises(InvalidInput, match="extra has more than 100 levels"):
        invoice(extra=loop).to_dict()
    facts = invoice().to_dict()
    for _ in range(200):
        facts["extra"] = {"a": facts["extra"]}
    with pytest.raises(InvalidInput, match=r"CN-1\.extra: it has more than 100 levels"):
        Invoice.from_dict(facts)
