"""A month of many taxpayers: pull, match with the purchase registers, save, and say what became of it."""

from pathlib import Path

from ims_async import Action, ImsClient, bulk, decide


async def month(client: ImsClient, gstins: list[str], books: Path, policy: decide.Policy) -> bulk.BulkReport:
    """Decide by `books`/GSTIN.csv of each taxpayer and a firm's policy, and send it; print what is left."""
    decisions = {}
    async for pulled in bulk.pull_all(client, gstins, status=Action.NO_ACTION):
        register = decide.read_register(books / f"{pulled.gstin}.csv")
        decided = await decide.decide_async(pulled.invoices, policy, register)
        decisions[pulled.gstin] = decided.decisions
        for row in decided.left:  # a person decides on these
            print(pulled.gstin, row.key, decided.reason(row))
        if pulled.error:
            print(pulled.gstin, pulled.error)
    report = await bulk.save_all(client, decisions)  # checked before it is sent, and written down first
    for one in report:
        for problem in filter(None, (one.error, *one.failed)):  # what stopped its part, what was refused
            print(one.gstin, problem)
    return report
