"""What the tests share: recorded vendor answers, the vendor's schemas, and a client over the simulator.

Tests that need time carry `@pytest.mark.looptime`: the event loop's clock then jumps to the next timer, and
simulator and client both follow it, so that hours pass in milliseconds.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, settings

from ims_async import ImsClient, ImsJob, PollPolicy, RetryPolicy, Sandbox, Vayana
from ims_async.gsp.base import Gsp
from ims_async.simulator import Simulator

from .support import loops
from .support.sweeps import examples

HERE = Path(__file__).parent / "contracts"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 # pytest makes a folder in it that only its user may enter
ROOM: Final = 2 * 10**9
IDLE_TURNS: Final = 4

# The same examples each time, so that no run fails by chance; HYPOTHESIS_PROFILE=random looks for new ones.
settings.register_profile(
    "random", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("same", settings.get_profile("random"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure() -> None:
    """Say that no event loop is set, or looptime makes one before each test and nobody closes it.

    Ctrl-C is heard by the programs that tests start, also where this one was started in the background.
    Files of tests are in memory where there is room for that: a journal waits for a disk at each write.
    """
    asyncio.set_event_loop(None)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background; programs inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let time jump after a few idle turns of the loop, where looptime waits for 42.

    A loop is idle when none of its tasks can go on, so that in memory nothing comes of more turns.
    """
    for item in items:
        if item.get_closest_marker("looptime"):
            item.add_marker(pytest.mark.looptime(noop_cycles=IDLE_TURNS), append=False)


def pytest_collection_finish() -> None:
    """Leave ten thousand collected tests out of each garbage collection that a test asks for."""
    gc.freeze()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, loops.LoopFactory]:
    """Run what is marked `every_loop` on each loop that is to be had here, all the rest on asyncio's own."""
    return loops.HERE if item.get_closest_marker("every_loop") else {"asyncio": asyncio.new_event_loop}


def load(name: str) -> dict[str, Any]:
    """Return a recorded sample, `sandbox/count-200` say, with its numbers exact."""
    text = (HERE / "samples" / f"{name}.json").read_text(encoding="utf-8")
    sample: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return sample


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    """The vendor's own examples by name."""
    return load


@pytest.fixture
def sim(request: pytest.FixtureRequest) -> Simulator:
    """A small world in memory; `@pytest.mark.sim(…)` passes other settings."""
    marker = request.node.get_closest_marker("sim")
    facts = {"seed": 7, "taxpayers": 2, "invoices": 60, "job_seconds": 5.0, "itc_reduction_required": True}
    return Simulator(**{**facts, **(marker.kwargs if marker else {})})


