"""The commands that only look: `counts`, `sales`, `liabilities`; and how a command asks for something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import attrs
import typer

from ... import tables
from ...errors import DownloadQueued, NotSupported
from ...model.records import InvoiceList
from ...model.vocabulary import Action, GoodsType, Section, SourceForm
from ...taxpayer import Taxpayer
from ..command import command
from ..inputs.accounts import chosen
from ..inputs.settings import Settings, gather
from ..options import (
    AddedBackSectionName,
    GspName,
    Gstin,
    Month,
    NoCheck,
    Out,
    Overwrite,
    SupplierSectionName,
    Year,
)
from ..output import tables as show
from ..output.console import OK, Console
from ..output.grouping import Grouped

D = TypeVar("D")
T = TypeVar("T")


class Form(StrEnum):
    """The supplier's forms, as one writes them."""

    GSTR1 = "gstr1"
    GSTR1A = "gstr1a"


async def ask(
    settings: Settings, question: Callable[[Taxpayer], Awaitable[T]], *, first_poll: float | None = None
) -> T:
    """Open a client, ask one thing of the taxpayer, close it."""
    async with settings.client(first_poll=first_poll) as client:
        return await question(settings.taxpayer(client))


async def fetch(
    taxpayer: Taxpayer,
    console: Console,
    sections: Iterable[Section],
    status: Action | None,
    *,
    queued: dict[Section, DownloadQueued],
) -> dict[Section, InvoiceList]:
    """Fetch sections and say how many rows each has; a row that cannot be read is named.

    A section whose rows are still being prepared goes into `queued`.
    """

    async def one(section: Section) -> InvoiceList | None:
        try:
            rows = await taxpayer.invoices(section, status, strict=False)
        except DownloadQueued as error:
            queued[section] = error
            return None
        console.tell(f"{section}: {show.counted(len(rows), 'record')}")
        grouped = Grouped(lambda sentence: console.tell(f"{section}: {sentence}"))
        for problem in rows.problems:
            grouped.add("rows that cannot be read", f"a row cannot be read and is left out: {problem}")
        grouped.end()
        for name in rows.other:
            console.tell(f"{section}: the answer also holds {name!r}, which this release does not know")
        return rows

    wanted = list(sections)
    # At once: where the gateway has to prepare the rows, it prepares those of all sections together.
    found = await asyncio.gather(*map(one, wanted))
    return {section: rows for section, rows in zip(wanted, found, strict=True) if rows is not None}


@attrs.frozen(kw_only=True)
class Whose:
    """The options that say who asks for whom."""

    gsp: GspName = None
    gstin: Gstin = None
    no_check: NoCheck = False

    def settings(self, console: Console) -> Settings:
        """Return account and taxpayer; what is missing is asked for."""
        found = gather(self.gsp, self.gstin, check=not self.no_check)
        console.asks(found)
        return found


@attrs.frozen(kw_only=True)
class Target:
    """The options that say where documents are written to."""

    out: Out = None
    overwrite: Overwrite = False

    def check(self) -> None:
        """Raise `InvalidInput` for a file that cannot be written."""
        if self.out is not None:
            tables.check_writable(self.out, overwrite=self.overwrite)

    def put(
        self, console: Console, gstin: str, title: str, found: Sequence[D], *, write: Any, table: Any
    ) -> int:
        """Write the documents of a taxpayer, or show them."""
        out = self.out
        if out is not None:
            write(out, found, overwrite=self.overwrite)
            console.say(f"{show.counted(len(found), 'document', be=True)} in {out}.")
        elif found:
            console.show(table(title, found))
        else:
            console.say(f"{title}: no documents.")
        facts = {"gstin": gstin, "file": str(out) if out else None, "records": len(found)}
        console.document({"ok": True, **facts, "documents": [] if out else show.facts_of(found)})
        return OK


@command
def counts(
    console: Console,
    whose: Whose,
    goods: Annotated[
        GoodsType,
        typer.Option("--goods", help="Which documents to count. Example: --goods imports"),
    ] = GoodsType.OTHERS,
) -> int:
    """Count a taxpayer's records by section and action."""
    settings = whose.settings(console)
    try:
        found = console.wait_for(ask(settings, lambda taxpayer: taxpayer.counts(goods)))
    except NotSupported:
        raise NotSupported(
            f"{chosen(whose.gsp).title} does not publish its word (goods_typ) for {goods.replace('_', ' ')}: "
            "only the others can be counted here, without --goods"
        ) from None
    console.show(show.counts_table(found, settings.gstin))
    console.document({"ok": True, "gstin": settings.gstin, **show.counts_facts(found)})
    return OK


@command
def sales(
    console: Console,
    year: Year,
    month: Month,
    section: SupplierSectionName,
    whose: Whose,
    target: Target,
    form: Annotated[
        Form, typer.Option("--form", help="The supplier's form. Example: --form gstr1a")
    ] = Form.GSTR1,
) -> int:
    """Show what recipients did about this taxpayer's own documents of a return period."""
    target.check()
    settings, source = whose.settings(console), SourceForm[form.name]
    reading = ask(settings, lambda taxpayer: taxpayer.sales(year, month, section, form=source))
    found = console.wait_for(reading)
    title = f"{form} of {settings.gstin}, {section} {month:02d}/{year}"
    write, table = tables.write_sales, show.sales_table
    return target.put(console, settings.gstin, title, found, write=write, table=table)


@command
def liabilities(
    console: Console, year: Year, month: Month, section: AddedBackSectionName, whose: Whose, target: Target
) -> int:
    """Show documents whose rejection by the recipient was added back to this taxpayer's liability.

    Sections: cdnr, cdnra, b2ba, ecoma.
    """
    target.check()
    settings = whose.settings(console)
    reading = ask(settings, lambda taxpayer: taxpayer.added_back_liabilities(year, month, section))
    found = console.wait_for(reading)
    title = f"added back to {settings.gstin}, {section} {month:02d}/{year}"
    write, table = tables.write_added_back, show.liabilities_table
    return target.put(console, settings.gstin, title, found, write=write, table=table)
