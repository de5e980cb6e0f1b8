"""What a taxpayer reads of its GSTR-2B and its filed returns, over a scripted gateway."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from ims_async import (
    Gstr2bDocument,
    Gstr2bUnavailable,
    ImsClient,
    InvalidDecision,
    InvalidInput,
    NotSupported,
    RulePolicy,
    Sandbox,
    Taxpayer,
    UnexpectedAnswer,
    Vayana,
    WrongEventLoop,
)
from ims_async.gsp.base import Gsp
from ims_async.gsp.codec.json import json_text
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from .conftest import ONE_TRY, envelope, make_client
from .support import statements as samples
from .support.statements import PERIOD, at_sandbox, at_vayana

FIRST, SECOND = samples.FILES
GSTIN = "29AAACQ3770E1ZF"
OURS = {"gstin": GSTIN}


class Script:
    """A gateway that gives planned answers, in turn, and notes what it was asked for."""

    def __init__(self, *bodies: object) -> None:
        self.bodies, self.asked = list(bodies), list[str]()

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Answer."""
        self.asked.append(path)
        return 200, {}, json_text(self.bodies.pop(0)).encode()


def acme(script: Script, gsp: Gsp | None = None) -> Taxpayer:
    """A taxpayer of a client of its own."""
    client = ImsClient(
        gsp or Sandbox("key_live_demo"), transport=MemoryTransport(script), retry=ONE_TRY, clock=lambda: 1.0
    )
    return client.taxpayer(GSTIN, token="x" * 20)


def statement(facts: Mapping[str, Any], checksum: str = "aaaa") -> dict[str, Any]:
    """An answer of Sandbox's with a statement of this taxpayer."""
    return at_sandbox({**facts, **OURS}, checksum)


async def all_of(documents: AsyncIterator[Any]) -> list[str]:
    """The numbers of all documents."""
    return [document.number async for document in documents]


async def test_a_statement_is_fetched_with_all_its_files() -> None:
    """Joined, by one call."""
    bodies = [statement(part) for part in (samples.SUMMARY, FIRST, SECOND, samples.SUMMARY)]
    script = Script(*bodies)
    found = await acme(script).gstr2b(PERIOD)
    assert [document.number for document in found.documents] == ["S/26-27/001", "77"]
    assert (found.gstin, found.files, found.checksum) == (GSTIN, 2, "aaaa")
    assert [path.partition("?")[2] for path in script.asked] == ["", "file_number=1", "file_number=2", ""]


async def test_documents_come_file_by_file() -> None:
    """The second file is asked for when the first one's documents have been taken."""
    script = Script(*[statement(part) for part in (samples.SUMMARY, FIRST, SECOND, samples.SUMMARY)])
    documents = acme(script).gstr2b_documents(PERIOD)
    assert (await anext(documents)).number == "S/26-27/001"
    assert len(script.asked) == 2
    assert await all_of(documents) == ["77"]
    assert len(script.asked) == 4
    whole = Script(statement(samples.WHOLE))
    assert len(await all_of(acme(whole).gstr2b_documents(PERIOD))) == 13
    assert len(whole.asked) == 1


async def test_documents_of_two_statements_are_told() -> None:
    """Another version shows at its file, another checksum at the end, after the last document."""
    other = statement({**SECOND, "version": "1.1"})
    documents = acme(Script(statement(samples.SUMMARY), statement(FIRST), other)).gstr2b_documents(PERIOD)
    with pytest.raises(UnexpectedAnswer, match="made anew"):
        await all_of(documents)
    bodies = [
        statement(samples.SUMMARY),
        statement(FIRST),
        statement(SECOND),
        statement(samples.SUMMARY, "b"),
    ]
    documents = acme(Script(*bodies)).gstr2b_documents(PERIOD)
    assert [(await anext(documents)).number for _ in range(2)] == ["S/26-27/001", "77"]
    with pytest.raises(UnexpectedAnswer, match="checksum is not what it was"):
        await anext(documents)


