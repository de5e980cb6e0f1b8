"""The commands that only look: `counts`, `sales`, `liabilities`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import attrs

from ... import tables
from ...errors import NotSupported
from ...model.sales import SalesInvoice
from ...model.vocabulary import GoodsType, SourceForm, SupplierSection
from ...taxpayer import Taxpayer
from .. import options
from ..command import command
from ..inputs.accounts import chosen
from ..inputs.settings import Whose
from ..output import tables as show
from ..output.console import OK, Console

T = TypeVar("T")


class Form(StrEnum):
    """The supplier's forms, as one writes them."""

    GSTR1 = "gstr1"
    GSTR1A = "gstr1a"


def ask(console: Console, whose: Whose, question: Callable[[Taxpayer], Awaitable[T]]) -> T:
    """Ask one thing of a taxpayer, whom `console.commands` names then."""
    settings = whose.gather()
    console.asks(settings)
    return console.wait_for(settings.ask(question))


@attrs.frozen(kw_only=True)
class Documents(Whose):
    """The options of what shows documents of a taxpayer as a supplier, of a return period."""

    year: options.Year
    month: options.Month
    out: options.Out = None
    overwrite: options.Overwrite = False

    def tell(
        self,
        console: Console,
        what: str,
        section: str,
        question: Callable[[Taxpayer], Awaitable[Sequence[Any]]],
        *,
        write: Callable[..., object],
        columns: Sequence[str],
        cells: Callable[[Any], Sequence[object]],
    ) -> int:
        """Ask for the documents of a section, and write or show them; `what` names them."""
        out = self.out
        if out is not None:
            tables.check_writable(out, overwrite=self.overwrite)
        found = ask(console, self, question)
        gstin, most = console.commands.gstin, show.MOST_ROWS
        title = f"{what} {gstin}, {section} {self.month:02d}/{self.year}"
        if out is not None:
            write(out, found, overwrite=self.overwrite)
            console.say(f"{show.counted(len(found), 'document')} {show.are(len(found))} in {out}.")
        elif found:
            cut = f": the first {most} of {len(found):,}; --out FILE has all" if len(found) > most else ""
            console.show(show.table(title + cut, columns, map(cells, found[:most])))
        else:
            console.say(f"{title}: no documents.")
        facts = {"gstin": gstin, "file": str(out) if out else None, "records": len(found)}
        console.document({"ok": True, **facts, "documents": [] if out else show.facts_of(found)})
        return OK


@command()
def counts(
    console: Console,
    whose: Whose,
    goods: Annotated[
        GoodsType, options.option("--goods", "Which documents to count.", "imports")
    ] = GoodsType.OTHERS,
) -> int:
    """Count a taxpayer's records by section and action."""
    try:
        found = ask(console, whose, lambda taxpayer: taxpayer.counts(goods))
    except NotSupported:
        raise NotSupported(
            f"{chosen(whose.gsp).title} does not publish its word (goods_typ) for {goods.replace('_', ' ')}: "
            "leave out --goods to count the others, or use --gsp sandbox"
        ) from None
    gstin = console.commands.gstin
    facts = show.counts_facts(found)
    rows = [(name, *own.values()) for name, own in facts["sections"].items()]
    title = f"{gstin}, {facts['goods_type']}"
    console.show(show.table(title, ("section", *show.COUNTED), rows, total="all"))
    console.document({"ok": True, "gstin": gstin, **facts})
    return OK


@command()
def sales(
    console: Console,
    asked: Documents,
    section: options.SupplierSectionName = None,
    form: Annotated[Form, options.option("--form", "The supplier's form.", "gstr1a")] = Form.GSTR1,
) -> int:
    """Show what recipients did about the taxpayer's own documents.

    A file of them is what `followup --sales` reads.
    """
    source = SourceForm[form.name]
    sections = [section] if section else list(SupplierSection)

    async def read(taxpayer: Taxpayer) -> list[SalesInvoice]:
        found: list[SalesInvoice] = []
        for one in sections:
            found += await taxpayer.sales(asked.year, asked.month, one, form=source)
        return found

    def write(out: Path, found: Sequence[SalesInvoice], *, overwrite: bool) -> None:
        tables.write_sales(out, found, gstin=console.commands.gstin, overwrite=overwrite)

    return asked.tell(
        console,
        f"{form} of",
        section or "all sections",
        read,
        write=write,
        columns=("list", "recipient", "number", "date", "value", "action"),
        cells=lambda sale: (
            sale.list_name or sale.section,
            *(sale.recipient, sale.number, sale.date, sale.value),
            "deleted" if sale.deleted else show.WORDS[sale.action],
        ),
    )


@command()
def liabilities(console: Console, section: options.AddedBackSectionName, asked: Documents) -> int:
    """Show the liability that rejections by recipients added back."""
    columns = ("section", "recipient", "number", "date", "value", "IGST", "CGST", "SGST", "cess")
    return asked.tell(
        console,
        "added back to",
        section,
        lambda taxpayer: taxpayer.added_back_liabilities(asked.year, asked.month, section),
        write=tables.write_added_back,
        columns=columns,
        cells=attrgetter(*map(str.lower, columns)),
    )
