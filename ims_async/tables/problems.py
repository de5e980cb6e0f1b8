"""Problems of files as values: the place, the kind and the message of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

from ..errors import InvalidDecision, InvalidInput
from .row import where

FILE_KIND: Final = "file"


class Problem(str):
    """One problem of a file, or of a row of it. As a string it is a sentence for a person.

    `kind` is a short word, the same for equal problems: a rule's code, a column's name, or `file`, `edited`,
    `acted-on`, `gone`, … `row` counts as a spreadsheet does; it and `column` are None for a problem of the
    whole file. `gstin` is the taxpayer's, if it is known.
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
        """Make a problem; the sentence of a problem of a row begins with its place."""
        made = super().__new__(cls, message if row is None else f"{where(file, row, column)}: {message}")
        made.file, made.row, made.column, made.kind = file, row, column, kind
        made.message, made.gstin = message, gstin
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        facts = self.facts
        return (facts.pop("message"),), facts

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes by name, as plain values."""
        return {name: getattr(self, name) for name in ("file", "row", "column", "kind", "message", "gstin")}


class InvalidFile(InvalidInput):
    """Files have problems and cannot be used as they are; `problems` has all of them, by row."""

    problems: tuple[Problem, ...]

    def __init__(self, message: str = "", *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (Problem(str(self), kind=FILE_KIND),)


def problems_of(error: InvalidInput, kind: str = FILE_KIND) -> tuple[Problem, ...]:
    """Return the problems of an error; those that are plain text get this `kind`."""
    if isinstance(error, InvalidDecision):
        return tuple(Problem(str(one), kind=one.code) for one in error.findings if one.level == "refuse")
    return tuple(one if isinstance(one, Problem) else Problem(one, kind=kind) for one in error.problems)


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise `InvalidFile` with all problems, if there are any."""
    if problems:
        more = f"; and {len(problems) - 3} more (see .problems)" if len(problems) > 3 else ""
        raise InvalidFile("; ".join(problems[:3]) + more, problems=problems)


def unusable(name: object, what: str, line: int | None = None) -> InvalidFile:
    """Return the error for a file that cannot be used at all, with the line of the problem, if known."""
    message = what if line is not None else f"{name} {what}"
    problem = Problem(message, kind=FILE_KIND, file=str(name), row=line)
    return InvalidFile(str(problem), problems=[problem])


def extra_missing(what: object, need: str, extra: str) -> InvalidInput:
    """Return the error for what needs an extra that is not installed."""
    return InvalidInput(f"{what}: {need} the extra {extra}: pip install 'ims-async[{extra}]'")
