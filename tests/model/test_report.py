"""Accounting: what a status means, and what became of each record that was sent."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import (
    Decision,
    ErrorEntry,
    Invoice,
    JobReport,
    JobState,
    JobStatus,
    PReading,
    RecordFailure,
    RecordsRejected,
    Section,
)
from ims_async.gsp.codec import read_status
from ims_async.gsp.evidence import STABLE_POLLS, STABLE_SECONDS, Evidence, settle
from ims_async.model.report import account
from tests.conftest import load
from tests.support.sweeps import examples

SUPPLIER = "32TAAOA2947A1Z7"
NOTHING_SEEN = Evidence()
STILL = Evidence(counts=(3, 0), polls=STABLE_POLLS, since=0.0)


def entry(number: str | None = "n0", section: Section | str = Section.B2B, **facts: Any) -> ErrorEntry:
    """One entry of an error report."""
    named = {"supplier": SUPPLIER, "return_period": "042023", "code": "IMSSAV0010", "message": "edited"}
    return ErrorEntry(**{"section": section, "number": number, **named, **facts})


def status(code: str = "PE", **facts: Any) -> JobStatus:
    """A status as it is read, before it is settled."""
    read = read_status({"status_cd": code, "transTypCd": "SAV"}, "data.data")
    return attrs.evolve(read, **facts)


def invoice(number: str = "n0", section: Section = Section.B2B, **facts: Any) -> Invoice:
    """A record to be sent."""
    zero = Decimal(0)
    given_facts: dict[str, Any] = {
        "section": section,
        "supplier": SUPPLIER,
        "number": number,
        "date": dt.date(2023, 4, 1),
        "return_period": "042023",
        "value": Decimal(100),
        "taxable_value": Decimal(90),
        "igst": Decimal(10),
        "cgst": zero,
        "sgst": zero,
        "cess": zero,
        **facts,
    }
    return Invoice(**given_facts)


LISTED = Evidence(polls=STABLE_POLLS, since=0.0, listed=(entry(),))


def batch(count: int, section: Section = Section.B2B) -> list[Decision]:
    """Decisions on records n0, n1, …"""
    return [invoice(f"n{place}", section).accept() for place in range(count)]


def numbers(records: Any) -> list[str]:
    """The numbers of records."""
    return [record.number for record in records]


# -- what a status means ---------------------------------------------------------------------------------

PROCESSING, SUCCEEDED, PARTIAL = JobState.PROCESSING, JobState.SUCCEEDED, JobState.PARTIAL
E, D, W = PReading.EVIDENCE, PReading.PROCESSED, PReading.PROCESSING


@pytest.mark.parametrize(
    ("facts", "submitted", "evidence", "states"),
    # What P means by evidence, where it is pinned to "processed", and to "processing".
    [
        ({}, 8, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 0}, 8, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 0, "errors": 0}, 8, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 7}, 8, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 7}, 8, attrs.evolve(STILL, polls=2), (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 7}, 8, attrs.evolve(STILL, since=100.5), (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 7}, 8, STILL, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"processed": 0}, 8, attrs.evolve(STILL, counts=(0, 0)), (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 8}, 8, NOTHING_SEEN, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"processed": 9}, 8, NOTHING_SEEN, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"processed": 8, "errors": 0}, 8, NOTHING_SEEN, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"processed": 8}, None, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"processed": 8}, None, STILL, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"processed": 0}, 0, NOTHING_SEEN, (PROCESSING, SUCCEEDED, PROCESSING)),
        ({"carrier_done": True}, 8, NOTHING_SEEN, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"carrier_done": True, "processed": 3}, 8, NOTHING_SEEN, (SUCCEEDED, SUCCEEDED, PROCESSING)),
        ({"errors": 1}, 8, NOTHING_SEEN, (PROCESSING, PARTIAL, PROCESSING)),
        ({"errors": 8}, 8, NOTHING_SEEN, (PROCESSING, PARTIAL, PROCESSING)),
        ({"processed": 3, "errors": 1, "error_report": (entry(),)}, 60, NOTHING_SEEN,
         (PROCESSING, PARTIAL, PROCESSING)),
        ({"processed": 7, "errors": 1}, 8, NOTHING_SEEN, (PARTIAL, PARTIAL, PROCESSING)),
        ({"processed": 0, "errors": 8}, 8, NOTHING_SEEN, (PARTIAL, PARTIAL, PROCESSING)),
        ({"processed": 8, "error_report": (entry(),)}, 8, NOTHING_SEEN, (PARTIAL, PARTIAL, PROCESSING)),
        ({"error_report": (entry(),)}, None, NOTHING_SEEN, (PROCESSING, PARTIAL, PROCESSING)),
        ({"error_report": (entry(),)}, None, LISTED, (PARTIAL, PARTIAL, PROCESSING)),
        ({"error_report": (entry(),)}, 8, attrs.evolve(LISTED, polls=2), (PROCESSING, PARTIAL, PROCESSING)),
        ({"carrier_done": True, "errors": 2}, 8, NOTHING_SEEN, (PARTIAL, PARTIAL, PROCESSING)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", ["P", "p", " P "])
def test_the_code_p_is_decided_by_evidence_unless_it_is_pinned(
    code: str,
    facts: dict[str, Any],
    submitted: int | None,
    evidence: Evidence,
    states: tuple[JobState, ...],
) -> None:
    """Believe the counts, the carrying task, and counts that stand still; or the reading that was chosen."""
    for p_means, state in zip((E, D, W), states, strict=True):
        settled = settle(
            status(code, **facts), submitted=submitted, evidence=evidence, now=160.0, p_means=p_means
        )
        assert settled.state is state
        assert settled.raw_code == code


@pytest.mark.parametrize(
    ("code", "facts", "state"),
    [
        ("S", {}, SUCCEEDED),
        ("S", {"processed": 0}, SUCCEEDED),
        ("S", {"errors": 1}, PARTIAL),
        ("S", {"error_report": (entry(),)}, PARTIAL),
        ("PE", {"processed": 0, "errors": 2}, PARTIAL),
        ("PE", {}, PARTIAL),
        ("ER", {"error_code": "IMSSAV005"}, JobState.FAILED),
        ("ER", {"processed": 8}, JobState.FAILED),
        ("IP", {"processed": 8}, PROCESSING),
        ("REC", {"processed": 8, "carrier_done": True}, PROCESSING),
        ("", {"processed": 8, "carrier_done": True}, PROCESSING),
        ("XX", {"processed": 8, "errors": 1, "error_report": (entry(),)}, PROCESSING),
        ("PX", {"processed": 8}, PROCESSING),
    ],
)
@pytest.mark.parametrize("p_means", PReading)
def test_every_other_code_means_what_it_says(
    p_means: PReading, code: str, facts: dict[str, Any], state: JobState
) -> None:
    """End with S, PE and ER only; no count makes an unknown code an end, and no reading of P touches it."""
    settled = settle(status(code, **facts), submitted=8, evidence=STILL, now=1000.0, p_means=p_means)
    assert settled.state is state


def test_counts_stand_still_after_three_polls_and_a_minute() -> None:
    """Ask for both, count from the first poll with these counts, and start again when one moves."""
    assert (STABLE_POLLS, STABLE_SECONDS) == (3, 60.0)
    three = status("P", processed=3)
    evidence = Evidence()
    told = []
    for now in (100.0, 130.0, 159.9, 160.0):
        evidence = evidence.with_poll(three, now)
        told.append(evidence.stands_still(now))
    assert told == [False, False, False, True]
    assert (evidence.polls, evidence.since) == (4, 100.0)
    moved = evidence.with_poll(status("P", processed=3, errors=1), 170.0)
    assert (moved.polls, moved.since, moved.stands_still(999.0)) == (1, 170.0, False)
    worse = moved.with_poll(status("P", processed=3, errors=2), 180.0)
    assert (worse.polls, worse.since) == (1, 180.0)
    two = Evidence().with_poll(three, 0.0).with_poll(three, 500.0)
    assert not two.stands_still(500.0)


@pytest.mark.parametrize("code", ["IP", "REC", "XX", ""])
def test_what_was_seen_under_another_code_is_no_evidence_for_p(code: str) -> None:
    """Count polls with code P only, and anew where the job said meanwhile that it is at work."""
    evidence = Evidence()
    for now in (0.0, 100.0, 200.0, 300.0):
        evidence = evidence.with_poll(status(code, processed=3), now)
        assert not evidence.stands_still(now)
    for now, still in ((400.0, False), (430.0, False), (470.0, True)):
        evidence = evidence.with_poll(status("P", processed=3), now)
        assert evidence.stands_still(now) is still
    assert not evidence.with_poll(status(code, processed=3), 480.0).stands_still(999.0)


def test_a_list_of_errors_is_evidence_too() -> None:
    """A list that stands still ends a job that gives no counts; one that grows does not."""
    one, two = (entry("n0"),), (entry("n0"), entry("n1"))
    evidence = Evidence()
    for now, listed, still in ((0.0, one, False), (40.0, one, False), (80.0, one, True), (90.0, two, False),
                               (130.0, two, False), (160.0, two, True)):  # fmt: skip
        evidence = evidence.with_poll(status("P", error_report=listed), now)
        assert evidence.stands_still(now) is still


def test_a_carriers_word_that_happens_to_be_p_is_no_evidence() -> None:
    """Only GSTN's own code counts."""
    evidence = Evidence()
    for now in (0.0, 40.0, 80.0):
        evidence = evidence.with_poll(status("P", documented=False, processed=3), now)
        assert not evidence.stands_still(now)


