"""What a run is given: a mapping, or pairs as they come, brought into one form."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping, Sized
from typing import Any, Final, TypeVar

import attrs

from ..client import ImsClient
from ..errors import InvalidInput
from ..jobs.recovery import refused_as_stale
from ..model.records import Decision, Invoice, Record, RecordKey
from ..model.status import JobKind
from ..model.vocabulary import Action
from ..steps import Steps, run_async, sliced
from ..taxpayer import Taxpayer
from .report import BulkReport, TaxpayerReport

_ROWS_PER_TURN: Final = 5000
_RESET, _NO_ACTION = JobKind.RESET, Action.NO_ACTION  # looked up once, and not for each record
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
    """Some of a taxpayer's decisions: records to be saved or reset.

    Where they cannot be worked on, `problem` says why. `taxpayer` is None for a GSTIN that is none. Of those
    that are sent `again`, the records are looked at first; `changes` are the journal's names of what they
    were in, `stale` those that GSTN refused as such. `last` says that no other portion of the taxpayer comes.
    """

    gstin: str
    taxpayer: Taxpayer | None
    records: list[Record] = attrs.field(factory=list)
    problem: Exception | None = None
    again: bool = False
    changes: tuple[str, ...] = ()
    stale: set[RecordKey] = attrs.field(factory=set)
    last: bool = False


@attrs.frozen(kw_only=True)
class Source:
    """Where the portions of a run come from, and what is known of them beforehand."""

    portions: AsyncGenerator[Portion, None]
    taxpayers: int | None = None
    """How many there are."""
    decisions: int | None = None
    endless: bool = False
    """True of a stream: nobody knows whether it ends."""
    asked: Collection[Who] = ()
    """The taxpayers of a mapping or a list."""
    known: Callable[[], Collection[Taxpayer]] = tuple
    """Returns the taxpayers whose sessions are kept alive before their portion comes."""


def source_of(client: ImsClient, work: Any, kind: JobKind, *, check: bool) -> Source:
    """Return what is wanted: "no action" is reached by a reset, everything else by a save."""

    async def portions() -> AsyncGenerator[Portion, None]:
        async with contextlib.aclosing(_pairs_of(work)) as pairs:
            async for who, records in pairs:
                portion = await _portion_of(client, who, records, kind=kind, check=check)
                del records
                portion.last = isinstance(work, Mapping)
                yield portion
                del portion

    if not isinstance(work, Mapping):
        return Source(portions=portions(), endless=True)
    sizes = [len(records) for records in work.values() if isinstance(records, Sized)]
    decisions = sum(sizes) if len(sizes) == len(work) else None
    known = _known(client, work, check=check)
    return Source(
        portions=portions(), taxpayers=len(work), decisions=decisions, known=known, asked=work.keys()
    )


def source_of_statements(
    client: ImsClient, taxpayers: Iterable[Who] | AsyncIterable[Who], *, check: bool
) -> Source:
    """Return the taxpayers whose GSTR-2B is to be computed anew: there is nothing to be sent before."""

    async def portions() -> AsyncGenerator[Portion, None]:
        async with contextlib.aclosing(who_of(taxpayers)) as all_of_them:
            async for who in all_of_them:
                portion = await _portion_of(client, who, (), kind=JobKind.REGENERATE, check=check)
                portion.last = True
                yield portion

    if not isinstance(taxpayers, Collection):
        return Source(portions=portions(), endless=True)
    known = _known(client, taxpayers, check=check)
    return Source(portions=portions(), taxpayers=len(taxpayers), decisions=0, known=known, asked=taxpayers)


def _known(client: ImsClient, those: Iterable[Who], *, check: bool) -> Callable[[], Collection[Taxpayer]]:
    def known() -> list[Taxpayer]:
        taxpayers: list[Taxpayer] = []
        for who in those:
            with contextlib.suppress(InvalidInput):
                taxpayers.append(taxpayer_of(client, who, check=check))
        return taxpayers

    return known


def source_again(client: ImsClient, report: BulkReport) -> Source:
    """Return what did not get through, to be sent again. Raises `InvalidInput`.

    What is pending or for a person is not in it.
    """
    those = [one for one in report if one.failed or one.unaccounted or one.not_sent]
    for one in those:
        if any(failure.record is None for failure in one.failed):
            raise InvalidInput(
                f"the report of {one.gstin} does not carry its records: resume its run with the journal first"
            )

    async def portions() -> AsyncGenerator[Portion, None]:
        for one in those:
            yield await run_async(_portion_again(client, one))

    decisions = sum(len(one.failed) + len(one.unaccounted) + len(one.not_sent) for one in those)
    asked = [one.gstin for one in those]
    return Source(portions=portions(), taxpayers=len(those), decisions=decisions, asked=asked)


def _portion_again(client: ImsClient, one: TaxpayerReport) -> Steps[Portion]:
    portion = Portion(one.gstin, None, again=True, changes=one.batches)
    for few in sliced(one.failed):
        portion.records += [failure.record for failure in few if failure.record is not None]
        yield
    portion.records += [*one.unaccounted, *one.not_sent]
    portion.stale = yield from refused_as_stale(one.failed)
    try:
        portion.taxpayer = client.taxpayer(one.gstin, check=False)
    except InvalidInput as error:
        portion.problem = error
    return portion


_WANTED: Final = "pass {taxpayer: decisions}, or pairs of these as an iterable or an async iterable"
_MEANT: Final = {
    JobKind.SAVE: "pass what invoice.accept(), .reject() and .keep_pending() give",
    JobKind.RESET: "pass invoices as they were read",
}


async def _pairs_of(work: Any) -> AsyncGenerator[tuple[Any, Any], None]:
    """Yield pairs of a taxpayer and what is wanted for it. Raises `InvalidInput` for anything else."""
    things: Any = list(work.items()) if isinstance(work, Mapping) else work
    wrong = f"a {type(work).__name__} is no work for a run: {_WANTED}"
    async with contextlib.aclosing(_each(things, wrong)) as pairs:
        async for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise InvalidInput(f"the work yields a {type(pair).__name__} where a pair belongs: {_WANTED}")
            yield pair


async def who_of(taxpayers: Iterable[Who] | AsyncIterable[Who]) -> AsyncGenerator[Who, None]:
    """Yield taxpayers as they come. Raises `InvalidInput` for what yields none."""
    wrong = f"a {type(taxpayers).__name__} is no list of taxpayers: pass taxpayers or GSTINs"
    async with contextlib.aclosing(_each(taxpayers, wrong)) as all_of_them:
        async for who in all_of_them:
            yield who


async def _each(things: Iterable[T] | AsyncIterable[T], wrong: str = "") -> AsyncGenerator[T, None]:
    """Yield things as they come; a caller's generator is closed in the end: it may hold a database open."""
    if isinstance(things, AsyncIterable):
        iterator = aiter(things)
        try:
            async for thing in iterator:
                yield thing
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()
    elif isinstance(things, Iterable) and not isinstance(things, str | bytes):
        for thing in things:
            yield thing
    else:
        raise InvalidInput(wrong)


