"""Rows that have to be waited for, in virtual time: begun, polled, fetched part by part, never lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest

from ims_async import (
    Action,
    ClientClosed,
    Download,
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    Invoice,
    InvoiceList,
    JobInFlight,
    NotAuthorized,
    NotSent,
    OtpRequired,
    PollPolicy,
    RetryPolicy,
    Section,
    SessionExpired,
    Taxpayer,
    UnexpectedAnswer,
)
from ims_async.bulk.outage import OutageGate
from ims_async.gsp import verdicts as envelopes
from ims_async.gsp.base import Request, Response
from ims_async.gsp.vayana import answers as vayana_answers
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import LOGIN, eas, envelope, from_gstn, make_client, make_gsp, plan

pytestmark = [pytest.mark.looptime, pytest.mark.both_gsps]
prepared = pytest.mark.only_gsp("vayana", "Sandbox answers rows at once: there is nothing to wait for")

SHORT = PollPolicy(deadline=60.0)


def taxpayer_of(client: ImsClient, sim: Simulator, place: int = 0) -> Taxpayer:
    """A taxpayer, logged in."""
    return client.taxpayer(sim.gstins[place], token=sim.token(sim.gstins[place]))


@pytest.fixture
def acme(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The first taxpayer, logged in."""
    return taxpayer_of(client, sim)


def basic(sim: Simulator, **settings: Any) -> Taxpayer:
    """A taxpayer whose rows GSTN makes files of."""
    return taxpayer_of(make_client(sim, gsp=make_gsp(sim, downloads="basic"), **settings), sim)


def now() -> float:
    """Seconds on the loop's clock, which starts at 0 in each test."""
    return asyncio.get_running_loop().time()


def times(sim: Simulator, operation: str) -> list[float]:
    """When the requests of an operation arrived, in seconds from the first request on."""
    first = sim.requests[0].at
    return [request.at - first for request in sim.requests if request.operation == operation]


def truth(sim: Simulator, section: str, place: int = 0) -> list[tuple[str, ...]]:
    """The records of a section as the simulator has them."""
    records = sim.records(sim.gstins[place], section)
    return [(one.supplier, one.number, one.date, one.period, one.action) for one in records]


def shown(rows: list[Invoice]) -> list[tuple[str, ...]]:
    """The same of rows that were read."""
    return [(r.supplier, r.number, f"{r.date:%d-%m-%Y}", r.return_period, r.action.value) for r in rows]