def test_counts_of_zero_are_no_evidence_however_long_they_stand() -> None:
    """Wait for the first count; a job that has not begun has zeros too."""
    evidence = Evidence()
    for now in (0.0, 100.0, 1000.0, 10_000.0):
        evidence = evidence.with_poll(status("P", processed=0), now)
        assert not evidence.stands_still(now)


# -- what became of each record --------------------------------------------------------------------------


def test_a_success_is_a_success_of_every_record() -> None:
    """Report all records as applied, the very objects that were sent."""
    sent = batch(8)
    for facts in ({"processed": 8}, {"processed": 8, "errors": 0}, {}):
        report = account(status("S", **facts), sent, None)
        assert report.ok
        assert report.submitted == 8
        assert [a is b for a, b in zip(report.succeeded, sent, strict=True)] == [True] * 8
        report.raise_for_failures()


@pytest.mark.parametrize("processed", [3, 5], ids=["counts successes", "counts all"])
def test_failures_are_joined_in_both_readings_of_the_count(processed: int) -> None:
    """Whether `proc_cnt` holds the failures is not documented: both readings account for every record."""
    sent = batch(5)
    report = account(
        status("PE", processed=processed, errors=2, error_report=(entry("n1"), entry("n4"))), sent, 5
    )
    assert numbers(report.succeeded) == ["n0", "n2", "n3"]
    assert [failure.record for failure in report.failed] == [sent[1], sent[4]]
    assert report.failed[0].record is sent[1]
    assert str(report.failed[0]) == f"{sent[1].key}: IMSSAV0010 edited"
    assert (report.unaccounted, report.unaccounted_count, report.unmatched) == ((), 0, ())
    assert not report.ok
    with pytest.raises(RecordsRejected, match=r"2 of 5 records failed, 0 unaccounted for: b2b n1") as caught:
        report.raise_for_failures()
    assert caught.value.report is report


