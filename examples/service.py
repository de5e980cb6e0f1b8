"""A service that looks after several GSTINs for ever, and that can be stopped and started at any time.

    python examples/service.py --simulate --rounds 1

Each GSTIN has a worker: pull what waits, decide, save, wait for the job, print, sleep, again. A journal has
every batch on disk before its first byte leaves, so that a stop (SIGINT, SIGTERM), a deploy or a pulled plug
loses nothing: each round begins with what was left, by this process or the one before it.

Without `--simulate` it talks to the real host, and needs IMS_API_KEY, IMS_API_SECRET (with IMS_GSP=vayana:
IMS_ORG_ID, IMS_HANDLE, IMS_PASSWORD), IMS_GSTINS (separated by commas) and IMS_FOLDER for journal.db and
sessions.json. A service cannot log in: an OTP goes to a person, see `log_in`. Sessions are renewed, and kept.

With `--simulate` the made-up gateway outlives the service: stop it while jobs run (Ctrl-C), and it is started
once more, as the next process would be, and resumes them.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from ims_async import (
    Action,
    ClientClosed,
    Decision,
    FileCredentialStore,
    ImsClient,
    ImsError,
    Invoice,
    ItcReduction,
    JobFailed,
    OutcomeUnknown,
    Sandbox,
    Section,
    Taxpayer,
    Vayana,
    bulk,
)
from ims_async.journal import SqliteJournal
from ims_async.simulator import Simulator

DEMO = {"IMS_API_KEY": "key_test_demo", "IMS_API_SECRET": "secret_test_demo", "IMS_ORG_ID": "org-demo"}
DEMO |= {"IMS_HANDLE": "demo@example.com", "IMS_PASSWORD": "password_test_demo"}
VAYANA = os.environ.get("IMS_GSP") == "vayana"
ACCOUNT = ("IMS_ORG_ID", "IMS_HANDLE", "IMS_PASSWORD") if VAYANA else ("IMS_API_KEY", "IMS_API_SECRET")


def say(gstin: str, text: object) -> None:
    """Print a line with the time and the GSTIN; a real service would log it."""
    print(f"{time.strftime('%H:%M:%S')}  {gstin}  {text}", flush=True)


def decide(invoice: Invoice) -> Decision:
    """Reject what is big and not yet filed by its supplier, accept the rest."""
    if invoice.value > Decimal(200_000) and invoice.not_filed:
        return invoice.reject()
    if invoice.section in (Section.B2BCN, Section.B2BCNA):
        return invoice.accept(itc_reduction=ItcReduction.none())
    return invoice.accept()


class Service:
    """The workers of one client; `stopping` is set when they shall end."""

    def __init__(self, client: ImsClient, *, every: float, rounds: int | None) -> None:
        self._client, self._every, self._rounds = client, every, rounds
        self.stopping = asyncio.Event()

    async def run(self, gstins: Iterable[str]) -> None:
        """Work until every worker is through with its rounds, or `stopping` is set."""
        async with asyncio.TaskGroup() as group:
            closer = group.create_task(self._close_when_stopping())
            workers = [group.create_task(self._work(gstin)) for gstin in gstins]
            await asyncio.wait(workers)
            if not self.stopping.is_set():
                closer.cancel()

    async def _close_when_stopping(self) -> None:
        await self.stopping.wait()
        # A save on its way out is answered first. Then everybody who waits for a job, or asks for anything,
        # gets ClientClosed. The jobs run on at the gateway, and the journal knows them.
        await self._client.aclose()

    async def _work(self, gstin: str) -> None:
        taxpayer = self._client.taxpayer(gstin)
        done = 0
        try:
            while not self.stopping.is_set() and done != self._rounds:
                try:
                    await self._round(taxpayer)
                except ClientClosed:
                    raise
                except ImsError as error:  # told, and tried again next time: one GSTIN stops no other
                    say(gstin, f"{type(error).__name__}: {error}")
                done += 1
                if done != self._rounds:
                    await self._sleep(self._every)
        except ClientClosed:
            say(gstin, f"stopped; {len(taxpayer.unfinished())} jobs are left for the next start")

    async def _round(self, taxpayer: Taxpayer) -> None:
        """Finish what was begun, by this process or the one before it; then decide on what waits."""
        await self._recover(taxpayer)
        decisions = [decide(invoice) async for invoice in taxpayer.all_invoices(Action.NO_ACTION)]
        if not decisions:
            say(taxpayer.gstin, "nothing waits")
            return
        try:
            job = await taxpayer.save(decisions)
            say(taxpayer.gstin, f"saved {len(decisions)} decisions as job {job.reference_id}")
            report = await job
        except (JobFailed, OutcomeUnknown) as error:
            say(taxpayer.gstin, error)
            await self._recover(taxpayer)  # it may have taken effect: it is looked at, not sent again
            return
        say(taxpayer.gstin, f"job {job.reference_id} {report.state}: {len(report.succeeded)} applied")
        for failure in report.failed:  # these still have no action, and the next round finds them
            say(taxpayer.gstin, f"  {failure}")

    async def _recover(self, taxpayer: Taxpayer) -> None:
        """Wait for what runs, look what became of what was lost, send what still stands of the unsent."""
        left = await bulk.recover(self._client, taxpayers=[taxpayer])
        if left.handed_in:
            say(taxpayer.gstin, f"left behind: {left}")
        for error in left.errors.values():
            raise error

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless the service is being stopped: then raise `ClientClosed`, as every other wait does."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise ClientClosed("the service is being stopped")


def account(keys: Mapping[str, str], base_url: str = "") -> Sandbox | Vayana:
    """Return the account at the GSP that IMS_GSP names."""
    if not VAYANA:
        return Sandbox(keys["IMS_API_KEY"], keys["IMS_API_SECRET"], base_url=base_url)
    handle, password = keys["IMS_HANDLE"], keys["IMS_PASSWORD"]
    return Vayana(keys["IMS_ORG_ID"], handle=handle, password=password, base_url=base_url)


async def serve(
    gateway: Sandbox | Vayana, gstins: list[str], folder: Path, *, every: float, rounds: int | None
) -> bool:
    """Run the service until its rounds are over or a signal stops it; say whether it was a signal."""
    sessions, journal = FileCredentialStore(folder / "sessions.json"), SqliteJournal(folder / "journal.db")
    async with ImsClient(gateway, credentials=sessions, journal=journal) as client:
        service = Service(client, every=every, rounds=rounds)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, service.stopping.set)
        await service.run(gstins)
        return service.stopping.is_set()


async def log_in(gateway: Sandbox | Vayana, gstin: str, username: str, otp: str, folder: Path) -> None:
    """Begin the session of one GSTIN: a person's part, done with the same store as the service's."""
    async with ImsClient(gateway, credentials=FileCredentialStore(folder / "sessions.json")) as client:
        taxpayer = client.taxpayer(gstin)
        await taxpayer.request_otp(username)
        await taxpayer.verify_otp(otp)


async def simulate(folder: Path, *, every: float, rounds: int | None) -> None:
    """Serve three made-up taxpayers, and start again after the first signal."""
    async with Simulator(seed=7, taxpayers=3, invoices=60, job_seconds=5.0) as sim:
        gateway = account(DEMO, sim.url)
        for person in sim.taxpayers:
            await log_in(gateway, person.gstin, person.username, "575757", folder)
        if await serve(gateway, sim.gstins, folder, every=every, rounds=rounds):
            print("-- stopped by a signal; started again --", flush=True)
            await serve(gateway, sim.gstins, folder, every=every, rounds=rounds)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulate", action="store_true", help="use a made-up gateway on this machine")
    parser.add_argument(
        "--every", type=float, default=3600.0, help="seconds between two rounds (%(default)g)"
    )
    parser.add_argument("--rounds", type=int, help="end after so many rounds (for ever)")
    chosen = parser.parse_args()
    if chosen.simulate:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(simulate(Path(made), every=chosen.every, rounds=chosen.rounds))
    else:
        missing = [name for name in (*ACCOUNT, "IMS_GSTINS", "IMS_FOLDER") if not os.environ.get(name)]
        if missing:
            sys.exit(f"set {', '.join(missing)}, or try it with --simulate")
        gstins, folder = os.environ["IMS_GSTINS"].split(","), Path(os.environ["IMS_FOLDER"])
        asyncio.run(serve(account(os.environ), gstins, folder, every=chosen.every, rounds=chosen.rounds))


if __name__ == "__main__":
    main()
