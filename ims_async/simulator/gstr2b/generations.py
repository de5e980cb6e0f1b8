"""A GSTR-2B as it was made at one time, and the requests to make one anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from .documents import home, of_record
from .periods import later, written
from .statement import Statement

if TYPE_CHECKING:
    from datetime import date

    from ..records import Record
    from ..rules import Rules
    from .documents import Document


@dataclass(slots=True)
class Regeneration:
    """A request to compute a GSTR-2B anew that reached the portal: a live object."""

    gstin: str
    period: str
    """MMYYYY."""
    asked_at: float
    """Epoch seconds."""
    refused: str = ""
    """GSTN's code; empty if the request was accepted."""
    reference: str = ""
    visible_at: float = 0.0
    """Epoch seconds: when its status is first known."""
    due_at: float = 0.0
    """Epoch seconds: when the new statement is there, with the actions as they were when it was asked for."""
    done: bool = False
    failure: tuple[str, str] | None = None
    """Code and message, if GSTR-3B was filed before it was done."""
    scripted: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def script(self, statuses: Iterable[dict[str, Any]]) -> None:
        """Answer the next polls with these raw statuses."""
        self.scripted.extend(statuses)


@dataclass(frozen=True, slots=True)
class Overlap:
    """A regeneration and a save or reset of one taxpayer at the same time.

    No document says what the portal does then, so that a client has to avoid it. The simulator does both.
    """

    at: float
    """Epoch seconds."""
    gstin: str
    asked: Literal["regenerate", "save", "reset"]
    """What was asked for while the other was running."""
    running: str
    """The reference of the other."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The records of a taxpayer, and the periods whose GSTR-3B was filed, at one time."""

    records: tuple[Record, ...]
    closed: frozenset[str]
    step: int
    """The months from one statement to the next."""

    @cached_property
    def by_period(self) -> Mapping[str, list[Record]]:
        """The records by the period of their GSTR-2B: what is left of a closed one goes to the next."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            period = home(record, quarterly=self.step > 1)
            while period in self.closed:
                period = later(period, self.step)
            found.setdefault(period, []).append(record)
        return found


@dataclass(frozen=True, eq=False)
class Generation:
    """A GSTR-2B as it was made at one time."""

    gstin: str
    period: str
    day: date
    snapshot: Snapshot
    draw: Callable[[], Iterable[Document]]
    """Make the documents that IMS never shows."""
    rules: Rules

    @cached_property
    def documents(self) -> list[Document]:
        """Its documents: those of IMS first."""
        found = map(of_record, self.snapshot.by_period.get(self.period, ()))
        return [*filter(None, found), *self.draw()]

    @cached_property
    def statement(self) -> Statement:
        """It as it is sent."""
        frame = {"gstin": self.gstin, "rtnprd": self.period, "version": "1.0", "gendt": written(self.day)}
        return Statement(frame, self.documents, self.rules)