def test_all_records_of_a_partial_success_may_have_failed() -> None:
    """Read PE with "0" processed and "2" errors, as a live portal answered, as two failures."""
    report = account(
        status("PE", processed=0, errors=2, error_report=(entry("n0"), entry("n1"))), batch(2), 2
    )
    assert (report.succeeded, len(report.failed), report.unaccounted) == ((), 2, ())
    assert report.state is PARTIAL


def test_a_refused_job_gives_every_record_its_code() -> None:
    """Report ER for each record with the job's code and message."""
    refused = status(
        "ER", processed=0, errors=0, error_code="IMSSAV005", error_message="Schema validation failure"
    )
    report = account(refused, batch(3), 3)
    assert [(f.code, f.message) for f in report.failed] == [("IMSSAV005", "Schema validation failure")] * 3
    assert (report.succeeded, report.unaccounted) == ((), ())
    assert (report.error_code, report.error_message) == ("IMSSAV005", "Schema validation failure")
    assert [f.code for f in account(status("ER"), batch(2), 2).failed] == ["ER", "ER"]


def test_a_refused_job_loses_no_reason_of_a_single_record() -> None:
    """Report a record's own reason after the job's, and keep entries that match no record."""
    facts = {"error_report": (entry("n1"), entry("n9")), "error_code": "IMSSAV005"}
    report = account(status("ER", error_message="Schema", **facts), batch(2), 2)
    assert [f.message for f in report.failed] == ["Schema", "Schema; IMSSAV0010: edited"]
    assert [f.code for f in report.failed] == ["IMSSAV005", "IMSSAV005"]
    assert numbers(report.unmatched) == ["n9"]
    assert account(status("ER", **facts), batch(2), 2).failed[1].message == "IMSSAV0010: edited"


