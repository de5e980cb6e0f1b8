"""The client: one account, many taxpayers, jobs that survive the process."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import urllib.parse

import aiohttp
import attrs
import pytest

import ims_async
from ims_async import (
    ClientClosed,
    ImsClient,
    InvalidInput,
    ItcReduction,
    JobInFlight,
    JobToken,
    NotAuthorized,
    NotSent,
    RateLimit,
    Sandbox,
    Section,
    as_completed,
)
from ims_async.gsp.base import Request, Response
from ims_async.net.transport import AnswerLost, MemoryTransport
from ims_async.simulator import Simulator

from .conftest import LOGIN, ONE_TRY, QUICK, make_client, make_gsp

both = pytest.mark.both_gsps


def test_everything_that_is_offered_exists_and_is_sorted() -> None:
    """`__all__` is the public surface, in order, each name once."""
    names = ims_async.__all__
    assert sorted(names) == names
    assert len(set(names)) == len(names)
    assert all(hasattr(ims_async, name) for name in names)


@both
async def test_one_gstin_is_one_object(client: ImsClient, sim: Simulator) -> None:
    """Whatever its case; a token handed in later is used from then on."""
    gstin = sim.gstins[0]
    assert client.taxpayer(gstin) is client.taxpayer(gstin.lower())
    with pytest.raises(NotAuthorized):
        await client.taxpayer(gstin).counts()
    assert (await client.taxpayer(gstin, token=sim.token(gstin)).counts()).total > 0


def test_an_own_gstin_with_a_wrong_checksum_is_refused(client: ImsClient) -> None:
    """The error names the digit; test hosts, which use such GSTINs, are served by `check=False`."""
    with pytest.raises(InvalidInput, match="must be F"):
        client.taxpayer("29AAACQ3770E1ZA")
    assert client.taxpayer("29AAACQ3770E1ZA", check=False).gstin == "29AAACQ3770E1ZA"
    with pytest.raises(InvalidInput, match="empty"):
        client.taxpayer(" ", check=False)


def test_what_cannot_work_is_refused_when_the_client_is_made(sim: Simulator) -> None:
    """An empty key, clear-text http to a strange host, a journal in a release without one."""
    with pytest.raises(InvalidInput, match="api_key"):
        Sandbox("")
    with pytest.raises(InvalidInput, match="https"):
        Sandbox("key", base_url="http://example.com")
    with pytest.raises(InvalidInput, match="source"):
        Sandbox("key", source="third")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="journal"):
        ImsClient(Sandbox("key"), journal="jobs.sqlite")  # type: ignore[arg-type]
    assert Sandbox("key", test=True).base_url == "https://test-api.sandbox.co.in"
    assert Sandbox("key", base_url="http://[::1]:8080/").base_url == "http://[::1]:8080"


@both
async def test_entering_and_leaving_does_no_io(sim: Simulator) -> None:
    """Nothing is sent, and no session is opened, before something is asked for."""
    async with make_client(sim):
        pass
    async with ImsClient(make_gsp(sim)):
        pass
    assert sim.requests == []


@pytest.mark.looptime
@both
async def test_closing_while_jobs_run_hands_out_their_tokens_and_logs_nobody_out(sim: Simulator) -> None:
    """A shutdown loses no job: the tokens resume them in the next process."""
    tokens: list[str] = []
    async with make_client(sim) as client:
        jobs = []
        for gstin in sim.gstins:
            taxpayer = client.taxpayer(gstin, token=sim.token(gstin))
            row = (await taxpayer.invoices(Section.B2B))[0]
            jobs.append(await taxpayer.save([row.accept()]))

        async def watch(job: ims_async.ImsJob) -> None:
            try:
                await job
            except ClientClosed as closed:
                assert closed.token is not None
                tokens.append(closed.token.dumps())

        watchers = [asyncio.create_task(watch(job)) for job in jobs]
        await asyncio.sleep(1)
        await client.aclose()
        await asyncio.gather(*watchers)
        with pytest.raises(ClientClosed):
            await client.taxpayer(sim.gstins[0]).counts()
    assert sim.count("logout") == 0
    assert len(tokens) == 2
    later = make_client(sim)
    for text in tokens:
        token = JobToken.loads(text)
        later.taxpayer(token.gstin, token=sim.token(token.gstin))
        report = await later.resume(text)
        assert report.ok
        assert report.submitted == 1


@pytest.mark.looptime
@both
async def test_closing_does_not_wait_for_a_change_that_has_not_left(sim: Simulator) -> None:
    """It waits for the budget of requests: it is told that nothing was sent, at once."""
    gstin = sim.gstins[0]
    async with make_client(sim, rate=RateLimit(1)) as client:
        taxpayer = client.taxpayer(gstin, token=sim.token(gstin))
        rows = await taxpayer.invoices(Section.B2B)
        saving = asyncio.create_task(taxpayer.save([rows[0].accept()]))
        await asyncio.sleep(1)
        started = asyncio.get_running_loop().time()
        await client.aclose()
        assert asyncio.get_running_loop().time() - started < 1
        with pytest.raises(ClientClosed, match="nothing was sent"):
            await saving
    assert sim.count("save") == 0


@pytest.mark.looptime
@both
@pytest.mark.only_gsp("sandbox", "a poll of Vayana's tasks needs no session of the taxpayer")
async def test_resuming_without_a_session_says_so_at_the_first_poll(
    client: ImsClient, sim: Simulator
) -> None:
    """`resume` does no I/O; waiting would not make a credential."""
    gstin = sim.gstins[0]
    job = await client.taxpayer(gstin, token=sim.token(gstin)).save(
        [(await client.taxpayer(gstin).invoices(Section.B2B))[0].accept()]
    )
    stranger = make_client(sim)
    asked = len(sim.requests)
    handle = stranger.resume(job.token)
    assert len(sim.requests) == asked
    with pytest.raises(NotAuthorized):
        await handle


@both
@pytest.mark.looptime
@pytest.mark.only_gsp("vayana", "a poll of Sandbox needs the taxpayer's session")
async def test_resuming_a_task_needs_no_session_of_the_taxpayer(client: ImsClient, sim: Simulator) -> None:
    """The account's token asks for it: the report comes also where nobody is logged in."""
    gstin = sim.gstins[0]
    rows = await client.taxpayer(gstin, token=sim.token(gstin)).invoices(Section.B2B)
    job = await client.taxpayer(gstin).save([row.accept() for row in rows])
    report = await make_client(sim).resume(job.token)
    assert report.ok
    assert report.submitted == len(rows)


