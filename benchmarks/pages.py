"""Every section of a taxpayer, page by page: the memory that reading them takes, streamed and kept.

Run as `python -m benchmarks.pages`. There is no HTTP: pages are handed over in memory, made once a section,
so that what grows is the reader's. Each reader runs in a fresh process; told is how much more than at the
start that process ever held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from ims_async import ImsClient, Invoice, PollPolicy, Section, Vayana

from . import workload
from .measure import Row, can_tell_memory, in_fresh_process, resident, show

ROWS_PER_PAGE: Final = 500
OURS: Final = "ims_async all_invoices(), streamed"


class Gateway:
    """Answers with tasks that are completed at once, whose results have so many pages."""

    def __init__(self, pages: int) -> None:
        self.pages_read = 0
        self._pages = pages
        rows = workload.rows(ROWS_PER_PAGE, seed=5)
        self._bodies = {section: _page(section, rows) for section in Section}
        self._sections: list[Section] = []

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request."""
        if "ims-invoices" in path:
            asked = re.search(r"section=(\w+)", path)
            assert asked is not None
            self._sections.append(Section.parse(asked[1]))
            return _answer({"task-id": f"00000000-0000-4000-8000-{len(self._sections) - 1:012d}"})
        task = int(path.split("00000000-0000-4000-8000-")[1][:12])
        if "/status/" in path:
            return _answer({"task": {"id": str(task), "status": "completed"}})
        if "/page/" in path:
            self.pages_read += 1
            return 200, {}, self._bodies[self._sections[task]]
        return _answer({"pages": self._pages})


def _answer(data: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"status": "1", "data": data, "error": None}).encode()


def _page(section: Section, rows: list[dict[str, Any]]) -> bytes:
    number, date = ("nt_num", "nt_dt") if section.is_note else ("inum", "idt")
    found = []
    for row in rows:
        other = {key: value for key, value in row.items() if key not in ("inum", "idt")}
        other |= {number: row["inum"], date: row["idt"]}
        if section.is_amendment:
            other |= {f"o{number}": row["inum"], f"o{date}": row["idt"]}
        if section.is_ecommerce:
            del other["inv_typ"]
        found.append(other)
    return json.dumps({"status": "1", "data": {section.value: found}, "error": None}).encode()


async def streamed(gateway: Gateway) -> int:
    """Read on and keep nothing."""
    seen = 0
    async for _ in _all(gateway):
        seen += 1
    return seen


async def kept(gateway: Gateway) -> int:
    """Keep every invoice, as a list of everything does."""
    return len([invoice async for invoice in _all(gateway)])


async def dicts(gateway: Gateway) -> int:
    """Do as is often seen: `json.loads` every page, keep the rows as dicts."""
    rows: list[dict[str, Any]] = []
    for section in Section:
        for _ in range(gateway._pages):
            rows += json.loads(gateway._bodies[section])["data"][section.value]
    return len(rows)


async def _all(gateway: Gateway) -> AsyncIterator[Invoice]:
    poll = PollPolicy(initial_delay=0)
    async with ImsClient(Vayana("org", "token"), transport=gateway, poll=poll) as client:
        async for invoice in client.taxpayer(workload.GSTIN).all_invoices():
            yield invoice


READERS: Final = {OURS: streamed, "ims_async, every invoice kept": kept, "json.loads, every dict kept": dicts}


def peak(name: str, pages: int) -> tuple[int, int]:
    """Return how many rows a reader saw, and how many bytes it held at its peak."""
    gateway = Gateway(pages)
    asyncio.run(streamed(Gateway(0)))  # what is imported and built once is nobody's
    before, _ = resident()
    seen = asyncio.run(READERS[name](gateway))
    return seen, resident()[1] - before


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pages", type=int, default=25, help="pages of each section (default: 25)")
    pages = options.parse_args(arguments).pages
    if not can_tell_memory():
        print("memory: skipped, this system does not tell a process how much it holds")
        return
    for count in (pages, 4 * pages):
        found = {name: in_fresh_process(peak, name, count) for name in READERS}
        floor = found[OURS][1]
        rows = next(iter(found.values()))[0]
        show(
            f"peak memory above the start, 8 sections x {count} pages x {ROWS_PER_PAGE} rows = {rows:,} rows",
            [Row(name, f"{held / 1e6:.1f} MB", f"{held / floor:.1f} ×") for name, (_, held) in found.items()],
        )


if __name__ == "__main__":
    main()
