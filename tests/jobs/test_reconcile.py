"""Settling by looking: what the gateway shows now against what was decided."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import (
    Action,
    Decision,
    ImsClient,
    Invoice,
    ItcReduction,
    JobInFlight,
    OutcomeUnknown,
    Reconciliation,
    Section,
)
from ims_async.jobs.reconcile import Comparing, Effect, compare, same_document
from ims_async.simulator import Simulator
from ims_async.steps import run

from ..conftest import dialect, envelope, from_gstn

BEFORE = Invoice(
    section=Section.B2BCNA,
    supplier="29AAACQ3770E1ZF",
    number="CN/1",
    date=dt.date(2024, 11, 5),
    return_period="112024",
    value=Decimal("118.00"),
    taxable_value=Decimal(100),
    igst=Decimal(18),
    cgst=Decimal(0),
    sgst=Decimal(0),
    cess=Decimal(0),
    original_number="CN/0",
    original_date=dt.date(2024, 10, 5),
    hash="f00",
)
ACCEPTED = attrs.evolve(BEFORE, action=Action.ACCEPT)
REJECTED = attrs.evolve(BEFORE, action=Action.REJECT)

APPLIED, NOT_APPLIED = Effect.APPLIED, Effect.NOT_APPLIED
CHANGED, CANNOT_TELL = Effect.CHANGED, Effect.CANNOT_TELL_YET


def effect(record: Decision | Invoice, now: Invoice | None, *, quiet: bool) -> Effect:
    """Compare one record and say which pile it is in."""
    found = compare([record], {} if now is None else {now.key: now}, quiet=quiet)
    piles = {
        APPLIED: found.applied,
        NOT_APPLIED: found.not_applied,
        CHANGED: found.changed,
        CANNOT_TELL: found.cannot_tell_yet,
    }
    (pile,) = [name for name, records in piles.items() if records]
    assert piles[pile] == (record,)
    assert found.settled is (pile is not CANNOT_TELL)
    return pile


@pytest.mark.parametrize(
    ("record", "now", "quiet", "still_running"),
    [
        (BEFORE.accept(), ACCEPTED, APPLIED, APPLIED),
        (BEFORE.accept(), BEFORE, NOT_APPLIED, CANNOT_TELL),
        (BEFORE.accept(), REJECTED, NOT_APPLIED, CANNOT_TELL),
        (BEFORE.accept("fine"), ACCEPTED, APPLIED, APPLIED),
        (BEFORE.accept(), None, CHANGED, CANNOT_TELL),
        (BEFORE.accept(), attrs.evolve(ACCEPTED, hash="f01"), CHANGED, CHANGED),
        (BEFORE.accept(), attrs.evolve(BEFORE, hash="f01"), CHANGED, CHANGED),
        (ACCEPTED, BEFORE, APPLIED, APPLIED),
        (ACCEPTED, ACCEPTED, NOT_APPLIED, CANNOT_TELL),
        (ACCEPTED, REJECTED, NOT_APPLIED, CANNOT_TELL),
        (ACCEPTED, None, CHANGED, CANNOT_TELL),
        (BEFORE, BEFORE, APPLIED, APPLIED),
        (ACCEPTED.accept(), ACCEPTED, APPLIED, APPLIED),
    ],
)
def test_a_second_look_tells_what_took_effect(
    record: Decision | Invoice, now: Invoice | None, quiet: Effect, still_running: Effect
) -> None:
    """Say "not applied" only after the quiet time; a change by the supplier is told at once."""
    assert effect(record, now, quiet=True) is quiet
    assert effect(record, now, quiet=False) is still_running


def test_a_record_that_is_not_shown_may_be_among_the_rows_that_were_not_read() -> None:
    """Say that it is gone only of a section that was read to the last row."""
    record = BEFORE.accept()
    for unread, expected in (((), "changed"), ((Section.B2BCN,), "changed"), ((record.section,), "open")):
        found = compare([record], {}, quiet=True, unread=unread)
        assert (found.changed, found.cannot_tell_yet) == (
            ((record,), ()) if expected == "changed" else ((), (record,))
        )


def _shown(**facts: Any) -> Invoice:
    return attrs.evolve(ACCEPTED, **facts)


PARTIAL = ItcReduction.partial(igst=Decimal("5.50"))


@pytest.mark.parametrize(
    ("decide", "now", "quiet", "still_running"),
    [
        (lambda i: i.accept("new"), _shown(remarks="new"), APPLIED, APPLIED),
        (lambda i: i.accept("new"), _shown(remarks="old"), NOT_APPLIED, CANNOT_TELL),
        (lambda i: i.accept("new"), _shown(), CHANGED, CANNOT_TELL),
        (lambda i: i.accept(""), _shown(), APPLIED, APPLIED),
        (lambda i: i.accept(""), _shown(remarks="old"), NOT_APPLIED, CANNOT_TELL),
        (lambda i: i.accept(itc_reduction=PARTIAL), _shown(itc_reduction=PARTIAL), APPLIED, APPLIED),
        (
            lambda i: i.accept(itc_reduction=PARTIAL),
            _shown(itc_reduction=ItcReduction(required=True, igst=Decimal("5.5"))),
            APPLIED,
            APPLIED,
        ),
        (
            lambda i: i.accept(itc_reduction=PARTIAL),
            _shown(itc_reduction=ItcReduction.full()),
            NOT_APPLIED,
            CANNOT_TELL,
        ),
        (
            lambda i: i.accept(itc_reduction=ItcReduction.none()),
            _shown(itc_reduction=ItcReduction.full()),
            NOT_APPLIED,
            CANNOT_TELL,
        ),
        (lambda i: i.accept(itc_reduction=PARTIAL), _shown(remarks="x"), CHANGED, CANNOT_TELL),
        (
            lambda i: i.accept("new", PARTIAL),
            _shown(remarks="new", itc_reduction=ItcReduction.none()),
            NOT_APPLIED,
            CANNOT_TELL,
        ),
        (lambda i: i.accept("new", PARTIAL), _shown(itc_reduction=PARTIAL), CHANGED, CANNOT_TELL),
    ],
)
def test_an_edit_of_remarks_or_reduction_alone_is_looked_at_closely(
    decide: Callable[[Invoice], Decision], now: Invoice, quiet: Effect, still_running: Effect
) -> None:
    """Compare the details where the action was the same before: the action alone would prove nothing.

    What a gateway does not show at all is for a person.
    """
    decision = decide(ACCEPTED)
    assert effect(decision, now, quiet=True) is quiet
    assert effect(decision, now, quiet=False) is still_running


@pytest.mark.parametrize(
    "change",
    [{"value": Decimal(119)}, {"taxable_value": Decimal(101)}, {"igst": Decimal(19)}, {"cgst": Decimal(1)},
     {"sgst": Decimal(1)}, {"cess": Decimal(1)}, {"original_number": "CN/00"},
     {"original_date": dt.date(2024, 10, 6)}, {"hash": "f01"}],
    ids=str,
)  # fmt: skip
def test_a_record_that_the_supplier_edited_is_another_document(change: dict[str, Any]) -> None:
    """Notice a change of hash, of any amount, and of what it amends."""
    assert not same_document(BEFORE, attrs.evolve(BEFORE, **change))
    assert not same_document(attrs.evolve(BEFORE, **change), BEFORE)


@pytest.mark.parametrize(
    "change",
    [{"hash": None}, {"value": Decimal(118)}, {"supplier_filed": True}, {"remarks": "x"},
     {"action": Action.PENDING}, {"pending_allowed": False}, {"supplier_name": "Acme"},
     {"extra": {"newer": 1}}],
    ids=str,
)  # fmt: skip
def test_what_does_not_come_from_the_suppliers_document_does_not_change_it(change: dict[str, Any]) -> None:
    """Ignore what filing, acting or a newer gateway changes, and how an amount is written."""
    assert same_document(BEFORE, attrs.evolve(BEFORE, **change))
    assert same_document(attrs.evolve(BEFORE, **change), BEFORE)


_shown_versions = st.builds(
    attrs.evolve,
    st.just(BEFORE),
    number=st.sampled_from(["1", "2", "3"]),
    action=st.sampled_from(Action),
    remarks=st.sampled_from([None, "", "x"]),
    hash=st.sampled_from([None, "f00", "f01"]),
)
_decisions = st.builds(
    Decision,
    invoice=_shown_versions,
    action=st.sampled_from(Action),
    remarks=st.sampled_from([None, "", "x"]),
    itc_reduction=st.sampled_from([None, PARTIAL]),
)


@given(st.lists(_decisions, max_size=8), st.lists(_shown_versions, max_size=3), st.booleans())
def test_every_decision_is_in_exactly_one_pile(
    decisions: list[Decision], shown: list[Invoice], quiet: bool
) -> None:
    """Sort all decisions, in their order, whatever the gateway shows."""
    current = {invoice.key: invoice for invoice in shown}
    found = compare(decisions, current, quiet=quiet)
    piles = [*found.applied, *found.not_applied, *found.changed, *found.cannot_tell_yet]
    assert sorted(map(id, piles)) == sorted(map(id, decisions))
    assert not (quiet and found.cannot_tell_yet)
    assert quiet or not found.not_applied


@given(
    st.lists(_decisions | _shown_versions, max_size=8),
    st.lists(st.lists(_shown_versions, max_size=3), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_rows_that_come_part_by_part_are_compared_as_they_are_in_the_end(
    records: list[Decision | Invoice], parts: list[list[Invoice]], quiet: bool, stale: bool
) -> None:
    """Of several with one key the last counts; what is sent again is the record itself if nothing is new."""
    as_read = [] if stale else [record.key for record in records]
    current = {invoice.key: invoice for part in parts for invoice in part}
    comparing = Comparing(records, quiet=quiet, as_read=as_read.__contains__, resending=True)
    assert run(comparing.begin()) == {record.section for record in records}
    for part in parts:
        comparing.take(part)
    found = run(comparing.found(()))
    for pile, wanted in zip(
        attrs.astuple(found, recurse=False),
        attrs.astuple(compare(records, current, quiet=quiet, as_read=as_read), recurse=False),
        strict=True,
    ):
        assert list(map(id, pile)) == list(map(id, wanted))
    again = run(comparing.as_they_stand())
    assert len(again) == len(found.not_applied)
    for one, record in zip(again, found.not_applied, strict=True):
        now, before = current[record.key], record.invoice if isinstance(record, Decision) else record
        assert one == (attrs.evolve(record, invoice=now) if isinstance(record, Decision) else now)
        assert (one is record) is (now == before)


def test_a_record_that_was_typed_is_sent_again_as_the_one_that_is_shown() -> None:
    """Its ids are a gateway's then, which go back unchanged."""
    typed, shown = BEFORE.accept(), attrs.evolve(BEFORE, read_from_gateway=True)
    comparing = Comparing([typed], quiet=True, resending=True)
    run(comparing.begin())
    comparing.take([shown])
    assert run(comparing.found(())).not_applied == (typed,)
    (again,) = run(comparing.as_they_stand())
    assert again == typed
    assert isinstance(again, Decision)
    assert again.invoice is shown