@both
@pytest.mark.looptime
@pytest.mark.only_gsp("vayana", "Sandbox documents no way to end the account's token")
async def test_nobody_signs_out_under_a_running_job(client: ImsClient, sim: Simulator) -> None:
    """Its outcome is asked for with the account's token; afterwards the token is ended."""
    gstin = sim.gstins[0]
    taxpayer = client.taxpayer(gstin, token=sim.token(gstin))
    job = await taxpayer.save([(await taxpayer.invoices(Section.B2B))[0].accept()])
    with pytest.raises(JobInFlight, match="wait for it first") as caught:
        await client.sign_out()
    assert caught.value.job is job
    await job
    await client.sign_out()
    assert sim.count("account_logout") == 1
    with pytest.raises(NotAuthorized):
        await taxpayer.counts()


class SlowSave(MemoryTransport):
    """The gateway has a save at once, its answer takes five seconds."""

    async def send(self, request: Request) -> Response:
        answer = await super().send(request)
        await asyncio.sleep(5 if request.operation == "save" else 0)
        return answer


@both
@pytest.mark.looptime
async def test_nobody_signs_out_while_a_change_is_being_sent_or_a_job_waited_for(sim: Simulator) -> None:
    """Whoever has the change on its way, or a job by its reference alone: it is refused before it is sent."""
    gstin = sim.gstins[0]
    client = make_client(sim, transport=SlowSave(sim.transport, clock=sim.now))
    taxpayer = client.taxpayer(gstin, token=sim.token(gstin))
    rows = await taxpayer.invoices(Section.B2B)
    saving = asyncio.create_task(taxpayer.save([rows[0].accept()]))
    await asyncio.sleep(1)
    assert (sim.count("save"), saving.done()) == (1, False)
    with pytest.raises(JobInFlight, match="wait for it first") as caught:
        await client.sign_out()
    assert caught.value.job is None
    sent = await saving
    other = make_client(sim)
    job = other.taxpayer(gstin, token=sim.token(gstin)).job(str(sent.reference_id), submitted=1)
    waiting = asyncio.create_task(job.result())
    await asyncio.sleep(1)
    with pytest.raises(JobInFlight, match="wait for it first") as caught:
        await other.sign_out()
    assert caught.value.job is job
    assert (await waiting).ok
    assert sim.count("account_logout") == 0