@contextlib.contextmanager
def no_task_left_behind() -> Iterator[None]:
    """Check that all that was begun within has ended."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before


async def queued(taxpayer: Taxpayer, section: Section = Section.B2B) -> Download:
    """Begin a download and do not wait for it."""
    with pytest.raises(DownloadQueued) as caught:
        await taxpayer.invoices(section, wait=False)
    assert caught.value.download is not None
    return caught.value.download


# -- large taxpayers of a GSP that documents no way to their files --------------------------------------


@pytest.mark.only_gsp("sandbox", "the other documents the way")
@pytest.mark.sim(file_rows=3, file_seconds=1800.0, sections=["b2b"])
async def test_rows_that_cannot_be_fetched_as_a_file_come_in_smaller_portions(
    acme: Taxpayer, sim: Simulator
) -> None:
    """The error says which rows, about how long, and to ask for one action at a time: that is what helps."""
    for wait in (True, False):
        with pytest.raises(DownloadQueued, match=r"rows of b2b .* about 30 minutes: .*one action") as caught:
            await acme.invoices("b2b", wait=wait)
        assert (caught.value.download, caught.value.estimate) == (None, 1800.0)
        assert caught.value.token
    assert now() == 0.0
    few = [one for one in truth(sim, "b2b") if one[4] == "P"]
    assert 0 < len(few) <= 3
    assert shown(await acme.invoices("b2b", "P")) == few


@pytest.mark.only_gsp("sandbox", "the other documents the way")
@pytest.mark.parametrize(("token", "asked_at"), [("d3a5", [0.0]), (None, [0.0, 60.0, 120.0])])
async def test_a_bulk_run_does_not_wait_for_what_nobody_can_fetch(
    client: ImsClient, acme: Taxpayer, token: str | None, asked_at: list[float]
) -> None:
    """It asks once; for what is only in progress it asks again."""
    asked = []

    async def ask() -> None:
        asked.append(now())
        raise DownloadQueued("not yet", token=token, estimate=60.0)

    with pytest.raises(DownloadQueued):
        await OutageGate(client._services, asyncio.sleep, max_outage=3600.0).through(acme, ask)
    assert asked == asked_at


# -- waiting ---------------------------------------------------------------------------------------


@prepared
@pytest.mark.sim(download_seconds=25.0)
async def test_rows_are_waited_for_by_the_poll_policy(acme: Taxpayer, sim: Simulator) -> None:
    """After 2 s, then 4, 8, 16, each a little longer and never shorter; then result and page."""
    rows = await acme.invoices(Section.B2B)
    assert shown(rows) == truth(sim, "b2b")
    moments = times(sim, "status")
    gaps = [later - sooner for sooner, later in zip([0.0, *moments], moments, strict=False)]
    assert len(gaps) == 4
    for gap, least in zip(gaps, (2.0, 4.0, 8.0, 16.0), strict=True):
        assert least <= gap <= least * 1.11
    assert [sim.count(name) for name in ("invoices", "result", "page")] == [1, 1, 1]


async def test_without_waiting_rows_come_at_once_or_can_be_collected_later(
    acme: Taxpayer, sim: Simulator, gsp_name: str
) -> None:
    """`wait=False` never sleeps: it is rows, or an error that says where they will be."""
    if gsp_name == "sandbox":
        assert shown(await acme.invoices(Section.B2B, wait=False)) == truth(sim, "b2b")
        return
    started = now()
    with pytest.raises(DownloadQueued, match=r"rows of b2b are still.*collect\(error.download\)") as caught:
        await acme.invoices(Section.B2B, Action.NO_ACTION, wait=False)
    assert now() == started
    download = caught.value.download
    assert download is not None
    assert (download.gsp, download.gstin, download.section) == ("vayana", acme.gstin, Section.B2B)
    assert (download.status, caught.value.estimate) == (Action.NO_ACTION, None)
    again = await acme.collect(download)
    assert shown(again) == [row for row in truth(sim, "b2b") if row[-1] == "N"]
    assert shown(await acme.collect(download, wait=False)) == shown(again)
    assert sim.count("invoices") == 1


@prepared
@pytest.mark.sim(download_seconds=30.0)
async def test_collecting_without_waiting_says_again_that_it_takes_time(
    acme: Taxpayer, sim: Simulator
) -> None:
    """The same download, as often as one asks, until the rows are ready."""
    download = await queued(acme)
    for _ in range(3):
        with pytest.raises(DownloadQueued) as caught:
            await acme.collect(download, wait=False)
        assert caught.value.download == download
    await asyncio.sleep(30)
    assert shown(await acme.collect(download, wait=False)) == truth(sim, "b2b")


@prepared
async def test_another_client_collects_what_this_one_began(acme: Taxpayer, sim: Simulator) -> None:
    """In another process, say: the download travels by pickle, and holds no secret."""
    with pytest.raises(DownloadQueued) as caught:
        await acme.invoices(Section.B2B, wait=False)
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 # our own
    assert (str(error), error.download) == (str(caught.value), caught.value.download)
    assert error.estimate is None
    assert sim.user_token not in repr(error.download)
    later = taxpayer_of(make_client(sim), sim)
    assert shown(await later.collect(error.download)) == truth(sim, "b2b")


async def test_a_download_of_another_taxpayer_host_or_gsp_is_refused(
    client: ImsClient, sim: Simulator
) -> None:
    """And what is none at all; nothing is sent."""
    one, two = taxpayer_of(client, sim, 0), taxpayer_of(client, sim, 1)
    gsp = make_gsp(sim)
    download = Download(
        gsp=gsp.kind,
        host=gsp.base_url.partition("//")[2],
        gstin=one.gstin,
        section=Section.B2B,
        reference="task/1",
    )
    for strange in ({"gsp": "third"}, {"host": "elsewhere"}):
        with pytest.raises(InvalidInput, match=f"this download is of .*{next(iter(strange.values()))}"):
            await one.collect(attrs.evolve(download, **strange))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=f"not of .*{two.gstin}"):
        await two.collect(download)
    for thing in (None, "task/1", DownloadQueued()):
        with pytest.raises(InvalidInput, match=r"error\.download"):
            await one.collect(thing)  # type: ignore[arg-type]
    assert sim.requests == []


@prepared
@pytest.mark.sim(download_seconds=100.0)
async def test_past_the_deadline_the_rows_can_still_be_collected(sim: Simulator) -> None:
    """Not one poll comes after the deadline; the wait ends with where to go on."""
    acme = taxpayer_of(make_client(sim, poll=SHORT), sim)
    with pytest.raises(DownloadQueued, match="were not ready within 60 s") as caught:
        await acme.invoices(Section.B2B)
    assert now() <= 60
    assert "last poll failed" not in str(caught.value)
    assert caught.value.download is not None
    await asyncio.sleep(60)
    assert shown(await acme.collect(caught.value.download)) == truth(sim, "b2b")
    assert sim.count("invoices") == 1


@prepared
@pytest.mark.parametrize("failure", ["down", "throttled", "not sent"])
@pytest.mark.sim(download_seconds=10.0)
async def test_a_poll_that_fails_is_absorbed(sim: Simulator, failure: str) -> None:
    """It is not sent again at once, and the next one comes as planned."""
    transport = Unplugged(sim.transport, clock=sim.now)
    acme = taxpayer_of(make_client(sim, transport=transport), sim)
    if failure == "not sent":
        transport.unplugged = {"status": 2}
    else:
        plan(sim, "status", failure)
        plan(sim, "status", failure)
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    assert len(times(sim, "status")) == (1 if failure == "not sent" else 3)
    assert 14 <= now() < 16


@prepared
@pytest.mark.sim(download_seconds=10.0)
async def test_a_poll_that_cannot_be_read_is_absorbed_and_ends_nothing(
    acme: Taxpayer, sim: Simulator
) -> None:
    """A page of a proxy's under HTTP 200 says nothing about the rows: they are being prepared still."""
    sim.script_answer("status", 200, b"<html>maintenance</html>")
    reading = asyncio.create_task(acme.invoices(Section.B2B))
    await asyncio.sleep(3)
    assert sim.count("status") == 1
    with pytest.raises(JobInFlight, match="rows of b2b of"):
        await acme.logout()
    sim.script_answer("status", 200, b"<html>maintenance</html>")
    assert shown(await reading) == truth(sim, "b2b")
    assert sim.count("status") == 3
    await acme.logout()


