"""A gateway that does not answer while a run is watched: that is said, and how long it is asked again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import GatewayUnavailable, Gsp, NotSent, Sandbox, Vayana, bulk
from ims_async.cli.output import board
from ims_async.cli.output.board import Answers, run_board
from ims_async.cli.output.console import Console
from ims_async.gsp.base import Request, Response
from ims_async.net.aiohttp import AiohttpTransport
from ims_async.simulator import Fault
from tests.cli.cli_shell import QUICK, Shell, accept, opened
from tests.cli.test_cli_jobs_journal import some_time_ago


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of one taxpayer, of whose push the answer was lost."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=1, invoices=12, sections=["b2b"]) as found:
        found.with_token()
        file, _ = found.decided(accept)
        found.sim.script_answer("save", 502, b"", after=True)
        found.lose_answer(file, "--run", "november")
        yield found


@pytest.fixture
def slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of one taxpayer, whose push was left while its job runs."""
    facts: dict[str, Any] = {"taxpayers": 1, "invoices": 12, "sections": ["b2b"], "job_seconds": 3600.0}
    with opened(tmp_path, monkeypatch, capsys, **facts) as found:
        found.with_token()
        file, _ = found.decided(accept)
        options = ("--yes", "--run", "november", "--first-poll", 1)
        assert found.run_until("Submitted as job", "push", file, *options).code == 130
        yield found


@pytest.mark.parametrize(("options", "seconds"), [((), 3600.0), (("--max-outage", "90"), 90.0)])
@pytest.mark.parametrize(("run", "name"), [((), "recover"), (("november",), "resume")])
def test_jobs_resume_takes_the_option_too(
    shell: Shell, run: tuple[str, ...], name: str, options: tuple[str, ...], seconds: float
) -> None:
    """An hour where nothing is said, as with `push`."""
    begun: list[float] = []

    def begin(*_: Any, **settings: Any) -> Any:
        begun.append(settings["max_outage"])
        raise KeyboardInterrupt

    shell.monkeypatch.setattr(bulk, name, begin)
    assert shell.run("jobs", "resume", *run, *QUICK, *options).code == 130
    assert begun == [seconds]


def test_jobs_resume_says_what_it_looks_after_and_that_the_gateway_does_not_answer(shell: Shell) -> None:
    """It was silent for a minute, and then said only that nothing was known."""
    shell.monkeypatch.setattr(board, "_OUTAGE", 0.1)
    some_time_ago(shell)
    for operation in ("invoices", "count"):
        shell.sim.script_fault(operation, *Fault.burst(50))
    ended = shell.run_until("The gateway does not answer", "jobs", "resume", *QUICK, "--max-outage", 90)
    assert ended.code == 130
    assert ended.err.startswith("1 job with ")
    assert (
        "The gateway does not answer: it is asked again, for 90 seconds at most (--max-outage)." in ended.err
    )


@pytest.mark.looptime
async def test_an_outage_is_told_once_and_so_is_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One request without an answer is none yet; one that is answered ends it."""
    statuses: list[int] = []

    async def send(self: AiohttpTransport, request: Request) -> Response:
        if not statuses:
            raise GatewayUnavailable("no answer")
        return Response(status=statuses.pop(), headers={}, body=b"")

    monkeypatch.setattr(AiohttpTransport, "send", send)
    answers = Answers(Sandbox("key"))

    async def ask() -> None:
        request = Request(operation="status", method="GET", url="https://example.com/")
        with contextlib.suppress(GatewayUnavailable):
            await answers.send(request)

    async with run_board(Console(), {"A": 1}, answers, 3600.0):
        for wait in (5.0, 30.0, 30.0):
            await ask()
            await asyncio.sleep(wait)
        statuses.append(503)
        await ask()
        await asyncio.sleep(30)
        statuses.append(200)
        await ask()
        await asyncio.sleep(30)
    assert capsys.readouterr().err.splitlines() == [
        "The gateway does not answer: it is asked again, for 3,600 seconds at most (--max-outage).",
        "The gateway answers again.",
    ]


def _refused(code: str) -> bytes:
    error = {"message": "err-gstn-returned-error", "args": {"gstn-err": {"error-code": code}}}
    return json.dumps({"status": "0", "error": error}).encode()


@pytest.mark.parametrize(
    ("gsp", "status", "body", "answered"),
    [
        (Sandbox("key"), 503, b"", False),
        (Sandbox("key"), 500, b'{"code":422,"message":"Invalid","transaction_id":"1"}', True),
        (Vayana("org", "token"), 502, b"", False),
        (Vayana("org", "token"), 502, _refused("IMSSAV0015"), True),
        (Vayana("org", "token"), 502, _refused("TEC4001"), False),
    ],
)
async def test_a_refusal_with_http_502_is_no_outage(
    monkeypatch: pytest.MonkeyPatch, gsp: Gsp, status: int, body: bytes, answered: bool
) -> None:
    """It is how one GSP words GSTN's own: for minutes, where another job of the GSTIN runs."""

    async def send(self: AiohttpTransport, request: Request) -> Response:
        return Response(status=status, headers={}, body=body)

    monkeypatch.setattr(AiohttpTransport, "send", send)
    answers = Answers(gsp)
    await answers.send(Request(operation="save", method="PUT", url="https://example.com/", changes=True))
    assert (answers.silent_since is None) is answered


