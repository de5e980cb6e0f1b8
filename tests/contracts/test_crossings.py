"""How often one save goes from one file of the package to another: how well it is cut into modules."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

MOST: Final = 198  # there are 195 or 196: whether a job counts as waited for depends on the clock
PROGRAM: Final = """
import asyncio, os, sys
import ims_async
from ims_async import ImsClient, PollPolicy, Sandbox
from ims_async.simulator import Simulator

root, crossings = os.path.dirname(ims_async.__file__) + os.sep, []

def file_of(frame):
    name = "" if frame is None else frame.f_code.co_filename
    ours = name.startswith(root) and not name[len(root):].startswith(("rules", "simulator"))
    return name[len(root):] if ours else None

def count(frame, event, _):
    caller, callee = file_of(frame.f_back), file_of(frame)
    if event == "call" and None not in (caller, callee) and caller != callee:
        crossings.append(f"{caller}:{frame.f_back.f_code.co_name} -> {callee}:{frame.f_code.co_name}")

async def main():
    sim = Simulator(invoices=20, job_seconds=0)
    facts = {"transport": sim.transport, "poll": PollPolicy(initial_delay=0)}
    async with ImsClient(Sandbox("key_test_demo", "secret_test_demo"), **facts) as client:
        taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
        rows = list(await taxpayer.invoices("b2b"))
        await (await taxpayer.save([row.accept() for row in rows[:5]]))
        sys.setprofile(count)
        job = await taxpayer.save([row.reject() for row in rows[5:10]])
        await job
        sys.setprofile(None)
        assert job.report.ok

asyncio.run(main())
print("\\n".join(crossings))
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="comprehensions are no calls there: another count")
def test_one_save_crosses_few_borders_of_files() -> None:
    """Save five records and await the job, once all is warm, without a journal, and with the first poll due.

    A crossing is a call of a Python function, or a resumption of a coroutine or generator, that is made in
    one file of `ims_async` and whose code is in another (the event `call` of `sys.setprofile`). Calls from
    or to `rules/` and `simulator/` do not count, and neither do those that asyncio or a library makes. It is
    counted in a process of its own, since a coverage run has the profiler's place here.
    """
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    crossings = ran.stdout.splitlines()
    assert "jobs/job.py:wait -> jobs/poller.py:news" in crossings  # see that any are found
    assert 100 < len(crossings) <= MOST, ran.stdout
