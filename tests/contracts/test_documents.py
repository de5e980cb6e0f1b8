"""What the README and the other documents show is what works."""

from __future__ import annotations

import ast
import asyncio
import datetime as dt
import importlib.util
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

import ims_async
from ims_async import ImsClient, ImsError, OutcomeUnknown, bulk
from ims_async.journal import MemoryJournal, SqliteJournal
from ims_async.rules import closing_periods
from ims_async.simulator import Fault, Simulator
from ims_async.tables import offline

from ..conftest import QUICK, make_client, make_gsp
from ..support.documents import DOCUMENTS, PROGRAMS, ROOT, program_with


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_python_and_imports_what_there_is(program: str) -> None:
    """A name that was renamed shows here."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module == "ims_async":
            assert [alias.name for alias in node.names if not hasattr(ims_async, alias.name)] == []


@pytest.mark.ims_simulator(seed=3, taxpayers=1, invoices=50)
@pytest.mark.parametrize("name", ["test_our_monthly_run", "test_a_lost_answer"])
async def test_the_tests_in_the_documents_pass(name: str, ims_simulator: Simulator) -> None:
    """As a user would paste them."""
    names: dict[str, Any] = {}
    exec(compile(program_with(name), "document", "exec"), names)  # noqa: S102 # our own text
    await names[name](ims_simulator)


@pytest.mark.both_gsps
@pytest.mark.sim(job_seconds=0.0, download_seconds=0.0)
async def test_what_is_filed_is_asked_for_as_the_document_shows(sim: Simulator) -> None:
    """Each period of the decisions once; what one taxpayer has filed warns of that one's records only."""
    acme, other = sim.gstins
    client = make_client(sim, journal=MemoryJournal(), poll=QUICK)
    held = [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]
    work = {one.gstin: [row.accept() for row in await one.invoices("b2b", "N")] for one in held}
    sim.returns.file_gstr3b(acme, "102024", dt.date(2024, 11, 18))
    closed, others = (sum(closing_periods([one]) == ["102024"] for one in work[gstin]) for gstin in work)
    assert min(closed, others) > 0
    names: dict[str, Any] = {}
    program = program_with("closing_periods(decisions)")
    exec(compile(program, "document", "exec"), names)  # noqa: S102 # our own text
    report = await names["save_knowing_what_is_filed"](client, work)
    assert [report[gstin].warnings.get("period-closed") for gstin in (acme, other)] == [closed, None]
    assert sim.count("preference") == sum(len(closing_periods(own)) for own in work.values())


@pytest.mark.both_gsps
@pytest.mark.sim(job_seconds=0.0, download_seconds=0.0)
async def test_what_the_last_run_left_is_finished_as_the_document_shows(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job runs on, and the answer to another change is lost; then the process is gone."""
    monkeypatch.chdir(tmp_path)
    gsp, tokens = make_gsp(sim), {gstin: sim.token(gstin) for gstin in sim.gstins}

    def make(*arguments: Any, **facts: Any) -> ImsClient:
        client = ImsClient(*arguments, **facts, transport=sim.transport, clock=sim.now, poll=QUICK)
        for gstin, token in tokens.items():
            client.taxpayer(gstin, token=token)
        return client

    left = make(gsp, journal=SqliteJournal("ims.db"))
    running, lost = (left.taxpayer(gstin) for gstin in sim.gstins)
    await running.save([row.accept() for row in await running.invoices("b2b", "N")])
    sim.script_fault("save", Fault.drop_before())
    with pytest.raises(OutcomeUnknown):
        await lost.save([row.reject() for row in await lost.invoices("b2b", "N")])
    sim.advance(3600)

    body = "\n".join(f"    {line}" for line in program_with("bulk.recover").splitlines())
    names: dict[str, Any] = {"gsp": gsp}
    monkeypatch.setattr(ims_async, "ImsClient", make)
    exec(compile(f"async def finish():\n{body}", "document", "exec"), names)  # noqa: S102 # our own text
    await names["finish"]()
    assert {record.action for record in sim.records(running.gstin, "b2b")} >= {"A"}
    assert not [row for gstin in sim.gstins for row in sim.records(gstin, "b2b") if row.action == "N"]
    assert sim.count("save") == 3  # the lost one was sent again once, after a look
    await left.aclose()


def test_the_program_for_many_taxpayers_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, but for the time that jobs take."""
    _make_quick(monkeypatch, tmp_path)
    exec(compile(program_with("bulk.pull_all"), "README.md", "exec"), {})  # noqa: S102 # our own text
    report = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"run \S+: ([0-9,]+) decisions of 20 taxpayers: \1 applied", report)
    assert (tmp_path / "ims-async" / "journal.db").exists()


