"""The returns of the portal's taxpayers: GSTR-2B drafted and regenerated, GSTR-1 and GSTR-3B filed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from ..records import Record
from ..rules import (
    FILED_OR_WRONG_PERIOD,
    NO_STATEMENT,
    NOTHING_CHANGED,
    NOTHING_IN_STATEMENT,
    QUARTERLY,
    TOO_EARLY,
    UNKNOWN_TRANSACTION,
    WRONG_RECIPIENT,
    GstnError,
    being_drafted,
    not_before,
)
from ..seeding import PERIODS
from .documents import Document, never_in_ims, of_record
from .filings import Filings, Form
from .generations import Generation, Overlap, Regeneration, Snapshot
from .periods import FIRST, day_after, day_at, later, months, period_of, starts_at
from .statement import Payload

if TYPE_CHECKING:
    from ..world import World


class Returns:
    """What taxpayers file and what the portal makes of it. Tests reach it as `Simulator.returns`.

    The portal drafts the GSTR-2B of a period on the `draft_day=14` of the next month, Indian time, which
    takes `draft_seconds=0.0`, from the records as they are when that day begins; drafts that were due before
    the simulator's own beginning are made from the records as they are then. With `draft_needs_gstr3b=False`
    turned on, there is none if GSTR-3B of the period before is not filed by then. `gstr2b_extras=True` adds
    documents that IMS never shows: reverse charge, barred credit, ISD, imports, a reversal.

    To regenerate takes `regenerate_seconds=3.0`, or a function that draws it; the reference is unknown for
    `regenerate_hidden_seconds=0.0`, and the status meanwhile is `regenerate_running="IP"`. With
    `regenerate_unchanged=False` the portal refuses where no action has changed (IMS2005); True does it again.
    `regenerate_body="any"` takes requests of Sandbox with and without a body, "keys" demands `rtin` and
    `itcprd`. Vayana documents no route: `vayana_regenerate_path=None` and `vayana_regeneration_path=None`
    are the paths to ask for it and for its status, which then take and give GSTN's own bodies.

    A statement of more than `gstr2b_rows=None` documents is split into files of `gstr2b_file_rows=500`.
    Each has the checksum of the whole statement (`gstr2b_file_chksum="same"`), one of its "own" or "none";
    the status of the summary is `gstr2b_summary_status="1"` (or "3"). `gstr2b_layout="new"` is that of
    October 2024, "old" the one before. `gstr2b_wrapped=False` turned on sends `docRejdata` and `itcrev` as
    lists of one object.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.regenerations: list[Regeneration] = []
        """Every request to regenerate that reached the portal, those that it refused included, in order."""
        self.overlaps: list[Overlap] = []
        """Every regeneration that was asked for while a save or reset was running, and the reverse."""
        self.filings = Filings()
        self._world, self._seed = world, seed
        self._durations = Random(f"{seed}/regenerations")
        # By GSTIN: the first period whose draft was not due, and what the drafts before it are made from.
        self._drafts: dict[str, list[tuple[str, Snapshot]]] = {}
        self._made: dict[tuple[str, str], Generation] = {}
        self._accepted: dict[str, Regeneration] = {}
        self._running: list[tuple[Regeneration, Generation]] = []

    # -- for tests -----------------------------------------------------------------------------------------

    def draft_at(self, period: str) -> float:
        """Return when the draft of a period is there, in epoch seconds, for `Simulator.advance`."""
        return self._drafts_at(period) + self._world.rules.draft_seconds

    def file_gstr3b(self, gstin: str, period: str, on: date | None = None) -> None:
        """File GSTR-3B of a period, today or on an earlier day.

        Its GSTR-2B is final: the accepted and rejected records, and those without an action, leave IMS.
        """
        now = self._file(gstin, "GSTR3B", period, on)
        generation = self._statement(gstin, period)
        self._finish(now, closed=(gstin, period))
        if generation:
            leaving = [one for one in generation.snapshot.by_period.get(period, ()) if of_record(one)]
            self._world.remove(gstin, leaving)

    def file_gstr1(self, gstin: str, period: str, on: date | None = None) -> None:
        """File GSTR-1 of a period, today or on an earlier day."""
        self._file(gstin, "GSTR1", period, on)

    def set_quarterly(self, gstin: str, *, quarterly: bool = True) -> None:
        """Make a taxpayer file quarterly (QRMP), or monthly; its GSTR-2B are drafted anew."""
        self._world.require(gstin)
        change = self.filings.quarterly
        (change.add if quarterly else change.discard)(gstin)
        self._drafts.pop(gstin, None)
        self._made = {key: made for key, made in self._made.items() if key[0] != gstin}

    def file_document(
        self, gstin: str, section: str, number: str, *, supplier: str | None = None, period: str | None = None
    ) -> Record:
        """File a document now, as its supplier; the day decides in which GSTR-2B it is."""
        return self._world.file_document(gstin, self._world.find(gstin, section, number, supplier, period))

    def documents(self, gstin: str, period: str) -> list[Document]:
        """Return the documents of a GSTR-2B as it stands; none if there is no statement."""
        self._world.require(gstin)
        self._world.settle()
        self.catch_up(gstin, self._world.now())
        made = self._statement(gstin, period)
        return list(made.documents) if made else []

    # -- the portal ----------------------------------------------------------------------------------------

    def catch_up(self, gstin: str, now: float) -> None:
        """Make the drafts that are due by now; called before any record of the taxpayer changes."""
        drafts = self._drafts.setdefault(gstin, [])
        if self._drafts_at(drafts[-1][0] if drafts else FIRST) > now:
            return
        following = later(period_of(day_at(now)), -1)
        if self._drafts_at(following) <= now:
            following = later(following)
        drafts.append((following, self._snapshot(gstin)))

    def settle(self, now: float) -> None:
        """Put the new statements in place of the old ones, as far as they are done by now."""
        if self._running:
            self._finish(now)

    def submitted(self, gstin: str, kind: Literal["save", "reset"], now: float) -> None:
        """Note that a save or reset was asked for."""
        for running, _ in self._running:
            if running.gstin == gstin:
                self.overlaps.append(Overlap(now, gstin, kind, running.reference))

    def regenerate(self, gstin: str, period: str, recipient: object = None) -> Regeneration:
        """Accept a request to compute a statement anew, with the actions as they are now."""
        self._world.settle()
        now = self._world.now()
        self.catch_up(gstin, now)
        asked = Regeneration(gstin, period, now)
        self.regenerations.append(asked)
        job = self._world.running(gstin)
        if job:
            self.overlaps.append(Overlap(now, gstin, "regenerate", job.reference))
        new = self._generation(gstin, period, day_at(now), self._snapshot(gstin))
        try:
            self._permit(new, gstin, now, recipient)
        except GstnError as error:
            asked.refused = error.code
            raise
        rules = self._world.rules
        seconds = rules.regenerate_seconds
        asked.reference = self._world.draw_reference()
        asked.visible_at = now + rules.regenerate_hidden_seconds
        asked.due_at = now + (seconds(self._durations) if callable(seconds) else seconds)
        asked.script(self._world.scripted_next())
        self._accepted[asked.reference] = asked
        self._running.append((asked, new))
        self._finish(now)
        return asked

    def asked(self, reference: str) -> Regeneration | None:
        """Find an accepted request by its reference."""
        return self._accepted.get(reference)

    def status(self, gstin: str, reference: str) -> dict[str, Any]:
        """Return the status of a regeneration; statuses that a test scripted come first."""
        now = self._world.now()
        asked = self.asked(reference)
        if asked is None or asked.gstin != gstin or now < asked.visible_at:
            raise GstnError(*UNKNOWN_TRANSACTION)
        if asked.scripted:
            return asked.scripted.pop(0)
        code, message = asked.failure or ("", "")
        done = "ER" if asked.failure else "P"
        word = done if asked.done else self._world.rules.regenerate_running
        return {"status_cd": word, "err_cd": code, "err_msg": message}

    def fetch(self, gstin: str, period: str, file: str | None = None) -> Payload:
        """Return the payload of a GSTR-2B, or of one of its files."""
        now = self._world.now()
        self.catch_up(gstin, now)
        if self.filings.has_none(gstin, period):
            raise GstnError(*QUARTERLY)
        if now < self._drafts_at(period):
            raise GstnError(*TOO_EARLY)
        if now < self.draft_at(period):
            raise GstnError(*being_drafted(f"{self._draft_day(period):%d/%m/%Y}"))
        made = self._statement(gstin, period)
        if made is None:
            raise GstnError(*NO_STATEMENT)
        if not made.documents:
            raise GstnError(*NOTHING_IN_STATEMENT)
        return made.statement.answer(file)

    # -- inside --------------------------------------------------------------------------------------------

    def _draft_day(self, period: str) -> date:
        return day_after(period, self._world.rules.draft_day)

    def _drafts_at(self, period: str) -> float:
        return starts_at(self._draft_day(period))

    def _statement(self, gstin: str, period: str) -> Generation | None:
        """Return the statement as it stands; a draft is made once it is asked for."""
        made = self._made.get((gstin, period))
        if made or self.filings.has_none(gstin, period):
            return made
        for following, snapshot in self._drafts.get(gstin, ()):
            if months(period) < months(following):
                withheld = later(period, -snapshot.step) not in snapshot.closed
                if not (withheld and self._world.rules.draft_needs_gstr3b):
                    made = self._generation(gstin, period, self._draft_day(period), snapshot)
                    self._made[gstin, period] = made
                return made
        return None

    def _snapshot(self, gstin: str) -> Snapshot:
        records = tuple(self._world.book(gstin))
        return Snapshot(records, self.filings.closed(gstin), self.filings.step(gstin))

    def _generation(self, gstin: str, period: str, day: date, snapshot: Snapshot) -> Generation:
        draw = partial(self._extras, gstin, period, snapshot.step)
        return Generation(gstin, period, day, snapshot, draw, self._world.rules)

    def _permit(self, new: Generation, gstin: str, now: float, recipient: object) -> None:
        period = new.period
        if recipient not in {None, gstin}:
            raise GstnError(*WRONG_RECIPIENT)
        wrong = months(period) < months(FIRST) or self.filings.has_none(gstin, period)
        if wrong or period in self.filings.closed(gstin):
            raise GstnError(*FILED_OR_WRONG_PERIOD)
        if now < self.draft_at(period):
            raise GstnError(*not_before(f"{self._draft_day(period):%d/%m/%Y}"))
        made = self._statement(gstin, period)
        unchanged = made is not None and made.documents == new.documents
        if unchanged and not self._world.rules.regenerate_unchanged:
            raise GstnError(*NOTHING_CHANGED)

    def _extras(self, gstin: str, period: str, step: int) -> Iterable[Document]:
        if not self._world.rules.gstr2b_extras or not self._world.seeded:
            return
        for back in reversed(range(step)):
            month = later(period, -back)
            if month in PERIODS:
                yield from never_in_ims(self._seed, self._world.taxpayers[gstin], month)

    def _finish(self, now: float, closed: tuple[str, str] | None = None) -> None:
        running = []
        for asked, new in self._running:
            if (asked.gstin, asked.period) == closed:
                asked.done, asked.failure = True, FILED_OR_WRONG_PERIOD
            elif asked.due_at <= now:
                asked.done = True
                self._made[asked.gstin, asked.period] = new
            else:
                running.append((asked, new))
        self._running = running

    def _file(self, gstin: str, form: Form, period: str, on: date | None) -> float:
        self._world.require(gstin)
        self._world.settle()
        now = self._world.now()
        self.catch_up(gstin, now)
        self.filings.add(gstin, form, period, on or day_at(now))
        return now