@pytest.mark.parametrize(
    ("state", "facts"),
    [
        (JobState.FAILED, {"error_code": "err-task-failed"}),
        (JobState.FAILED, {"processed": 5, "errors": 0}),
        (PARTIAL, {"processed": 4, "errors": 1, "error_report": (entry("n2"),)}),
        (PARTIAL, {"processed": 5, "errors": 0}),
        (SUCCEEDED, {"processed": 5, "errors": 0}),
        (SUCCEEDED, {}),
    ],
)
def test_a_carrier_that_broke_off_says_nothing_of_records_that_are_not_listed(
    state: JobState, facts: dict[str, Any]
) -> None:
    """Leave them unaccounted, whatever was counted: GSTN itself has not been heard, and refused nothing."""
    broken = JobStatus(state=state, raw_code="failed", carrier_done=True, carrier_failed=True, **facts)
    listed = ["n2"] if "error_report" in facts else []
    report = account(broken, batch(5), 5)
    assert numbers(failure.record for failure in report.failed) == listed
    assert (report.succeeded, len(report.unaccounted)) == ((), 5 - len(listed))
    assert not report.ok
    with pytest.raises(RecordsRejected, match="unaccounted for"):
        report.raise_for_failures()
    unknown = account(broken, None, 5)
    assert (len(unknown.failed), unknown.unaccounted_count) == (len(listed), 5 - len(listed))
    assert not unknown.ok


@pytest.mark.parametrize("sent", [10, 12, 13])
def test_counts_that_contradict_the_list_leave_every_unlisted_record_unaccounted(sent: int) -> None:
    """Believe neither guess on the documented answer: ten processed, three errors, two of them listed."""
    told = read_status(load("vayana/reset-result-200")["body"]["data"], "data")
    records = [
        *batch(sent - 2),
        invoice("invoice-b2b").accept(),
        invoice("invoice-dn", Section.B2BDN).accept(),
    ]
    report = account(told, records, sent)
    assert [failure.key.number for failure in report.failed] == ["invoice-b2b", "invoice-dn"]
    assert report.succeeded == ()
    assert numbers(report.unaccounted) == [f"n{place}" for place in range(sent - 2)]
    assert report.unaccounted_count == sent - 2
    assert (report.processed_count, report.error_count) == (10, 3)


@pytest.mark.parametrize(
    ("code", "facts", "told"),
    [
        ("PE", {"processed": 4, "errors": 1}, True),
        ("PE", {"processed": 5, "errors": 1}, True),
        ("PE", {"processed": 3, "errors": 1}, False),
        ("PE", {"processed": 4, "errors": 2}, False),
        ("PE", {"processed": 4, "errors": 0}, False),
        ("PE", {"processed": 4}, True),
        ("PE", {"processed": 5}, False),
        ("PE", {"errors": 1}, False),
        ("PE", {}, False),
        ("S", {}, False),
    ],
)
def test_records_are_accounted_for_only_where_the_counts_agree(
    code: str, facts: dict[str, Any], told: bool
) -> None:
    """Infer that the unlisted records succeeded only from counts that say so."""
    report = account(status(code, error_report=(entry("n2"),), **facts), batch(5), 5)
    assert numbers(failure.record for failure in report.failed) == ["n2"]
    assert len(report.succeeded) == (4 if told else 0)
    assert len(report.unaccounted) == report.unaccounted_count == (0 if told else 4)


