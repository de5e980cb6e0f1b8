"""What a process does until it is killed, and what the gateway does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

from ims_async.simulator import Fault, Simulator

from ..crash.plan import REGENERATE_PATH, REGENERATION_PATH

PERIOD: Final = "012025"
RUN: Final = "night"
SECONDS: Final = 0.02
"""How long the gateway is at work on anything."""

Task = Literal["regenerate", "regenerate_all", "save_all", "recover"]
Ending = Literal["computed", "refused", "failed"]


@attrs.frozen(kw_only=True)
class Scenario:
    """A `task`, and how it must end in the end, if it was handed in."""

    name: str
    task: Task = "regenerate"
    ends: Ending = "computed"
    gsp: str = "sandbox"
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    """Of the simulator."""
    unchanged: bool = False
    """Whether it was computed before, and no action has changed since."""
    spoil: Callable[[Simulator], None] = lambda sim: None
    """Plans what goes wrong while the process lives that is killed; then the gateway is well again."""
    shows_work: bool = True
    """Whether the first poll of each job says that it is at work. At Vayana a save's task would end."""

    @property
    def deadline(self) -> float:
        """The seconds for which a process waits for a job."""
        return 20.0 if self.ends != "failed" else 0.2


def _faults(*faults: Fault) -> Callable[[Simulator], None]:
    return lambda sim: sim.script_fault("regenerate", *faults)


def _in_the_way(sim: Simulator) -> None:
    error = {"error_cd": "IMSSAV0015", "message": "Another job of the taxpayer is running"}
    sim.script_answer("regenerate", 200, {"code": 200, "data": {"status_cd": "0", "error": error}})


def _lost_then_in_the_way(sim: Simulator) -> None:
    sim.script_fault("regenerate", Fault.drop_after())
    _in_the_way(sim)


def _filed(sim: Simulator) -> None:
    sim.returns.file_gstr3b(sim.gstins[0], PERIOD)


# Every second one is in the sample of `make test`.
SCENARIOS: Final = (
    Scenario(name="ends well"),
    Scenario(name="ends well, keys", gsp="sandbox, keys", settings={"regenerate_body": "keys"}),
    Scenario(name="answer lost", spoil=_faults(Fault.drop_after())),
    Scenario(name="ends well, vayana", gsp="vayana"),
    Scenario(name="another job runs (IMSSAV0015)", spoil=_in_the_way),
    Scenario(name="answer lost twice, nothing done", spoil=_faults(Fault.outage(), Fault.html())),
    Scenario(name="refused (IMS2B007)", spoil=_filed, ends="refused"),
    Scenario(name="every answer lost", spoil=_faults(*[Fault.drop_after()] * 3)),
    Scenario(name="not seen at first (IMS0008)", settings={"regenerate_hidden_seconds": 0.1}),
    Scenario(name="never seen (IMS0008)", settings={"regenerate_hidden_seconds": 1e9}, ends="failed"),
    Scenario(name="answer lost, then IMSSAV0015", spoil=_lost_then_in_the_way),
    Scenario(name="throttled", spoil=_faults(Fault.throttled(0))),
    Scenario(name="save_all", task="save_all"),
    Scenario(name="nothing changed (IMS2005)", settings={"regenerate_unchanged": False}, unchanged=True),
    Scenario(name="regenerate_all, answer lost", task="regenerate_all", spoil=_faults(Fault.drop_after())),
    Scenario(name="regenerate_all", task="regenerate_all"),
    Scenario(name="save_all, answer lost", task="save_all", spoil=_faults(Fault.drop_after())),
    Scenario(name="save_all, vayana", task="save_all", gsp="vayana", shows_work=False),
)


def make_simulator(scenario: Scenario, clock: Callable[[], float]) -> Simulator:
    """Return the world of a scenario: one taxpayer with a few records."""
    settings: dict[str, Any] = {
        "regenerate_unchanged": True,
        "regenerate_seconds": SECONDS,
        "job_seconds": SECONDS,
        "download_seconds": 0.0,
        "token_seconds": 864_000.0,
        "account_token_seconds": 864_000.0,
        "vayana_regenerate_path": f"/enriched/gstn/v1.0/{REGENERATE_PATH}",
        "vayana_regeneration_path": f"/enriched/gstn/v1.0/{REGENERATION_PATH}",
    }
    return Simulator(
        clock=clock, taxpayers=1, invoices=20, sections=["b2b"], **{**settings, **scenario.settings}
    )
