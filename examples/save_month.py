"""Decide on the invoices that wait in IMS, save the decisions, and print what became of each.

    python examples/save_month.py --simulate     # a made-up gateway on this machine; no account needed

Without `--simulate` it talks to the real host, and needs IMS_GSTIN, IMS_USERNAME (the user name on the GST
portal), and IMS_API_KEY and IMS_API_SECRET in the environment, or with IMS_GSP=vayana: IMS_ORG_ID, IMS_HANDLE
and IMS_PASSWORD; it asks for the OTP, and before it saves.
"""

import asyncio
import os
import sys
from decimal import Decimal

from ims_async import Action, Decision, ImsClient, Invoice, ItcReduction, Sandbox, Section, Vayana
from ims_async.simulator import Simulator

VAYANA = os.environ.get("IMS_GSP") == "vayana"
ACCOUNT = ("IMS_ORG_ID", "IMS_HANDLE", "IMS_PASSWORD") if VAYANA else ("IMS_API_KEY", "IMS_API_SECRET")
VARIABLES = (*ACCOUNT, "IMS_GSTIN", "IMS_USERNAME")


def decide(invoice: Invoice) -> Decision:
    """Reject what is big and not yet filed by its supplier, accept the rest. Put your own rule here."""
    if invoice.value > Decimal(200_000) and invoice.not_filed:
        return invoice.reject()
    if invoice.section in (Section.B2BCN, Section.B2BCNA):  # a credit note: say how much credit is given up
        return invoice.accept(itc_reduction=ItcReduction.none())
    return invoice.accept()


def account(*keys: str, base_url: str = "") -> Sandbox | Vayana:
    """Return the account at the GSP that IMS_GSP names."""
    if VAYANA:
        return Vayana(keys[0], handle=keys[1], password=keys[2], base_url=base_url)
    return Sandbox(*keys, base_url=base_url)


async def save_month(gateway: Sandbox | Vayana, gstin: str, username: str, *, simulated: bool) -> None:
    """Pull, decide, save, wait, print."""
    async with ImsClient(gateway) as client:
        acme = client.taxpayer(gstin)
        await acme.request_otp(username)  # GSTN sends it to the taxpayer's phone
        await acme.verify_otp("575757" if simulated else await asyncio.to_thread(input, "OTP: "))

        decisions = [decide(invoice) async for invoice in acme.all_invoices(Action.NO_ACTION)]
        rejected = sum(decision.action is Action.REJECT for decision in decisions)
        print(f"{gstin}: {len(decisions)} documents wait; rejecting {rejected}, accepting the rest")
        if not decisions or not (simulated or await asyncio.to_thread(input, "Save this? [y/N] ") == "y"):
            return

        job = await acme.save(decisions)  # checked first; taken in by the gateway, not applied yet
        print(f"{job}; after a crash, client.resume(…) finds it again from {job.token.dumps()}")
        report = await job  # polls until GSTN is done
        print(f"{report.state}: {len(report.succeeded)} applied, {len(report.failed)} refused")
        for failure in report.failed:
            print(f"  {failure}")


async def main() -> None:
    """Choose between the made-up gateway and the real one."""
    if "--simulate" in sys.argv:
        async with Simulator(seed=7, invoices=200, job_seconds=1.0) as sim:
            demo = ("org-demo", "demo@example.com", "password_test_demo")
            keys = demo if VAYANA else ("key_test_demo", "secret_test_demo")
            gateway = account(*keys, base_url=sim.url)
            await save_month(gateway, sim.gstins[0], sim.taxpayers[0].username, simulated=True)
    else:
        missing = [name for name in VARIABLES if not os.environ.get(name)]
        if missing:
            sys.exit(f"set {', '.join(missing)}, or try it with --simulate")
        gateway = account(*(os.environ[name] for name in ACCOUNT))
        await save_month(gateway, os.environ["IMS_GSTIN"], os.environ["IMS_USERNAME"], simulated=False)


if __name__ == "__main__":
    asyncio.run(main())