@pytest.mark.parametrize(
    ("facts", "told"),
    [({}, True), ({"processed": 5}, True), ({"processed": 5, "errors": 0}, True), ({"processed": 4}, False),
     ({"processed": 0}, False), ({"processed": 6}, False), ({"errors": 1}, False)],
)  # fmt: skip
def test_a_success_whose_counts_speak_against_it_is_not_believed(facts: dict[str, Any], told: bool) -> None:
    """Leave records unaccounted if a success counts fewer, or more, than were sent."""
    report = account(status("S", **facts), batch(5), 5)
    assert report.ok is told
    assert len(report.succeeded) == (5 if told else 0)
    if not told:
        with pytest.raises(RecordsRejected, match="0 of 5 records failed, 5 unaccounted for: see report"):
            report.raise_for_failures()


@pytest.mark.parametrize(
    ("key", "section"),
    [("cn", Section.B2BCN), ("dn", Section.B2BDN), ("cna", Section.B2BCNA), ("dna", Section.B2BDNA),
     ("b2bcn", Section.B2BCN), ("B2BDN", Section.B2BDN), ("b2b", Section.B2B), ("ecom", Section.ECOM)],
)  # fmt: skip
def test_notes_are_joined_under_their_short_names_by_inum(key: str, section: Section) -> None:
    """Find a refused note where the report calls its section cn or dn and its number inum."""
    data = {
        "status_cd": "PE",
        "proc_cnt": "1",
        "err_cnt": "1",
        "error_report": {
            key: [{"stin": SUPPLIER, "error_cd": "E", "inv": [{"inum": "n1", "rtnprd": "042023"}]}]
        },
    }  # fmt: skip
    sent = batch(2, section)
    report = account(read_status(data, "data.data"), sent, 2)
    assert [failure.record for failure in report.failed] == [sent[1]]
    assert report.succeeded == (sent[0],)


def test_a_note_and_an_invoice_of_one_number_do_not_collide() -> None:
    """Join within the section of the entry."""
    sent = [invoice("n0", section) for section in (Section.B2B, Section.B2BCN, Section.B2BDN)]
    report = account(status("PE", processed=2, errors=1, error_report=(entry("n0", Section.B2BCN),)), sent, 3)
    assert [failure.record for failure in report.failed] == [sent[1]]


def test_one_number_in_two_periods_never_collides() -> None:
    """Fail the record of the period that the entry names, and no other."""
    sent = [invoice("n0", return_period=period) for period in ("042022", "042023", "052023")]
    report = account(status("PE", processed=2, errors=1, error_report=(entry("n0"),)), sent, 3)
    assert [failure.record for failure in report.failed] == [sent[1]]
    assert report.succeeded == (sent[0], sent[2])


def test_one_number_from_two_suppliers_never_collides() -> None:
    """Fail the record of the supplier that the entry names."""
    sent = [invoice("n0", supplier="27AAPFU0939F1ZV"), invoice("n0")]
    report = account(status("PE", processed=1, errors=1, error_report=(entry("n0"),)), sent, 2)
    assert [failure.record for failure in report.failed] == [sent[1]]


@pytest.mark.parametrize(
    "facts",
    [{"number": "n9"}, {"number": None}, {"number": ""}, {"return_period": "042022"},
     {"supplier": "27AAPFU0939F1ZV"}, {"section": "impg"}, {"section": Section.ECOM},
     {"number": "n9", "return_period": None}, {"section": "impg", "return_period": None},
     {"section": "", "supplier": "", "number": None, "return_period": None}],
    ids=str,
)  # fmt: skip
def test_an_entry_that_fits_nothing_is_kept_and_leaves_the_rest_unaccounted(facts: dict[str, Any]) -> None:
    """Keep it in `unmatched`: it may mean any of the records that seem to have succeeded."""
    strange = entry(**{"number": "n0", **facts})
    report = account(status("PE", processed=1, errors=1, error_report=(strange,)), batch(2), 2)
    assert report.unmatched == (strange,)
    assert (report.succeeded, report.failed, len(report.unaccounted)) == ((), (), 2)
    assert not report.ok


_MISSING: list[dict[str, Any]] = [
    {"return_period": None}, {"return_period": ""}, {"supplier": ""}, {"section": ""}, {"number": None},
    {"supplier": "", "return_period": None}, {"section": "", "supplier": "", "return_period": None},
    {"number": None, "supplier": "", "section": ""},
]  # fmt: skip


