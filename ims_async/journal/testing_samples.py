"""What the checks of a journal are made of: changes in every state, unusual records, and assertions."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Coroutine
from decimal import Decimal
from typing import Any, Final

import attrs

from ..errors import JournalError
from ..model.change import Change
from ..model.moves import Cause, ChangeState
from ..model.records import Invoice, ItcReduction, Record, RecordKey
from ..model.status import ErrorEntry, Found, JobKind, JobState, JobStatus
from ..model.tokens import JobToken
from ..model.vocabulary import Action, Section
from .base import Journal, Query

GSTIN: Final = "29AAACQ3770E1ZF"
OTHER_GSTIN: Final = "27AAACQ3770E1ZJ"
HANDED_IN: Final = dt.datetime(2026, 11, 21, 9, 30, 0, 123457, tzinfo=dt.UTC)
SENT: Final = HANDED_IN + dt.timedelta(hours=1, microseconds=1)
WORDS: Final = "«ना» \x00 \x1b[2J \r\n\t \u2028 '\"\\;--"
HALF: Final = f"{WORDS} \ud800"  # half a character, as a gateway's JSON may hold it
_KEY: Final = RecordKey(Section.B2B, GSTIN, "A/1", dt.date(2026, 10, 5), "102026")
_ANSWERED: Final = JobStatus(
    state=JobState.PARTIAL, raw_code="PE", processed=3, errors=2, error_code="E 1", error_message=HALF,
    polled_at=1_800_000_000.25, carrier_done=True, documented=False,
    error_report=(
        ErrorEntry(section=Section.ECOM, supplier=GSTIN, number="A/1", return_period="102026", code="E",
                   message=HALF),
        ErrorEntry(section="of tomorrow", supplier="", number=None, return_period=None, code="", message=""),
    ),
)  # fmt: skip
_BROKE_OFF: Final = JobStatus(state=JobState.FAILED, error_code="T", carrier_failed=True, polled_at=1.5)
_IN_THE_WAY: Final = JobStatus(state=JobState.FAILED, error_code="IMSSAV0015")
LOOKED_AT: Final = JobStatus(
    state=JobState.PARTIAL, processed=1, errors=2,
    found=Found(applied=1, not_applied=(_KEY,), changed=(RecordKey("of tomorrow", "", "", None, None),)),
)  # fmt: skip
IN_PLACE: Final = JobStatus(state=JobState.SUCCEEDED, processed=1, found=Found(applied=1))


def expect(found: object, expected: object, what: str) -> None:
    """Raise `AssertionError` if two values differ."""
    if found != expected:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


async def refused(call: Awaitable[object], what: str) -> None:
    """Raise `AssertionError` if a call raises no `JournalError`."""
    try:
        result = await call
    except JournalError:
        return
    raise AssertionError(f"{what}: expected a JournalError, found {result!r}")


def a_change(name: str, *, run: str = "", **facts: Any) -> Change:
    """Return a change that was handed in, of the usual taxpayer."""
    usual = JobToken(
        gsp="gsp", host="gateway.example", gstin=GSTIN, kind=JobKind.SAVE, reference_id=None, submitted=1,
        submitted_at=HANDED_IN, period="102026",
    )  # fmt: skip
    return Change(id=name, token=attrs.evolve(usual, **facts), run=run)


def invoices(count: int = 1) -> list[Record]:
    """Return invoices, numbered."""
    return [_invoice(number=f"A/{place}") for place in range(count)]


def _invoice(**facts: Any) -> Invoice:
    usual = Invoice(
        section=Section.B2B, supplier=GSTIN, number="A/1", date=dt.date(2026, 10, 5),
        return_period="102026", value=Decimal("1180.10"), taxable_value=Decimal(1000), igst=Decimal("180.1"),
        cgst=Decimal("0.00"), sgst=Decimal(0), cess=Decimal("1E+2"),
    )  # fmt: skip
    return attrs.evolve(usual, **facts)


def unusual() -> list[Record]:
    """Return bare and full records of every section, read and decided."""
    records: list[Record] = []
    for section in Section:
        bare = _invoice(section=section)
        full = _invoice(
            section=section, number=HALF, action=Action.PENDING, original_number="007", type="R",
            original_date=dt.date(2017, 7, 1), source_form="R1", place_of_supply="07", pending_allowed=True,
            supplier_filed=False, supplier_name=HALF, remarks=HALF, remarks_allowed=True, recipient=GSTIN,
            itc_reduction=ItcReduction.partial(igst=Decimal("0.10")), itc_reduction_allowed=False, hash="f0",
            extra={HALF: [Decimal("1.10"), 10**30, None, True, {"": HALF}]}, read_from_gateway=True,
        )  # fmt: skip
        records += [bare, full, bare.accept(), full.reject(HALF), full.accept(None, ItcReduction.full())]
    return records


def in_every_state(queued: Change) -> list[Change]:
    """Return a stored change as it may stand later, with every fact, in every state at least once."""
    late = dt.timedelta(days=7)
    sending = queued.claimed(attrs.evolve(queued.token, submitted_at=SENT, results_until=SENT + late))
    reference = attrs.evolve(queued.token, reference_id=f"réf {queued.id}", route="by way of a tåsk")
    accepted = sending.accepted(reference)
    return [
        sending.put_back(WORDS),
        sending,
        sending.lost(),
        accepted,
        accepted.heard(attrs.evolve(_ANSWERED, state=JobState.PROCESSING)),
        accepted.heard(_BROKE_OFF),
        accepted.heard(_ANSWERED),
        accepted.heard(_ANSWERED).marked_retried(),
        accepted.heard(_IN_THE_WAY),
        accepted.looked_at(LOOKED_AT),
        *(sending.called_off(WORDS, cause) for cause in Cause),
        queued.taken_over(WORDS).marked_retried(),
        accepted.abandoned(),
        accepted.heard(_BROKE_OFF).abandoned(),
    ]


def in_state(queued: Change, state: ChangeState) -> Change:
    """Return a stored change as it may stand later, in one state."""
    return next(change for change in in_every_state(queued) if change.state is state)


async def put(journal: Journal, change: Change) -> Change:
    """Put a change that is known to be at its current revision."""
    stored = await journal.put(change)
    if stored is None:
        raise AssertionError(f"put of {change.id} at its current revision {change.revision}: found None")
    return stored


async def stands(journal: Journal, name: str) -> Change:
    """Return how a change stands."""
    found = await journal.find(Query(ids=[name]))
    expect([change.id for change in found], [name], f"find(Query(ids=[{name!r}]))")
    return found[0]


async def ids(journal: Journal, query: Query) -> list[str]:
    """Return the ids of the changes that are found."""
    return [change.id for change in await journal.find(query)]


async def cancelled(call: Coroutine[Any, Any, object], turns: int) -> None:
    """Cancel a call after some turns of the event loop."""
    task = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
