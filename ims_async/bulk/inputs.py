"""What a run is given: a mapping, or pairs as they come, brought into one form."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import attrs

from ..client import ImsClient
from ..errors import InvalidInput
from ..model.records import Decision, Invoice, Record
from ..model.status import JobKind
from ..model.vocabulary import Action
from ..taxpayer import Taxpayer
from .report import BulkReport

_ROWS_PER_TURN: Final = 5000
T = TypeVar("T")
Who = Taxpayer | str
Pairs = (
    Mapping[Taxpayer, T]
    | Mapping[str, T]
    | Mapping[Taxpayer | str, T]
    | AsyncIterable[tuple[Who, T]]
    | Iterable[tuple[Who, T]]
)
"""`{taxpayer: …}`, or pairs, each with a `Taxpayer` or a GSTIN."""


@attrs.define
class Portion:
    """Some of a taxpayer's decisions: what is saved goes before what is reset.

    Where they cannot be worked on, `problem` says why. `taxpayer` is None for a GSTIN that is none. Of those
    that are sent `again`, the records are looked at first; `batches` are the journal's names of what they
    were in.
    """

    gstin: str
    taxpayer: Taxpayer | None
    saves: list[Decision] = attrs.field(factory=list)
    resets: list[Invoice] = attrs.field(factory=list)
    problem: Exception | None = None
    again: bool = False
    batches: tuple[str, ...] = ()

    def by_kind(self) -> tuple[tuple[JobKind, Sequence[Record]], ...]:
        """Return what is to be sent, in the order of sending."""
        return (JobKind.SAVE, self.saves), (JobKind.RESET, self.resets)

    @property
    def count(self) -> int:
        """How many decisions it has."""
        return len(self.saves) + len(self.resets)


async def pairs_of(work: Pairs[T]) -> AsyncGenerator[tuple[Any, T], None]:
    """Yield pairs of a taxpayer and what is wanted for it. Raises `InvalidInput` for anything else."""
    if isinstance(work, AsyncIterable):
        async with _closing(work) as pairs:
            async for pair in pairs:
                yield _pair(pair)
    elif isinstance(work, Mapping):
        for pair in list(work.items()):
            yield pair
    elif isinstance(work, Iterable) and not isinstance(work, str | bytes):
        for pair in work:
            yield _pair(pair)
    else:
        raise InvalidInput(f"a {type(work).__name__} is no work for a run: {_WANTED}")


@contextlib.asynccontextmanager
async def _closing(work: AsyncIterable[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close a caller's generator when nobody reads it any more: it may hold a database open."""
    things = aiter(work)
    try:
        yield things
    finally:
        if isinstance(things, AsyncGenerator):
            await things.aclose()


_WANTED = "pass {taxpayer: decisions}, or pairs of these as an iterable or an async iterable"


def _pair(pair: Any) -> tuple[Any, Any]:
    if isinstance(pair, tuple) and len(pair) == 2:
        return pair
    raise InvalidInput(f"the work yields a {type(pair).__name__} where a pair belongs: {_WANTED}")


def taxpayer_of(client: ImsClient, who: object, *, check: bool) -> Taxpayer:
    """Return the taxpayer that is meant. Raises `InvalidInput` for what is none of this client's."""
    if isinstance(who, Taxpayer):
        if client.taxpayer(who.gstin, check=False) is not who:
            raise InvalidInput(f"{who.gstin} is a taxpayer of another client: use client.taxpayer(…)")
        return who
    if isinstance(who, str):
        return client.taxpayer(who, check=check)
    raise InvalidInput(f"a {type(who).__name__} is no taxpayer: pass client.taxpayer(…), or a GSTIN")


async def portion_of(
    client: ImsClient, who: object, records: object, *, kind: JobKind, check: bool
) -> Portion:
    """Sort what is wanted for one taxpayer: "no action" is reached by a reset, everything else by a save."""
    gstin = who.gstin if isinstance(who, Taxpayer) else str(who)
    try:
        taxpayer = taxpayer_of(client, who, check=check)
    except InvalidInput as error:
        return await _sorted(Portion(gstin, None, problem=error), records, kind)
    return await _sorted(Portion(taxpayer.gstin, taxpayer), records, kind)


async def _sorted(portion: Portion, records: object, kind: JobKind) -> Portion:
    if not isinstance(records, Iterable) or isinstance(records, str | bytes):
        portion.problem = InvalidInput(
            f"{portion.gstin}: a {type(records).__name__} is not a batch: pass a list of "
            f"{'decisions' if kind is JobKind.SAVE else 'invoices'}"
        )
        return portion
    try:
        for place, record in enumerate(records, start=1):
            if place % _ROWS_PER_TURN == 0:
                await asyncio.sleep(0)
            if not _put(portion, record, kind) and portion.problem is None:
                portion.problem = InvalidInput(
                    f"{portion.gstin}: item {place} is of type {type(record).__name__}: {_MEANT[kind]}"
                )
    except Exception as error:  # noqa: BLE001 # a caller's iterable is one taxpayer's trouble
        portion.problem = error
    return portion


_MEANT: Final = {
    JobKind.SAVE: "pass what invoice.accept(), .reject() and .keep_pending() give",
    JobKind.RESET: "pass invoices as they were read",
}


def _put(portion: Portion, record: object, kind: JobKind) -> bool:
    """Put a record where it belongs; False for what belongs nowhere."""
    if kind is JobKind.RESET and isinstance(record, Invoice):
        portion.resets.append(record)
    elif kind is JobKind.SAVE and isinstance(record, Decision) and isinstance(record.invoice, Invoice):
        if record.action is Action.NO_ACTION:
            portion.resets.append(record.invoice)
        else:
            portion.saves.append(record)
    else:
        return False
    return True


def portions_again(client: ImsClient, report: BulkReport) -> list[Portion]:
    """Return what did not get through, as what is to be sent again. Raises `InvalidInput`.

    What is pending or for a person is not in it.
    """
    portions: list[Portion] = []
    for one in report:
        failed = [failure.record for failure in one.failed]
        if None in failed:
            raise InvalidInput(
                f"the report of {one.gstin} does not carry its records: resume its run with the journal first"
            )
        portion = Portion(one.gstin, None, again=True, batches=one.batches)
        try:
            portion.taxpayer = client.taxpayer(one.gstin, check=False)
        except InvalidInput as error:
            portion.problem = error
        for record in (*failed, *one.unaccounted, *one.not_sent):
            if isinstance(record, Decision):
                portion.saves.append(record)
            elif record is not None:
                portion.resets.append(record)
        if portion.count:
            portions.append(portion)
    return portions


async def who_of(taxpayers: Iterable[Who] | AsyncIterable[Who]) -> AsyncGenerator[Who, None]:
    """Yield taxpayers as they come. Raises `InvalidInput` for what yields none."""
    if isinstance(taxpayers, AsyncIterable):
        async with _closing(taxpayers) as all_of_them:
            async for who in all_of_them:
                yield who
    elif isinstance(taxpayers, Iterable) and not isinstance(taxpayers, str | bytes):
        for who in taxpayers:
            yield who
    else:
        raise InvalidInput(f"a {type(taxpayers).__name__} is no list of taxpayers: pass taxpayers or GSTINs")


def known_taxpayers(client: ImsClient, work: object, *, check: bool) -> list[Taxpayer]:
    """Return the taxpayers that are known before any is worked on: those of a mapping."""
    known: list[Taxpayer] = []
    for who in work if isinstance(work, Mapping) else ():
        with contextlib.suppress(InvalidInput):
            known.append(taxpayer_of(client, who, check=check))
    return known
