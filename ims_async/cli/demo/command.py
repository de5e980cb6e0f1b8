"""`demo`: the whole way of a batch of decisions, over HTTP on loopback, with nothing left unexplained."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ...client import ImsClient
from ...gsp.base import Gsp
from ...net.policies import PollPolicy
from ...simulator import Simulator
from ..command import command
from ..commands.simulate import make_simulator
from ..inputs.accounts import Provider, chosen
from ..inputs.environment import Variables
from ..options import GspName
from ..output.console import NOT_ALL_WELL, OK, Console
from . import output as demo_show
from .decisions import Account
from .story import Person, Story


@command()
def demo(
    console: Console,
    taxpayers: Annotated[int, typer.Option("--taxpayers", min=1, help="Example: --taxpayers 2")] = 5,
    invoices: Annotated[
        int, typer.Option("--invoices", min=10, help="Records per taxpayer. Example: --invoices 2000")
    ] = 400,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another world. Example: --seed 1")] = 7,
    job_seconds: Annotated[
        float, typer.Option("--job-seconds", min=0.0, help="How long a job takes. Example: --job-seconds 0")
    ] = 2.0,
    gsp: GspName = None,
) -> int:
    """Show the whole way on a simulated gateway: log in, pull, decide, save, account for every record.

    Needs no credentials and reaches no other machine. Exit code 0 means that nothing was left unexplained.
    """
    provider = chosen(gsp)
    simulator = make_simulator(
        seed=seed,
        taxpayers=taxpayers,
        invoices=invoices,
        job_seconds=lambda rng: job_seconds * rng.uniform(0.6, 1.4),
        download_seconds=job_seconds / 5,
    )
    poll = PollPolicy(initial_delay=min(job_seconds / 4, 0.5), factor=1.5, max_interval=1.0)
    story = console.wait_for(_tell(console, provider, simulator, poll))
    demo_show.ending(console, provider.title, story.accounts, time.monotonic() - story.began)
    console.document(demo_show.facts(provider.name, story.accounts, story.refusals))
    return OK if all(account.balanced for account in story.accounts) else NOT_ALL_WELL


async def _tell(console: Console, provider: Provider, simulator: Simulator, poll: PollPolicy) -> Story:
    async with simulator, ImsClient(_account(provider, simulator), poll=poll) as client:
        people = [
            Person(client.taxpayer(found.gstin), found.username, Account(found.gstin, found.name))
            for found in simulator.taxpayers
        ]
        story = Story(console, simulator, people)
        demo_show.opening(console, provider.title, simulator.url)
        await story.begin()
        story.decide()
        await story.save()
        await story.take_back()
        await story.end()
        return story


def _account(provider: Provider, simulator: Simulator) -> Gsp:
    """The account that the simulator lets in, whatever the environment says."""
    return provider.gsp(Variables(provider.simulated(simulator)), True)
