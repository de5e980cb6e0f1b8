"""Batches cut by the bytes that they make: nothing lost, none over the limit, each as full as it can be."""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import JobKind, PayloadTooLarge, Section, Taxpayer
from ims_async.gsp.codec import Chunk, PackedBody, chunking, pack_body, pack_chunks
from ims_async.gsp.codec.json import PAUSE
from ims_async.jobs.sending import Batch
from ims_async.model.records import Record
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator
from ims_async.taxpayer import state_of

from ..conftest import make_client, make_gsp
from ..support import strategies
from ..support.recorded import first_request
from ..support.sweeps import examples
from .test_codec_writing import GSTIN, invoice

SAVE, RESET = JobKind.SAVE, JobKind.RESET
KINDS: Final = pytest.mark.parametrize("kind", [SAVE, RESET])


def whole(kind: JobKind, records: Sequence[Record]) -> bytes:
    """Return the one body that these records make."""
    packing = pack_body(GSTIN, kind, records)
    try:
        while True:
            next(packing)
    except StopIteration as stop:
        content: bytes = stop.value.content
        return content


def cut(kind: JobKind, records: Sequence[Record], limit: int, most: int | None = None) -> list[Chunk]:
    """Return all chunks."""
    steps = pack_chunks(GSTIN, kind, records, limit=limit, most=most)
    return [step for step in steps if isinstance(step, Chunk)]


def rows(kind: JobKind, count: int, section: Section = Section.B2B) -> list[Record]:
    """Return so many records of much the same size."""
    read = [invoice(section, number=f"x{place:04}") for place in range(count)]
    return [record.accept() for record in read] if kind is SAVE else list(read)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The records whose rows were written, as they are written."""
    seen: list[Record] = []
    write: Any = vars(chunking)["write_row"]

    def note(record: Record) -> Any:
        seen.append(record)
        return write(record)

    monkeypatch.setattr(chunking, "write_row", note)
    return seen


# -- any batch, any limit ------------------------------------------------------------------------------


@attrs.frozen
class Case:
    """A batch, and how it is to be cut."""

    kind: JobKind
    records: list[Record]
    limit: int
    most: int | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Batches of a few different records each many times, under a limit that takes each of them alone."""
    kind = draw(st.sampled_from([SAVE, RESET]))
    times, rows_at_least = draw(st.sampled_from([1, 10, 60])), draw(st.sampled_from([1, 3, 20, 250]))
    most = draw(st.sampled_from([None, None, 1, 7, 199, 230]))
    one: Any = strategies.decisions if kind is SAVE else strategies.records
    sections = draw(st.lists(strategies.sections(), min_size=2, max_size=4, unique=True))
    few: list[Record] = [draw(one(section)) for section in sections]
    records = draw(st.lists(st.sampled_from(few), min_size=1, max_size=10)) * times
    largest = max(len(whole(kind, [record])) for record in few)
    return Case(kind, records, rows_at_least * largest + draw(st.integers(0, largest)), most)


@settings(max_examples=examples(60))
@given(cases())
def test_whatever_is_cut_is_whole_again(case: Case) -> None:
    """The very records in their order, in bodies that fit, each the one that its records make."""
    chunks, counted = cut_and_counted(case)
    together = [record for chunk in chunks for record in chunk.records]
    assert [id(record) for record in together] == [id(record) for record in case.records]
    for chunk in chunks:
        assert chunk.body.content == whole(case.kind, chunk.records)
        assert len(chunk.body.content) <= case.limit
        assert 1 <= len(chunk.records) <= (case.most or sys.maxsize)
        assert chunk.body.records == len(chunk.records)
    # The size that is counted on the way is that of the body, whichever sections come in whatever order.
    assert counted == [len(chunk.body.content) for chunk in chunks]
    # Each is as full as it can be: the first record of the next would have been one too many, or too long.
    for chunk, after in itertools.pairwise(chunks):
        more = whole(case.kind, [*chunk.records, after.records[0]])
        assert len(chunk.records) == case.most or len(more) > case.limit


def cut_and_counted(case: Case) -> tuple[list[Chunk], list[int]]:
    """Return all chunks, and the size that was counted of each as it was closed."""
    counted: list[int] = []

    class Counting(chunking._Open):
        def close(self) -> Chunk:
            counted.append(self.size)
            return super().close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "_Open", Counting)
        return cut(case.kind, case.records, case.limit, case.most), counted