@pytest.fixture
def client(sim: Simulator) -> ImsClient:
    """A client of that world, with its clock; it holds no socket, so there is nothing to tear down."""
    return make_client(sim)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_gsps` once with each GSP; `only_gsp(name, why)` leaves the other out."""
    marker = metafunc.definition.get_closest_marker("only_gsp")
    if metafunc.definition.get_closest_marker("both_gsps"):
        metafunc.parametrize("gsp_name", [marker.args[0]] if marker else list(GSPS), indirect=True)


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no test use the journal or the credentials of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
            patch.setenv(name, str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def gsp_name(request: pytest.FixtureRequest) -> Iterator[str]:
    """The GSP that `make_client` uses in this test."""
    _current.append(getattr(request, "param", "sandbox"))
    yield _current[-1]
    _current.pop()


GSPS: Final[dict[str, Callable[..., Gsp]]] = {
    "sandbox": lambda sim, **settings: Sandbox("key_test_demo", "secret_test_demo", **settings),
    "vayana": lambda sim, **settings: Vayana("org-demo", **{"user_token": sim.user_token, **settings}),
}
LOGIN: Final[dict[str, Any]] = {
    "user_token": None, "handle": "demo@example.com", "password": "password_test_demo",
}  # fmt: skip
"""For `make_gsp` of Vayana: who logs in, where no token was handed in."""
_current: list[str] = []


def make_gsp(sim: Simulator, **settings: Any) -> Gsp:
    """Return the GSP that this test is about, as the simulator plays it."""
    return GSPS[_current[-1]](sim, **settings)


def make_client(sim: Simulator, **settings: Any) -> ImsClient:
    """Return a client that talks to the simulator in memory and reads the simulator's clock."""
    facts: dict[str, Any] = {"transport": sim.transport, "clock": sim.now, "gsp": make_gsp(sim)}
    return ImsClient(**{**facts, **settings})


QUICK = PollPolicy(initial_delay=0.0, max_interval=0.001)
ONE_TRY = RetryPolicy(max_tries=1)
HANGS: Final = 120.0
"""Seconds of real time after which something hangs; on no machine, however busy, does it take so long."""


# -- what both GSPs can say, each in its own words -----------------------------------------------------

Planned = tuple[int, Mapping[str, Any]]
"""HTTP status and body of an answer that a test plans."""


@attrs.frozen(kw_only=True)
class Dialect:
    """How one GSP says it, and what it calls the operations that follow from it."""

    throttled: Planned
    down: Planned
    stale_token: Planned
    """The token that the request carried has ended."""
    stale_session: Planned
    """The taxpayer's session with GSTN has ended."""
    half: bytes
    """How the answer to a save begins, cut off in the middle."""
    renewal: str
    """The operation that has another token in place of a stale one."""
    results_kept: dt.timedelta | None
    """For how long the outcome of a job can be had, where the GSP tells."""


def eas(key: str, kind: str, **args: Any) -> dict[str, Any]:
    """Return Vayana's envelope of an error."""
    error: dict[str, Any] = {"message": key, "type": kind, **({"args": args} if args else {})}
    return {"status": "0", "data": None, "error": error, "info": None, "additionalInfo": None, "alert": None}


def from_gstn(code: str, message: str = "GSTN says no") -> dict[str, Any]:
    """Return Vayana's envelope of an error of GSTN's own."""
    told = {"status-code": "0", "error-code": code, "message": message}
    return eas("err-gstn-returned-error", "Gstn", **{"gstn-err": told})


def envelope(data: Any) -> dict[str, Any]:
    """Return Vayana's envelope of a success."""
    return {"status": "1", "data": data, "error": None, "info": None, "additionalInfo": None, "alert": None}


_DIALECTS: Final = {
    "sandbox": Dialect(
        throttled=(429, {"code": 429, "message": "Too Many Requests"}),
        down=(504, {"code": 504, "message": "Endpoint request timed out"}),
        stale_token=(403, {"code": 403, "message": "Access token expired"}),
        stale_session=(403, {"code": 403, "message": "Access token expired"}),
        half=b'{"code":200,"data":{"data":{"refe',
        renewal="refresh",
        results_kept=None,
    ),
    "vayana": Dialect(
        throttled=(429, eas("err-too-many-requests", "ClientRequest")),
        down=(504, eas("err-gateway-timed-out", "Runtime")),
        stale_token=(403, eas("err-expired-token", "Authorization")),
        stale_session=(502, from_gstn("RET11402", "Unauthorized User")),
        half=b'{"status":"1","data":{"task-',
        renewal="account_refresh",
        results_kept=dt.timedelta(days=7),
    ),
}


def dialect() -> Dialect:
    """Return the words of the GSP that this test is about."""
    return _DIALECTS[_current[-1]]


def plan(sim: Simulator, operation: str, how: str, **rest: Any) -> None:
    """Plan an answer of `Dialect`, `down` say, to the next request of an operation."""
    sim.script_answer(operation, *getattr(dialect(), how), **rest)


def plan_endless(sim: Simulator) -> None:
    """Let the next job never be told to have ended, whatever becomes of its records."""
    if _current[-1] == "sandbox":
        sim.script_status(None, *[{"status_cd": "IP", "transTypCd": "SAV"}] * 100)
    else:
        sim.script_task(None, *["processing"] * 100)


def polls(sim: Simulator, job: ImsJob) -> int:
    """Count the polls of one job; a download is polled under the same name."""
    name = job.reference_id
    return sum(
        request.operation == "status"
        and name in (request.query.get("reference_id"), request.path.rpartition("/")[2])
        for request in sim.requests
    )
