"""What LibreOffice makes of a pulled month that it opens and saves, by column, in three locales.

Run as `python -m benchmarks.spreadsheets`. The records are the simulator's; they are written as `pull` writes
them, to CSV and to XLSX. Told is how many cells of each column came back as others, and how many rows `push`
still recognises as the records that they were. `docs/accountant.md` has its output.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import python_calamine

from ims_async import ImsClient, InvalidInput, Invoice, Sandbox, tables
from ims_async.simulator import Simulator
from tests.support import soffice

LOCALES: Final = ("en-IN", "en-US", "de-DE")
WAYS: Final = {"CSV": ("csv", False), "CSV*": ("csv", True), "XLSX": ("xlsx", False)}
"""The format, and whether LibreOffice is told to "Detect special numbers"."""
ODD: Final = ("1E{}", "10-{}", "{}/12", "12345678901{:05}", "00{}E3", "3-4-{}", "45{:03}", "{}.50")
"""Numbers such as suppliers give and spreadsheets rewrite: each tenth record gets one."""
SEED: Final = 6  # of a taxpayer in a state whose code begins with 0
Grid = list[list[Any]]


async def month(records: int) -> list[Invoice]:
    """Return all records of a simulated taxpayer."""
    simulator = Simulator(seed=SEED, invoices=records)
    (gstin,) = simulator.gstins
    async with ImsClient(Sandbox("key_test_demo"), transport=simulator.transport) as client:
        acme = client.taxpayer(gstin, token=simulator.token(gstin))
        found = [invoice async for invoice in acme.all_invoices()]
    for place in range(0, len(found), 10):
        number = ODD[place // 10 % len(ODD)].format(place // 80 + 1)
        found[place] = attrs.evolve(found[place], number=number)
    return found


def grid_of(file: Path) -> Grid:
    """Return the cells of a file, the header first: the text of CSV, the values of XLSX."""
    if file.suffix == ".csv":
        return [*csv.reader(file.read_text(encoding="utf-8-sig").splitlines())]
    return python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_name("Records").to_python()


def changed(before: Grid, after: Grid) -> dict[str, int]:
    """Return how many cells of each column differ; those that a spreadsheet left out at an end are empty."""
    counts = dict.fromkeys(before[0], 0)
    for old, new in zip(before[1:], after[1:], strict=True):
        new = [*new, *[""] * (len(old) - len(new))]
        for column, was, now in zip(before[0], old, new, strict=False):
            counts[column] += was != now
    return counts


def recognised(file: Path, invoices: Sequence[Invoice]) -> int:
    """Return how many rows of a file are the records that they were, as `push` compares them."""
    try:
        found = tables.match_records(tables.read_records(file), invoices)
    except InvalidInput as error:
        return len(invoices) - len(tables.problems_of(error))
    return sum(one == other for one, other in zip(found, invoices, strict=True))


def report(records: int, folder: Path) -> str:
    """Return the tables: the cells that changed, and the rows that are recognised."""
    invoices = asyncio.run(month(records))
    cells: dict[str, list[str]] = {}
    rows: list[str] = []
    for suffix, detect in WAYS.values():
        file = folder / f"month.{suffix}"
        tables.write_invoices(file, invoices)
        for locale in LOCALES:
            saved = soffice.save(file, locale, to=suffix, detect=detect)
            for column, count in changed(grid_of(file), grid_of(saved)).items():
                cells.setdefault(column, []).append(f"{count:,}" if count else "")
            rows.append(f"{recognised(saved, invoices):,}")
    names = [f"{way} {locale}" for way in WAYS for locale in LOCALES]
    untouched = [column for column, counts in cells.items() if not any(counts)]
    today = f"{dt.datetime.now(dt.UTC):%d-%m-%Y}"
    lines = [f"{soffice.version()}, {today}, {len(invoices):,} records; cells that changed:"]
    lines += ["", f"| column | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines += [f"| {column} | {' | '.join(counts)} |" for column, counts in cells.items() if any(counts)]
    lines += [f"| **rows that push recognises** | {' | '.join(rows)} |", ""]
    lines += ['CSV*: opened with "Detect special numbers".', ""]
    return "\n".join([*lines, f"Unchanged in all: {', '.join(untouched)}."])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=1000, help="records of the month (default: 1000)")
    records = options.parse_args().records
    if soffice.version() is None:
        print(f"spreadsheets: skipped, {soffice.MISSING}")
        return
    with tempfile.TemporaryDirectory() as folder:
        print(report(records, Path(folder)))


if __name__ == "__main__":
    main()
