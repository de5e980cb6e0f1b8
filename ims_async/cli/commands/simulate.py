"""`simulate`: a fake gateway on a local port, to try the other commands on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Annotated, Final

from ... import decide
from ...errors import InvalidInput
from ...simulator import Simulator
from ...simulator.seeding import PERIODS
from .. import options
from ..command import command
from ..inputs.accounts import Provider, chosen
from ..output import tables as show
from ..output.console import OK, Console

OTP: Final = "575757"  # which a simulator sends to everybody


@command()
def simulate(
    console: Console,
    port: Annotated[int, options.option("--port", "0 takes a free one.", "8070", min=0, max=65535)] = 0,
    taxpayers: options.Taxpayers = 5,
    invoices: Annotated[int, options.option("--invoices", "Records per taxpayer.", "1000", min=0)] = 200,
    job_seconds: options.JobSeconds = 3.0,
    seed: options.Seed = 7,
    filed: Annotated[
        list[str] | None,
        options.option(
            "--filed MMYYYY",
            "The first taxpayer has filed GSTR-3B of this period, on the day when it was due; may be given "
            "several times.",
            "102024",
        ),
    ] = None,
    gsp: options.GspName = None,
) -> int:
    """Run a fake gateway on this machine until Ctrl-C.

    It plays every GSP at once. What connects the other commands to it is printed, for the one chosen.
    """
    provider = chosen(gsp)
    simulator = Simulator(
        seed=seed, taxpayers=taxpayers, invoices=invoices, job_seconds=job_seconds, port=port
    )
    for period in filed or ():
        in_time = decide.deadlines(period).gstr3b.date  # raises `InvalidInput`
        simulator.returns.file_gstr3b(simulator.gstins[0], period, in_time)
    try:
        console.wait_for(_serve(console, provider, simulator))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise InvalidInput(f"port {port} is in use or not allowed: choose another ({error})") from None
    console.tell("The simulator has stopped.")
    return OK


async def _serve(console: Console, provider: Provider, simulator: Simulator) -> None:
    stopped = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows has Ctrl-C only
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with simulator:
        variables = {**provider.simulated(simulator), "IMS_GSTIN": simulator.gstins[0]}
        for name, value in variables.items():
            console.say(f"export {name}={value}")
        people = [{"gstin": p.gstin, "username": p.username, "name": p.name} for p in simulator.taxpayers]
        rows = [tuple(person.values()) for person in people]
        console.show(show.table("taxpayers", ("GSTIN", "username", "name"), rows))
        name, newest = simulator.taxpayers[0].username, PERIODS[-1]
        console.say(f"Records are of {PERIODS[0]} to {newest}; the newest GSTR-2B is of {newest}.")
        console.say(f"OTP: {OTP}. Try, in another terminal: ims-async login --username {name}")
        console.document(
            {"ok": True, "environment": variables, "otp": OTP, "periods": PERIODS, "taxpayers": people}
        )
        console.tell("Ctrl-C stops it.")
        await stopped.wait()
