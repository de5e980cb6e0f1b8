"""A test host that answers examples whatever it is sent: programs run against it, and say that it does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ims_async
from ims_async import (
    ImsClient,
    JobReport,
    JobState,
    JobTimeout,
    JobToken,
    OutcomeUnknown,
    PollPolicy,
    PReading,
    RecordsRejected,
    Sandbox,
    Vayana,
    bulk,
)
from ims_async.cli.output import outcomes
from ims_async.cli.output.next_commands import Commands
from ims_async.journal import Journal, MemoryJournal
from ims_async.model.report import CANNED
from ims_async.simulator import Simulator

from ..simulator.simulator_portal import BASE, Portal
from ..support.documents import program_with
from ..support.journals import journal_at_once

pytestmark = [pytest.mark.looptime]

SAMPLES = Path(__file__).parents[1] / "contracts" / "samples" / "sandbox"
MAIN, RECOVERY = program_with('input("OTP: ")'), program_with("bulk.recover(client)")
GSTIN = "29AAACQ3770E1ZF"


@pytest.fixture
def host() -> Simulator:
    """The test host."""
    return Simulator(canned=True)


Kept = Callable[[], Journal | None]


@pytest.fixture(params=["no journal", "memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Return what makes the journal of each client, over one store."""
    memory, opened = MemoryJournal(), []

    def make() -> Journal | None:
        if request.param == "no journal":
            return None
        if request.param == "memory":
            return memory
        journal, writer = journal_at_once(tmp_path / "ims.db")
        opened.append(writer)
        return journal

    yield make
    for writer in opened:
        writer.close()


def client_of(
    host: Simulator, journal: Journal | None = None, *, poll: PollPolicy | None = None, **settings: Any
) -> ImsClient:
    """Return a client that knows it for a test host."""
    gsp = Sandbox("key_test_demo", "secret_test_demo", **{"test": True, **settings})
    return ImsClient(gsp, transport=host.transport, clock=host.now, journal=journal, poll=poll)


def program(source: str, **names: Any) -> Callable[[], Any]:
    """Return one of the documents' programs as a function, with some of its names put in place."""
    wrapped = source.replace("asyncio.run(main())", "")
    if "async def main" not in source:
        wrapped = "async def main():\n" + "\n".join(f"    {line}" for line in source.splitlines())
    there = dict(names)
    exec(compile(wrapped, "document", "exec"), there)  # noqa: S102 # our own text
    there |= names
    main: Callable[[], Any] = there["main"]
    return main