def test_it_shows_what_stopped_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the report, with its GSTIN."""
    _make_quick(monkeypatch, tmp_path)
    save_all = bulk.save_all
    monkeypatch.setattr(
        bulk, "save_all", lambda client, work: save_all(client, {**work, next(iter(work)): [5]})
    )
    exec(compile(program_with("bulk.pull_all"), "README.md", "exec"), {})  # noqa: S102 # our own text
    *_, report, problem = capsys.readouterr().out.splitlines()
    assert report.endswith("; 1 taxpayer with an error")
    assert re.fullmatch(r"(\w{15}) \1: item 1 is of type int: pass what .*", problem)


def _make_quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    at_once = {"job_seconds": 0.0}
    monkeypatch.setattr("ims_async.simulator.Simulator", lambda **facts: Simulator(**{**facts, **at_once}))
    monkeypatch.setattr(ims_async, "PollPolicy", lambda **_: QUICK)


def test_all_tests_in_the_documents_are_run() -> None:
    """None is forgotten above."""
    assert len([program for program in PROGRAMS if "async def test_" in program]) == 2


def test_the_document_names_every_error_and_no_other() -> None:
    """In the table of what to do."""
    table = DOCUMENTS["docs/errors.md"].partition("# When something goes wrong")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert named
    assert all(issubclass(getattr(ims_async, name), ImsError) for name in named)
    public = {name: getattr(ims_async, name) for name in ims_async.__all__}
    errors = {name for name, one in public.items() if isinstance(one, type) and issubclass(one, ImsError)}
    assert errors - {"ImsError", "JobError"} <= named


async def test_the_handler_of_a_service_awaits_its_own_save(sim: Simulator) -> None:
    """All records of one supplier; and nothing is sent where none waits."""
    names: dict[str, Any] = {}
    exec(compile(program_with("accept_supplier"), "README.md", "exec"), names)  # noqa: S102 # our own text
    gstin = sim.gstins[0]
    async with make_client(sim, poll=QUICK) as client:
        acme = client.taxpayer(gstin, token=sim.token(gstin))
        rows = await acme.invoices("b2b", "N")
        supplier = rows[0].supplier
        job = asyncio.create_task(names["accept_supplier"](client, gstin, supplier))
        while not sim.jobs:
            await asyncio.sleep(0)
        sim.advance(3600)
        report = await job
        assert len(report.succeeded) == len([row for row in rows if row.supplier == supplier])
        assert await names["accept_supplier"](client, gstin, supplier) is None
    assert sim.count("save") == 1


async def test_counts_of_many_are_read_at_once_and_one_error_stops_none(sim: Simulator) -> None:
    """A session that has ended is the value of its own GSTIN."""
    names: dict[str, Any] = {}
    exec(compile(program_with("count_all"), "README.md", "exec"), names)  # noqa: S102 # our own text
    first, second = sim.gstins
    async with make_client(sim) as client:
        client.taxpayer(first, token=sim.token(first))
        found = await names["count_all"](client, [first, second])
    assert list(found) == [first, second]
    assert found[first].total > 0
    assert isinstance(found[second], ims_async.NotAuthorized)


# -- what the documents name -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name: str) -> None:
    """From the repository's root, or from the package's; a name in `<>` stands for any."""
    for path in re.findall(r"`([\w.][\w./-]*(?:/|\.(?:py|md|toml|txt|yaml)))`", DOCUMENTS[name]):
        assert (ROOT / path).exists() or (ROOT / "ims_async" / path).exists(), path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_between_documents_leads_somewhere(name: str) -> None:
    """To a file, and to a heading of it."""
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", DOCUMENTS[name]):
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), path
        if heading:
            text = target.read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_that_a_document_names_can_be_given(name: str) -> None:
    """Targets of the Makefile, and modules that are run."""
    text = " ".join(DOCUMENTS[name].split())
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(targets)
    for module in re.findall(r"python (?:-X dev )?-m ((?:tests|benchmarks|ims_async)[\w.]*)", text):
        assert importlib.util.find_spec(module) is not None, module


def test_the_readme_is_short_and_lists_its_sections_and_all_documents() -> None:
    """What does not fit is in docs/."""
    readme = DOCUMENTS["README.md"]
    assert len(readme.splitlines()) < 250
    top = readme.partition("\n## ")[0]
    for title in re.findall(r"^## (.*)$", readme, re.MULTILINE):
        assert f"(#{title.lower().replace(' ', '-')})" in top
    for name in set(DOCUMENTS) - {"README.md"}:
        assert name in readme


def test_the_document_names_every_setting_of_an_upload_with_its_default() -> None:
    """As the command line takes it, and every name of the module."""
    text = DOCUMENTS["docs/offline-tool.md"]
    rows = re.findall(r"^\| `([a-z-]+)`[^|]*\| `(\w+)`", text, re.MULTILINE)
    defaults = attrs.asdict(offline.OfflineSettings())
    assert {name.replace("-", "_"): default for name, default in rows} == defaults
    assert [name for name in offline.__all__ if f"`{name}" not in text and f"{name}(" not in text] == []