def test_nothing_is_settled_from_the_start() -> None:
    """Have no open decision where there is none at all."""
    assert Reconciliation().settled
    assert compare([], {}, quiet=False) == Reconciliation()


# -- over the simulator --------------------------------------------------------------------------------

Look = tuple[str, int, dict[str, Any]]
"""An operation, and the status and body of the answer to it that a test plans."""


def _sandbox(data: dict[str, Any]) -> Look:
    return "invoices", 200, {"code": 200, "data": {"data": data, "status_cd": "1"}}


_NOTHING_FOUND = {"status_cd": "0", "error": {"error_cd": "RET13508", "message": "No record found"}}
_BAD_ROW = {"b2b": [{"inum": "BAD"}]}
LOOKS: dict[str, dict[str, Look]] = {
    "sandbox": {
        "another answer": _sandbox({"foo": [1]}),
        "a bad row": _sandbox(_BAD_ROW),
        "no page": _sandbox({}),
        "nothing found": ("invoices", 200, {"code": 200, "data": _NOTHING_FOUND}),
    },
    "vayana": {
        "another answer": ("page", 200, envelope({"foo": [1]})),
        "a bad row": ("page", 200, envelope(_BAD_ROW)),
        "no page": ("result", 200, envelope({"pages": 0})),
        "nothing found": ("result", 502, from_gstn("RET13508")),
    },
}
"""What does not show a record that was decided on, in the words of each GSP."""