async def test_documents_of_the_first_answer_are_not_kept() -> None:
    """Where there are files they are not used: one file is in memory at a time."""
    many = [{**samples.SUPPLIER, "inv": [samples.INVOICE] * 500}]
    first = statement({**samples.SUMMARY, "docdata": {"b2b": many}})
    documents = acme(Script(first, statement(FIRST))).gstr2b_documents(PERIOD)
    await anext(documents)
    gc.collect()
    assert sum(isinstance(one, Gstr2bDocument) for one in gc.get_objects()) < 500


@pytest.mark.parametrize("in_files", [False, True])
async def test_documents_are_freed_as_they_are_taken(monkeypatch: pytest.MonkeyPatch, in_files: bool) -> None:
    """To free 100,000 at once takes many milliseconds."""
    freed = 0

    def count(_: Gstr2bDocument) -> None:
        nonlocal freed
        freed += 1

    monkeypatch.setattr(Gstr2bDocument, "__del__", count, raising=False)
    many = statement({**FIRST, "docdata": {"b2b": [{**samples.SUPPLIER, "inv": [samples.INVOICE] * 3000}]}})
    bodies = [statement(samples.SUMMARY), many] if in_files else [many]
    documents = acme(Script(*bodies)).gstr2b_documents(PERIOD)
    for _ in range(2500):
        await anext(documents)
    assert 2490 <= freed <= 2500


async def test_a_file_that_is_sent_twice_is_not_yielded_twice() -> None:
    """The second one is refused."""
    documents = acme(Script(*[statement(one) for one in (samples.SUMMARY, FIRST, FIRST)])).gstr2b_documents(
        PERIOD
    )
    await anext(documents)
    with pytest.raises(UnexpectedAnswer, match="file 2 of the GSTR-2B of 102026 begins as an earlier"):
        await anext(documents)


async def test_a_mere_summary_has_no_documents_to_yield() -> None:
    """It is said, not passed over: `gstr2b` returns it."""
    mere = statement({**samples.FRAME, "itcsumm": samples.ITC_SUMMARY})
    with pytest.raises(UnexpectedAnswer, match="a mere summary"):
        await all_of(acme(Script(mere)).gstr2b_documents(PERIOD))
    assert (await acme(Script(mere)).gstr2b(PERIOD)).summary_only


async def test_an_empty_statement_and_none_are_two_things() -> None:
    """By GSTN's codes."""

    def refusal(code: str) -> dict[str, Any]:
        error = {"error_cd": code, "message": "m"}
        return {"code": 200, "data": {"error": error, "status_cd": "0"}, "transaction_id": "1"}

    assert await all_of(acme(Script(refusal("RET2B1016"))).gstr2b_documents(PERIOD)) == []
    assert (await acme(Script(refusal("RET2B1016"))).gstr2b(PERIOD)).documents == ()
    with pytest.raises(Gstr2bUnavailable, match=r"taxpayer\.regenerate_gstr2b\(period\)"):
        await acme(Script(refusal("GTR2B-002"))).gstr2b(PERIOD)


async def test_the_rows_that_do_not_fit_are_named() -> None:
    """In the error, or beside the good ones."""
    bad = statement({**FIRST, "docdata": {"b2b": [{**samples.SUPPLIER, "inv": [samples.INVOICE, {}]}]}})
    with pytest.raises(UnexpectedAnswer, match="1 of 2 documents cannot be read"):
        await acme(Script(bad)).gstr2b(PERIOD)
    found = await acme(Script(bad)).gstr2b(PERIOD, strict=False)
    assert (len(found.documents), len(found.problems)) == (1, 3)


async def test_a_filing_is_read() -> None:
    """By two requests, of either GSP."""
    row = {"ret_prd": PERIOD, "dof": "19-11-2026", "rtntype": "GSTR3B", "status": "Filed", "valid": "Y"}
    track, preference = {"EFiledlist": [row]}, {"response": [{"quarter": "Q3", "preference": "M"}]}

    def fine(data: object) -> dict[str, Any]:
        return {"code": 200, "data": {"data": data, "status_cd": "1"}, "transaction_id": "1"}

    for script, gsp in (
        (Script(fine(track), fine(preference)), None),
        (Script(envelope(track), envelope(preference)), Vayana("org-1", "user-token")),
    ):
        found = await acme(script, gsp).filing(PERIOD)
        assert (found.gstin, found.quarterly, [*found.filed]) == (GSTIN, False, [PERIOD])
        assert len(script.asked) == 2


