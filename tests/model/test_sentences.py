"""What `print` says of reports, counts and what was decided: a sentence with figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ims_async import Counts, ErrorEntry, InvalidInput, JobReport, JobState, RecordFailure, decide
from ims_async.bulk import BulkReport, TaxpayerReport
from ims_async.model.records import SectionCounts
from ims_async.model.report import CANNED
from ims_async.model.status import Found

from ..tables.test_tables import make_invoice

ACME = "29AAACQ3770E1ZF"
ROW = make_invoice()
FAILED = RecordFailure(record=ROW, key=ROW.key, code="IMSSAV0010", message="edited by the supplier")
STRAY = ErrorEntry(section="", supplier="", number="9", return_period=None, code="X", message="y")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"state": JobState.SUCCEEDED, "submitted": 1, "succeeded": (ROW,)}, "1 record: 1 applied"),
        (
            {"state": JobState.PARTIAL, "submitted": 1300, "failed": (FAILED,), "unaccounted_count": 2},
            "1,300 records: 1,297 applied, 1 refused, 2 unaccounted for; edited by the supplier",
        ),
        (
            {"state": JobState.FAILED, "submitted": 10, "error_code": "RET191106", "error_message": "no"},
            "10 records: 10 refused; RET191106 no",
        ),
        ({"state": JobState.FAILED, "submitted": None, "error_code": "E"}, "a job of unknown size: E"),
        ({"state": JobState.PROCESSING, "submitted": None}, "a job of unknown size: processing"),
        (
            {"state": JobState.SUCCEEDED, "submitted": 2, "unmatched": (STRAY,)},
            "2 records: 2 applied; 1 error that fits no record",
        ),
        (
            {"state": JobState.SUCCEEDED, "submitted": 2, "unmatched": (STRAY, STRAY), "canned": True},
            f"2 records: 2 applied; 2 errors that fit no record; {CANNED}",
        ),
        (
            {"state": JobState.PARTIAL, "submitted": 2, "failed": (FAILED,), "found": Found(applied=1)},
            "2 records: 1 applied, 1 refused; as a second look showed; edited by the supplier",
        ),
    ],
)
def test_a_report_of_a_job_is_a_sentence(facts: dict[str, Any], sentence: str) -> None:
    """How many became what, and the gateway's reasons where not all were applied."""
    assert str(JobReport(**facts)) == sentence


def test_a_part_of_a_run_is_a_sentence_and_so_is_the_run() -> None:
    """With what stopped it."""
    whole = TaxpayerReport(gstin=ACME, handed_in=3, succeeded=2, failed=(FAILED,))
    assert str(whole) == f"{ACME}: 3 decisions: 2 applied, 1 refused"
    stopped = TaxpayerReport(
        gstin=ACME, handed_in=1, not_sent=(ROW,), error=InvalidInput("no", advice="do it")
    )
    assert str(stopped) == f"{ACME}: 1 decision: 1 not sent; no: do it"
    assert str(TaxpayerReport(gstin=ACME)) == f"{ACME}: 0 decisions: nothing to do"
    assert "canned" in str(TaxpayerReport(gstin=ACME, canned=True))
    assert str(BulkReport(run="r", taxpayers={ACME: whole})) == (
        "run r: 3 decisions of 1 taxpayer: 2 applied, 1 refused"
    )


def test_counts_are_a_sentence() -> None:
    """By section, without those of no record."""
    b2b = SectionCounts(no_action=1200, accepted=3)
    counts = Counts(
        total=1204, sections={"b2b": b2b, "b2ba": SectionCounts(), "impg": SectionCounts(pending=1)}
    )
    assert str(counts) == "1,204 records: b2b: 1,200 without an action, 3 accepted; impg: 1 pending"
    assert str(b2b) == "1,200 without an action, 3 accepted"
    assert (str(Counts(total=0)), str(SectionCounts())) == ("0 records", "none")


def test_what_was_matched_decided_and_changed_is_a_sentence() -> None:
    """Kinds and outcomes with their numbers, decisions with their rupees."""
    other = make_invoice(number="2", hash="c" * 64)
    entry = decide.Entry(ROW.supplier, ROW.number, ROW.date, ROW.taxable_value, igst=ROW.igst, cess=ROW.cess)
    extra = decide.Entry(ROW.supplier, "LOST-7", ROW.date, Decimal(77), igst=Decimal(7))
    filed = [make_invoice(supplier_filed=True), other]
    matching = decide.match(filed, [entry, extra])
    assert str(matching) == "2 records: 1 matched, 1 not in books; 1 entry only in the books"
    assert str(decide.match([], [])) == "0 records; 0 entries only in the books"
    decided = decide.decide(filed, register=[entry])
    each = "1 (taxable value ₹1,000.10, tax ₹180.52)"
    assert str(decided) == f"2 records: accept {each}, leave {each}"
    assert str(decide.decide([])) == "0 records: nothing to decide"
    assert str(decide.changes([ROW], [ROW, other])) == "2 records: 1 new, 1 unchanged"
    assert str(decide.changes([], [])) == "0 records"