@pytest.mark.both_gsps
@pytest.mark.looptime
@pytest.mark.sim(job_seconds=1000.0)
@pytest.mark.parametrize("how", LOOKS["sandbox"])
async def test_a_record_that_is_not_shown_while_gstn_works_is_no_record_that_is_gone(
    client: ImsClient, sim: Simulator, gsp_name: str, how: str
) -> None:
    """Nothing is settled and the turn is held, until the quiet time is over and the rows can be read."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    decision = rows[0].accept()
    sim.script_answer("save", 200, dialect().half, after=True)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([decision])
    job = caught.value.job
    assert job is not None

    async def look() -> Reconciliation:
        operation, status, body = LOOKS[gsp_name][how]
        sim.script_answer(operation, status, body)
        return await acme.reconcile(job)

    found = await look()
    assert (found.cannot_tell_yet, found.changed, found.settled) == ((decision,), (), False)
    assert acme.unfinished() == [job]
    with pytest.raises(JobInFlight, match="reconcile"):
        await acme.save([rows[1].accept()])
    await asyncio.sleep(1800)
    if how in ("another answer", "a bad row"):  # which leave open what else was there
        assert (await look()).cannot_tell_yet == (decision,)
        assert acme.unfinished() == [job]
    assert (await acme.reconcile(job)).applied == (decision,)
    assert acme.unfinished() == []
    assert (await (await acme.save([rows[1].accept()]))).ok
    assert sim.count("save") == 2


@pytest.mark.both_gsps
@pytest.mark.looptime
async def test_a_record_that_is_not_shown_after_the_quiet_time_is_gone(
    client: ImsClient, sim: Simulator, gsp_name: str
) -> None:
    """Of a section that was read to the last row: a person has to look, and the turn is free."""
    acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    rows = await acme.invoices(Section.B2B)
    sim.script_answer("save", 200, dialect().half)
    with pytest.raises(OutcomeUnknown) as caught:
        await acme.save([rows[0].accept()])
    job = caught.value.job
    assert job is not None
    await asyncio.sleep(1801)
    for how in ("nothing found", "no page"):
        operation, status, body = LOOKS[gsp_name][how]
        sim.script_answer(operation, status, body)
        assert len((await acme.reconcile(job)).changed) == 1
        assert acme.unfinished() == []