async def test_what_is_no_period_is_refused_before_anything_is_asked() -> None:
    """Of each read."""
    script = Script()
    taxpayer = acme(script)
    with pytest.raises(InvalidInput, match="write MMYYYY"):
        await taxpayer.gstr2b("2026-10")
    with pytest.raises(InvalidInput, match="write MMYYYY"):
        await all_of(taxpayer.gstr2b_documents("102"))
    with pytest.raises(InvalidInput, match="GST began in July 2017"):
        await taxpayer.filing("062017")
    assert script.asked == []


async def test_vayanas_statement_lies_one_level_higher() -> None:
    """And nothing is asked of it to compute one: it documents no way."""
    script = Script(at_vayana({**samples.WHOLE, **OURS}))
    gsp = Vayana("org-1", "user-token")
    assert len((await acme(script, gsp).gstr2b(PERIOD)).documents) == 13
    with pytest.raises(NotSupported):
        next(gsp.regenerate(GSTIN, PERIOD))


def test_the_reads_belong_to_one_event_loop() -> None:
    """As all that a taxpayer does."""
    script = Script(statement(samples.WHOLE), statement(samples.WHOLE))
    kept: list[Taxpayer] = []

    async def begin() -> None:
        kept.append(acme(script))
        await kept[0].gstr2b(PERIOD)

    async def go_on(read: str) -> None:
        begun = getattr(kept[0], read)(PERIOD)
        with pytest.raises(WrongEventLoop):
            await (anext(begun) if read == "gstr2b_documents" else begun)

    asyncio.run(begin())
    for read in ("gstr2b", "gstr2b_documents", "filing"):
        asyncio.run(go_on(read))
    assert len(script.asked) == 1


async def test_other_tasks_run_while_a_statement_is_read() -> None:
    """Of 20,000 documents: another task has its turn all the while."""
    group = {**samples.SUPPLIER, "inv": [samples.INVOICE] * 500}
    script = Script(statement({**samples.FRAME, "docdata": {"b2b": [group] * 40}}))
    reading = asyncio.create_task(acme(script).gstr2b(PERIOD))
    turns, took = 0, list[float]()
    while not reading.done():
        began = time.process_time()
        await asyncio.sleep(0)
        took.append(time.process_time() - began)
        turns += 1
    assert len((await reading).documents) == 20_000
    assert turns > 200
    assert sorted(took)[len(took) * 99 // 100] < sum(took) / 20


@pytest.mark.both_gsps
async def test_what_is_filed_is_known_to_later_checks_of_that_taxpayer_only(sim: Simulator) -> None:
    """By the client's own rules, with its levels; until it is asked for nothing is known."""
    rules = RulePolicy(levels={"period-closed": "refuse"}, filed=["112024"])
    client = make_client(sim, rules=rules)
    acme, other = (client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins)
    records = {one: [row.accept() for row in await one.invoices("b2b", "N")] for one in (acme, other)}
    own = {one: [row for row in rows if row.return_period == "102024"] for one, rows in records.items()}
    assert all(own.values())
    sim.returns.file_gstr3b(acme.gstin, "102024", dt.date(2024, 11, 18))
    await acme.check(own[acme])
    assert not (await other.filing("102024")).filed
    assert (await acme.filing("102024")).filed
    for change in (
        acme.check(own[acme]),
        acme.save(own[acme]),
        acme.reset([one.invoice for one in own[acme]]),
    ):
        with pytest.raises(InvalidDecision) as refused:
            await change
        assert {one.code for one in refused.value.findings if one.level == "refuse"} == {"period-closed"}
    await other.check(own[other])
    with pytest.raises(InvalidDecision):  # what the client's rules say of every taxpayer still counts
        await other.check([row for row in records[other] if row.return_period == "112024"])
    assert sim.count("save") == 0
    assert not [one async for one in client.jobs()]