# -- sizes ---------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("sections", [[Section.B2B], list(Section)])
def test_chunks_of_small_rows_are_nearly_full(kind: JobKind, sections: list[Section]) -> None:
    """At least 95 parts in a hundred, where a row is one in forty."""
    records = [record for place in range(60) for name in sections for record in rows(kind, 1, name)]
    limit = 40 * max(len(whole(kind, [record])) for record in records)
    *full, _ = cut(kind, records, limit)
    assert len(full) > 0
    assert all(0.95 * limit <= len(chunk.body.content) <= limit for chunk in full)


@KINDS
@pytest.mark.parametrize("count", [199, 200, 201, 1001])
def test_a_long_chunk_is_what_one_body_would_be(kind: JobKind, count: int) -> None:
    """To the byte, wherever it is interrupted, with every section from the start or only later."""
    records = [record for name in Section for record in rows(kind, count // 8 + 1, name)]
    mixed = sorted(records, key=lambda record: record.number)
    for batch in (records[-count:], mixed[:count]):
        (chunk,) = cut(kind, batch, 100_000_000)
        assert chunk.body.content == whole(kind, batch)


@KINDS
def test_a_chunk_may_be_full_to_the_last_byte(kind: JobKind) -> None:
    """The limit is what a body may have; a byte less, and the last record goes with the next."""
    records = rows(kind, 10)
    exact = len(whole(kind, records[:5]))
    assert [len(chunk.records) for chunk in cut(kind, records, exact)] == [5, 5]
    assert [len(chunk.records) for chunk in cut(kind, records, exact - 1)] == [4, 4, 2]


@KINDS
def test_the_number_of_records_is_a_limit_too(kind: JobKind) -> None:
    """Whichever is reached first."""
    records = rows(kind, 10)
    assert [len(chunk.records) for chunk in cut(kind, records, 1_000_000, 4)] == [4, 4, 2]
    assert [len(chunk.records) for chunk in cut(kind, records, len(whole(kind, records[:3])), 4)] == [
        3,
        3,
        3,
        1,
    ]


@KINDS
def test_nothing_makes_no_chunk(kind: JobKind) -> None:
    """And nothing else either."""
    assert list(pack_chunks(GSTIN, kind, [], limit=1)) == []


@KINDS
@pytest.mark.parametrize("place", [0, 1, 7, 9])
def test_a_record_that_is_too_large_alone_is_told_after_all_before_it(kind: JobKind, place: int) -> None:
    """By its place and its key; what comes before it was handed out, what comes behind it is not."""
    records = rows(kind, 10)
    limit = len(whole(kind, records[:4]))
    long = invoice(number="L" * limit)
    records[place] = long.accept() if kind is SAVE else long
    steps = pack_chunks(GSTIN, kind, records, limit=limit)
    handed_out: list[Record] = []

    def take_all() -> None:
        for step in steps:
            assert isinstance(step, Chunk)
            handed_out.extend(step.records)

    with pytest.raises(PayloadTooLarge) as caught:
        take_all()
    assert [id(record) for record in handed_out] == [id(record) for record in records[:place]]
    assert (caught.value.size, caught.value.limit) == (len(whole(kind, [records[place]])), limit)
    assert f"record {place + 1} ({long.key})" in str(caught.value)
    assert next(steps, None) is None


@KINDS
@pytest.mark.parametrize("tenths", [0, 1, 9, 10, 25, 1000])
def test_only_single_records_pass_what_is_aimed_at(kind: JobKind, tenths: int) -> None:
    """A limit that was found by trying cuts smaller; it refuses nothing, as the documented one does."""
    records = rows(kind, 20)
    aim, limit = len(whole(kind, records[:1])) * tenths // 10, len(whole(kind, records))
    steps = list(pack_chunks(GSTIN, kind, records, limit=limit, aim=aim))
    chunks = [step for step in steps if isinstance(step, Chunk)]
    assert [id(record) for chunk in chunks for record in chunk.records] == [id(record) for record in records]
    for chunk in chunks:
        assert len(chunk.records) == 1 or len(chunk.body.content) <= aim
        assert len(chunk.body.content) <= limit
    assert len(chunks) == (20 if tenths <= 10 else 1 if tenths == 1000 else len(chunks))


# -- one at a time -------------------------------------------------------------------------------------


@KINDS
def test_the_next_chunk_is_not_written_before_it_is_asked_for(kind: JobKind, written: list[Record]) -> None:
    """But for the one row that did not fit, which is written once like all others."""
    records = rows(kind, 100)
    steps = pack_chunks(GSTIN, kind, records, limit=len(whole(kind, records[:10])))
    assert written == []
    for count in range(1, 10):
        assert isinstance(next(steps), Chunk)
        assert written == records[: 10 * count + 1]
    assert isinstance(next(steps), Chunk)
    assert next(steps, None) is None
    assert [id(record) for record in written] == [id(record) for record in records]


@KINDS
@pytest.mark.parametrize("limit", [5_000, 150_000, 100_000_000])
@pytest.mark.parametrize("most", [None, 150, 199, 200, 201])
def test_it_pauses_on_the_way(kind: JobKind, limit: int, most: int | None, written: list[Record]) -> None:
    """Others get a turn after 200 rows at most, however long a chunk is."""
    before = pauses = 0
    for step in pack_chunks(GSTIN, kind, rows(kind, 1001), limit=limit, most=most):
        assert len(written) - before <= 200
        before, pauses = len(written), pauses + (step is PAUSE)
    assert len(written) - before <= 200
    assert pauses == 5


@KINDS
def test_a_body_that_was_returned_is_not_kept(kind: JobKind) -> None:
    """Only its caller refers to it: the last one like all others, without a garbage collection."""
    records = rows(kind, 450)
    steps = pack_chunks(GSTIN, kind, records, limit=len(whole(kind, records[:210])))
    seen = 0
    while (step := next(steps, None)) is not None:
        if isinstance(step, Chunk):
            gone, content = weakref.ref(step.body), step.body.content
            del step
            assert gone() is None
            assert sys.getrefcount(content) <= 2  # our own, and the call's
            seen += 1
    assert seen == 3


# -- through the whole client --------------------------------------------------------------------------


class Listening:
    """A way into a simulator that keeps the bodies of changes."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.bodies: list[bytes] = []

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Any:
        """Hand it on."""
        answered = self._sim.handle(method, path, headers, body)
        if self._sim.requests[-1].operation in ("save", "reset"):
            self.bodies.append(body)
        return answered


@pytest.mark.both_gsps
@KINDS
def test_a_body_that_was_made_is_sent_as_it_is(kind: JobKind, sim: Simulator) -> None:
    """No copy of it, and whatever else is said of the records."""
    gsp, records = make_gsp(sim), rows(kind, 3)
    body = PackedBody(whole(kind, records[::-1]), 3)
    submit = gsp.save if kind is SAVE else gsp.reset
    request = first_request(submit(GSTIN, records, packed=body))  # type: ignore[arg-type]
    assert request.body is body.content
    assert request.changes
    plain = first_request(submit(GSTIN, records))  # type: ignore[arg-type]
    assert plain.body == whole(kind, records)
    assert attrs.evolve(plain, body=None) == attrs.evolve(request, body=None)


async def some(taxpayer: Taxpayer) -> list[Any]:
    """Read what a taxpayer can accept and take back."""
    return [row async for row in taxpayer.all_invoices() if row.section in (Section.B2B, Section.ECOM)]


@pytest.mark.looptime
@pytest.mark.both_gsps
@pytest.mark.sim(taxpayers=1, invoices=200)
async def test_bodies_that_are_handed_in_have_the_effects_of_their_records(sim: Simulator) -> None:
    """Saved and reset in several jobs of the very bodies that were cut; each record once, none other."""
    way = Listening(sim)
    client = make_client(sim, transport=MemoryTransport(way, clock=sim.now))
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]), check=False)
    saved = [row.reject() for row in await some(taxpayer)]
    sent = await _hand_in(taxpayer, SAVE, saved)
    assert _effects(sim) == [(*_name(record), "R") for record in saved]
    reset = await some(taxpayer)
    sent += await _hand_in(taxpayer, RESET, reset)
    assert _effects(sim)[len(saved) :] == [(*_name(row), "N") for row in reset]
    assert way.bodies == sent
    assert len(sent) > 4


async def _hand_in(taxpayer: Taxpayer, kind: JobKind, records: Sequence[Record]) -> list[bytes]:
    """Hand all in as bodies of a few kilobytes; return them. The order in a body is that of the body."""
    sent = []
    for chunk in pack_chunks(taxpayer.gstin, kind, records, limit=6_000):
        assert isinstance(chunk, Chunk)
        batch = Batch(kind=kind, records=chunk.records[::-1], body=chunk.body, checked=True)
        job = await state_of(taxpayer).changes.submit_what(functools.partial(_ready, batch), queue=True)
        assert job is not None
        assert job.submitted == len(chunk.records)
        assert (await job).ok
        sent.append(chunk.body.content)
    return sent


def _name(record: Record) -> tuple[str, ...]:
    return record.section, record.supplier, record.number, record.return_period


def _effects(sim: Simulator) -> list[tuple[str, ...]]:
    return [
        (effect.section, effect.supplier, effect.number, effect.period, effect.after)
        for effect in sim.effects
    ]


async def _ready(batch: Batch) -> Batch:
    return batch
