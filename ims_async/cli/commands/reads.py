"""The commands that only look: `counts`, `sales`, `liabilities`; and how a command asks for something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from ... import tables
from ...errors import DownloadQueued, NotSupported
from ...model.records import InvoiceList
from ...model.vocabulary import Action, GoodsType, Section, SourceForm
from ...taxpayer import Taxpayer
from ..inputs.accounts import chosen
from ..inputs.settings import Settings, gather
from ..options import (
    AddedBackSectionName,
    Debug,
    GspName,
    Gstin,
    Json,
    Month,
    NoCheck,
    Out,
    Overwrite,
    SupplierSectionName,
    Year,
)
from ..output import tables as show
from ..output.console import OK, Voice
from ..output.grouping import Grouped

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
    voice: Voice,
    sections: Iterable[Section],
    status: Action | None = None,
    *,
    queued: dict[Section, DownloadQueued] | None = None,
) -> dict[Section, InvoiceList]:
    """Fetch sections, telling of each; a row that cannot be read is told, not hidden.

    A section whose rows are still being prepared goes into `queued`, where that is given.
    """

    async def one(section: Section) -> InvoiceList | None:
        try:
            rows = await taxpayer.invoices(section, status, strict=False)
        except DownloadQueued as error:
            if queued is None:
                raise
            queued[section] = error
            return None
        voice.tell(f"{section}: {show.counted(len(rows), 'record')}")
        told = Grouped(lambda sentence: voice.tell(f"{section}: {sentence}"))
        for problem in rows.problems:
            told.add("rows that cannot be read", f"a row cannot be read and is left out: {problem}")
        told.end()
        for name in rows.other:
            voice.tell(f"{section}: the answer also holds {name!r}, which this release does not know")
        return rows

    wanted = list(sections)
    # At once: where the gateway has to prepare the rows, it prepares those of all sections together.
    found = await asyncio.gather(*map(one, wanted))
    return {section: rows for section, rows in zip(wanted, found, strict=True) if rows is not None}


def counts(
    gsp: GspName = None,
    gstin: Gstin = None,
    goods: Annotated[
        GoodsType,
        typer.Option("--goods", help="Which documents to count. Example: --goods imports"),
    ] = GoodsType.OTHERS,
    no_check: NoCheck = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Count a taxpayer's records by section and action."""
    voice = Voice(json, debug, gsp)

    def work() -> int:
        settings = gather(gsp, gstin, check=not no_check)
        voice.asks(settings)
        try:
            found = asyncio.run(ask(settings, lambda taxpayer: taxpayer.counts(goods)))
        except NotSupported:
            raise NotSupported(
                f"{chosen(gsp).title} does not publish its word (goods_typ) for {goods.replace('_', ' ')}: "
                "only the others can be counted here, without --goods"
            ) from None
        voice.show(show.counts_table(found, settings.gstin))
        voice.document({"ok": True, "gstin": settings.gstin, **show.counts_facts(found)})
        return OK

    voice.run(work)


def sales(
    year: Year,
    month: Month,
    section: SupplierSectionName,
    form: Annotated[
        Form, typer.Option("--form", help="The supplier's form. Example: --form gstr1a")
    ] = Form.GSTR1,
    out: Out = None,
    overwrite: Overwrite = False,
    gsp: GspName = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what recipients did about this taxpayer's own documents of a return period."""
    voice = Voice(json, debug, gsp)

    def work() -> int:
        if out is not None:
            tables.check_writable(out, overwrite=overwrite)
        settings = gather(gsp, gstin, check=not no_check)
        voice.asks(settings)
        source = SourceForm[form.name]
        found = asyncio.run(ask(settings, lambda taxpayer: taxpayer.sales(year, month, section, form=source)))
        title = f"{form} of {settings.gstin}, {section} {month:02d}/{year}"
        if out is not None:
            tables.write_sales(out, found, overwrite=overwrite)
            voice.say(f"{show.counted(len(found), 'document', be=True)} in {out}.")
        elif found:
            voice.show(show.sales_table(title, found))
        else:
            voice.say(f"{title}: no documents.")
        facts = {"gstin": settings.gstin, "file": str(out) if out else None, "records": len(found)}
        voice.document({"ok": True, **facts, "documents": [] if out else show.facts_of(found)})
        return OK

    voice.run(work)


def liabilities(
    year: Year,
    month: Month,
    section: AddedBackSectionName,
    out: Out = None,
    overwrite: Overwrite = False,
    gsp: GspName = None,
    gstin: Gstin = None,
    no_check: NoCheck = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show documents whose rejection by the recipient was added back to this taxpayer's liability.

    Sections: cdnr, cdnra, b2ba, ecoma.
    """
    voice = Voice(json, debug, gsp)

    def work() -> int:
        if out is not None:
            tables.check_writable(out, overwrite=overwrite)
        settings = gather(gsp, gstin, check=not no_check)
        voice.asks(settings)
        found = asyncio.run(
            ask(settings, lambda taxpayer: taxpayer.added_back_liabilities(year, month, section))
        )
        title = f"added back to {settings.gstin}, {section} {month:02d}/{year}"
        if out is not None:
            tables.write_added_back(out, found, overwrite=overwrite)
            voice.say(f"{show.counted(len(found), 'document', be=True)} in {out}.")
        elif found:
            voice.show(show.liabilities_table(title, found))
        else:
            voice.say(f"{title}: no documents.")
        facts = {"gstin": settings.gstin, "file": str(out) if out else None, "records": len(found)}
        voice.document({"ok": True, **facts, "documents": [] if out else show.facts_of(found)})
        return OK

    voice.run(work)