def taxpayer_of(client: ImsClient, who: object, *, check: bool) -> Taxpayer:
    """Return the taxpayer that is meant. Raises `InvalidInput` for what is none of this client's."""
    if isinstance(who, Taxpayer):
        if client.taxpayer(who.gstin, check=False) is not who:
            raise InvalidInput(f"{who.gstin} is a taxpayer of another client: use client.taxpayer(…)")
        return who
    if isinstance(who, str):
        return client.taxpayer(who, check=check)
    raise InvalidInput(f"a {type(who).__name__} is no taxpayer: pass client.taxpayer(…), or a GSTIN")


async def _portion_of(
    client: ImsClient, who: object, records: object, *, kind: JobKind, check: bool
) -> Portion:
    portion = Portion(who.gstin if isinstance(who, Taxpayer) else str(who), None)
    try:
        portion.taxpayer = taxpayer_of(client, who, check=check)
        portion.gstin = portion.taxpayer.gstin
    except InvalidInput as error:
        portion.problem = error
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
            if (wanted := _wanted(record, kind)) is not None:
                portion.records.append(wanted)
            elif portion.problem is None:
                portion.problem = InvalidInput(
                    f"{portion.gstin}: item {place} is of type {type(record).__name__}: {_MEANT[kind]}"
                )
    except Exception as error:  # noqa: BLE001 # a caller's iterable is one taxpayer's trouble
        portion.problem = error
    return portion


def _wanted(record: object, kind: JobKind) -> Record | None:
    """Return what is to be saved or reset; None for what cannot be."""
    if kind is _RESET:
        return record if isinstance(record, Invoice) else None
    if not isinstance(record, Decision) or not isinstance(record.invoice, Invoice):
        return None
    return record.invoice if record.action is _NO_ACTION else record