@pytest.mark.parametrize("missing", _MISSING, ids=str)
def test_an_entry_that_lacks_ids_is_about_the_only_record_that_the_others_fit(
    missing: dict[str, Any],
) -> None:
    """Join on what is given: the other records differ from it in every id."""
    meant = invoice("n0")
    other = invoice("n1", Section.B2BCN, supplier="27AAPFU0939F1ZV", return_period="052023")
    told = entry(**{"number": " N0", **missing})
    report = account(status("PE", processed=1, errors=1, error_report=(told,)), [other, meant], 2)
    assert [failure.record for failure in report.failed] == [meant]
    assert (report.succeeded, report.unmatched) == ((other,), ())


@pytest.mark.parametrize("missing", _MISSING, ids=str)
def test_an_entry_that_lacks_ids_and_fits_several_records_is_about_none_of_them(
    missing: dict[str, Any],
) -> None:
    """Guess nothing, however often the same reason is given: each record may have another id."""
    given: dict[str, Any] = {
        "section": Section.B2B, "supplier": SUPPLIER, "number": "n0", "return_period": "042023",
    }  # fmt: skip
    others: dict[str, Any] = {
        "section": Section.B2BCN,
        "supplier": "x",
        "number": "n1",
        "return_period": "052023",
    }
    twin = {**given, **{name: others[name] for name in missing}}
    told = (entry(**missing),) * 2
    report = account(
        status("PE", processed=0, errors=2, error_report=told), [invoice(**given), invoice(**twin)], 2
    )
    assert (report.failed, report.succeeded, report.unmatched) == ((), (), told)
    assert report.unaccounted_count == 2


def test_an_entry_that_lacks_an_id_prefers_what_fits_exactly() -> None:
    """Fold case only where nothing fits as it is."""
    sent = [invoice("ab"), invoice("AB")]
    told = entry("AB", return_period=None)
    report = account(status("PE", processed=1, errors=1, error_report=(told,)), sent, 2)
    assert [failure.record for failure in report.failed] == [sent[1]]


@pytest.mark.parametrize("facts", [{"processed": 5, "errors": 0}, {"processed": 5}, {"processed": 4}, {}])
def test_a_partial_success_that_lists_no_failure_says_of_no_record_that_it_was_applied(
    facts: dict[str, Any],
) -> None:
    """The code says that something failed: no count makes that untrue."""
    report = account(status("PE", **facts), batch(5), 5)
    assert (report.succeeded, report.failed, report.unaccounted_count) == ((), (), 5)
    assert not report.ok
    assert account(status("PE", **facts), None, 5).unaccounted_count == 5


def test_an_entry_is_joined_in_another_case_and_with_spaces() -> None:
    """Fold case and white space where nothing fits exactly, and prefer what fits exactly."""
    told = entry(" N0 ", supplier=SUPPLIER.lower())
    report = account(status("PE", processed=0, errors=1, error_report=(told,)), batch(1), 1)
    assert len(report.failed) == 1
    sent = [invoice("ab").accept(), invoice("AB").accept()]
    exact = account(status("PE", processed=1, errors=1, error_report=(entry("AB"),)), sent, 2)
    assert [failure.record for failure in exact.failed] == [sent[1]]


def test_records_that_differ_in_their_date_only_are_not_guessed_between() -> None:
    """Leave both unaccounted where one entry may mean either; fail both where each has its entry."""
    twins = [invoice("n0"), invoice("n0", date=dt.date(2023, 4, 2))]
    one = account(status("PE", processed=1, errors=1, error_report=(entry("n0"),)), twins, 2)
    assert (one.failed, one.succeeded, one.unmatched) == ((), (), (entry("n0"),))
    assert list(one.unaccounted) == twins
    both = account(status("PE", processed=0, errors=2, error_report=(entry("n0"),) * 2), twins, 2)
    assert [failure.record for failure in both.failed] == twins
    assert both.unmatched == ()


def test_two_reasons_may_both_be_about_one_of_two_like_records() -> None:
    """Fail neither of two records that differ by date where two different reasons name them."""
    twins = [invoice("n0"), invoice("n0", date=dt.date(2023, 4, 2))]
    reasons = (entry("n0"), entry("n0", code="IMSSAV0054", message="itcRedReq"))
    report = account(status("PE", processed=1, errors=1, error_report=reasons), twins, 2)
    assert (report.failed, report.unmatched) == ((), reasons)
    assert list(report.unaccounted) == twins