COMMANDS: dict[str, tuple[str, ...]] = {
    "resume": ("jobs", "resume"),
    "resume a run": ("jobs", "resume", "november"),
    "push the run": ("push", "acme.csv", "--yes", "--run", "november"),
    "push": ("push", "acme.csv", "--yes"),
    "reset": ("reset", "acme.csv", "--yes"),
    "regenerate": ("gstr2b", "regenerate", "--period", "102024", "--yes", "--confirm", "--run", "g"),
}


FAULTS = {
    "503": (Fault.outage(), "", "Service Unavailable"),
    "429": (Fault.throttled(), " but 'too many requests'", "Too Many Requests"),
}


@pytest.mark.parametrize("down", ["503", "429", "refused"])
@pytest.mark.parametrize("name", COMMANDS)
def test_an_outage_that_is_given_up_is_told_with_its_host_and_cause(
    slow: Shell, name: str, down: str
) -> None:
    """And for how long it was asked, and what to do; it was only said that nobody waits any more."""
    host, command = slow.sim.url.partition("//")[2], [*COMMANDS[name]]
    if command[0] == "gstr2b":
        command += ["--gstin", slow.gstin]
    if down != "refused":
        fault, but, what = FAULTS[down]
        for operation in ("status", "gstr2b", "count"):
            slow.sim.script_fault(operation, *[fault] * 50)
        told = rf"no answer{but} from {host} for (\d+) s \({down}: {what}\); "
    else:
        _refuse(slow.monkeypatch, "status", "gstr2b", "count")
        told = rf"no answer from {host} for (\d+) s \(\w+ never left this machine for 127.0.0.1: refused\); "
    ended = slow.run(*command, *QUICK, "--json", "--max-outage", 0.6)
    assert ended.code == 1
    found = re.search(told, ended.err)
    assert found is not None, ended.err
    probes = 2 * 2.2 if name == "regenerate" else 0.0  # each a read, which is tried three times
    assert 0.5 <= int(found[1]) <= 1.5 + probes
    assert "; go on once it answers" in ended.err
    assert "o on with:\n  ims-async " in ended.err


def _refuse(monkeypatch: pytest.MonkeyPatch, *operations: str) -> None:
    truly = AiohttpTransport.send

    async def send(self: AiohttpTransport, request: Request) -> Response:
        if request.operation in operations:
            raise NotSent(f"{request.operation} never left this machine for 127.0.0.1: refused")
        return await truly(self, request)

    monkeypatch.setattr(AiohttpTransport, "send", send)


def test_a_gateway_that_is_down_before_a_run_begins_is_named(slow: Shell) -> None:
    """With the account that asked."""
    slow.sim.script_fault("count", *Fault.burst(50))
    ended = slow.run("counts")
    assert ended.code == 1
    host = slow.sim.url.partition("//")[2]
    told = f"Error: 503: Service Unavailable (the Sandbox account of IMS_API_KEY at {host}); try again later"
    assert told in ended.err
