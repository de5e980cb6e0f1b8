"""Which taxpayers are meant: those of `--gstin`, and those that a file lists."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ...errors import InvalidInput
from ...model.vocabulary import gstin_problem
from ...tables import Problem
from ...tables.problems import raise_all
from ...tables.row import where
from ...tables.source import MOST_TITLES, SEPARATOR_LINE

_LONGEST: Final = 50_000_000  # bytes


def gstins_of(given: Sequence[str], file: Path | None, *, check: bool) -> list[str]:
    """Return the GSTINs that are named, each once, in their order. Raises `InvalidInput` with every fault."""
    found: dict[str, None] = {}
    problems: list[Problem] = []
    named: list[tuple[int | None, str]] = [(None, name) for name in given]
    for row, name in [*named, *(() if file is None else _listed(file))]:
        problem = gstin_problem(name.strip()) if check else None
        if not check and name.strip() and not name.strip().isalnum():
            problem = f"{name!r:.60} is not a GSTIN"  # it may become the name of a file
        if problem:
            what = f"{problem}; check it for a typing error"
            if row is None:
                problems.append(Problem(f"--gstin: {what}", kind="gstin"))
            else:
                problems.append(Problem(what, kind="gstin", file=str(file), row=row))
        elif name.strip():
            found[name.strip().upper()] = None
    raise_all(problems)
    if file is not None and not found:
        raise InvalidInput(f"{file} lists no GSTIN: write one into each line")
    return list(found)


def _listed(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the first cell of each line, with its number; comments and a heading are left out."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8: save it as 'CSV UTF-8', or as a text file") from None
    if len(content) > _LONGEST:
        raise InvalidInput(f"{file} is larger than {_LONGEST:,} bytes: is it the right file?")
    separator = SEPARATOR_LINE.match(text)
    lines = text[separator.end() if separator else 0 :].splitlines()
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    delimiter = separator["sign"] if separator else next((sign for sign in ",;\t" if sign in first), ",")
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        names = [
            (reader.line_num, cells[0].partition("#")[0].strip().lstrip("'") if cells else "")
            for cells in reader
        ]
    except csv.Error as error:
        raise InvalidInput(f"{where(str(file), reader.line_num)}: it cannot be read: {error}") from None
    top = [name.casefold() for _, name in names[: MOST_TITLES + 1]]
    for line, name in names[top.index("gstin") + 1 if "gstin" in top else 0 :]:  # titles are above a heading
        if name:
            yield line, name