def test_several_reasons_for_one_record_make_one_failure() -> None:
    """Count the record once and report every reason, each once."""
    reasons = (entry("n0"), entry("n0"), entry("n0", code="IMSSAV0054", message="itcRedReq"))
    report = account(status("PE", processed=1, errors=1, error_report=reasons), batch(2), 2)
    (failure,) = report.failed
    assert (failure.code, failure.message) == ("IMSSAV0010", "edited; IMSSAV0054: itcRedReq")
    assert numbers(report.succeeded) == ["n1"]


def test_a_reset_is_accounted_for_like_a_save() -> None:
    """Report on invoices, which a reset sends, as on decisions."""
    sent = [invoice("n0"), invoice("n1")]
    report = account(status("PE", processed=1, errors=1, error_report=(entry("n0"),)), sent, 2)
    assert (report.failed[0].record, report.succeeded) == (sent[0], (sent[1],))


# -- without the records ---------------------------------------------------------------------------------


def test_a_job_resumed_without_its_records_still_says_which_failed() -> None:
    """Give keys where there are no records, and counts of the rest."""
    facts: dict[str, Any] = {"processed": 3, "errors": 1, "error_report": (entry("n1"),)}
    report = account(status("PE", **facts), None, 4)
    (failure,) = report.failed
    assert failure.record is None
    assert tuple(failure.key) == (Section.B2B, SUPPLIER, "n1", None, "042023")
    assert (report.submitted, report.succeeded, report.unaccounted, report.unaccounted_count) == (
        4,
        (),
        (),
        0,
    )
    contradicted = account(status("PE", **{**facts, "errors": 2}), None, 4)
    assert contradicted.unaccounted_count == 3


def test_a_job_resumed_without_its_records_can_be_fine() -> None:
    """Be ok if the counts show it; for a job of unknown size they cannot."""
    assert account(status("S", processed=4), None, 4).ok
    assert account(status("S"), None, 4).ok
    assert not account(status("S", processed=4), None, None).ok
    assert not account(status("S", processed=3), None, 4).ok
    assert not account(status("PE", processed=3), None, None).ok
    unknown = account(status("PE", error_report=(entry("n1"),)), None, None)
    with pytest.raises(RecordsRejected, match=r"1 of \? records failed"):
        unknown.raise_for_failures()


def test_without_records_a_record_with_two_reasons_counts_once() -> None:
    """Merge what the report says of one record, as with the records at hand."""
    reasons = (entry("n1"), entry("n1", code="IMSSAV0054", message="itcRedReq"))
    report = account(status("PE", processed=3, errors=1, error_report=reasons), None, 4)
    assert [failure.message for failure in report.failed] == ["edited; IMSSAV0054: itcRedReq"]
    assert report.unaccounted_count == 0


def test_without_records_an_entry_that_names_none_is_unmatched() -> None:
    """Make no key out of an entry without `inv`; it may mean any record of its supplier."""
    report = account(status("PE", processed=3, errors=1, error_report=(entry(None),)), None, 4)
    assert (report.failed, report.unmatched) == ((), (entry(None),))
    assert report.unaccounted_count == 4
    assert not report.ok


def test_without_records_a_refused_job_has_nothing_open() -> None:
    """Know that no record of a refused job is applied, however many there were."""
    report = account(status("ER", error_code="IMSSAV005"), None, 4)
    assert (report.state, report.unaccounted_count, report.failed) == (JobState.FAILED, 0, ())
    assert not report.ok


# -- for all ---------------------------------------------------------------------------------------------

