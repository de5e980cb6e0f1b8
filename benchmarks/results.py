"""The page of results: the machine, the versions, every row of every table, and which goals were met."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

import ims_async

from .measure import Row, Table

LIBRARIES: Final = (
    *("aiohttp", "attrs", "cattrs", "backoff"),
    *("orjson", "msgspec", "pydantic", "httpx", "aiosqlite", "tenacity", "stamina"),
)


@attrs.frozen(kw_only=True)
class Result:
    """What one benchmark found: its tables, and those of the other code, or why there are none."""

    name: str
    about: str
    seconds: float
    tables: Sequence[Table]
    error: str = ""
    before: Sequence[Table] = ()
    error_before: str = ""


def page(results: Sequence[Result], *, command: str, against: bool, quick: bool, began: str) -> str:
    """Return the page as Markdown; `began` is the load of the machine before the first benchmark."""
    lines = ["# Results of the benchmarks", ""]
    lines += [
        f"Written by `{command}`. Figures are medians, beside the least and the most, unless a title says",
        "otherwise; one without these is of one run, or exact. Ratios are to the floor of the same round.",
        "",
    ]
    if quick:
        lines += ["**Tiny sizes, to see that everything runs: no figure means anything.**", ""]
    if against:
        lines += [
            "*before*: the same row by the other code, measured after ours: compare ratios to the floor.",
            "",
        ]
    lines += [*machine(began), "", "## Goals", "", *_goals(results), ""]
    for result in results:
        lines += [f"## {result.name}", "", f"{result.about} It took {result.seconds:.0f} s.", ""]
        if result.error:
            lines += [f"**Failed:** {result.error}", ""]
        if result.error_before:
            lines += [f"The other code does not run it: {result.error_before}", ""]
        for place, table in enumerate(result.tables):
            lines += _table(table, result.before[place : place + 1], against=against)
    return "\n".join(lines)


def machine(began: str) -> Iterator[str]:
    """Yield what figures depend on; nothing that tells one machine from another of its kind."""
    yield "| | |"
    yield "|---|---|"
    yield f"| date | {dt.datetime.now(dt.UTC):%Y-%m-%d} |"
    yield f"| processor | {_processor()}, {os.cpu_count()} cores |"
    yield f"| memory | {_memory()} |"
    yield f"| system | {platform.system()} {platform.release().partition('-')[0]}, {platform.machine()} |"
    yield f"| Python | {platform.python_implementation()} {sys.version.split()[0]} |"
    yield f"| ims_async | {ims_async.__version__}{_commit()} |"
    yield f"| libraries | {', '.join(map(_version, LIBRARIES))} |"
    yield f"| load | {began} when it began, {load()} when it ended |"


def _commit() -> str:
    """Name the commit that is measured, where git knows it."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f", commit {found.stdout.strip()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def load() -> str:
    """Return how many processes wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _version(library: str) -> str:
    try:
        return f"{library} {importlib.metadata.version(library)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{library}: not installed"


def _goals(results: Sequence[Result]) -> Iterator[str]:
    judged = [
        (result, table, row)
        for result in results
        for table in result.tables
        for row in _named(table.rows)
        if row.met is not None
    ]
    yield f"{sum(bool(row.met) for *_, row in judged)} of {len(judged)} are met."
    yield ""
    yield "| benchmark | what | figure | ratio, note | goal |"
    yield "|---|---|---:|---|---|"
    for result, table, row in judged:
        yield _cells(result.name, f"{_title(table)}: {row.name}", row.figure, row.note, _verdict(row))


def _table(table: Table, before: Sequence[Table], *, against: bool) -> Iterator[str]:
    yield f"### {_title(table)}"
    yield ""
    yield "| | median | least to most | ratio, note | goal |" + (
        " before | now : before |" if against else ""
    )
    yield "|---|---:|---|---|---|" + ("---:|---:|" if against else "")
    old = {place: row for other in before for place, row in _places(other.rows)}
    for place, row in _places(table.rows):
        cells = [row.name, row.figure, row.spread, row.note, _verdict(row)]
        if against:
            other = old.get(place)
            cells += [_beside(other), _change(row, other)] if other else ["", ""]
        yield _cells(*cells)
    yield ""


def _named(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield rows, each of which has a name: one without belongs to the row above."""
    name = ""
    for row in rows:
        name = row.name.strip() or name
        yield attrs.evolve(row, name=name)


def _places(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, int], Row]]:
    """Yield rows by their names, and how many there were of that name before."""
    seen: dict[str, int] = {}
    for row in _named(rows):
        seen[row.name] = seen.get(row.name, 0) + 1
        yield (row.name, seen[row.name]), row


def _beside(row: Row) -> str:
    return f"{row.figure}, {row.note}" if row.note else row.figure


def _change(row: Row, other: Row) -> str:
    if row.value is None or not other.value:
        return ""
    return f"{row.value / other.value:.2f}"


def _title(table: Table) -> str:
    return " ".join(table.title.split())


def _verdict(row: Row) -> str:
    return row.verdict if row.met is not False else f"**{row.verdict}**"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
