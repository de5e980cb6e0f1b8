"""What is wrong with files, as values: where, of which kind, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from ..errors import InvalidDecision, InvalidInput
from .columns import GSTIN_COLUMN
from .row import where
from .writing import Target, write_rows

FILE_KIND: Final = "file"


class Problem(str):
    """One thing that is wrong with a file, or with a row of it.

    `kind` is a short word, the same for equal problems: a rule's code, a column's name, or `file`, `edited`,
    `acted-on`, `gone`, … `row` counts as a spreadsheet does; it and `column` are None where the whole file is
    meant. `gstin` is the taxpayer's, where that is known. As a string it is the sentence for a person.
    """

    __slots__ = ("column", "file", "gstin", "kind", "message", "row")

    file: str
    row: int | None
    column: str | None
    kind: str
    message: str
    gstin: str | None

    def __new__(
        cls,
        message: str,
        *,
        kind: str,
        file: str = "",
        row: int | None = None,
        column: str | None = None,
        gstin: str | None = None,
    ) -> Self:
        """Make it; the sentence begins with the place, if it is about a row."""
        made = super().__new__(cls, message if row is None else f"{where(file, row, column)}: {message}")
        made.file, made.row, made.column, made.kind = file, row, column, kind
        made.message, made.gstin = message, gstin
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        facts = self.facts
        return (facts.pop("message"),), facts

    @property
    def facts(self) -> dict[str, Any]:
        """What it says, as plain values."""
        return {name: getattr(self, name) for name in ("file", "row", "column", "kind", "message", "gstin")}


class InvalidFile(InvalidInput):
    """Files cannot be used as they are: `problems` has everything that is wrong with them, by row."""

    problems: tuple[Problem, ...]

    def __init__(self, message: str = "", *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (Problem(str(self), kind=FILE_KIND),)


def problems_of(error: InvalidInput, kind: str = FILE_KIND) -> tuple[Problem, ...]:
    """Return what an error says as problems; those that are mere text are of this `kind`."""
    if isinstance(error, InvalidDecision):
        return tuple(Problem(str(one), kind=one.code) for one in error.findings if one.level == "refuse")
    return tuple(one if isinstance(one, Problem) else Problem(one, kind=kind) for one in error.problems)


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise `InvalidFile` with all problems, if there are any."""
    if problems:
        more = f"; and {len(problems) - 3} more (see .problems)" if len(problems) > 3 else ""
        raise InvalidFile("; ".join(problems[:3]) + more, problems=problems)


def write_problems(target: Target, problems: Iterable[tuple[str, Problem]], *, overwrite: bool = True) -> int:
    """Write problems, each with what came of it (`refused`, `warn`, `left out`, …), one line each.

    Returns how many. A file that is there is replaced, or with `overwrite=False` refused, as by
    `write_invoices`.
    """
    columns = ("outcome", GSTIN_COLUMN, "file", "row", "column", "kind", "message")
    rows = (
        (outcome, one.gstin, one.file, one.row, one.column, one.kind, one.message)
        for outcome, one in problems
    )
    return write_rows(target, columns, rows, overwrite=overwrite)