@both
def test_a_token_of_another_host_or_gsp_is_refused(client: ImsClient, sim: Simulator, gsp_name: str) -> None:
    """A test host's job is not looked for on the production host, nor one GSP's at the other."""
    token = JobToken(
        gsp=gsp_name,
        host="elsewhere",
        gstin="29AAACQ3770E1ZF",
        kind=ims_async.JobKind.SAVE,
        reference_id="r",
    )
    with pytest.raises(InvalidInput, match="elsewhere"):
        client.resume(token)
    here = urllib.parse.urlsplit(make_gsp(sim).base_url).netloc
    assert client.resume(attrs.evolve(token, host=here)).reference_id == "r"
    with pytest.raises(InvalidInput, match=f"talks to {gsp_name}"):
        client.resume(attrs.evolve(token, host=here, gsp="third"))
    with pytest.raises(InvalidInput, match="not a job token"):
        client.resume("{}")


@pytest.mark.looptime
@both
async def test_many_taxpayers_at_once(sim: Simulator) -> None:
    """Concurrent GSTINs over one client, finished in the order in which their jobs end."""
    crowd = Simulator(seed=11, taxpayers=20, invoices=16, job_seconds=lambda rng: rng.uniform(1, 600))
    async with make_client(crowd) as client:

        async def save_all(gstin: str) -> ims_async.ImsJob:
            taxpayer = client.taxpayer(gstin, token=crowd.token(gstin))
            rows = [row async for row in taxpayer.all_invoices()]
            return await taxpayer.save(
                [
                    row.accept(itc_reduction=ItcReduction.none() if row.section is Section.B2BCN else None)
                    for row in rows
                ]
            )

        jobs = await asyncio.gather(*(save_all(gstin) for gstin in crowd.gstins))
        finished = [job async for job in as_completed(jobs)]
        assert {job.gstin for job in finished} == set(crowd.gstins)
        assert all(job.report is not None and job.report.ok for job in finished)
    assert len(crowd.effects) == 20 * 16


RESUME = """
import asyncio, sys
from ims_async import ImsClient, JobToken, PollPolicy, Sandbox, Vayana

async def main(kind: str, url: str, user_token: str, session: str, text: str) -> None:
    if kind == "vayana":
        gsp = Vayana("org-demo", user_token, base_url=url)
    else:
        gsp = Sandbox("key_test_demo", base_url=url)
    async with ImsClient(gsp, poll=PollPolicy(initial_delay=0)) as client:
        token = JobToken.loads(text)
        client.taxpayer(token.gstin, token=session)
        report = await client.resume(token)
        print(report.state, report.submitted, report.ok)

asyncio.run(main(*sys.argv[1:]))
"""


@both
async def test_a_job_is_resumed_in_another_process_from_its_token(gsp_name: str) -> None:
    """A real process, a real socket: the token is all that is handed over, beside the session."""
    async with Simulator(seed=7, invoices=20, job_seconds=0, download_seconds=0) as world:
        gstin = world.gstins[0]
        async with ImsClient(make_gsp(world, base_url=world.url), poll=QUICK) as client:
            taxpayer = client.taxpayer(gstin, token=world.token(gstin))
            rows = await taxpayer.invoices(Section.B2B)
            job = await taxpayer.save([row.accept() for row in rows])
            text = job.token.dumps()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", RESUME,
            gsp_name, world.url, world.user_token, world.token(gstin), text,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
    # In development mode asyncio says what took it over 0.1 s, as on a busy machine many things do.
    assert [line for line in errors.decode().splitlines() if not line.startswith("Executing <")] == []
    assert output.decode().split() == ["succeeded", str(len(rows)), "True"]


