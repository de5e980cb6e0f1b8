"""Which taxpayers are meant: those of `--gstin`, and those that a file lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InvalidInput
from ...model.vocabulary import gstin_problem
from ...tables import Problem
from ...tables.lists import listed_gstins
from ...tables.problems import raise_all


def gstins_of(given: Sequence[str], file: Path | None, *, check: bool) -> list[str]:
    """Return the GSTINs that are named, each once, in their order. Raises `InvalidInput` with every fault."""
    found: dict[str, None] = {}
    problems: list[Problem] = []
    named: list[tuple[int | None, str]] = [(None, name) for name in given]
    for row, name in [*named, *(() if file is None else listed_gstins(file))]:
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