@prepared
async def test_a_look_that_cannot_be_read_is_told_and_ends_nothing(acme: Taxpayer, sim: Simulator) -> None:
    """Without waiting there is nobody who would look again; logging out might fail the task all the same."""
    download = await queued(acme)
    sim.script_answer("status", 200, b"<html>maintenance</html>")
    with pytest.raises(UnexpectedAnswer):
        await acme.collect(download, wait=False)
    with pytest.raises(JobInFlight, match="rows of b2b of"):
        await acme.logout()
    assert shown(await acme.collect(download)) == truth(sim, "b2b")


@prepared
async def test_a_poll_that_is_told_when_to_come_again_comes_no_sooner(acme: Taxpayer, sim: Simulator) -> None:
    """As a job's: what the gateway asks for is more than the policy would wait."""
    plan(sim, "status", "throttled", headers={"Retry-After": "500"})
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    assert [round(moment) for moment in times(sim, "status")] == [2, 502]


@prepared
@pytest.mark.parametrize("asked", ["70", "1000000"])
async def test_a_poll_that_is_told_to_come_after_the_deadline_is_not_made(sim: Simulator, asked: str) -> None:
    """The wait ends at once, with what the gateway said."""
    acme = taxpayer_of(make_client(sim, poll=SHORT, retry=RetryPolicy(max_hint=0)), sim)
    plan(sim, "status", "throttled", headers={"Retry-After": asked})
    with pytest.raises(DownloadQueued, match=r"within 60 s; the last poll failed.*err-too-many-requests"):
        await acme.invoices(Section.B2B)
    assert now() < 3
    assert sim.count("status") == 1


class Unplugged(MemoryTransport):
    """For so many requests of an operation nothing leaves this machine."""

    unplugged: dict[str, int]

    async def send(self, request: Request) -> Response:
        left = vars(self).setdefault("unplugged", {}).get(request.operation, 0)
        if left:
            self.unplugged[request.operation] = left - 1
            raise NotSent("the cable is out")
        return await super().send(request)


@prepared
@pytest.mark.sim(download_seconds=100.0)
async def test_the_end_of_the_wait_names_what_went_wrong_last(sim: Simulator) -> None:
    """A gateway that is down until the deadline is told as such."""
    acme = taxpayer_of(make_client(sim, poll=SHORT), sim)
    for _ in range(10):
        plan(sim, "status", "down")
    with pytest.raises(DownloadQueued, match="within 60 s; the last poll failed: err-gateway-timed-out"):
        await acme.invoices(Section.B2B)


@prepared
async def test_a_look_without_waiting_tells_what_went_wrong(acme: Taxpayer, sim: Simulator) -> None:
    """It is a read like any other: tried again, then raised."""
    for _ in range(3):
        plan(sim, "status", "down")
    with pytest.raises(GatewayUnavailable):
        await acme.invoices(Section.B2B, wait=False)
    assert sim.count("status") == 3


@prepared
async def test_a_download_that_broke_off_is_told_and_asked_for_anew(acme: Taxpayer, sim: Simulator) -> None:
    """Its task says so, with or without a reason; nothing keeps the taxpayer from logging out."""
    sim.script_task(None, "failed")
    sim.script_answer("result", 200, envelope({}))
    with pytest.raises(GatewayError, match=r"broke off \(failed\)"):
        await acme.invoices(Section.B2B)
    begun = asyncio.create_task(acme.invoices(Section.B2B))
    await asyncio.sleep(0.5)
    sim.end_session(acme.gstin)
    with pytest.raises(GatewayError, match="err-task-failed"):
        await begun
    acme.use_token(sim.token(acme.gstin))
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    await acme.logout()
    assert sim.count("logout") == 1


@prepared
async def test_closing_ends_the_wait_at_once(client: ImsClient, acme: Taxpayer, sim: Simulator) -> None:
    """Whoever waits for rows is told; what was begun can be asked for in another process."""
    reading = [asyncio.create_task(acme.invoices(section)) for section in Section]
    await asyncio.sleep(0.5)
    await client.aclose()
    assert {type(one) for one in await asyncio.gather(*reading, return_exceptions=True)} == {ClientClosed}
    assert now() < 1


@prepared
async def test_what_a_closed_client_waited_for_is_collected_by_another(
    client: ImsClient, acme: Taxpayer, sim: Simulator
) -> None:
    """`ClientClosed` says where the rows will be, also to whoever asked for all of them."""
    reading = asyncio.create_task(acme.invoices(Section.ECOM))
    looping = asyncio.create_task(collect_all(acme.all_invoices()))
    await asyncio.sleep(0.5)
    await client.aclose()
    later = taxpayer_of(make_client(sim), sim)
    for task, section in ((reading, Section.ECOM), (looping, Section.B2B)):
        with pytest.raises(ClientClosed, match=rf"rows of {section} .*collect\(error\.download\)") as caught:
            await task
        error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 # our own
        assert error.download.section is section
        assert shown(await later.collect(error.download)) == truth(sim, section)
    assert sim.count("invoices") == 1 + len(Section)


@prepared
@pytest.mark.sim(page_rows=1)
async def test_a_client_closed_between_two_pages_says_where_the_rows_are(sim: Simulator) -> None:
    """Rows that lie ready are not lost with the loop that read them."""
    client = make_client(sim)
    seen: list[Invoice] = []

    async def read_on() -> None:
        async for invoice in taxpayer_of(client, sim).all_invoices():
            seen.append(invoice)
            await client.aclose()

    with pytest.raises(ClientClosed) as caught:
        await read_on()
    later = taxpayer_of(make_client(sim), sim)
    rows = await later.collect(caught.value.download)  # type: ignore[arg-type] # it is there, or this fails
    assert seen[0] in rows