async def test_the_program_of_the_readme_runs_twice(
    host: Simulator, kept: Kept, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second save is answered with the first one's reference, and tokens have ended on arrival."""
    run = program(
        MAIN,
        ImsClient=lambda gsp: client_of(host, kept()),
        Sandbox=lambda **_: None,
        input=lambda _: "575757",
    )
    for _ in range(2):
        await run()
    said = [line for line in capsys.readouterr().out.splitlines() if "applied" in line]
    assert said == ["0 applied, 0 refused"] * 2  # 12 sent, 8 counted: none is known
    assert (host.count("save"), host.effects) == (2, [])

    class Client(ImsClient):
        def __init__(self, gsp: Sandbox, **facts: Any) -> None:
            settings = {**facts, "journal": kept(), "credentials": None}
            super().__init__(gsp, transport=host.transport, clock=host.now, **settings)
            self.taxpayer(GSTIN, token="eyJ0e....")

    monkeypatch.setattr(ims_async, "ImsClient", Client)
    monkeypatch.setattr("ims_async.journal.SqliteJournal", lambda _: kept() or MemoryJournal())
    await program(RECOVERY, gsp=Sandbox("key_test_demo", "secret_test_demo", test=True))()


async def test_each_save_has_a_handle_and_a_report_of_its_own(host: Simulator, kept: Kept) -> None:
    """In one client, at once after each other."""
    async with client_of(host, kept()) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = await acme.invoices("b2b")
        first = await acme.save([row.accept() for row in rows])
        second = await acme.save([row.reject() for row in rows[:3]])
        assert first is not second
        assert (await first).unaccounted == first.records
        assert (await second).unaccounted == second.records
        assert first.reference_id == second.reference_id == "0032e479bcb644c"
        for job in (first, second):
            assert client.resume(job.token.dumps()) is job


async def test_a_second_process_tells_the_jobs_of_one_reference_apart(host: Simulator, kept: Kept) -> None:
    """By their batches, or by their tokens."""
    sent: list[JobToken] = []
    async with client_of(host, kept()) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = await acme.invoices("b2b")
        for count in (2, 3):
            job = await acme.save([row.accept() for row in rows[:count]])
            await job
            sent.append(job.token)
    journal = kept()
    if journal is None:
        return
    async with client_of(host, journal) as client:
        client.taxpayer(GSTIN, token="any")
        assert [await client.resume(token).load() for token in sent] == [
            tuple(row.accept() for row in rows[:count]) for count in (2, 3)
        ]
        found = [job async for job in client.finished()]
        assert [len(job.records or ()) for job in found] == [2, 3]
        assert all(job.report and job.report.canned for job in found)


@pytest.mark.parametrize(
    ("count", "told"),
    [(1, (0, 1)), (8, (8, 0)), (12, (0, 12))],
)
async def test_counts_that_do_not_fit_leave_records_unaccounted(
    host: Simulator, count: int, told: tuple[int, int]
) -> None:
    """It counts 8, whatever was sent; and the report is canned, and never all well."""
    async with client_of(host) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = await acme.invoices("b2b")
        begun = asyncio.get_running_loop().time()
        report = await (await acme.save([row.reject() for row in rows[:count]]))
        assert asyncio.get_running_loop().time() - begun < 10  # seconds: nothing comes of further polls
        assert (len(report.succeeded), len(report.unaccounted)) == told
        assert (report.canned, report.ok) == (True, False)


@pytest.mark.parametrize("p_means", [PReading.PROCESSED, PReading.PROCESSING])
async def test_a_reading_of_p_that_was_chosen_holds_on_the_test_host_too(
    host: Simulator, p_means: PReading
) -> None:
    """Only the default reading, by evidence, has none there."""
    async with client_of(host, poll=PollPolicy(p_means=p_means, deadline=100.0)) as client:
        acme = client.taxpayer(GSTIN, token="any")
        job = await acme.save([row.reject() for row in await acme.invoices("b2b")])
        if p_means is PReading.PROCESSED:
            await job
        else:
            with pytest.raises(JobTimeout):
                await job


async def test_each_record_is_read_once_though_every_section_has_the_same_example(host: Simulator) -> None:
    """Rows of another section than the one that was asked for are left out; in production they are kept."""
    async with client_of(host) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = [row async for row in acme.all_invoices()]
        assert [row.key for row in rows] == [row.key for row in await acme.invoices("b2b")]
        assert len({row.key for row in rows}) == len(rows) == 12
        assert await acme.invoices("cn") == []
    async with client_of(host, test=False) as client:
        assert len(await client.taxpayer(GSTIN, token="any").invoices("cn")) == 12


async def test_no_clock_is_said_to_be_off(host: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The example has an expiry in 2024; the same answer in production is a reason to check the clock."""
    for test in (True, False):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "ims_async"):
            acme = client_of(host, test=test).taxpayer(GSTIN)
            await acme.request_otp("acme.com")
            await acme.verify_otp("575757")
        assert any("a clock is off" in text for text in caplog.messages) is not test


def test_a_canned_report_says_so_in_words() -> None:
    """Where it is raised, and where it is shown."""
    report = JobReport(state=JobState.SUCCEEDED, submitted=2, unaccounted_count=2, canned=True)
    with pytest.raises(RecordsRejected, match="canned: they say nothing of what was sent"):
        report.raise_for_failures()
    assert "canned=True" in repr(report)


async def test_a_client_warns_once(host: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Of a test host that answers examples, and of no other."""
    with caplog.at_level(logging.WARNING, "ims_async"):
        Simulator(canned=True)
        ImsClient(Sandbox("key_live"), transport=host.transport)
        ImsClient(Vayana("org", "token", test=True), transport=host.transport)
        assert caplog.messages == []
        client = client_of(host)
        acme = client.taxpayer(GSTIN, token="any")
        for _ in range(2):
            await (await acme.reset(await acme.invoices("b2b")))
    assert [text for text in caplog.messages if "canned" in text] == [
        "test-api.sandbox.co.in: the test host's figures are canned: they say nothing of what was sent"
    ]


async def test_a_bulk_run_ends_and_accounts_for_all(host: Simulator, kept: Kept) -> None:
    """Two jobs of one taxpayer: the outcome of no record is known, and none is lost."""
    async with client_of(host, kept()) as client:
        rows = await client.taxpayer(GSTIN, token="any").invoices("b2b")
        decided = {GSTIN: [row.accept() for row in rows]}
        report = await bulk.save_all(client, decided, max_records=6, journal=False, quiet=60.0)
        one = report[GSTIN]
        assert (one.error, report.handed_in, len(one.unaccounted)) == (None, 12, 12)
        assert (one.canned, one.ok, report.ok) == (True, False, False)


async def test_a_bulk_run_of_as_many_as_are_counted_is_not_all_well(host: Simulator) -> None:
    """Eight were sent, and eight counted, by chance."""
    async with client_of(host) as client:
        rows = await client.taxpayer(GSTIN, token="any").invoices("b2b")
        report = await bulk.save_all(client, {GSTIN: [row.accept() for row in rows[:8]]}, journal=False)
        assert (report.succeeded, report[GSTIN].canned, report.ok) == (8, True, False)
        with pytest.raises(RecordsRejected, match="canned"):
            report.raise_for_failures()


async def test_the_command_line_says_that_a_report_is_canned(host: Simulator) -> None:
    """Behind whatever else it says of it, and as a fact for machines."""
    async with client_of(host) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = await acme.invoices("b2b")
        for count in (8, 2):
            job = await acme.save([row.reject() for row in rows[:count]])
            await job
            assert outcomes.job_ending(job, Commands()).endswith("Mind that " + CANNED + ".")
            assert outcomes.job_facts(job)["canned"] is True


async def test_in_production_a_repeated_reference_stays_a_lost_answer(host: Simulator) -> None:
    """The same answers, from a host that is not known for them."""
    async with client_of(host, test=False) as client:
        acme = client.taxpayer(GSTIN, token="any")
        rows = await acme.invoices("b2b")
        report = await (await acme.save([rows[0].accept()]))
        assert not report.canned
        with pytest.raises(OutcomeUnknown, match="the name of an earlier job, 0032e479bcb644c"):
            await acme.save([rows[1].accept()])


# -- the simulator's part ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "example"),
    [
        ("POST", "/authenticate", "authenticate-200"),
        ("POST", f"{BASE}/otp", "otp-200"),
        ("POST", f"{BASE}/logout", "logout-200"),
        ("GET", f"{BASE}/invoices/count?type_of_goods=others", "count-200"),
        ("GET", f"{BASE}/invoices?section=CN&status=pending", "invoices-200-b2b"),
        ("POST", f"{BASE}/invoices/status/save", "save-200"),
        ("POST", f"{BASE}/invoices/status/reset", "reset-200"),
        ("GET", f"{BASE}/invoices/status?reference_id=any", "status-200-processed"),
        ("GET", f"{BASE}/invoices/2024/01/sales", "sales-200-ret11416"),
        ("GET", f"{BASE}/invoices/added-back-liabilities/2024/01", "added-back-liabilities-200-ims0027"),
    ],
)
def test_it_answers_the_documented_examples(host: Simulator, method: str, path: str, example: str) -> None:
    """Whatever is asked, and nothing takes effect."""
    portal, sample = Portal(host), SAMPLES / f"{example}.json"
    for body in ({}, {"rtin": "somebody", "invdata": {"b2b": [{}]}}):
        told = portal.data(method, path, body if method == "POST" else None)
        assert told == json.loads(sample.read_text(encoding="utf-8"))["body"]["data"]
    assert (host.jobs, host.effects) == ([], [])


@pytest.mark.parametrize("path", ["otp/verify?otp=1", "session/refresh"])
def test_it_gives_back_the_callers_own_token_with_an_end_in_the_past(host: Simulator, path: str) -> None:
    """The example is a template of the header."""
    portal = Portal(host)
    portal.token = "whatever"
    told = portal.data("POST", f"{BASE}/{path}", {})
    assert told["access_token"] == "whatever"
    assert {told["token_expiry"], told["session_expiry"]} == {1712947711000}