_sections = st.sampled_from([Section.B2B, Section.B2BCN, Section.ECOM])
_numbers = st.sampled_from(["n0", "n1", "N1", " n2", "n2", ""])
_periods = st.sampled_from(["042023", "042022"])
_suppliers = st.sampled_from([SUPPLIER, SUPPLIER.lower(), "27AAPFU0939F1ZV"])
_records = st.builds(
    invoice,
    number=_numbers,
    section=_sections,
    supplier=_suppliers,
    return_period=_periods,
    date=st.sampled_from([dt.date(2023, 4, 1), dt.date(2023, 4, 2)]),
)
_entries = st.builds(
    ErrorEntry,
    section=_sections | st.just("impg"),
    supplier=_suppliers,
    number=st.none() | _numbers,
    return_period=st.none() | _periods,
    code=st.sampled_from(["IMSSAV0010", "IMSSAV0054", ""]),
    message=st.sampled_from(["edited", ""]),
)
_counts = st.none() | st.integers(0, 8)
_statuses = st.builds(
    JobStatus,
    state=st.sampled_from([JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED]),
    processed=_counts,
    errors=_counts,
    error_report=st.lists(_entries, max_size=5).map(tuple),
)


@settings(max_examples=examples(500))
@given(told=_statuses, sent=st.lists(_records, max_size=6), as_decisions=st.booleans())
def test_every_record_is_in_exactly_one_group(
    told: JobStatus, sent: list[Invoice], as_decisions: bool
) -> None:
    """Split what was sent into succeeded, failed and unaccounted, each object once, for any answer."""
    records = [record.reject() for record in sent] if as_decisions else sent
    report = account(told, records, len(records))
    piles = [*report.succeeded, *(f.record for f in report.failed), *report.unaccounted]
    assert sorted(map(id, piles)) == sorted(map(id, records))
    assert report.unaccounted_count == len(report.unaccounted)
    assert all(failure.record is not None and failure.key == failure.record.key for failure in report.failed)
    assert set(report.unmatched) <= set(told.error_report)
    if told.state is JobState.FAILED:
        assert len(report.failed) == len(records)
    if report.unmatched and told.state is not JobState.FAILED:
        assert report.succeeded == ()
    if report.ok:
        assert len(report.succeeded) == len(records)


@settings(max_examples=examples(300))
@given(told=_statuses, submitted=_counts)
def test_a_report_without_records_never_counts_more_than_were_sent(
    told: JobStatus, submitted: int | None
) -> None:
    """Account for a job of any size, and of unknown size, from any answer."""
    report = account(told, None, submitted)
    assert 0 <= report.unaccounted_count <= (submitted or 0)
    assert len({failure.key for failure in report.failed}) == len(report.failed)
    named = sum(1 for told_entry in told.error_report if told_entry.number is None)
    assert len(report.unmatched) == named


def test_a_report_is_ok_only_without_anything_open() -> None:
    """Take each thing that may be open for not ok."""
    fine = JobReport(state=JobState.SUCCEEDED, submitted=1)
    assert len(repr(attrs.evolve(fine, succeeded=(invoice(),) * 1000))) < 500
    assert fine.ok
    failure = RecordFailure(record=None, key=invoice().key, code="", message="")
    for change in (
        {"state": JobState.PARTIAL},
        {"failed": (failure,)},
        {"unmatched": (entry(),)},
        {"unaccounted_count": 1},
    ):
        assert not attrs.evolve(fine, **change).ok


def test_a_task_at_work_whose_word_happens_to_be_p_has_not_ended() -> None:
    """The letter is GSTN's only where a document says so; a carrier's own word proves nothing."""
    running = JobStatus(state=JobState.PROCESSING, raw_code="P", documented=False)
    read = settle(running, submitted=None, evidence=Evidence(), now=0.0, p_means=PReading.PROCESSED)
    assert read.state is JobState.PROCESSING


def test_the_words_about_a_record_are_bounded_however_many_reasons_there_are() -> None:
    """Each reason may be as long as an error's text; what they are joined to is no longer."""
    sent = batch(1)
    long = [entry(code=f"E{place}", message=f"{place}" * 1_500) for place in range(3)]
    facts: dict[str, Any] = {"error_report": tuple(long)}
    (of_several,) = account(
        status("PE", state=JobState.PARTIAL, errors=1, processed=0, **facts), sent, None
    ).failed
    refused = {"state": JobState.FAILED, "error_code": "E9", "error_message": "x" * 1_900}
    (of_the_job,) = account(status("ER", **refused, **facts), sent, None).failed
    assert (len(of_several.message), len(of_the_job.message)) == (2_000, 2_000)
    assert of_the_job.message.startswith("x" * 1_900)