@prepared
@pytest.mark.sim(file_rows=1)
async def test_files_whose_list_does_not_fit_are_over(sim: Simulator) -> None:
    """It is told after one look, and keeps nobody logged in; a page that is no JSON is looked at again."""
    acme = basic(sim)
    sim.script_answer("filedet", 200, b"<html>")
    sim.script_answer("filedet", 200, envelope({"ek": "k"}))
    with pytest.raises(UnexpectedAnswer, match=r"FILEDET does not fit: data\.urls"):
        await acme.invoices(Section.B2B)
    assert sim.count("filedet") == 2
    await acme.logout()


# -- files that GSTN makes -------------------------------------------------------------------------


@prepared
@pytest.mark.sim(file_rows=1, page_rows=2, file_seconds=300.0)
async def test_the_first_poll_waits_for_the_estimate(sim: Simulator) -> None:
    """GSTN says how long its files take: nobody asks before."""
    acme = basic(sim)
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    assert times(sim, "filedet")[0] == pytest.approx(300, abs=0.1)
    assert sim.count("filedet") <= 2  # the simulator's clock is not exact to the microsecond
    assert sim.count("file") == -(-len(truth(sim, "b2b")) // 2) > 1
    assert sim.count("status") == 0


@prepared
@pytest.mark.sim(file_rows=1, file_seconds=3600.0)
async def test_an_estimate_over_the_deadline_is_told_at_once(sim: Simulator) -> None:
    """An hour is more than half an hour: nobody waits in vain, and nothing is polled."""
    acme = basic(sim)
    with pytest.raises(DownloadQueued, match="will take 3600 s, over the deadline of 1800 s") as caught:
        await acme.invoices(Section.B2B)
    assert now() < 1
    assert sim.count("filedet") == 0
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 # our own
    assert (error.estimate, error.download.estimate) == (3600.0, 3600.0)
    await asyncio.sleep(1000)
    with pytest.raises(DownloadQueued, match="will take 2600 s"):
        await acme.collect(error.download)
    await asyncio.sleep(1000)
    with pytest.raises(DownloadQueued, match="were not ready within 60 s"):
        await basic(sim, poll=SHORT).collect(error.download)
    assert shown(await acme.collect(error.download)) == truth(sim, "b2b")
    assert 3600 <= now() < 3610
    asked = sim.count("filedet")
    assert shown(await basic(sim).collect(error.download)) == truth(sim, "b2b")
    assert sim.count("filedet") == asked + 1


@prepared
@pytest.mark.sim(file_rows=1, file_seconds=7200.0)
async def test_a_look_at_another_clients_download_does_not_make_it_young(sim: Simulator) -> None:
    """How old it is nobody here knows: its estimate, counted from the first look, would be too long."""
    download = await queued(basic(sim))
    other = basic(sim)
    await asyncio.sleep(7000)
    with pytest.raises(DownloadQueued, match="are still being prepared"):
        await other.collect(download, wait=False)
    assert shown(await other.collect(download)) == truth(sim, "b2b")
    assert 7200 <= now() < 7300


@prepared
@pytest.mark.sim(file_rows=1, file_seconds=100.0)
async def test_files_that_take_longer_than_estimated_are_polled_for(sim: Simulator) -> None:
    """RTN_24 means not yet; a poll that fails is absorbed here too."""
    acme = basic(sim)
    sim.script_answer("filedet", 502, from_gstn("RTN_24", "File Generation is in progress"))
    plan(sim, "filedet", "down")
    download = attrs.evolve(await queued(acme), estimate=None)
    assert sim.count("filedet") == 1
    assert shown(await acme.collect(download)) == truth(sim, "b2b")
    assert sim.count("filedet") > 3


@prepared
@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("page_rows", [1, 3, 500])
async def test_both_ways_of_asking_end_in_the_same_rows(page_base: int, page_rows: int) -> None:
    """A task's pages, counted from 0 or from 1, GSTN's own files, and an answer at once."""
    facts: dict[str, Any] = {"invoices": 40, "page_rows": page_rows, "page_base": page_base}
    enriched, files, direct = Simulator(**facts), Simulator(**facts, file_rows=0), Simulator(**facts)
    by_task = taxpayer_of(make_client(enriched, gsp=make_gsp(enriched, page_base=page_base)), enriched)
    by_file, at_once = basic(files), basic(direct)
    for section in Section:
        rows = await by_task.invoices(section)
        assert shown(rows) == truth(enriched, section)
        assert list(rows) == list(await by_file.invoices(section)) == list(await at_once.invoices(section))
    assert files.count("filedet") == len(Section)
    assert direct.count("filedet") == 0
    assert (files.count("file") > len(Section)) is (page_rows < 500)
    every = await collect_all(by_task.all_invoices())
    assert every == await collect_all(by_file.all_invoices()) == await collect_all(at_once.all_invoices())
    assert len(every) == 40


@prepared
@pytest.mark.sim(page_rows=2, page_base=1)
async def test_a_wrong_page_base_is_an_error_and_loses_no_row_in_silence(sim: Simulator) -> None:
    """Page 0 is not there: told, instead of rows without the last page."""
    acme = taxpayer_of(make_client(sim), sim)
    with no_task_left_behind(), pytest.raises(GatewayError, match="err-resource-not-found"):
        await acme.invoices(Section.B2B)


@prepared
@pytest.mark.sim(page_rows=2, page_base=1)
async def test_how_pages_are_counted_goes_with_the_download(sim: Simulator) -> None:
    """Another client collects it by what the first one knew; one that an older release wrote, by its own."""
    first = taxpayer_of(make_client(sim, gsp=make_gsp(sim, page_base=1)), sim)
    download = await queued(first)
    rows = await first.collect(download)
    assert len(rows) > 2
    other = taxpayer_of(make_client(sim, gsp=make_gsp(sim, page_base=0)), sim)
    assert await other.collect(Download.loads(download.dumps())) == rows
    facts = json.loads(download.dumps())
    del facts["route"]
    old = Download.loads(json.dumps(facts))
    assert await first.collect(old) == rows
    with pytest.raises(GatewayError, match="err-resource-not-found"):
        await other.collect(old)


@prepared
async def test_rows_are_as_they_were_when_they_were_asked_for(acme: Taxpayer, sim: Simulator) -> None:
    """What the supplier edits while they are prepared is not in them."""
    download = await queued(acme)
    before = truth(sim, "b2b")
    record = sim.records(acme.gstin, "b2b")[0]
    sim.edit(acme.gstin, "b2b", record.number, supplier=record.supplier, period=record.period)
    old = (await acme.collect(download))[0]
    new = (await acme.invoices(Section.B2B))[0]
    assert shown([old]) == before[:1]
    assert new.taxable_value == old.taxable_value + 100


# -- nothing, and what cannot be read --------------------------------------------------------------


@pytest.mark.sim(sections=["b2b"])
async def test_nothing_found_is_an_empty_list(acme: Taxpayer, sim: Simulator) -> None:
    """Of a section without documents, and of all."""
    rows = await acme.invoices(Section.ECOM)
    assert isinstance(rows, InvoiceList)
    assert (list(rows), rows.problems, rows.other) == ([], (), {})
    for row in truth(sim, "b2b"):
        sim.edit(acme.gstin, "b2b", row[1], supplier=row[0], period=row[3])  # which takes its action back
    assert await acme.invoices(Section.B2B, Action.REJECT) == []
    assert [row async for row in acme.all_invoices(Action.REJECT)] == []


@prepared
@pytest.mark.parametrize("code", ["RET13508", "RET11416"])
async def test_nothing_found_told_as_an_error_is_an_empty_list(
    acme: Taxpayer, sim: Simulator, code: str
) -> None:
    """GSTN's word for it, as the end of a task, as the answer to its start, and from GSTN directly."""
    sim.script_answer("result", 502, from_gstn(code))
    assert list(await acme.invoices(Section.B2B)) == []
    sim.script_answer("invoices", 502, from_gstn(code))
    assert list(await acme.invoices(Section.B2B)) == []
    sim.script_answer("getinv", 502, from_gstn(code))
    assert list(await basic(sim).invoices(Section.B2B)) == []
    await acme.logout()


@prepared
@pytest.mark.sim(sections=["b2b"], invoices=8, page_rows=2)
async def test_the_problems_of_every_part_are_kept(acme: Taxpayer, sim: Simulator) -> None:
    """With `strict=False`: good rows of all pages, a problem of two of them, and sections nobody knows."""
    for number in (1, 2):
        bad: dict[str, Any] = {"b2b": [{"inum": "BAD"}] * number, f"new{number}": [number]}
        sim.script_answer("page", 200, envelope(bad))
    rows = await acme.invoices(Section.B2B, strict=False)
    assert shown(rows) == truth(sim, "b2b")[4:]
    assert [problem for problem in rows.problems if "stin" in problem] == [
        "part 1: data.b2b[0].stin: missing",
        "part 2: data.b2b[0].stin: missing",
        "part 2: data.b2b[1].stin: missing",
    ]
    assert rows.other == {"new1": [1], "new2": [2]}


@prepared
@pytest.mark.sim(page_rows=1)
async def test_a_part_that_cannot_be_read_ends_the_reading(acme: Taxpayer, sim: Simulator) -> None:
    """Rows that are not complete are not handed out as if they were; no part goes on being fetched."""
    sim.script_answer("page", 200, envelope({"b2b": [{"inum": "BAD"}]}))
    with no_task_left_behind(), pytest.raises(UnexpectedAnswer):
        await acme.invoices(Section.B2B)
    assert sim.count("page") <= 3
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")


@prepared
@pytest.mark.sim(page_rows=1)
async def test_two_parts_that_fail_are_told_as_one_error(acme: Taxpayer, sim: Simulator) -> None:
    """The second one is heard too, so that nothing complains later that it was not."""
    for _ in range(3):
        sim.script_answer("page", 200, envelope({"b2b": [{"inum": "BAD"}]}))
    with no_task_left_behind(), pytest.raises(UnexpectedAnswer):
        await acme.invoices(Section.B2B)
    gc.collect()


@prepared
@pytest.mark.sim(page_rows=1)
async def test_a_part_that_cannot_be_had_just_now_is_asked_for_again(acme: Taxpayer, sim: Simulator) -> None:
    """It is a read like any other."""
    plan(sim, "page", "down")
    plan(sim, "page", "stale_token")
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    assert sim.count("account_refresh") == 1


# -- all sections, part by part --------------------------------------------------------------------


class Counting(MemoryTransport):
    """Pages take two seconds; it counts how many are under way at a time."""

    under_way = most = 0

    async def send(self, request: Request) -> Response:
        if request.operation not in ("page", "file"):
            return await super().send(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(2)
            return await super().send(request)
        finally:
            self.under_way -= 1


@prepared
@pytest.mark.sim(download_seconds=20.0)
async def test_every_section_is_begun_before_one_is_waited_for(acme: Taxpayer, sim: Simulator) -> None:
    """Eight tasks at once: all is there in the time that one takes."""
    rows = [row async for row in acme.all_invoices()]
    assert [request.operation for request in sim.requests[:9]] == ["invoices"] * 8 + ["status"]
    assert [request.query["section"] for request in sim.requests[:8]] == [
        "B2B", "B2BA", "DN", "DNA", "CN", "CNA", "ECOM", "ECOMA",
    ]  # fmt: skip
    assert shown(rows) == [one for section in Section for one in truth(sim, section)]
    assert now() < 31 + 8 * 3


async def test_sections_that_come_at_once_are_asked_for_one_by_one(sim: Simulator, gsp_name: str) -> None:
    """Whoever stops after the first row has asked for the first section only."""
    settings = {} if gsp_name == "sandbox" else {"downloads": "basic"}
    acme = taxpayer_of(make_client(sim, gsp=make_gsp(sim, **settings)), sim)
    with no_task_left_behind():
        async with contextlib.aclosing(acme.all_invoices()) as invoices:
            assert (await anext(invoices)).section is Section.B2B
    assert len(sim.requests) == 1
    assert shown([row async for row in acme.all_invoices()]) == [
        one for section in Section for one in truth(sim, section)
    ]


@prepared
@pytest.mark.sim(invoices=200, page_rows=2)
@pytest.mark.parametrize("taken", [1, 2, 3, 7])
async def test_who_stops_early_has_not_fetched_every_page(sim: Simulator, taken: int) -> None:
    """Three pages ahead at most; closing the generator ends what is under way."""
    transport = Counting(sim.transport, clock=sim.now)
    acme = taxpayer_of(make_client(sim, transport=transport), sim)
    pages = -(-len(truth(sim, "b2b")) // 2)
    with no_task_left_behind():
        async with contextlib.aclosing(acme.all_invoices()) as invoices:
            rows = [await anext(invoices) for _ in range(taken)]
            await asyncio.sleep(60)
        assert transport.under_way == 0
    assert shown(rows) == truth(sim, "b2b")[:taken]
    assert sim.count("page") <= -(-taken // 2) + 3 < pages
    assert transport.most <= 3
    asked = len(sim.requests)
    await asyncio.sleep(60)
    assert len(sim.requests) == asked


@prepared
@pytest.mark.sim(invoices=200, page_rows=2)
async def test_pages_are_fetched_ahead_but_no_more_than_three_at_a_time(sim: Simulator) -> None:
    """In order, and in a third of the time that one by one would take."""
    transport = Counting(sim.transport, clock=sim.now)
    acme = taxpayer_of(make_client(sim, transport=transport), sim)
    pages = -(-len(truth(sim, "b2b")) // 2)
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    assert transport.most == 3
    assert sim.count("page") == pages
    assert now() <= 2.1 + 2 * (pages // 3 + 1)


@prepared
@pytest.mark.sim(page_rows=1)
async def test_a_loop_that_is_left_leaves_no_task_behind(sim: Simulator) -> None:
    """With `break`, without closing: the event loop closes the generator."""
    acme = taxpayer_of(make_client(sim, transport=Counting(sim.transport, clock=sim.now)), sim)
    with no_task_left_behind():
        async for row in acme.all_invoices():
            assert row.section is Section.B2B
            break
        gc.collect()
        await asyncio.sleep(10)
    assert sim.count("page") <= 3


@prepared
@pytest.mark.sim(page_rows=1)
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("after", [0.0, 1.0, 3.0, 5.0])
async def test_a_reader_who_is_cancelled_leaves_no_task_behind(
    sim: Simulator, after: float, every: bool
) -> None:
    """While it asks, while it waits, and while pages are under way."""
    transport = Counting(sim.transport, clock=sim.now)
    acme = taxpayer_of(make_client(sim, transport=transport), sim)
    with no_task_left_behind():
        reading = asyncio.create_task(collect_all(acme.all_invoices()) if every else acme.invoices("b2b"))
        await asyncio.sleep(after)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert transport.under_way == 0


@prepared
async def test_a_section_that_cannot_be_begun_ends_the_reading(sim: Simulator) -> None:
    """Nothing goes on without the reader; what was begun before it keeps the taxpayer logged in."""
    acme = taxpayer_of(make_client(sim, transport=SlowStart(sim.transport, clock=sim.now)), sim)
    with no_task_left_behind(), pytest.raises(GatewayError, match="err-issue"):
        await collect_all(acme.all_invoices())
    assert now() == pytest.approx(1, abs=0.1)
    assert sim.count("invoices") == 1
    with pytest.raises(JobInFlight, match="rows of b2b of"):
        await acme.logout()


class SlowStart(MemoryTransport):
    """Debit notes are refused after a second, when all but B2B are still on their way."""

    async def send(self, request: Request) -> Response:
        section = request.query.get("section", "B2B")
        await asyncio.sleep({"B2B": 0, "DN": 1}.get(section, 2))
        if section == "DN":
            body = json.dumps(eas("err-issue-with-parameter", "ClientRequest")).encode()
            return Response(status=400, headers={}, body=body)
        return await super().send(request)


def alive() -> int:
    """How many invoices there are in this process."""
    return sum(type(thing) is Invoice for thing in gc.get_objects())


class Uneven(MemoryTransport):
    """Every third page takes ten seconds, the others one: those behind it are there before it is."""

    pages = 0

    async def send(self, request: Request) -> Response:
        if request.operation == "page":
            self.pages += 1
            await asyncio.sleep(10 if self.pages % 3 == 0 else 1)
        return await super().send(request)


@prepared
@pytest.mark.sim(invoices=100, page_rows=5, sections=["b2b", "ecom"])
@pytest.mark.parametrize(("pause", "pages"), [(0.0, 2), (1.0, 3)])
async def test_a_loop_over_every_section_holds_few_pages_at_a_time(
    sim: Simulator, pause: float, pages: int
) -> None:
    """The one that is worked on and two behind it; while the next is waited for, the last one is let go."""
    acme = taxpayer_of(make_client(sim, transport=Uneven(sim.transport, clock=sim.now)), sim)
    seen: list[int] = []

    async def look_on() -> None:
        while True:
            await asyncio.sleep(1.3)
            seen.append(alive() - before)

    gc.collect()
    before, count = alive(), 0
    looking = asyncio.create_task(look_on())
    async for row in acme.all_invoices():
        count += 1
        del row
        await asyncio.sleep(pause)
    looking.cancel()
    assert count == 100
    assert max(seen) <= pages * 5 + 1  # and the last row of the page before, which the loop still names


@prepared
@pytest.mark.sim(invoices=200, sections=["b2b"])
async def test_a_page_is_read_once(acme: Taxpayer, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are a stream: nobody parses the whole of it only to see whether it is a refusal."""
    parsed: list[int] = []

    def noting(response: Response) -> dict[str, Any]:
        parsed.append(len(response.body))
        return envelopes.envelope_of(response)

    monkeypatch.setattr(vayana_answers, "envelope_of", noting)
    assert len(await acme.invoices(Section.B2B)) == 200
    assert len(parsed) == 3  # the three short answers before it
    assert max(parsed) <= envelopes.LONGEST_REFUSAL


async def collect_all(rows: AsyncIterator[Invoice]) -> list[Invoice]:
    """All rows of a reading."""
    return [row async for row in rows]


# -- logging out -----------------------------------------------------------------------------------


@prepared
@pytest.mark.sim(download_seconds=30.0)
async def test_nobody_is_logged_out_while_rows_are_being_prepared(acme: Taxpayer, sim: Simulator) -> None:
    """Refused, or waited for where that was asked; the rows are there afterwards."""
    download = await queued(acme)
    await queued(acme, Section.ECOM)
    with pytest.raises(JobInFlight, match=r"rows of b2b, ecom of .* wait=True"):
        await acme.logout()
    assert sim.count("logout") == 0
    await acme.logout(wait=True)
    assert now() >= 30
    assert sim.count("logout") == 1
    assert shown(await acme.collect(download, wait=False)) == truth(sim, "b2b")


class SlowRoad(MemoryTransport):
    """Requests of one operation take five seconds to arrive."""

    slow = "invoices"

    async def send(self, request: Request) -> Response:
        await asyncio.sleep(5 if request.operation == self.slow else 0)
        return await super().send(request)


async def test_nobody_is_logged_out_while_rows_are_being_asked_for(sim: Simulator, gsp_name: str) -> None:
    """Every answer is waited for; where they are something to wait for, logging out is refused."""
    acme = taxpayer_of(make_client(sim, transport=SlowRoad(sim.transport, clock=sim.now)), sim)
    first = asyncio.create_task(acme.invoices(Section.B2B))
    await asyncio.sleep(2)
    second = asyncio.create_task(acme.invoices(Section.ECOM))
    await asyncio.sleep(1)
    if gsp_name == "sandbox":
        await acme.logout()
    else:
        with pytest.raises(JobInFlight, match="rows of b2b, ecom of"):
            await acme.logout()
    assert now() == pytest.approx(7, abs=0.1)
    assert [request.operation for request in sim.requests[:2]] == ["invoices", "invoices"]
    assert sim.count("logout") == (gsp_name == "sandbox")
    assert [shown(await first), shown(await second)] == [truth(sim, "b2b"), truth(sim, "ecom")]


@pytest.mark.sim(download_seconds=30.0)
async def test_logging_out_can_wait_for_rows_that_are_being_asked_for(sim: Simulator) -> None:
    """And for what has to be waited for after that; the rows are there."""
    acme = taxpayer_of(make_client(sim, transport=SlowRoad(sim.transport, clock=sim.now)), sim)
    reading = asyncio.create_task(acme.invoices(Section.B2B))
    await asyncio.sleep(1)
    await acme.logout(wait=True)
    assert sim.count("logout") == 1
    assert shown(await reading) == truth(sim, "b2b")
    assert {request.status for request in sim.requests} == {200}


async def test_rows_are_not_asked_for_while_somebody_is_being_logged_out(sim: Simulator) -> None:
    """They might be begun under a session that ends: they come after it, and ask for a login."""
    transport = SlowRoad(sim.transport, clock=sim.now)
    transport.slow = "logout"
    acme = taxpayer_of(make_client(sim, transport=transport), sim)
    leaving = asyncio.create_task(acme.logout())
    await asyncio.sleep(1)
    reading = asyncio.create_task(acme.invoices(Section.B2B))
    await asyncio.sleep(3)
    assert sim.requests == []
    assert not reading.done()
    await leaving
    assert sim.requests[0].operation == "logout"
    with pytest.raises(OtpRequired):
        await reading


async def test_a_logout_that_fails_lets_rows_be_asked_for_again(acme: Taxpayer, sim: Simulator) -> None:
    """Nobody waits for ever."""
    plan(sim, "logout", "down")
    with pytest.raises(GatewayUnavailable):
        await acme.logout()
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")


@prepared
@pytest.mark.sim(token_seconds=1e7)
async def test_loops_that_were_left_early_are_told_once_and_forgotten_after_seven_days(
    sim: Simulator,
) -> None:
    """Each began all eight sections; nothing is being prepared for longer than results are kept."""
    acme = taxpayer_of(make_client(sim, gsp=make_gsp(sim, **LOGIN)), sim)
    for _ in range(20):
        async with contextlib.aclosing(acme.all_invoices()) as invoices:
            await anext(invoices)
    _, *others = Section
    with pytest.raises(JobInFlight) as caught:
        await acme.logout()
    assert str(caught.value).startswith(f"rows of {', '.join(others)} of {acme.gstin} are being prepared")
    await asyncio.sleep(7 * 86_400 - now() - 1)
    with pytest.raises(JobInFlight):
        await acme.logout()
    await asyncio.sleep(now() + 1)
    asked = sim.count("status")
    await acme.logout()
    assert (sim.count("status"), sim.requests[-1].status) == (asked, 200)


@prepared
async def test_rows_that_are_ready_keep_nobody_from_logging_out(acme: Taxpayer, sim: Simulator) -> None:
    """A reading that has its rows is over."""
    await acme.collect(await queued(acme))
    await acme.logout()
    assert sim.count("logout") == 1


@prepared
@pytest.mark.sim(download_seconds=300.0)
async def test_logging_out_does_not_wait_past_the_deadline(sim: Simulator) -> None:
    """Told so, and the session stays as it is."""
    acme = taxpayer_of(make_client(sim, poll=SHORT), sim)
    download = await queued(acme)
    with pytest.raises(DownloadQueued) as caught:
        await acme.logout(wait=True)
    assert caught.value.download == download
    assert sim.count("logout") == 0
    assert (await acme.counts()).total == 60


@prepared
@pytest.mark.sim(download_seconds=30.0)
async def test_a_download_that_breaks_off_keeps_nobody_from_logging_out(
    acme: Taxpayer, sim: Simulator
) -> None:
    """There is nothing left to wait for."""
    await queued(acme)
    sim.script_answer("status", 404, eas("err-resource-not-found", "ResourceNotFound"))
    await acme.logout(wait=True)
    assert sim.count("logout") == 1


@prepared
async def test_a_download_that_a_lost_session_ended_keeps_nobody_from_logging_out(
    acme: Taxpayer, sim: Simulator
) -> None:
    """GSTN refused the session of the task: logging out cannot fail it any more."""
    await queued(acme)
    sim.script_answer("result", 502, from_gstn("RET11402", "Unauthorized User"))
    await asyncio.sleep(10)
    await acme.logout(wait=True)
    assert sim.count("logout") == 1
    acme.use_token(sim.token(acme.gstin))
    sim.script_answer("result", 502, from_gstn("RET11402", "Unauthorized User"))
    with pytest.raises(SessionExpired):
        await acme.invoices(Section.B2B)
    await acme.logout()


@prepared
@pytest.mark.sim(download_seconds=30.0)
async def test_logging_out_does_not_go_on_where_nobody_can_tell_whether_rows_are_ready(
    sim: Simulator,
) -> None:
    """The user's token is refused: told, and the session stays as it is."""
    acme = taxpayer_of(make_client(sim, gsp=make_gsp(sim, **LOGIN)), sim)
    await queued(acme)
    sim.script_answer("status", 403, eas("err-invalid-org", "Authorization"))
    with pytest.raises(NotAuthorized, match="org_id"):
        await acme.logout(wait=True)
    assert sim.count("logout") == 0
    with pytest.raises(JobInFlight):
        await acme.logout()


@prepared
async def test_a_result_that_cannot_be_read_is_over(acme: Taxpayer, sim: Simulator) -> None:
    """It is told at once, and nobody has to wait for it before logging out."""
    sim.script_answer("result", 200, envelope({"pages": "many"}))
    with pytest.raises(UnexpectedAnswer, match="'many' is not a number of pages"):
        await acme.invoices(Section.B2B)
    await acme.logout()


@prepared
async def test_logging_out_does_not_stumble_over_a_result_that_cannot_be_read(
    acme: Taxpayer, sim: Simulator
) -> None:
    """It waited for the end of the task, and there it is."""
    await queued(acme)
    sim.script_answer("result", 200, envelope({"pages": "many"}))
    await acme.logout(wait=True)
    assert sim.count("logout") == 1


@prepared
@pytest.mark.parametrize("code", ["RTN_24", "IMSSAV0015", "GSPGSTDOWN", "RET99999"])
async def test_gstns_word_on_a_task_that_ended_is_not_waited_on(
    acme: Taxpayer, sim: Simulator, code: str
) -> None:
    """Whatever it means elsewhere: the task has ended, and the rows have to be asked for again."""
    sim.script_answer("result", 502, from_gstn(code))
    with pytest.raises(GatewayError, match="broke off") as caught:
        await acme.invoices(Section.B2B)
    assert type(caught.value) is GatewayError
    assert shown(await acme.invoices(Section.B2B)) == truth(sim, "b2b")
    await acme.logout()