@both
async def test_the_main_job_over_a_real_socket(gsp_name: str) -> None:
    """Both logins, read, save, report, reset, logout over HTTP on loopback; nothing is left open."""
    login = LOGIN if gsp_name == "vayana" else {}
    async with Simulator(seed=7, invoices=30, job_seconds=0, download_seconds=0) as world:
        person = world.taxpayers[0]
        async with ImsClient(make_gsp(world, base_url=world.url, **login), poll=QUICK) as client:
            acme = client.taxpayer(person.gstin)
            await acme.request_otp(person.username)
            await acme.verify_otp("575757")
            rows = await acme.invoices(Section.B2B)
            assert (await (await acme.save([row.reject() for row in rows]))).ok
            assert (await (await acme.reset(await acme.invoices(Section.B2B)))).ok
            await acme.logout()
    gc.collect()


@both
async def test_a_session_of_the_caller_s_own_is_used_and_not_closed(sim: Simulator) -> None:
    """`session=`: the caller opened it, the caller closes it."""
    async with Simulator(seed=7, invoices=10, job_seconds=0) as world, aiohttp.ClientSession() as session:
        gsp = make_gsp(world, base_url=world.url)
        async with ImsClient(gsp, session=session) as client:
            gstin = world.gstins[0]
            assert (await client.taxpayer(gstin, token=world.token(gstin)).counts()).total == 10
        assert not session.closed
    with pytest.raises(InvalidInput, match="not both"):
        ImsClient(gsp, session=session, transport=sim.transport)


@both
async def test_a_gateway_that_is_not_there_is_told_as_not_sent(sim: Simulator, unused_tcp_port: int) -> None:
    """Nothing left this machine: trying later is safe."""
    gsp = make_gsp(sim, base_url=f"http://127.0.0.1:{unused_tcp_port}")
    async with ImsClient(gsp, retry=ONE_TRY) as client:
        with pytest.raises(NotSent):
            await client.taxpayer("29AAACQ3770E1ZF", token="t").counts()


def test_importing_the_package_does_not_import_aiohttp() -> None:
    """Only who sends pays for it."""
    loaded = "print('aiohttp' in sys.modules, 'ims_async.simulator' in sys.modules)"
    code = f"import sys; from ims_async import ImsClient; {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_fixture_that_users_get_is_a_simulator(ims_simulator: Simulator) -> None:
    """The pytest plugin comes with the package."""
    assert len(ims_simulator.gstins) == 2


@pytest.mark.ims_simulator(seed=3, taxpayers=1, invoices=8)
async def test_the_fixture_takes_other_settings(ims_simulator: Simulator) -> None:
    """A user's test, in full."""
    gstin = ims_simulator.gstins[0]
    async with ImsClient(Sandbox("key_test_demo"), transport=ims_simulator.transport) as client:
        counts = await client.taxpayer(gstin, token=ims_simulator.token(gstin)).counts()
    assert counts.total == 8


@pytest.mark.looptime
async def test_a_read_that_closing_breaks_off_says_that_the_client_was_closed(sim: Simulator) -> None:
    """Not that the gateway is unavailable."""
    closed = asyncio.Event()

    class Silent:
        async def send(self, request: Request) -> Response:
            await closed.wait()
            raise AnswerLost(f"no whole answer to {request.operation} came back")

        async def aclose(self) -> None:
            closed.set()

    client = make_client(sim, transport=Silent())
    reading = asyncio.create_task(client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0])).counts())
    await asyncio.sleep(0.1)
    await client.aclose()
    with pytest.raises(ClientClosed, match=r"was closed while .* was under way"):
        await reading
